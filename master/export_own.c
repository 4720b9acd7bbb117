/* SPDX-License-Identifier: MIT
 * export_own.c - see export_own.h. On the loop; sending is export_output.c's. */
#include "master/export_own.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/export_hooks.h"
#include "master/export_output.h"
#include "master/keys_private.h"

enum { PLAN_SETS = 64, PLAN_WAYS = 4, PLAN_MEMORY = 1 << 20, VARS_MAX = 65536 };

struct own_output {
	struct sha256 id;		/* of its target and kind */
	struct export_output *o;	/* NULL: free */
	char name[32];
	uint64_t used_ns;
};
struct plan {				/* a rule, worked out */
	struct buf text;		/* .n 0: free */
	uint64_t used_ns;
	uint64_t disabled;
	unsigned n;
	struct {
		uint8_t who;
		bool success, failure;
		struct own_output *to;	/* NULL: the gateway's own, or nobody */
		bool is_own;
	} v[OWN_CALLBACKS];
};
struct export_own {
	struct master *m;
	const char *dir;
	struct own_output outputs[OWN_OUTPUTS];
	struct plan plans[PLAN_SETS][PLAN_WAYS];
};

/* ---- what a rule says ---- */

static bool has_variables(const struct json *vars)
{
	for (const struct json *j = json_is(vars, JSON_OBJECT) ? vars->child : NULL; j; j = j->next)
		if (!str_eq(j->key, STR("turn_off_message_logging")))
			return true;
	return false;
}

/* A webhook of the configuration has its variables there. */
static void add_callback(struct own_rule *r, const struct config *c, struct str name,
			 bool success, bool failure, const struct json *vars)
{
	int who = export_find(c, name);
	r->has_others |= who < 0;
	failure = failure && who >= 0;
	success = success && who >= 0 && !export_row_of(c, (unsigned)who)->failures_only;
	if (r->n == OWN_CALLBACKS || (!success && !failure))
		return;
	r->v[r->n++] = (struct own_callback){
		.who = (uint8_t)who, .success = success, .failure = failure,
		.vars = who < EXPORT_HOOK && has_variables(vars) ? vars : NULL,
	};
}

static void read_entry(struct arena *a, const struct config *c, const struct json *j,
		       struct own_rule *r)
{
	struct str type = json_get_str(a, j, "callback_type");
	bool both = !type.n || str_eq(type, STR("success_and_failure"));
	add_callback(r, c, json_get_str(a, j, "callback_name"),
		     both || str_eq(type, STR("success")), both || str_eq(type, STR("failure")),
		     json_get(j, "callback_vars"));
}

static void read_names(struct arena *a, const struct config *c, const struct json *settings,
		       const char *list, bool success, bool failure, struct own_rule *r)
{
	const struct json *j = json_get(settings, list);
	for (j = json_is(j, JSON_ARRAY) ? j->child : NULL; j; j = j->next)
		if (j->type == JSON_STRING)
			add_callback(r, c, json_str(a, j), success, failure,
				     json_get(settings, "callback_vars"));
}

void export_own_read(struct arena *a, const struct config *c, const struct json *rule,
		     struct own_rule *ret)
{
	const struct json *list = json_get(rule, "logging"), *j;
	const struct json *settings = json_get(rule, "callback_settings");
	const struct json *plain = json_get(rule, EXPORT_PLAIN);
	*ret = (struct own_rule){ 0 };
	for (j = json_is(list, JSON_ARRAY) ? list->child : NULL; j; j = j->next)
		if (j->type == JSON_OBJECT)
			read_entry(a, c, j, ret);
	bool is_plain = json_is(plain, JSON_OBJECT);
	settings = is_plain ? plain : settings;
	if (!ret->n && json_is(settings, JSON_OBJECT)) {
		read_names(a, c, settings, "success_callback", true, false, ret);
		read_names(a, c, settings, "failure_callback", false, true, ret);
	}
	for (unsigned i = 0; i < ret->n; i++)
		ret->v[i].is_plain = is_plain;
	list = json_get(rule, "litellm_disabled_callbacks");
	for (j = json_is(list, JSON_ARRAY) ? list->child : NULL; j; j = j->next) {
		int who = j->type == JSON_STRING ? export_find(c, json_str(a, j)) : -1;
		ret->disabled |= who >= 0 ? UINT64_C(1) << who : 0;
	}
}

/* ---- where it goes ---- */

static bool open_one(struct export_own *o, struct arena *a, const struct json *j, bool is_plain,
		     struct buf *room)
{
	struct str text = json_str(a, j);
	if (!is_plain)
		return key_logging_open(o->m->stored, a, j->key, text, room) == 0;
	buf_put(room, text);
	return text.n && !memchr(text.p, 0, text.n);
}

