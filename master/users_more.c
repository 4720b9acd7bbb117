/* SPDX-License-Identifier: MIT
 * users_more.c - many users changed at once, the roles that there are, a budget's settings. */
#include "master/users_more.h"

#include <errno.h>

#include "master/command_job.h"
#include "master/many.h"
#include "master/master.h"
#include "master/tenants.h"

enum { TEXT_ROOM_MAX = 32 << 20 };

/* ---- many at once ---- */

struct all_call {			/* lives in the call's arena */
	struct command_call *c;
	const struct json *updates;
	struct str *ids;
	size_t n;
};

static void put_result(struct json_out *o, const struct many_result *r)
{
	const struct json *row = json_get(r->answer, "data");
	bool is_good = r->status == 200;
	json_open(o, NULL);
	many_put_member(o, "user_id", is_good ? row : r->args, "user_id");
	many_put_member(o, "user_email", is_good ? row : r->args, "user_email");
	json_put_bool(o, "success", is_good);
	many_put_reason(o, "error", r);
	many_put_member(o, "updated_user", r->answer, "data");
	json_close(o);
}

static void answer(struct command_call *c, const struct many_result *v, size_t n)
{
	struct json_out o = json_out(&c->out);
	size_t n_good = 0;
	json_open(&o, NULL);
	json_open_array(&o, "results");
	for (size_t i = 0; i < n; i++) {
		put_result(&o, &v[i]);
		n_good += v[i].status == 200;
	}
	json_close_array(&o);
	json_put_u64(&o, "total_requested", n);
	json_put_u64(&o, "successful_updates", n_good);
	json_put_u64(&o, "failed_updates", n - n_good);
	json_close(&o);
	command_finish(c);
}

static int ids_job(struct store_db *db, void *data)
{
	struct all_call *ac = data;
	struct sql *q = sql_query(db, "SELECT name FROM tenants WHERE kind = 3 ORDER BY id");
	bool failed = false;
	int r;
	while ((r = sql_row(q)) > 0 && ac->n < MANY_MAX)
		ac->ids[ac->n++] = key_row_text(q, 0, ac->c->mem, &failed);
	sql_end(q);
	return failed ? -ENOMEM : r < 0 ? r : r > 0 ? -E2BIG : 0;
}

static void put_one(struct json_out *o, struct str id, const struct json *updates)
{
	json_open(o, NULL);
	json_put_str(o, "user_id", id);
	for (const struct json *j = updates->child; j; j = j->next) {
		if (str_eq(j->key, STR("user_id")))
			continue;
		json_key(o, j->key);
		json_put_raw(o, NULL, j->raw);
	}
	json_close(o);
}

static void on_ids(void *data, int err)
{
	struct all_call *ac = data;
	struct command_call *c = ac->c;
	struct json_error e;
	struct buf text;
	if (err == -E2BIG)
		command_fail(c, 400, "invalid_request_error", "all_users",
			     "there are more than %d users: name them", MANY_MAX);
	else if (err)
		command_fail_store(c, err);
	if (err)
		return;
	buf_init(&text, TEXT_ROOM_MAX);
	struct json_out o = json_out(&text);
	json_open_array(&o, NULL);
	for (size_t i = 0; i < ac->n; i++)
		put_one(&o, ac->ids[i], ac->updates);
	json_close_array(&o);
	struct str kept = text.failed ? STR_NONE : arena_dup(c->mem, buf_str(&text));
	buf_done(&text);
	const struct json *list = kept.p ? json_parse(c->mem, kept, 0, &e) : NULL;
	if (list)
		many_run(c, command_by_words(STR("users update")), list, answer);
	else
		command_fail_store(c, -ENOMEM);
}

static void update_all(struct command_call *c)
{
	const struct json *updates = json_get(c->args, "user_updates");
	struct json_error e;
	if (json_is(updates, JSON_STRING))	/* a command line's */
		updates = json_parse(c->mem, json_str(c->mem, updates), JSON_ONE_KEY, &e);
	if (!json_is(updates, JSON_OBJECT) || !updates->count) {
		command_fail(c, 400, "invalid_request_error", "user_updates",
			     "user_updates must be an object: what all users get");
		return;
	}
	struct all_call *ac = arena_alloc(c->mem, sizeof *ac);
	if (ac)
		*ac = (struct all_call){ .c = c, .updates = updates,
					 .ids = arena_array(c->mem, MANY_MAX, sizeof *ac->ids) };
	int err = ac && ac->ids ? store_read(c->master->store, ids_job, on_ids, ac) : -ENOMEM;
	if (err)
		command_fail_store(c, err);
}

