/* SPDX-License-Identifier: MIT
 * import_spend.c - another gateway's requests into the ledger: a row each, and into all sums of
 * reports, but nobody pays for them again: what keys, teams and all others have spent comes with
 * themselves.
 *
 * A request is known by its id, so that a second import finds it. A key that is not here any more,
 * or never was, gets a place among the deleted ones, so that its spending has a name. */
#include <arpa/inet.h>
#include <errno.h>

#include "common/clock.h"
#include "common/mem.h"
#include "master/audit.h"
#include "master/import_rows.h"
#include "master/ledger_fold.h"
#include "master/master.h"
#include "master/spend_call.h"
#include "master/store.h"

struct spend {				/* a row of LiteLLM_SpendLogs */
	struct journal_record r;
	struct rollup_tags tags;
	struct str id, key, user, team, model_id, group, model, provider, base, organization;
};
struct spend_page {
	struct command_call *c;
	struct spend *v;
	struct import_result *results;
	size_t n, created;
	struct rollup *rollup;
	uint64_t now_ns;
};

/* ---- reading: all of it is a stranger's ---- */

static uint32_t read_count(const struct json *row, const char *name)
{
	const struct json *j = json_get(row, name);
	uint64_t n = 0;
	if (!j || str_read_u64(j->raw, &n) < 0)
		return 0;
	return n > INT32_MAX ? INT32_MAX : (uint32_t)n;
}

static uint64_t read_time(const struct json *row, const char *name)
{
	const struct json *j = json_get(row, name);
	uint64_t ns = 0;
	return j && str_read_u64(j->raw, &ns) == 0 && ns <= INT64_MAX ? ns : 0;
}

/* An id that is a UUID keeps its bytes, so that it is found by them; of others it is a digest. */
static void read_id(struct str id, uint8_t ret[16])
{
	char hex[32];
	size_t n = 0;
	for (size_t i = 0; i < id.n && n < sizeof hex; i++)
		if (id.p[i] != '-')
			hex[n++] = id.p[i];
	struct sha256 digest = hash_sha256(id);
	if (id.n != 36 || n != sizeof hex || hash_unhex(ret, 16, str_of(hex, n)) < 0)
		memcpy(ret, digest.b, 16);
}

static void read_ip(struct arena *a, struct str text, uint8_t ret[16])
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
	const char *z = arena_dup_z(a, text);
	if (z && inet_pton(AF_INET, z, ret + 12) == 1)
		memcpy(ret, v4, sizeof v4);
	else if (!z || inet_pton(AF_INET6, z, ret) != 1)
		memset(ret, 0, 16);
}

static void copy_text(char *to, size_t room, struct str s)
{
	if (s.n)
		memcpy(to, s.p, s.n < room ? s.n : room);
}

static void read_tags(struct arena *a, const struct json *list, struct rollup_tags *ret)
{
	const struct json *j = json_is(list, JSON_ARRAY) ? list->child : NULL;
	for (; j && ret->n < ROLLUP_TAGS_MAX; j = j->next) {
		struct str tag = json_str(a, j);
		if (tag.n)
			ret->v[ret->n++] = tag;
	}
	ret->json = ret->n ? list->raw : STR_NONE;
}

static const char *read_record(struct arena *a, const struct json *row, struct spend *s,
			       uint64_t now_ns)
{
	struct journal_record *r = &s->r;
	if (import_money(row, "spend", &r->cost_nano) < 0)
		return "spend is no amount of dollars";
	r->kind = JOURNAL_SETTLE;
	read_id(s->id, r->request_id);
	r->start_ns = read_time(row, "startTime");
	r->end_ns = read_time(row, "endTime");
	r->first_token_ns = read_time(row, "completionStartTime");
	if (!r->start_ns)
		return "startTime is missing";
	r->input = read_count(row, "prompt_tokens");
	r->output = read_count(row, "completion_tokens");
	r->reserve_nano = r->cost_nano;
	r->endpoint = spend_call_read(json_get_str(a, row, "call_type"));
	r->attempts = 1;
	r->flags = JF_IMPORTED;
	if (str_eq_z(json_get_str(a, row, "status"), "failure"))
		r->flags |= JF_FAILED;
	else
		r->status = 200;
	if (str_eq_nocase(json_get_str(a, row, "cache_hit"), STR("true")))
		r->flags |= JF_CACHE_HIT;
	copy_text(r->model, sizeof r->model, s->group.n ? s->group : s->model);
	copy_text(r->end_user, sizeof r->end_user, json_get_str(a, row, "end_user"));
	read_ip(a, json_get_str(a, row, "requester_ip_address"), r->client_ip);
	return record_check(r, now_ns) ? NULL : "an amount or a time is out of range";
}

