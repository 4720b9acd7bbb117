/* SPDX-License-Identifier: MIT
 * keys_shape.c - what a key is asked to be, before it is: checked, and made whole.
 *
 * default_key_generate_params fill what a request for a new key does not say,
 * upperbound_key_generate_params are the most that any may ask for. Fields that stand for others
 * are written as those: a type of key is a list of paths, a time from now is a date. */
#include <errno.h>

#include "common/clock.h"
#include "master/config.h"
#include "master/key_makers.h"
#include "master/keys_more.h"
#include "master/keys_private.h"
#include "master/master.h"

enum { TEXT_ROOM_MAX = 8 << 20 };

/* What can be bounded, and how two values of it are compared. */
static const struct bounded {
	const char *name;
	enum { MONEY, NUMBER, DURATION } kind;
} bounded[] = {
	{ "max_budget", MONEY },  { "budget_duration", DURATION },     { "duration", DURATION },
	{ "tpm_limit", NUMBER },  { "max_parallel_requests", NUMBER }, { "rpm_limit", NUMBER },
};

static const struct json *settings_of(struct command_call *c, struct str text)
{
	struct json_error e;
	const struct json *j = text.n ? json_parse(c->mem, text, 0, &e) : NULL;
	return json_is(j, JSON_OBJECT) ? j : NULL;
}

/* ---- the most ---- */

/* How long that is from now; UINT64_MAX: for ever, or it is no duration, which another will say. */
static uint64_t length_of(struct command_call *c, const struct json *j, uint64_t now_ns)
{
	struct period p;
	struct str s = json_str(c->mem, j);
	return s.p && period_read(s, &p) == 0 ? period_after(p, now_ns) - now_ns : UINT64_MAX;
}

/* 1: over; 0: not; -EINVAL: answered, it is not even a value. */
static int is_over(struct command_call *c, const struct bounded *b, const struct json *given,
		   const struct json *most)
{
	double bound = 0;
	int64_t nano = 0;
	uint64_t n = 0, now_ns = clock_wall_ns();
	if (b->kind == DURATION)
		return length_of(c, given, now_ns) > length_of(c, most, now_ns);
	if (json_read_double(most, &bound) != 0)
		return 0;
	if (b->kind == MONEY)
		return command_money(c, b->name, &nano) ? -EINVAL : (double)nano / 1e9 > bound;
	return command_u64(c, b->name, &n) ? -EINVAL : (double)n > bound;
}

/* False: answered. */
static bool check_bounds(struct command_call *c, const struct json *most)
{
	for (size_t i = 0; i < COUNT(bounded); i++) {
		const struct json *given = json_get(c->args, bounded[i].name);
		const struct json *bound = json_get(most, bounded[i].name);
		if (!given || !json_is_given(bound))
			continue;
		/* A limit that is taken away is one without end. */
		int over = given->type == JSON_NULL ? 1 : is_over(c, &bounded[i], given, bound);
		if (over > 0)
			command_fail(c, 400, "invalid_request_error", bounded[i].name,
				     "%s is over max limit set in config - user_value=" STR_FMT
				     "; max_value=" STR_FMT, bounded[i].name, STR_ARG(given->raw),
				     STR_ARG(bound->raw));
		if (over)
			return false;
	}
	return true;
}

/* ---- what is missing ---- */

struct written {			/* in place of what was given */
	struct str routes;		/* JSON for allowed_routes; .p NULL: as given */
	struct str expiry;		/* for temp_budget_expiry */
};

static bool is_written(const struct written *w, struct str name)
{
	return (w->routes.p && str_eq_z(name, "allowed_routes")) ||
	       (w->expiry.p && str_eq_z(name, "temp_budget_expiry"));
}

/* An empty list of models says nothing, either. */
static bool says(const struct json *args, struct str name)
{
	for (const struct json *j = args->child; j; j = j->next)
		if (str_eq(j->key, name))
			return j->type != JSON_NULL && !(j->type == JSON_ARRAY && !j->count);
	return false;
}

/* What says nothing is left out where something else will be said. */
static void put_given(struct json_out *o, const struct json *args, const struct json *others,
		      const struct written *w)
{
	for (const struct json *j = args->child; j; j = j->next) {
		bool is_said = says(args, j->key) || !others || !says(others, j->key);
		if (is_written(w, j->key) || !is_said)
			continue;
		json_key(o, j->key);
		json_put_raw(o, NULL, j->raw);
	}
}

static void put_missing(struct json_out *o, const struct json *from, const struct json *args)
{
	for (const struct json *j = from ? from->child : NULL; j; j = j->next) {
		if (says(args, j->key) || j->type == JSON_NULL)
			continue;
		json_key(o, j->key);
		json_put_raw(o, NULL, j->raw);
	}
}

static bool is_bounded(const struct json *j)
{
	for (size_t i = 0; i < COUNT(bounded); i++)
		if (str_eq_z(j->key, bounded[i].name))
			return true;
	return false;
}

/* The members without that one; NULL: the bounds without what is none. NULL: no memory. */
static const struct json *only(struct command_call *c, const struct json *all, const char *but)
{
	struct json *list = arena_alloc(c->mem, sizeof *list), **last;
	if (!list)
		return NULL;
	*list = (struct json){ .raw = all->raw, .type = JSON_OBJECT };
	last = &list->child;
	for (const struct json *j = all->child; j; j = j->next) {
		bool is_kept = but ? !str_eq_z(j->key, but) : is_bounded(j);
		struct json *copy = is_kept ? arena_alloc(c->mem, sizeof *copy) : NULL;
		if (!copy)
			continue;
		*copy = *j;
		copy->next = NULL;
		*last = copy;
		last = &copy->next;
	}
	return list;
}

