/* SPDX-License-Identifier: MIT
 * import_rows.c - each row is what the kind's own command takes, and is run as that command: so
 * what is imported has passed the same checks, and is in force when the call answers.
 *
 * What exists already is left as it is, or changed to the row by the kind's update command. Rows
 * of a page run side by side, so that one commit serves many. */
#include "master/import_rows.h"

#include <errno.h>

#include "common/json_write.h"
#include "common/price.h"
#include "master/command_job.h"
#include "master/keys.h"
#include "master/master.h"
#include "master/store_sql.h"

static const struct target {
	const char *kind, *create, *update;	/* commands; update NULL: it is left */
	const char *id;				/* the argument that names it */
	const char *taken;			/* what create complains of when it exists */
} targets[] = {
	{ "budget", "budgets create", "budgets update", "budget_id", "budget_id" },
	{ "organization", "orgs create", "orgs update", "organization_id", "organization_id" },
	{ "user", "users create", "users update", "user_id", "user_id" },
	{ "team", "teams create", "teams update", "team_id", "team_id" },
	{ "member", "teams add", NULL, "team_id", "user_id" },
	{ "key", "keys create", "keys update", "key", "key" },
	{ "customer", "customers create", "customers update", "user_id", "user_id" },
	{ "tag", "tags create", "tags update", "name", "name" },
	{ "credential", "credentials add", "credentials update", "credential_name",
	  "credential_name" },
	{ "model", "models add", "models update", "id", "model_info.id" },
};

enum { ROWS_MAX = 1000 };

struct import_call;
struct import_row {
	struct import_call *of;
	const struct json *args;
	const char *result;		/* NULL: under way */
	struct str why, warnings;	/* warnings: JSON */
	bool is_update;
};
struct import_call {
	struct command_call *c;
	const struct target *target;
	bool overwrite;
	size_t n, left;
	struct import_row *v;
};

static void answer(struct import_call *ic)
{
	struct command_call *c = ic->c;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_open_array(&o, "rows");
	for (size_t i = 0; i < ic->n; i++) {
		const struct import_row *r = &ic->v[i];
		json_open(&o, NULL);
		json_put_str(&o, "name", json_get_str(c->mem, r->args, ic->target->id));
		json_put_z(&o, "result", r->result);
		json_put_str(&o, "why", r->why);
		if (r->warnings.p)
			json_put_raw(&o, "warnings", r->warnings);
		json_close(&o);
	}
	json_close_array(&o);
	json_close(&o);
	command_finish(c);
}

static void leave(struct import_call *ic)
{
	if (--ic->left == 0)
		answer(ic);
}

static void end_row(struct import_row *r, const char *result, struct str why)
{
	r->result = result;
	r->why = why;
	leave(r->of);
}

static void start(struct import_row *r, const char *words);

static void exists(struct import_row *r)
{
	const struct import_call *ic = r->of;
	if (!ic->overwrite || !ic->target->update) {
		end_row(r, "exists", STR_NONE);
		return;
	}
	r->is_update = true;
	start(r, ic->target->update);
}

/* The inner call is freed when this returns. */
static void on_answer(struct command_call *inner)
{
	struct import_row *r = inner->answer_data;
	struct arena *mem = r->of->c->mem;
	struct json_error e;
	const struct json *j = json_parse(inner->mem, buf_str(&inner->out), 0, &e);
	if (inner->status < 300) {
		const struct json *w = json_get(j, "llmgw_warnings");
		if (json_is(w, JSON_ARRAY) && w->count)
			r->warnings = arena_dup(mem, w->raw);
		end_row(r, r->is_update ? "replaced" : "created", STR_NONE);
		return;
	}
	struct str param = json_str(inner->mem, json_get_path(j, "error.param"));
	struct str why = json_str(inner->mem, json_get_path(j, "error.message"));
	if (inner->status == 409 && !r->is_update && str_eq_z(param, r->of->target->taken))
		exists(r);
	else
		end_row(r, "refused", arena_dup(mem, why.p ? why : STR("out of memory")));
}

static void start(struct import_row *r, const char *words)
{
	const struct command_call *c = r->of->c;
	const struct command *cmd = command_by_words(str_z(words));
	struct command_call *inner = cmd ? command_new(c->master, cmd, r->args->raw, on_answer, r)
					 : NULL;
	if (!inner) {
		end_row(r, "refused", STR("out of memory"));
		return;
	}
	inner->kind = c->kind;
	inner->is_admin = c->is_admin;
	inner->is_viewer = c->is_viewer;
	inner->has_master_key = c->has_master_key;
	inner->caller_uid = c->caller_uid;
	inner->is_import = true;
	command_run(inner);
}

