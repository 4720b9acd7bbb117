/* SPDX-License-Identifier: MIT
 * config_teams.c - litellm_settings.default_team_settings: callbacks of single teams that say
 * nothing of such themselves. Each becomes a rule as a team's own would, but that its variables
 * are not sealed: export_own.c. */
#include "common/json.h"
#include "common/mem.h"
#include "master/config_read.h"
#include "master/export_hooks.h"

enum { RULE_MAX = 16384, MEMORY = 1 << 20 };

static const char directive[] = "default_team_settings";

static const char *const lists[] = { "success_callback", "failure_callback" };

static bool is_variable(struct str name)
{
	for (size_t i = 0; i < COUNT(lists); i++)
		if (str_eq_z(name, lists[i]))
			return false;
	return !str_eq(name, STR("team_id"));
}

static void put_rule(struct json_out *o, const struct json *team)
{
	json_open(o, NULL);
	json_open(o, EXPORT_PLAIN);
	for (size_t i = 0; i < COUNT(lists); i++)
		if (json_get(team, lists[i]))
			json_put_raw(o, lists[i], json_get(team, lists[i])->raw);
	json_open(o, "callback_vars");
	for (const struct json *j = team->child; j; j = j->next) {
		if (!is_variable(j->key) || j->type != JSON_STRING)
			continue;
		json_key(o, j->key);
		json_put_raw(o, NULL, j->raw);
	}
	json_close(o);
	json_close(o);
	json_close(o);
}

/* Requests of all teams come to the master, and with texts if one callback wants them. */
static void take_callback(struct reader *r, const struct place *at, struct str name)
{
	int who = export_find(r->c, name);
	if (who < 0) {
		complain(r, W_NOT_ACTED_ON, at,
			 "the callback '" STR_FMT "' of %s is not called yet",
			 STR_ARG(shown(name)), directive);
		return;
	}
	const struct export_row *row = export_row_of(r->c, (unsigned)who);
	bool has_texts = export_wants_texts(r->c, export_kind_of(row));
	r->c->set.flags |= SET_RECORDS | (has_texts ? SET_TEXTS_TOLD : 0);
}

static const char *take_lists(struct reader *r, const struct place *at, struct arena *a,
			      const struct json *team)
{
	for (size_t i = 0; i < COUNT(lists); i++) {
		const struct json *list = json_get(team, lists[i]);
		if (json_is_given(list) && list->type != JSON_ARRAY)
			return "success_callback and failure_callback must be lists";
		const struct json *j = json_is_given(list) ? list->child : NULL;
		for (; j; j = j->next)
			take_callback(r, at, json_str(a, j));
	}
	return NULL;
}

/* What else LiteLLM has here is told by another setting. */
static void warn_of(struct reader *r, const struct place *at, const struct json *team)
{
	static const char *const others[][2] = {
		{ "max_budget", "default_team_params" },
		{ "budget_duration", "default_team_params" },
		{ "turn_off_message_logging", "the team's metadata" },
	};
	for (size_t i = 0; i < COUNT(others); i++)
		if (json_is_given(json_get(team, others[i][0])))
			complain(r, W_NOT_ACTED_ON, at, "%s of %s is not acted on: set it in %s",
				 others[i][0], directive, others[i][1]);
}

static const char *take_team(struct reader *r, const struct place *at, struct arena *a,
			     const struct json *team)
{
	struct config_team *to = &r->c->teams[r->c->n_teams];
	struct str id = json_is(team, JSON_OBJECT) ? json_get_str(a, team, "team_id") : STR_NONE;
	if (!id.n)
		return "each must be a map with team_id";
	const char *why = take_lists(r, at, a, team);
	struct buf text;
	if (why)
		return why;
	buf_init(&text, RULE_MAX);
	struct json_out o = json_out(&text);
	put_rule(&o, team);
	*to = (struct config_team){ .team_id = keep(r, id) };
	to->rule = text.failed ? STR_NONE : keep(r, buf_str(&text));
	if (text.p)
		mem_wipe(text.p, text.room);
	buf_done(&text);
	if (!to->rule.n)
		return "one of them is longer than 16 KiB";
	warn_of(r, at, team);
	r->c->n_teams++;
	return NULL;
}

void teams_finish(struct reader *r)
{
	struct json_error e;
	struct arena *a = r->c->team_settings.n ? arena_new(MEMORY) : NULL;
	const struct place *at = given_place(r, "litellm_settings", directive);
	const struct json *all = a ? json_parse(a, r->c->team_settings, 0, &e) : NULL;
	const struct json *team = all ? all->child : NULL;
	r->out_of_memory |= r->c->team_settings.n && !all;
	if (team)
		r->c->teams = keep_array(r, all->count, sizeof *r->c->teams);
	for (const struct json *j = r->c->teams ? team : NULL; j; j = j->next) {
		const char *why = take_team(r, at, a, j);
		if (why)
			complain(r, COMPLAINT_ERROR, at, "%s: %s", directive, why);
	}
	arena_free(a);
}