static void read_row(struct arena *a, const struct json *row, struct spend *s,
		     struct import_result *result, uint64_t now_ns)
{
	const struct {
		const char *name;
		struct str *to;
	} texts[] = {
		{ "request_id", &s->id }, { "api_key", &s->key }, { "user", &s->user },
		{ "team_id", &s->team }, { "model_id", &s->model_id }, { "model_group", &s->group },
		{ "model", &s->model }, { "custom_llm_provider", &s->provider },
		{ "api_base", &s->base }, { "organization_id", &s->organization },
	};
	for (size_t i = 0; i < COUNT(texts); i++)
		*texts[i].to = json_get_str(a, row, texts[i].name);
	result->name = s->id;
	result->why = s->id.n ? read_record(a, row, s, now_ns) : "request_id is empty";
	read_tags(a, json_get(row, "request_tags"), &s->tags);
}

/* ---- the database ---- */

static int find_number(struct sql *q, int64_t *ret)
{
	int r = sql_row(q);
	if (r > 0)
		*ret = sql_get_int(q, 0);
	sql_end(q);
	return r;
}

/* Numbers of keys are never used twice: it takes the next one from those that live. */
static int next_key_id(struct store_db *db, int64_t *ret)
{
	struct sql *q = sql_query(db, "UPDATE sqlite_sequence SET seq = seq + 1"
				      " WHERE name = 'keys'");
	int err = sql_run(q);
	if (!err && sql_changes(db) == 0)	/* there was never a key */
		err = sql_run(sql_query(db, "INSERT INTO sqlite_sequence (name, seq) SELECT 'keys',"
					    " coalesce(max(id), 0) + 1 FROM keys_deleted"));
	if (err)
		return err;
	q = sql_query(db, "SELECT seq FROM sqlite_sequence WHERE name = 'keys'");
	return find_number(q, ret) > 0 ? 0 : -EIO;
}

static int add_deleted_key(struct store_db *db, const struct spend_page *p, const struct spend *s,
			   const struct sha256 *hash, int64_t *ret)
{
	int err = next_key_id(db, ret);
	if (err)
		return err;
	struct sql *q = sql_query(db, "INSERT INTO keys_deleted (id, token_hash, key_name, user_id, team_id,"
			  " organization_id, spend, created_at, deleted_at, deleted_by)"
			  " VALUES (?,?,'',?,?,?,0,?,?,'import')");
	sql_int(q, 1, *ret);
	sql_blob(q, 2, hash->b, sizeof hash->b);
	sql_text(q, 3, s->user.n ? s->user : STR_NONE);
	sql_text(q, 4, s->team.n ? s->team : STR_NONE);
	sql_text(q, 5, s->organization.n ? s->organization : STR_NONE);
	sql_int(q, 6, (int64_t)s->r.start_ns);
	sql_int(q, 7, (int64_t)p->now_ns);
	return sql_run(q);
}

/* What has no hash was asked with the master key. */
static int find_key(struct store_db *db, const struct spend_page *p, struct spend *s)
{
	struct sha256 hash;
	int64_t id = 0;
	if (hash_unhex(hash.b, sizeof hash.b, s->key) < 0)
		return 0;
	struct sql *q = sql_query(db, "SELECT id FROM keys WHERE token_hash = ?1 UNION ALL"
				      " SELECT id FROM keys_deleted WHERE token_hash = ?1 LIMIT 1");
	sql_blob(q, 1, hash.b, sizeof hash.b);
	int r = find_number(q, &id);
	if (r == 0)
		r = add_deleted_key(db, p, s, &hash, &id);
	s->r.key_id = (uint64_t)id;
	return r < 0 ? r : 0;
}

static int find_team(struct store_db *db, struct spend *s)
{
	int64_t id = 0;
	int r = s->team.n ? import_find_team(db, s->team, &id) : 0;
	s->r.team = (uint32_t)id;
	return r < 0 ? r : 0;
}

/* A model of the configuration has the number that its id gives here, too; of others the name is
 * kept. A request that reached none has no model. */
