/* SPDX-License-Identifier: MIT
 * keys_logging.c - the callbacks of a key or a team: `logging` in its metadata, or LiteLLM's older
 * `callback_settings`, and what of callback_vars is secret.
 *
 * The database has those variables sealed one by one, as "sealed:" and hexadecimal digits in the
 * place of the text, so that all that reads metadata goes on as it did; answers have a mask there,
 * and a mask that comes back stands for what was there. Only export_own.c opens them. */
#include <errno.h>

#include "master/export_hooks.h"
#include "master/export_own.h"
#include "master/keys_private.h"
#include "master/master.h"
#include "master/stored.h"

#define MASK "********"
enum { LOGGING_MAX = 16384, VARIABLE_MAX = 4096, ARGS_ROOM = 16 << 20 };

/* ---- sealing what comes ---- */

struct sealing {
	struct command_call *c;
	const struct seal *key;
	bool has_found;			/* there were variables */
	const char *why;		/* it cannot be; NULL: it can */
};

/* The end of the call. */
static void refuse(struct command_call *c, int status, const char *why)
{
	command_fail(c, status, status == 403 ? "auth_error" : "invalid_request_error",
		     "callback_vars", "callback_vars: %s", why);
}

/* A variable that is to be used as it is said; or why it cannot be. */
static const char *bad_variable(struct str text)
{
	if (str_starts(text, STR("os.environ/")))
		return "the gateway's environment is not read for keys and teams; a variable that "
		       "is left out has the gateway's own value, unless it is secret";
	if (text.n > VARIABLE_MAX || memchr(text.p, 0, text.n))
		return "a value is longer than 4096 bytes, or has a NUL";
	return NULL;
}

int key_logging_open(struct stored *s, struct arena *a, struct str name, struct str sealed,
		     struct buf *out)
{
	struct str hex = str_skip(sealed, strlen(KEY_SEALED));
	char *bytes = arena_alloc(a, hex.n / 2 + 1);
	struct str row = arena_printf(a, "callback_vars " STR_FMT, STR_ARG(name));
	if (!bytes || !row.p)
		return -ENOMEM;
	if (!str_starts(sealed, STR(KEY_SEALED)) || hash_unhex(bytes, hex.n / 2, hex) < 0)
		return -EBADMSG;
	return stored_open_text(s, str_of(bytes, hex.n / 2), row, out);
}

static void seal_variables(struct sealing *s, const struct json *vars, struct json_out *o)
{
	s->has_found = true;
	if (!s->key)
		s->why = "there is neither a master key nor LLMGW_SALT_KEY to seal them with";
	json_open(o, NULL);
	for (const struct json *j = vars->child; j; j = j->next) {
		struct str text = j->type == JSON_STRING ? json_str(s->c->mem, j) : STR_NONE;
		const char *why = text.p && !s->c->is_import ? bad_variable(text) : NULL;
		json_key(o, j->key);
		if (why)
			s->why = why;
		if (text.p && !s->why && !str_eq(text, STR(MASK)))
			key_logging_seal(s->c->mem, s->key, j->key, text, o);
		else
			json_put_raw(o, NULL, j->raw);
	}
	json_close(o);
}

/* Whether there is anything in it to be sealed or to be replaced. */
static bool has_text(const struct json *vars)
{
	for (const struct json *j = vars->child; j; j = j->next)
		if (j->type == JSON_STRING && !str_eq_nocase(j->raw, STR("\"true\"")) &&
		    !str_eq_nocase(j->raw, STR("\"false\"")))
			return true;
	return false;
}

static bool swap_variables(void *data, const struct json *j, struct json_out *o)
{
	bool is_it = j->type == JSON_OBJECT && str_eq(j->key, STR("callback_vars")) && has_text(j);
	if (is_it)
		seal_variables(data, j, o);
	return is_it;
}

/* A form's metadata is an object within a string. */
static const struct json *object_in(struct sealing *s, const struct json *j)
{
	struct json_error e;
	bool is_text = j->type == JSON_STRING && str_eq(j->key, STR("metadata"));
	const struct json *in = is_text ? json_parse(s->c->mem, json_str(s->c->mem, j),
						     JSON_ONE_KEY, &e) : NULL;
	return json_is(in, JSON_OBJECT) ? in : NULL;
}

/* Of the arguments: as they stand, but for what is sealed. */
static void copy_args(struct sealing *s, struct json_out *o)
{
	json_open(o, NULL);
	for (const struct json *j = s->c->args->child; j; j = j->next) {
		const struct json *in = object_in(s, j);
		json_key(o, j->key);
		json_copy(o, in ? in : j, swap_variables, s);
	}
	json_close(o);
}