/* ---- fields that stand for others ---- */

static bool refuse(struct command_call *c, const char *name, const char *what)
{
	command_fail(c, 400, "invalid_request_error", name, "%s %s", name, what);
	return false;
}

/* A rule that cannot be read would be a rule that is not there. */
static bool check_names(struct command_call *c, const char *name)
{
	const struct json *list = json_get(c->args, name);
	if (!json_is_given(list))
		return true;
	if (list->type != JSON_ARRAY)
		return refuse(c, name, "must be a list");
	for (const struct json *j = list->child; j; j = j->next) {
		struct str s = json_str(c->mem, j);
		if (!s.n || memchr(s.p, 0, s.n))
			return refuse(c, name, "must be a list of texts");
	}
	return true;
}

/* False: answered. */
static bool take_type(struct command_call *c, struct written *w)
{
	static const struct {
		const char *type, *routes;
	} types[] = {
		{ "default", NULL },
		{ "llm_api", "[\"llm_api_routes\"]" },
		{ "management", "[\"management_routes\"]" },
		{ "read_only", "[\"info_routes\"]" },
	};
	struct str type;
	int err = command_str(c, "key_type", &type);
	if (err)
		return err == -ENOENT;
	for (size_t i = 0; i < COUNT(types); i++) {
		if (!str_eq_z(type, types[i].type))
			continue;
		if (types[i].routes && !json_is_given(json_get(c->args, "allowed_routes")))
			w->routes = str_z(types[i].routes);
		return true;
	}
	return refuse(c, "key_type", "must be default, llm_api, management or read_only");
}

/* LiteLLM takes a date; a time from now is taken, too. False: answered. */
static bool take_temp_budget(struct command_call *c, struct written *w)
{
	char text[25];
	struct period p;
	struct str s;
	int64_t nano;
	uint64_t until_ns = 0;
	bool has_more = json_is_given(json_get(c->args, "temp_budget_increase"));
	bool has_end = json_is_given(json_get(c->args, "temp_budget_expiry"));
	if (has_more != has_end)
		return refuse(c, has_more ? "temp_budget_expiry" : "temp_budget_increase",
			      "is missing: temp_budget_increase and temp_budget_expiry go together");
	if (!has_more)
		return true;
	if (command_money(c, "temp_budget_increase", &nano) != 0 ||
	    command_str(c, "temp_budget_expiry", &s) != 0)
		return false;
	if (period_read(s, &p) == 0)
		until_ns = period_after(p, clock_wall_ns());
	else if (key_time_read(s, &until_ns) != 0)
		return refuse(c, "temp_budget_expiry",
			      "must be a date such as 2030-01-31, or a time from now such as 10d");
	w->expiry = arena_printf(c->mem, "\"%s\"", clock_rfc3339(text, until_ns));
	return w->expiry.p || refuse(c, "temp_budget_expiry", "is too large");
}

static bool take_written(struct command_call *c, struct written *w)
{
	return check_names(c, "allowed_routes") && check_names(c, "enforced_params") &&
	       take_type(c, w) && take_temp_budget(c, w);
}

static void put_written(struct json_out *o, const struct written *w)
{
	if (w->routes.p)
		json_put_raw(o, "allowed_routes", w->routes);
	if (w->expiry.p)
		json_put_raw(o, "temp_budget_expiry", w->expiry);
}

/* ---- the whole ---- */

/* The arguments, and what they lack of `from`. False: answered. */
static bool rewrite(struct command_call *c, const struct json *from, const struct written *w)
{
	struct buf text;
	struct json_error e;
	buf_init(&text, TEXT_ROOM_MAX);
	struct json_out o = json_out(&text);
	json_open(&o, NULL);
	put_given(&o, c->args, from, w);
	put_missing(&o, from, c->args);
	put_written(&o, w);
	json_close(&o);
	struct str kept = text.failed ? STR_NONE : arena_dup(c->mem, buf_str(&text));
	buf_done(&text);
	const struct json *args = kept.p ? json_parse(c->mem, kept, JSON_ONE_KEY, &e) : NULL;
	if (args)
		c->args = args;
	else
		command_fail(c, 413, "invalid_request_error", NULL, "the request is too large");
	return args != NULL;
}

bool command_fill(struct command_call *c, struct str defaults, const char *but)
{
	const struct json *all = settings_of(c, defaults);
	struct written w = { 0 };
	if (!all)
		return true;
	all = only(c, all, but);
	return all ? rewrite(c, all, &w) : (command_fail_store(c, -ENOMEM), false);
}

static bool shape(struct command_call *c, bool is_new)
{
	const struct config *config = c->master->config;
	struct str none = STR_NONE;
	const struct json *most = settings_of(c, config ? config->key_bounds : none);
	const struct json *defaults =
		settings_of(c, config && is_new ? config->key_defaults : none);
	struct written w = { 0 };
	if (defaults && !rewrite(c, defaults, &w))
		return false;
	if (!take_written(c, &w))
		return false;
	const struct json *bounds = is_new && most ? only(c, most, NULL) : NULL;
	if (is_new && most && !bounds)
		return command_fail_store(c, -ENOMEM), false;
	if ((bounds || w.routes.p || w.expiry.p) && !rewrite(c, bounds, &w))
		return false;
	return !most || check_bounds(c, most);
}

/* ---- commands ---- */

void keys_create(struct command_call *c)
{
	if (key_makers_ask(c) && shape(c, true))
		keys_generate(c);
}

void keys_change(struct command_call *c)
{
	if (shape(c, false))
		keys_update(c);
}

void keys_regenerate(struct command_call *c)
{
	if (shape(c, false))
		keys_rotate(c);
}