void users_bulk_update(struct command_call *c)
{
	bool all = false;
	const struct json *list = json_get(c->args, "users");
	struct json_error e;
	if (command_bool(c, "all_users", &all) == -EINVAL)
		return;
	if (json_is(list, JSON_STRING))		/* a command line's */
		list = json_parse(c->mem, json_str(c->mem, list), JSON_ONE_KEY, &e);
	if (all && !json_is_given(list))
		update_all(c);
	else if (!all && many_are_objects(list))
		many_run(c, command_by_words(STR("users update")), list, answer);
	else
		command_fail(c, 400, "invalid_request_error", "users",
			     "users must be a list of 1 to %d objects, each with user_id or "
			     "user_email; or all_users true", MANY_MAX);
}

/* ---- roles ---- */

void users_roles(struct command_call *c)
{
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	for (const struct tenant_role *r = tenant_roles; r->name; r++) {
		json_open(&o, r->name);
		json_put_z(&o, "description", r->doc);
		json_put_z(&o, "ui_label", r->label);
		json_close(&o);
	}
	json_close(&o);
	command_finish(c);
}

/* ---- a budget, setting by setting ---- */

struct settings_call {
	struct command_call *c;
	struct str budget_id;
	struct key_row row;
};

static int settings_job(struct store_db *db, void *data)
{
	struct settings_call *sc = data;
	return tenant_row_find(db, tenant_number(DIR_BUDGET), 0, sc->budget_id, sc->c->mem,
			       &sc->row);
}

static void open_setting(struct json_out *o, const char *name, const char *type, const char *doc)
{
	json_open(o, NULL);
	json_put_z(o, "field_name", name);
	json_put_z(o, "field_type", type);
	json_put_z(o, "field_description", doc);
}

static void close_setting(struct json_out *o, bool is_set)
{
	json_put_bool(o, "stored_in_db", is_set);
	json_put_null(o, "field_default_value");
	json_close(o);
}

static void put_money(struct json_out *o, const char *name, int64_t nano, const char *doc)
{
	open_setting(o, name, "Float", doc);
	key_put_money(o, "field_value", nano);
	close_setting(o, nano >= 0);
}

static void put_limit(struct json_out *o, const char *name, int64_t v, const char *doc)
{
	open_setting(o, name, "Integer", doc);
	key_put_limit(o, "field_value", v);
	close_setting(o, v > 0);
}

static void on_settings(void *data, int err)
{
	struct settings_call *sc = data;
	struct command_call *c = sc->c;
	const struct key_row *r = &sc->row;
	struct json_out o = json_out(&c->out);
	if (err == -ENOENT)
		command_fail(c, 404, "not_found_error", "budget_id",
			     "There is no budget with budget_id=" STR_FMT, STR_ARG(sc->budget_id));
	else if (err)
		command_fail_store(c, err);
	if (err)
		return;
	json_open_array(&o, NULL);
	put_limit(&o, "max_parallel_requests", r->max_parallel_requests,
		  "requests at the same time");
	put_limit(&o, "tpm_limit", r->tpm_limit, "tokens a minute");
	put_limit(&o, "rpm_limit", r->rpm_limit, "requests a minute");
	open_setting(&o, "budget_duration", "String",
		     "the budget starts anew each 30s, 24h, 7d, 1mo");
	json_put_str(&o, "field_value", r->budget_duration);
	close_setting(&o, r->budget_duration.n > 0);
	put_money(&o, "max_budget", r->max_budget, "dollars to be spent");
	put_money(&o, "soft_budget", r->soft_budget, "dollars at which somebody is told");
	json_close_array(&o);
	command_finish(c);
}

void budgets_settings(struct command_call *c)
{
	struct settings_call *sc = command_state(c, sizeof *sc);
	if (!sc)
		return;
	if (command_str(c, "budget_id", &sc->budget_id) != 0)
		return;			/* required: command_run() has seen that it is there */
	command_read(sc, settings_job, on_settings);
}
