/* SPDX-License-Identifier: MIT
 * alert_events.c - what administrators do: keys, teams, users and models that are made, changed
 * or deleted by a command. */
#include <stdio.h>

#include "master/alerts_private.h"
#include "master/audit.h"
#include "master/commands.h"

static const struct {
	const char *words;		/* of the command */
	enum alert_kind kind;
	const char *event, *group, *what;
} watched[] = {
	{ "keys create", ALERT_new_virtual_key_created, "key_created", "key", "A key was made" },
	{ "keys service", ALERT_new_virtual_key_created, "key_created", "key",
	  "A key of a service was made" },
	{ "keys update", ALERT_virtual_key_updated, "key_updated", "key", "A key was changed" },
	{ "keys rotate", ALERT_virtual_key_updated, "key_rotated", "key", "A key has a new text" },
	{ "keys regenerate", ALERT_virtual_key_updated, "key_rotated", "key",
	  "A key has a new text" },
	{ "keys delete", ALERT_virtual_key_deleted, "key_deleted", "key", "Keys were deleted" },
	{ "teams create", ALERT_new_team_created, "team_created", "team", "A team was made" },
	{ "teams update", ALERT_team_updated, "team_updated", "team", "A team was changed" },
	{ "teams delete", ALERT_team_deleted, "team_deleted", "team", "Teams were deleted" },
	{ "users create", ALERT_new_internal_user_created, "internal_user_created", "user",
	  "A user was made" },
	{ "users update", ALERT_internal_user_updated, "internal_user_updated", "user",
	  "A user was changed" },
	{ "users delete", ALERT_internal_user_deleted, "internal_user_deleted", "user",
	  "Users were deleted" },
	{ "models add", ALERT_new_model_added, "new_model_added", "proxy", "A model was added" },
};

/* A member of the answer, else of the arguments; what looks like a secret is passed over. */
static struct str word_of(const struct command_call *c, const struct json *answer,
			  const char *name)
{
	struct str s = json_get_str(c->mem, answer, name);
	if (!s.n)
		s = json_get_str(c->mem, c->args, name);
	return audit_looks_secret(s) ? STR_NONE : s;
}

static void put_owner(const struct command_call *c, struct alert_owner *w)
{
	struct json_error why;
	const struct json *answer =
		c->out.n ? json_parse(c->mem, buf_str(&c->out), 0, &why) : NULL;
	struct str token = word_of(c, answer, "token");
	if (token.n != 64)
		token = word_of(c, answer, "token_id");
	if (token.n == 64)
		alert_name(w->token, sizeof w->token, token);
	alert_name(w->key_alias, sizeof w->key_alias, word_of(c, answer, "key_alias"));
	alert_name(w->user_id, sizeof w->user_id, word_of(c, answer, "user_id"));
	alert_name(w->team_id, sizeof w->team_id, word_of(c, answer, "team_id"));
	alert_name(w->team_alias, sizeof w->team_alias, word_of(c, answer, "team_alias"));
	alert_name(w->organization_id, sizeof w->organization_id,
		   word_of(c, answer, "organization_id"));
}

static void put_line(struct buf *b, const char *title, const char *value)
{
	if (value[0])
		buf_printf(b, "\n%s: %s", title, value);
}

static void tell(struct alerts *a, const struct command_call *c, size_t which)
{
	struct alert_message m;
	struct alert_owner *w = &m.owner;
	struct buf text;
	char by[ALERT_NAME], model[ALERT_NAME], hash[17];
	alert_begin(&m, watched[which].kind);
	put_owner(c, w);
	snprintf(w->event, sizeof w->event, "%s", watched[which].event);
	snprintf(w->group, sizeof w->group, "%s", watched[which].group);
	alert_name(by, sizeof by, c->changed_by);
	alert_name(model, sizeof model, word_of(c, NULL, "model_name"));
	snprintf(hash, sizeof hash, "%.16s", w->token);
	buf_init(&text, 2 * ALERT_TEXT);
	buf_put_z(&text, watched[which].what);
	put_line(&text, "Key alias", w->key_alias);
	put_line(&text, "Key hash", hash);
	put_line(&text, "Team", w->team_alias[0] ? w->team_alias : w->team_id);
	put_line(&text, "User", w->user_id);
	put_line(&text, "Organization", w->organization_id);
	put_line(&text, "Model", model);
	put_line(&text, "Changed by", by);
	alert_say(&m, STR_FMT, STR_ARG(buf_str(&text)));
	buf_done(&text);
	alert_tell(a, &m, m.wall_ns);
}

void alerts_command(struct alerts *a, const struct command_call *c)
{
	if (!a->is_on || c->status >= 300 || c->is_import)
		return;
	for (size_t i = 0; i < COUNT(watched); i++)
		if (alert_wanted(a, watched[i].kind) &&
		    str_eq_z(str_z(c->command->words), watched[i].words))
			tell(a, c, i);
}