/* Opens the variables; texts lie in `room`, with NULs. */
static bool open_variables(struct export_own *o, struct arena *a, const struct own_callback *c,
			   struct buf *room, struct export_vars *ret)
{
	size_t at[EXPORT_VARS];
	ret->n = 0;
	for (const struct json *j = c->vars->child; j; j = j->next) {
		if (j->type != JSON_STRING || ret->n == EXPORT_VARS)
			continue;
		at[ret->n] = room->n;
		if (!open_one(o, a, j, c->is_plain, room))
			return false;
		buf_put(room, str_of("", 1));
		ret->v[ret->n].name = arena_dup_z(a, j->key);
		if (!ret->v[ret->n++].name)
			return false;
	}
	for (unsigned i = 0; i < ret->n && !room->failed; i++)
		ret->v[i].value = room->p + at[i];
	return !room->failed;
}

static struct own_output *find_output(struct export_own *o, const struct sha256 *id)
{
	struct own_output *best = NULL;
	for (size_t i = 0; i < OWN_OUTPUTS; i++) {
		struct own_output *one = &o->outputs[i];
		if (one->o && hash_sha256_eq(&one->id, id))
			return one;
		bool is_free = !one->o || export_output_is_idle(one->o);
		if (is_free && (!best || !one->o || (best->o && one->used_ns < best->used_ns)))
			best = one;
	}
	return best;
}

/* Those whose place it takes forget it. */
static void forget(struct export_own *o, const struct own_output *gone)
{
	for (size_t i = 0; i < PLAN_SETS; i++)
		for (size_t k = 0; k < PLAN_WAYS; k++)
			for (unsigned n = 0; n < o->plans[i][k].n; n++)
				if (o->plans[i][k].v[n].to == gone)
					buf_reset(&o->plans[i][k].text);
}

static struct own_output *take_output(struct export_own *o, unsigned kind,
				      const struct export_target *t)
{
	struct sha256 id = hash_sha256(str_of((const char *)t, sizeof *t));
	id.b[0] ^= (uint8_t)kind;
	struct own_output *one = find_output(o, &id);
	char hex[17];
	if (!one || (one->o && hash_sha256_eq(&one->id, &id)))
		return one;
	forget(o, one);
	one->o = export_output_stop(one->o, 0);
	if (one->o)
		return NULL;
	hash_hex(hex, id.b, 8);
	snprintf(one->name, sizeof one->name, "%s-%s", export_rows[kind].name, hex);
	if ((mkdir(o->dir, 0700) < 0 && errno != EEXIST) ||
	    export_output_new(o->m, &export_rows[kind], one->name, o->dir, &one->o) < 0)
		return NULL;
	one->id = id;
	export_output_configure(one->o, t);
	return one;
}

/* The target of a callback with variables of its own. NULL: there is none. */
static struct own_output *resolve(struct export_own *o, struct arena *a,
				  const struct own_callback *c)
{
	struct export_vars vars;
	struct buf room;
	struct own_output *to = NULL;
	struct export_target *t = mem_alloc(sizeof *t);
	const char *missing = "a key that opens its variables, or memory";
	buf_init(&room, VARS_MAX);
	if (t && open_variables(o, a, c, &room, &vars)) {
		t->vars = &vars;
		missing = export_rows[c->who].read(o->m->config, t);
		t->vars = NULL;
		egress_set(&t->egress, &o->m->config->allow_private,
			   !c->is_plain && export_vars_say_where(&vars));
	}
	if (!missing)
		to = take_output(o, c->who, t);
	else
		LOG(LOG_WARN, "export.own_ignored", F_Z("callback", export_rows[c->who].name),
		    F_Z("missing", missing));
	if (room.p)
		mem_wipe(room.p, room.room);
	buf_done(&room);
	if (t)
		mem_wipe(t, sizeof *t);
	mem_free(t);
	return to;
}

static void work_out(struct export_own *o, struct plan *p, struct str text)
{
	struct json_error e;
	struct own_rule rule = { 0 };
	struct arena *a = arena_new(PLAN_MEMORY);
	const struct json *j = a ? json_parse(a, text, 0, &e) : NULL;
	buf_reset(&p->text);
	p->n = 0;
	if (json_is(j, JSON_OBJECT))
		export_own_read(a, o->m->config, j, &rule);
	p->disabled = rule.disabled;
	for (unsigned i = 0; i < rule.n; i++) {
		const struct own_callback *c = &rule.v[i];
		p->v[p->n].who = c->who;
		p->v[p->n].success = c->success;
		p->v[p->n].failure = c->failure;
		p->v[p->n].is_own = c->vars != NULL;
		p->v[p->n++].to = c->vars ? resolve(o, a, c) : NULL;
	}
	if (j)
		buf_put(&p->text, text);	/* without memory: the next one tries again */
	arena_free(a);
}