/* A key's alias would be complained of before the key itself. */
static bool is_known_key(const struct import_row *r)
{
	struct dir_key found;
	struct str hash = json_get_str(r->of->c->mem, r->args, "key");
	return strcmp(r->of->target->kind, "key") == 0 && hash.n &&
	       keys_find(r->of->c->master->keys, hash, &found);
}

static const struct target *target_of(struct str kind)
{
	for (size_t i = 0; i < COUNT(targets); i++)
		if (str_eq_z(kind, targets[i].kind))
			return &targets[i];
	return NULL;
}

/* The list of rows; NULL: answered. */
static const struct json *read_rows(struct command_call *c)
{
	const struct json *list = json_get(c->args, "rows");
	struct json_error e;
	if (json_is(list, JSON_STRING))		/* as a command line has it */
		list = json_parse(c->mem, json_str(c->mem, list), JSON_ONE_KEY, &e);
	bool good = json_is(list, JSON_ARRAY) && list->count <= ROWS_MAX;
	for (const struct json *j = good ? list->child : NULL; j; j = j->next)
		good &= json_is(j, JSON_OBJECT);
	if (!good) {
		command_fail(c, 400, "invalid_request_error", "rows",
			     "rows must be a list of at most %d objects", ROWS_MAX);
		return NULL;
	}
	return list;
}

static bool take_rows(struct import_call *ic)
{
	struct command_call *c = ic->c;
	const struct json *list = read_rows(c);
	if (!list)
		return false;
	ic->v = arena_array(c->mem, list->count + 1, sizeof *ic->v);
	if (!ic->v) {
		command_fail_store(c, -ENOMEM);
		return false;
	}
	for (const struct json *j = list->child; j; j = j->next)
		ic->v[ic->n++] = (struct import_row){ .of = ic, .args = j };
	return true;
}

/* ---- kinds that no command makes ---- */

void import_answer(struct command_call *c, const struct import_result *v, size_t n)
{
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_open_array(&o, "rows");
	for (size_t i = 0; i < n; i++) {
		json_open(&o, NULL);
		json_put_str(&o, "name", v[i].name);
		json_put_z(&o, "result", v[i].why ? "refused" : v[i].result);
		json_put_z(&o, "why", v[i].why);
		json_close(&o);
	}
	json_close_array(&o);
	json_close(&o);
	command_finish(c);
}

int import_money(const struct json *row, const char *name, int64_t *ret_nano)
{
	const struct json *j = json_get(row, name);
	*ret_nano = 0;
	return j && j->type == JSON_NUMBER ? price_read_nano(j->raw, ret_nano) : 0;
}

int import_find_team(struct store_db *db, struct str team_id, int64_t *ret)
{
	struct sql *q = sql_query(db, "SELECT id FROM teams WHERE team_id = ?");
	sql_text(q, 1, team_id);
	int r = sql_row(q);
	if (r > 0)
		*ret = sql_get_int(q, 0);
	sql_end(q);
	return r;
}

/* ---- the call ---- */

void import_rows(struct command_call *c)
{
	struct str kind = STR("");
	struct import_call *ic = command_state(c, sizeof *ic);
	if (!ic)
		return;
	if (command_str(c, "kind", &kind) == -EINVAL ||
	    command_bool(c, "overwrite", &ic->overwrite) == -EINVAL)
		return;
	bool is_spend = str_eq_z(kind, "spend"), is_org = str_eq_z(kind, "org-member");
	if (is_spend || is_org || str_eq_z(kind, "membership")) {
		const struct json *list = read_rows(c);
		if (list && is_spend)
			import_spend(c, list);
		else if (list)
			import_members(c, list, ic->overwrite, is_org);
		return;
	}
	ic->target = target_of(kind);
	if (!ic->target) {
		command_fail(c, 400, "invalid_request_error", "kind", "there is no such kind");
		return;
	}
	if (!take_rows(ic))
		return;
	ic->left = ic->n + 1;		/* and this function, while it walks the rows */
	for (size_t i = 0; i < ic->n; i++) {
		if (is_known_key(&ic->v[i]))
			exists(&ic->v[i]);
		else
			start(&ic->v[i], ic->target->create);
	}
	leave(ic);
}
