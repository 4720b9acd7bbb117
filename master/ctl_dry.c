/* SPDX-License-Identifier: MIT
 * ctl_dry.c - --dry-run of what destroys: instead of the command, the one that shows what it would
 * be done to. The command itself is never sent, so that no gateway can take it for earnest.
 *
 * Commands with an argument `dry_run` of their own know better what would come of them. */
#include "common/json_write.h"
#include "master/ctl.h"

enum { ARGS_MAX = 64 * 1024, ANSWERS_MAX = CTL_ANSWER_MAX, ASKED_MAX = 1000 };

static const struct dry {
	const char *words;	/* of the command that is tried */
	const char *shows;	/* of the one that is called for each object */
	const char *arg;	/* what names the objects; NULL: the command is for all there is */
	const char *as;		/* how `shows` takes the name; NULL: it shows all */
	const char *column;	/* then: only the rows with that name in this member */
} rows[] = {
	{ "reload", "config diff", NULL, NULL, NULL },
	{ "workers restart", "workers list", "slot", NULL, "slot" },
	{ "workers drain", "workers list", "slot", NULL, "slot" },
	{ "keys rotate", "keys show", "key", "key", NULL },
	{ "keys reset", "keys show", "key", "key", NULL },
	{ "keys delete", "keys show", "keys", "key", NULL },
	{ "keys delete", "keys show", "key_aliases", "key", NULL },
	{ "teams delete", "teams show", "team_ids", "team_id", NULL },
	{ "teams remove", "teams show", "team_id", "team_id", NULL },
	{ "users delete", "users show", "user_ids", "user_id", NULL },
	{ "orgs delete", "orgs show", "organization_ids", "organization_id", NULL },
	{ "orgs remove", "orgs show", "organization_id", "organization_id", NULL },
	{ "customers delete", "customers show", "user_ids", "end_user_id", NULL },
	{ "budgets delete", "budgets show", "id", "budgets", NULL },
	{ "tags delete", "tags show", "name", "names", NULL },
	{ "models delete", "models list", "id", NULL, "id" },
	{ "access-groups delete", "access-groups show", "access_group", "access_group", NULL },
	{ "access delete", "access show", "access_group_id", "access_group_id", NULL },
	{ "tokens unmap", "tokens show", "id", "id", NULL },
	{ "fallbacks delete", "fallbacks show", "model", "model", NULL },
	{ "credentials delete", "credentials show", "credential_name", "credential_name", NULL },
	{ "health clear", "health list", "model", "model", NULL },
	{ "cache flush", "cache stats", NULL, NULL, NULL },
	{ "spend reset", "spend keys", NULL, NULL, NULL },
	{ "config unset", "config get", "field_name", "field_name", NULL },
	{ "config rollback", "config version", "version", "version", NULL },
	{ "tokenizer remove", "tokenizer list", "encoding", NULL, "encoding" },
};

bool ctl_tries_itself(const struct command *c)
{
	for (const struct command_arg *a = c->args; a && a->name; a++)
		if (strcmp(a->name, "dry_run") == 0)
			return true;
	return false;
}

bool ctl_can_try(const struct command *c)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (strcmp(rows[i].words, c->words) == 0)
			return true;
	return ctl_tries_itself(c);
}

struct try {
	const struct ctl_pages *of;
	const struct ctl_look *look;
	struct buf *out, *hints;
	struct ctl_error *reterr;
	struct ctl_request q;		/* of the showing command */
	const struct json *args;	/* of the command that is tried */
	struct buf answers;		/* for --json: what came back, comma separated */
	unsigned asked;
	enum ctl_exit exit;
};

static bool is_arg(const struct command *c, const char *name, enum command_arg_type *ret)
{
	for (const struct command_arg *a = c->args; a && a->name; a++) {
		if (strcmp(a->name, name) != 0)
			continue;
		*ret = a->type;
		return true;
	}
	return false;
}

/* The name under which the object is shown, and what else both commands take alike. */
static struct str args_of(struct try *t, const struct dry *row, const struct json *name)
{
	struct arena *a = t->of->mem;
	enum command_arg_type type;
	struct buf to;
	buf_init(&to, ARGS_MAX);
	struct json_out o = json_out(&to);
	json_open(&o, NULL);
	if (row->as && name && is_arg(t->q.command, row->as, &type) && type == ARG_LIST) {
		json_open_array(&o, row->as);
		json_put_raw(&o, NULL, name->raw);
		json_close_array(&o);
	} else if (row->as && name) {
		json_put_raw(&o, row->as, name->raw);
	}
	for (const struct json *j = t->args ? t->args->child : NULL; j; j = j->next) {
		const char *key = arena_dup_z(a, j->key);
		if (key && is_arg(t->q.command, key, &type) &&
		    !(row->as && strcmp(key, row->as) == 0))
			json_put_raw(&o, key, j->raw);
	}
	json_close(&o);
	struct str made = to.failed ? STR_NONE : arena_dup(a, buf_str(&to));
	buf_done(&to);
	return made;
}

static struct str text_of(struct arena *a, const struct json *j)
{
	return json_is(j, JSON_STRING) ? json_str(a, j) : j ? j->raw : STR("");
}