static struct plan *find_plan(struct export_own *o, struct str text)
{
	struct plan *set = o->plans[hash_table(text) % PLAN_SETS], *best = &set[0];
	for (size_t i = 0; i < PLAN_WAYS; i++) {
		if (set[i].text.n && str_eq(buf_str(&set[i].text), text)) {
			set[i].used_ns = clock_ns();
			return &set[i];
		}
		if (!set[i].text.n || set[i].used_ns < best->used_ns)
			best = &set[i];
	}
	best->used_ns = clock_ns();
	work_out(o, best, text);
	return best;
}

/* ---- records ---- */

static struct str rule_of(const struct dir_key *k)
{
	struct str rest = k->flags & KEY_LOGGED ? k->rules : STR_NONE;
	while (rest.n) {
		struct str rule = str_cut(&rest, '\0');
		if (rule.n && rule.p[0] == RULE_LOGGING)
			return str_skip(rule, 1);
	}
	return STR_NONE;
}

static struct str rule_of_file(const struct export_own *o, struct str team_id)
{
	const struct config *c = o->m->config;
	for (size_t i = 0; i < c->n_teams; i++)
		if (str_eq(c->teams[i].team_id, team_id))
			return c->teams[i].rule;
	return STR_NONE;
}

/* A plan's callbacks. False: it has none, and somebody else may say. */
static bool tell_plan(struct export_own *o, struct plan *p, const struct export_view *v,
		      uint64_t skip, uint64_t *who)
{
	bool has_failed = v->r->flags & RF_FAILED;
	for (unsigned i = 0; i < p->n; i++) {
		uint64_t bit = UINT64_C(1) << p->v[i].who;
		if (!(has_failed ? p->v[i].failure : p->v[i].success) || skip & bit)
			continue;
		if (!p->v[i].is_own) {
			*who |= bit;
			continue;
		}
		*who &= ~bit;		/* it is told in the place of the gateway's */
		if (!p->v[i].to) {
			METRIC_ADD(&o->m->board.metrics[BOARD_WORKERS], export_dropped, 1);
			continue;
		}
		p->v[i].to->used_ns = p->used_ns;
		export_output_put(p->v[i].to->o, v);
	}
	return p->n > 0;
}

void export_own_tell(struct export_own *o, const struct export_view *v, uint64_t skip,
		     uint64_t *who)
{
	struct dir_key key, team;
	struct sha256 hash;
	struct str rule = STR_NONE, name = record_text(v->r, RT_TEAM);
	memcpy(hash.b, v->r->key_hash, sizeof hash.b);
	if (v->r->flags & RF_HAS_KEY && dir_find(o->m->dir, &hash, &key))
		rule = rule_of(&key);
	struct plan *p = rule.n ? find_plan(o, rule) : NULL;
	if (p && o->m->config->may_skip_callbacks) {
		skip |= p->disabled;
		*who &= ~p->disabled;
	}
	if (p && tell_plan(o, p, v, skip, who))
		return;
	rule = name.n && dir_find_named(o->m->dir, DIR_TEAM, name, &team) ? rule_of(&team)
									  : STR_NONE;
	if (rule.n && tell_plan(o, find_plan(o, rule), v, skip, who))
		return;
	rule = rule_of_file(o, name);
	if (rule.n)
		tell_plan(o, find_plan(o, rule), v, skip, who);
}

/* ---- life ---- */

struct export_own *export_own_new(struct master *m, const char *dir)
{
	struct export_own *o = mem_alloc(sizeof *o);
	if (!o)
		return NULL;
	o->m = m;
	o->dir = dir;
	for (size_t i = 0; i < PLAN_SETS; i++)
		for (size_t k = 0; k < PLAN_WAYS; k++)
			buf_init(&o->plans[i][k].text, VARS_MAX);
	return o;
}

void export_own_configure(struct export_own *o)
{
	for (size_t i = 0; i < PLAN_SETS; i++)
		for (size_t k = 0; k < PLAN_WAYS; k++)
			buf_reset(&o->plans[i][k].text);
}

void export_own_tick(struct export_own *o, uint64_t now_ns)
{
	for (size_t i = 0; i < OWN_OUTPUTS; i++)
		if (o->outputs[i].o)
			export_output_tick(o->outputs[i].o, now_ns);
}

void export_own_stop(struct export_own *o, uint64_t until_ns)
{
	for (size_t i = 0; o && i < OWN_OUTPUTS; i++)
		o->outputs[i].o = export_output_stop(o->outputs[i].o, until_ns);
	for (size_t i = 0; o && i < PLAN_SETS; i++)
		for (size_t k = 0; k < PLAN_WAYS; k++)
			buf_done(&o->plans[i][k].text);
}