/* Most arguments have none, and are not copied. A name may be written with escapes. */
static bool may_have_variables(struct str args)
{
	return str_find(args, STR("callback_vars")) != SIZE_MAX ||
	       str_find_char(args, '\\') != SIZE_MAX;
}

int key_logging_read(struct command_call *c)
{
	struct sealing s = { .c = c };
	struct json_error e;
	struct buf text;
	if (!may_have_variables(c->args->raw))
		return 0;
	if (c->master->stored)
		s.key = stored_seal(c->master->stored);
	buf_init(&text, ARGS_ROOM);
	struct json_out o = json_out(&text);
	copy_args(&s, &o);
	struct str sealed = text.failed ? STR_NONE : arena_dup(c->mem, buf_str(&text));
	const struct json *args = sealed.p && !s.why ? json_parse(c->mem, sealed, 0, &e) : NULL;
	buf_done(&text);
	if (s.has_found && c->own_user.n) {
		refuse(c, 403, "only administrators may say where callbacks are");
		return -EINVAL;
	}
	if (args)
		c->args = args;
	else if (s.why)
		refuse(c, 400, s.why);
	else
		refuse(c, 413, "the arguments are too large, or nested too deeply");
	return args ? 0 : -EINVAL;
}

void key_logging_warn(struct command_call *c, struct key_change *ch)
{
	const struct json *metadata = json_get(c->args, "metadata");
	const struct json *list = json_get(c->args, "logging");
	if (!list && json_is(metadata, JSON_OBJECT))
		list = json_get(metadata, "logging");
	list = json_is(list, JSON_ARRAY) ? list->child : NULL;
	for (const struct json *j = list; j; j = j->next) {
		struct str name = json_is(j, JSON_OBJECT)
					  ? json_get_str(c->mem, j, "callback_name") : STR_NONE;
		if (export_find(c->master->config, name) >= 0)
			continue;
		key_change_warn(ch, arena_printf(c->mem, "logging: the callback '%.60s' is not "
							 "called yet",
						 name.n ? arena_dup_z(c->mem, name) : ""));
		return;
	}
}

/* ---- masks that come back ---- */

static const struct json *vars_of(const struct json *entry)
{
	const struct json *vars = json_is(entry, JSON_OBJECT) ? json_get(entry, "callback_vars")
							      : NULL;
	return json_is(vars, JSON_OBJECT) ? vars : NULL;
}

/* What the row has had for that variable of that callback (.n 0: of callback_settings). */
static const struct json *find_variable(struct arena *a, const struct json *metadata,
					struct str callback, struct str name)
{
	const struct json *list = json_get(metadata, "logging");
	const struct json *vars = vars_of(json_get(metadata, "callback_settings")), *j;
	for (j = json_is(list, JSON_ARRAY) && callback.n ? list->child : NULL; j; j = j->next) {
		const struct json *own = vars_of(j);
		if (!own || !str_eq(json_get_str(a, j, "callback_name"), callback))
			continue;
		for (const struct json *v = own->child; v; v = v->next)
			if (str_eq(v->key, name))
				return v;
	}
	for (j = vars ? vars->child : NULL; j; j = j->next)
		if (str_eq(j->key, name))
			return j;
	return NULL;
}

struct keeping {
	struct arena *a;
	const struct json *was;		/* metadata */
};

static void keep_variables(const struct keeping *k, const struct json *vars, struct str callback,
			   struct json_out *o)
{
	json_open(o, NULL);
	for (const struct json *j = vars->child; j; j = j->next) {
		const struct json *was = str_eq(j->raw, STR("\"" MASK "\""))
			? find_variable(k->a, k->was, callback, j->key) : j;
		if (!was)
			continue;
		json_key(o, j->key);
		json_put_raw(o, NULL, was->raw);
	}
	json_close(o);
}

static void keep_entry(const struct keeping *k, const struct json *entry, struct json_out *o)
{
	if (!vars_of(entry)) {
		json_put_raw(o, NULL, entry->raw);
		return;
	}
	struct str callback = json_get_str(k->a, entry, "callback_name");
	json_open(o, NULL);
	for (const struct json *m = entry->child; m; m = m->next) {
		json_key(o, m->key);
		if (str_eq(m->key, STR("callback_vars")))
			keep_variables(k, m, callback, o);
		else
			json_put_raw(o, NULL, m->raw);
	}
	json_close(o);
}