static int name_deployment(struct store_db *db, struct arena *a, struct spend *s)
{
	struct str id = s->model_id;
	if (!s->model.n)
		return 0;
	if (!id.n)
		id = arena_printf(a, "litellm/" STR_FMT "/" STR_FMT "/" STR_FMT,
				  STR_ARG(s->provider), STR_ARG(s->model), STR_ARG(s->base));
	if (!id.p)
		return -ENOMEM;
	s->r.deployment = board_deployment_hash(id);
	struct sql *q = sql_query(db,
		"INSERT INTO deployments (id_hash, model_id, model_group, provider, model, api_base)"
		" VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING");
	sql_int(q, 1, (int64_t)s->r.deployment);
	sql_text(q, 2, id);
	sql_text(q, 3, s->group.p ? s->group : STR(""));
	sql_text(q, 4, s->provider.p ? s->provider : STR(""));
	sql_text(q, 5, s->model);
	sql_text(q, 6, s->base.p ? s->base : STR(""));
	return sql_run(q);
}

/* 1: its row was deleted since it came; 0; -errno. */
static int was_here(struct store_db *db, const struct spend *s)
{
	int64_t one;
	struct sql *q = sql_query(db, "SELECT 1 FROM spend_imported WHERE request_id = ?1"
				      " UNION ALL SELECT 1 FROM spend_logs WHERE request_id = ?1");
	sql_blob(q, 1, s->r.request_id, sizeof s->r.request_id);
	return find_number(q, &one);
}

static int book(struct store_db *db, struct spend_page *p, struct arena *a, size_t i)
{
	struct spend *s = &p->v[i];
	int r = was_here(db, s);
	if (r) {
		p->results[i].result = "exists";
		return r < 0 ? r : 0;
	}
	if ((r = find_key(db, p, s)) < 0 || (r = find_team(db, s)) < 0 ||
	    (r = name_deployment(db, a, s)) < 0 ||
	    (r = ledger_insert(db, &s->r, s->tags.json)) < 0)
		return r;
	p->results[i].result = "created";
	p->created++;
	return rollup_add(p->rollup, db, &s->r, &s->tags);
}

static int note(struct store_db *db, const struct spend_page *p)
{
	const struct audit_origin *o = p->c->origin;
	char text[64];
	if (!o || !p->created)
		return 0;
	snprintf(text, sizeof text, "{\"kind\":\"spend\",\"rows\":%zu}", p->created);
	struct audit_row row = {
		.changed_by = o->changed_by, .key_hash = o->key_hash, .role = o->role,
		.address = o->address, .command = o->command, .action = STR("created"),
		.table_name = STR("LiteLLM_SpendLogs"), .object_id = STR(""), .after = str_z(text),
	};
	return audit_row_append(db, &row);
}

static int spend_job(struct store_db *db, void *data)
{
	struct spend_page *p = data;
	struct arena *a = arena_new(1 << 20);
	int err = a ? 0 : -ENOMEM;
	rollup_reset(p->rollup);
	p->created = 0;
	for (size_t i = 0; i < p->n && !err; i++) {
		if (p->results[i].why)
			continue;
		err = book(db, p, a, i);
		arena_reset(a);
	}
	arena_free(a);
	if (!err)
		err = rollup_flush(p->rollup, db);
	return err ? err : note(db, p);
}

/* ---- the call ---- */

static void on_booked(void *data, int err)
{
	struct spend_page *p = data;
	mem_free(p->rollup);
	if (err) {
		command_fail_store(p->c, err);
		return;
	}
	import_answer(p->c, p->results, p->n);
}

void import_spend(struct command_call *c, const struct json *rows)
{
	struct spend_page *p = arena_alloc(c->mem, sizeof *p);
	struct spend *v = arena_array(c->mem, rows->count + 1, sizeof *v);
	struct import_result *results = arena_array(c->mem, rows->count + 1, sizeof *results);
	struct rollup *rollup = mem_alloc(sizeof *rollup);
	if (!p || !v || !results || !rollup) {
		mem_free(rollup);
		command_fail_store(c, -ENOMEM);
		return;
	}
	*p = (struct spend_page){ .c = c, .v = v, .results = results, .rollup = rollup,
				  .now_ns = clock_wall_ns() };
	for (const struct json *j = rows->child; j; j = j->next, p->n++)
		read_row(c->mem, j, &v[p->n], &results[p->n], p->now_ns);
	int err = store_write(c->master->store, spend_job, on_booked, p);
	if (err) {
		mem_free(rollup);
		command_fail_store(c, err);
	}
}