/* The answer with only those rows that have the name; NULL: none has. */
static const struct json *only(struct try *t, const struct dry *row, const struct json *name,
			       const struct json *answer)
{
	struct arena *a = t->of->mem;
	const char *path = t->q.command->rows;
	const struct json *all = path ? json_get_path(answer, path) : answer;
	struct json_error why;
	struct buf to;
	unsigned n = 0;
	if (!json_is(all, JSON_ARRAY) || (path && strchr(path, '.')))
		return answer;
	buf_init(&to, ANSWERS_MAX);
	struct json_out o = json_out(&to);
	if (path)
		json_open(&o, NULL);
	json_open_array(&o, path);
	for (const struct json *j = all->child; j; j = j->next) {
		if (name && row->column &&
		    !str_eq(text_of(a, json_get(j, row->column)), text_of(a, name)))
			continue;
		json_put_raw(&o, NULL, j->raw);
		n++;
	}
	json_close_array(&o);
	if (path)
		json_close(&o);
	struct str text = to.failed ? STR_NONE : arena_dup(a, buf_str(&to));
	buf_done(&to);
	return n && text.p ? json_parse(a, text, 0, &why) : NULL;
}

static enum ctl_exit no_such(struct try *t, const struct json *name)
{
	struct arena *a = t->of->mem;
	*t->reterr = (struct ctl_error){
		CTL_NO_SUCH,
		arena_printf(a, "%s: there is no '" STR_FMT "'", t->of->q->command->words,
			     STR_ARG(text_of(a, name))),
		STR(""),
	};
	return CTL_NO_SUCH;
}

static void put_shown(struct try *t, const struct json *answer)
{
	if (t->of->q->opt.json) {
		buf_put_z(&t->answers, t->asked ? "," : "");
		buf_put(&t->answers, answer->raw);
		return;
	}
	buf_put_z(t->out, t->asked ? "\n" : "");
	ctl_show(t->out, t->hints, t->of->mem, &t->q, answer, t->look);
}

/* One object, or all of them. */
static enum ctl_exit try_one(struct try *t, const struct dry *row, const struct json *name)
{
	struct ctl_progress quiet;
	struct json_error why;
	struct buf text;
	int status = 0;
	if (t->asked >= ASKED_MAX)
		return CTL_DONE;
	t->q.args = args_of(t, row, name);
	t->q.named = name ? text_of(t->of->mem, name) : STR("");
	buf_init(&text, CTL_ANSWER_MAX);
	ctl_progress_start(&quiet, "", false);
	enum ctl_exit r = t->of->call(t->of->data, t->of->mem, &t->q, &quiet, &status, &text,
				      t->reterr);
	struct str kept = arena_dup(t->of->mem, buf_str(&text));
	buf_done(&text);
	if (r != CTL_DONE)
		return r;
	const struct json *answer = kept.p ? json_parse(t->of->mem, kept, 0, &why) : NULL;
	if (status < 200 || status > 299 || !answer) {
		*t->reterr = ctl_error_of(t->of->mem, &t->q, status, answer);
		return t->reterr->exit == CTL_DONE ? CTL_FAILED : t->reterr->exit;
	}
	if (name) {
		answer = only(t, row, name, answer);
		if (!answer)
			return no_such(t, name);
	}
	put_shown(t, answer);
	t->asked++;
	enum ctl_exit means = ctl_exit_of(t->q.command, status, answer);
	t->exit = means == CTL_DONE ? t->exit : means;
	return CTL_DONE;
}

static enum ctl_exit try_row(struct try *t, const struct dry *row)
{
	const struct json *name = row->arg ? json_get(t->args, row->arg) : NULL;
	enum ctl_exit r = CTL_DONE;
	t->q.command = ctl_find_any(str_z(row->shows));
	if (!t->q.command)
		return CTL_FAILED;
	if (!json_is(name, JSON_ARRAY))
		return try_one(t, row, name);
	for (name = name->child; name && r == CTL_DONE; name = name->next)
		r = try_one(t, row, name);
	return r;
}

/* By each row of the command whose objects are named; without a name by its first. */
static enum ctl_exit try_all(struct try *t)
{
	const struct dry *first = NULL;
	enum ctl_exit r = CTL_DONE;
	bool is_tried = false;
	for (size_t i = 0; i < COUNT(rows) && r == CTL_DONE; i++) {
		if (strcmp(rows[i].words, t->of->q->command->words) != 0)
			continue;
		first = first ? first : &rows[i];
		if (rows[i].arg && !json_get(t->args, rows[i].arg))
			continue;
		r = try_row(t, &rows[i]);
		is_tried = true;
	}
	return is_tried || !first ? r : try_row(t, first);
}

static void put_json(struct try *t)
{
	struct json_out o = json_out(t->out);
	json_open(&o, NULL);
	json_put_bool(&o, "dry_run", true);
	json_put_z(&o, "command", t->of->q->command->words);
	json_put_z(&o, "would", t->of->q->command->doc);
	buf_put_char(&t->answers, ']');
	json_put_raw(&o, "concerns", buf_str(&t->answers));
	json_close(&o);
	buf_put_char(t->out, '\n');
}

enum ctl_exit ctl_try(const struct ctl_pages *of, const struct ctl_look *look, struct buf *out,
		      struct buf *hints, struct ctl_error *reterr)
{
	struct try t = { .of = of, .look = look, .out = out, .hints = hints, .reterr = reterr,
			 .q = *of->q };
	struct json_error why;
	t.args = json_parse(of->mem, of->q->args, 0, &why);
	t.q.opt.json = false;
	buf_init(&t.answers, ANSWERS_MAX);
	buf_put_char(&t.answers, '[');
	buf_printf(hints, "nothing was done; this is what '%s' is about: %s\n",
		   of->q->command->words, of->q->command->doc);
	enum ctl_exit r = try_all(&t);
	if (r == CTL_DONE && of->q->opt.json)
		put_json(&t);
	buf_done(&t.answers);
	return r == CTL_DONE ? t.exit : r;
}