static void keep_metadata(const struct keeping *k, const struct json *metadata, struct json_out *o)
{
	json_open(o, NULL);
	for (const struct json *m = metadata->child; m; m = m->next) {
		json_key(o, m->key);
		if (str_eq(m->key, STR("callback_settings"))) {
			keep_entry(k, m, o);
		} else if (str_eq(m->key, STR("logging")) && m->type == JSON_ARRAY) {
			json_open_array(o, NULL);
			for (const struct json *j = m->child; j; j = j->next)
				keep_entry(k, j, o);
			json_close_array(o);
		} else {
			json_put_raw(o, NULL, m->raw);
		}
	}
	json_close(o);
}

int key_logging_keep(struct arena *a, struct str was, struct str *metadata)
{
	struct json_error e;
	struct buf text;
	if (str_find(*metadata, STR("\"" MASK "\"")) == SIZE_MAX ||
	    str_find(*metadata, STR("callback_vars")) == SIZE_MAX)
		return 0;
	struct keeping k = { a, json_parse(a, was.n ? was : STR("{}"), 0, &e) };
	const struct json *now = json_parse(a, *metadata, 0, &e);
	if (!json_is(k.was, JSON_OBJECT) || !json_is(now, JSON_OBJECT))
		return -ENOMEM;
	buf_init(&text, ARGS_ROOM);
	struct json_out o = json_out(&text);
	keep_metadata(&k, now, &o);
	struct str kept = text.failed ? STR_NONE : arena_dup(a, buf_str(&text));
	buf_done(&text);
	if (!kept.p)
		return -ENOMEM;
	*metadata = kept;
	return 0;
}

/* ---- showing ---- */

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

void key_logging_put_masked(struct json_out *o, const char *key, struct str metadata)
{
	size_t at = str_find(metadata, STR("\"" KEY_SEALED));
	if (at == SIZE_MAX) {
		json_put_raw(o, key, metadata);
		return;
	}
	json_put_raw(o, key, str_of(metadata.p, at));
	while (at != SIZE_MAX) {
		metadata = str_skip(metadata, at + 1 + strlen(KEY_SEALED));
		while (metadata.n && is_hex(metadata.p[0]))
			metadata = str_skip(metadata, 1);
		BUF_PUT_LIT(o->to, "\"" MASK);
		at = str_find(metadata, STR("\"" KEY_SEALED));
		buf_put(o->to, at == SIZE_MAX ? metadata : str_of(metadata.p, at));
	}
}

/* ---- for the directory ---- */

static void put_if(struct json_out *o, const struct json *metadata, const char *name,
		   enum json_type type, bool *any)
{
	const struct json *j = json_get(metadata, name);
	if (!json_is(j, type) || !j->child)
		return;
	json_put_raw(o, name, j->raw);
	*any = true;
}

/* Whether one of its callbacks may be given prompts and answers: a row outlives a configuration. */
static bool tells_texts(struct arena *a, const struct json *metadata)
{
	struct own_rule rule;
	export_own_read(a, NULL, metadata, &rule);
	bool any = rule.has_others;	/* they may be webhooks */
	for (unsigned i = 0; i < rule.n; i++)
		any |= export_may_want_texts(rule.v[i].who);
	return any;
}

/* Said after the other rules, which are parted by NULs, as its text is. */
int key_logging_add(struct arena *a, enum dir_kind kind, const struct key_row *row,
		    struct str *rules, uint32_t *flags)
{
	struct json_error e;
	struct buf text;
	bool any = false;
	if (kind > DIR_TEAM || (str_find(row->metadata, STR("\"logging\"")) == SIZE_MAX &&
				str_find(row->metadata, STR("\"callback_settings\"")) == SIZE_MAX &&
				str_find(row->metadata,
					 STR("\"litellm_disabled_callbacks\"")) == SIZE_MAX))
		return 0;
	const struct json *m = json_parse(a, row->metadata, 0, &e);
	if (!json_is(m, JSON_OBJECT))
		return -ENOMEM;
	buf_init(&text, LOGGING_MAX + rules->n);
	buf_put(&text, *rules);
	buf_put_char(&text, RULE_LOGGING);
	struct json_out o = json_out(&text);
	json_open(&o, NULL);
	put_if(&o, m, "logging", JSON_ARRAY, &any);
	put_if(&o, m, "callback_settings", JSON_OBJECT, &any);
	put_if(&o, m, "litellm_disabled_callbacks", JSON_ARRAY, &any);
	json_close(&o);
	buf_put(&text, str_of("", 1));
	bool is_large = text.failed;
	struct str all = is_large || !any ? STR_NONE : arena_dup(a, buf_str(&text));
	buf_done(&text);
	if (any && !all.p)
		return is_large ? -E2BIG : -ENOMEM;
	*rules = any ? all : *rules;
	*flags |= any ? KEY_LOGGED : 0;
	*flags |= any && tells_texts(a, m) ? KEY_TOLD : 0;
	return 0;
}
