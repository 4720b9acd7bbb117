/* SPDX-License-Identifier: MIT
 * cached.c - see cached.h. */
#include "worker/cached.h"

#include <errno.h>
#include <stdlib.h>

#include "common/clock.h"
#include "worker/answer.h"
#include "worker/exchange/client_headers.h"
#include "worker/settle/account.h"

enum { MEMBERS_MAX = 128, HEADERS_MAX = 32, TTL_MAX_S = 520 * 7 * 86400, BEAT_MAX_S = 15 };

/* Members that say who asks, or how to go about it, and not what. */
static bool is_beside(struct str name)
{
	static const struct str beside[] = {
		STR("cache"), STR("caching"), STR("max_cost"), STR("max_retries"), STR("metadata"),
		STR("no-log"), STR("num_retries"), STR("priority"), STR("request_timeout"),
		STR("stream_timeout"), STR("tags"), STR("timeout"),
		STR("turn_off_message_logging"), STR("user"),
	};
	for (size_t i = 0; i < COUNT(beside); i++)
		if (str_eq(name, beside[i]))
			return true;
	return str_starts(name, STR("litellm_"));
}

/* ---- the name ------------------------------------------------------------------------------- */

static struct str bytes_of(const void *p, size_t n)
{
	return str_of((const char *)p, n);
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sha256));
}

/* Of things in any order. */
static struct sha256 digest_sorted(struct sha256 *all, size_t n)
{
	qsort(all, n, sizeof *all, by_bytes);
	return hash_sha256(bytes_of(all, n * sizeof *all));
}

/* False: there are too many. */
static bool digest_members(const struct json *root, struct sha256 *ret)
{
	struct sha256 all[MEMBERS_MAX];
	size_t n = 0;
	for (const struct json *j = root->child; j; j = j->next) {
		const struct str pair[] = { j->key, j->raw };
		if (is_beside(j->key))
			continue;
		if (n == COUNT(all))
			return false;
		all[n++] = answer_digest(pair, COUNT(pair));
	}
	*ret = digest_sorted(all, n);
	return true;
}

/* Those that providers are told, or that change what a dialect says. */
static bool digest_headers(const struct request *r, struct sha256 *ret)
{
	static const struct str prefixes[] = { STR("anthropic-"), STR("openai-"), STR("x-goog-") };
	struct sha256 all[HEADERS_MAX];
	size_t n = 0;
	for (unsigned i = 0; i < r->http->n_headers; i++) {
		const struct http_header *h = &r->http->headers[i];
		const struct str pair[] = { h->name, h->value };
		bool counts = client_headers_has(r, h->name);
		for (size_t k = 0; k < COUNT(prefixes); k++)
			counts |= str_starts(h->name, prefixes[k]);
		if (!counts || str_eq(h->name, STR("x-goog-api-key")))
			continue;
		if (n == COUNT(all))
			return false;
		all[n++] = answer_digest(pair, COUNT(pair));
	}
	*ret = digest_sorted(all, n);
	return true;
}

/* Without a key, which Gemini's clients put there. */
static struct sha256 digest_query(struct str query)
{
	struct sha256 so_far = { 0 };
	while (query.n) {
		struct str one = str_cut(&query, '&');
		const struct str pair[] = { bytes_of(so_far.b, sizeof so_far.b), one };
		if (!str_starts(one, STR("key=")))
			so_far = answer_digest(pair, COUNT(pair));
	}
	return so_far;
}

/* Its key alone can refer to a conversation that is kept, whoever shares answers. */
static struct sha256 digest_owner(const struct request *r)
{
	uint32_t scope = snap_settings(r->snap)->cache_scope;
	const struct str key[] = { STR("key"), bytes_of(&r->key.id, sizeof r->key.id),
				   bytes_of(r->key.hash.b, sizeof r->key.hash.b), r->key.user_id,
				   r->key.team_id };
	const struct str team[] = { STR("team"), bytes_of(&r->team.id, sizeof r->team.id),
				    r->key.team_id };
	const struct str all[] = { STR("all") };
	if (r->q.wants_store || r->q.conversation_id.p || scope == CACHE_OF_KEY)
		return answer_digest(key, COUNT(key));
	if (scope == CACHE_OF_ALL)
		return answer_digest(all, COUNT(all));
	return r->team.id ? answer_digest(team, COUNT(team)) : answer_digest(key, COUNT(key));
}

static bool name_it(const struct request *r, struct str own_namespace, struct cached *c)
{
	struct sha256 members, headers, owner = digest_owner(r),
		      query = digest_query(r->http->query);
	if (!digest_members(r->q.root, &members) || !digest_headers(r, &headers))
		return false;
	const struct str parts[] = {
		bytes_of(owner.b, sizeof owner.b),
		snap_text(r->snap, snap_settings(r->snap)->cache_namespace), own_namespace,
		r->http->path, bytes_of(query.b, sizeof query.b),
		snap_text(r->snap, r->group->name), r->requested_model, r->wish.region,
		bytes_of(headers.b, sizeof headers.b), bytes_of(members.b, sizeof members.b),
	};
	c->key = answer_digest(parts, COUNT(parts));
	hash_hex(c->name, c->key.b, sizeof c->key.b);
	return true;
}

/* ---- what is asked for ---------------------------------------------------------------------- */

static bool is_of_calls(const struct request *r)
{
	static const enum snap_cache_call calls[LLM_KINDS] = {
		[LLM_CHAT] = CACHED_CHAT, [LLM_TEXT] = CACHED_TEXT, [LLM_EMBED] = CACHED_EMBED,
		[LLM_RERANK] = CACHED_RERANK,
	};
	enum snap_cache_call call = r->dialect == &dialect_responses ? CACHED_RESPONSES
								      : calls[r->q.kind];
	return snap_settings(r->snap)->cache_calls >> call & 1;
}

static enum step refuse_control(struct request *r, struct str name)
{
	return request_fail(r, OUTCOME_ROUTE_DENIED, "cache",
			    "Not allowed to set " STR_FMT " as a cache control. Contact admin to "
			    "change permissions.", STR_ARG(name));
}

/* Whether the key may set this one: any, unless it has a list. */
static bool may_set(const struct request *r, struct str name)
{
	bool has_list = false;
	for (struct str left = r->rules; left.n;) {
		struct str rule = str_cut(&left, '\0');
		if (!rule.n || rule.p[0] != RULE_CACHE)
			continue;
		if (str_eq(str_skip(rule, 1), name))
			return true;
		has_list = true;
	}
	return !has_list;
}

/* 0, or -EINVAL. */
static int read_seconds(const struct json *j, uint64_t *ret_ns)
{
	double s;
	if (!json_is(j, JSON_NUMBER) || json_read_double(j, &s) != 0 || s < 0)
		return -EINVAL;
	*ret_ns = s < TTL_MAX_S ? (uint64_t)(s * 1e9) : TTL_MAX_S * NS_PER_S;
	return 0;
}

struct controls {
	struct cached *c;
	struct str own_namespace;
	bool is_wanted;			/* use-cache */
};

static int read_control(struct request *r, const struct json *j, struct controls *x)
{
	struct cached *c = x->c;
	if (!json_is_given(j))
		return 0;
	if (str_eq(j->key, STR("ttl")))
		return read_seconds(j, &c->ttl_ns);
	if (str_eq(j->key, STR("s-maxage")) || str_eq(j->key, STR("s-max-age"))) {
		int err = read_seconds(j, &c->max_age_ns);
		c->may_read &= c->max_age_ns != 0;
		return err;
	}
	if (str_eq(j->key, STR("namespace"))) {
		x->own_namespace = json_str(r->mem, j);
		return x->own_namespace.p && x->own_namespace.n <= CACHED_NAME_MAX ? 0 : -EINVAL;
	}
	if (str_eq(j->key, STR("no-cache")))
		c->may_read &= !json_is_true(j);
	else if (str_eq(j->key, STR("no-store")))
		c->may_keep &= !json_is_true(j);
	else if (str_eq(j->key, STR("use-cache")))
		x->is_wanted = json_is_true(j);
	return 0;
}

static enum step read_controls(struct request *r, struct controls *x)
{
	const struct json *cache = json_get(r->q.root, "cache");
	if (!json_is(cache, JSON_OBJECT))
		return STEP_NEXT;
	for (const struct json *j = cache->child; j; j = j->next) {
		if (!may_set(r, j->key))
			return refuse_control(r, j->key);
		if (read_control(r, j, x) < 0)
			return request_fail(r, OUTCOME_BAD_REQUEST, "cache",
					    "cache." STR_FMT ": want a number of seconds, or for a "
					    "namespace up to %d bytes of text", STR_ARG(j->key),
					    CACHED_NAME_MAX);
	}
	return STEP_NEXT;
}

/* LiteLLM's: Cache-Control: s-maxage=60 is how long the answer is kept. */
static void read_header(const struct request *r, struct cached *c)
{
	struct str v = http_header(r->http, "cache-control");
	uint64_t s;
	while (v.n) {
		struct str one = str_trim(str_cut(&v, ','));
		if (str_starts(one, STR("s-maxage=")) &&
		    str_read_u64(str_skip(one, sizeof "s-maxage=" - 1), &s) == 0 && s < TTL_MAX_S)
			c->ttl_ns = s * NS_PER_S;
	}
}

static bool says_no(const struct json *j)
{
	return json_is(j, JSON_FALSE);
}

enum step cached_read(struct request *r, struct cached **ret)
{
	const struct snap_settings *s = snap_settings(r->snap);
	struct controls x = { .is_wanted = s->cache_mode == CACHE_DEFAULT_ON };
	*ret = NULL;
	if (!json_is(r->q.root, JSON_OBJECT) || !r->group || !is_of_calls(r))
		return STEP_NEXT;
	x.c = arena_alloc(r->mem, sizeof *x.c);
	if (!x.c)
		return STEP_NEXT;
	*x.c = (struct cached){ .ttl_ns = s->cache_ttl_ms * NS_PER_MS, .may_read = true,
				.may_keep = true, .era = cache_era(r->w->cache) };
	read_header(r, x.c);
	enum step step = read_controls(r, &x);
	if (step != STEP_NEXT)
		return step;
	x.c->may_keep &= x.c->ttl_ns != 0;
	if (x.is_wanted && !says_no(json_get(r->q.root, "caching")) &&
	    (x.c->may_read || x.c->may_keep) && name_it(r, x.own_namespace, x.c))
		*ret = x.c;
	return STEP_NEXT;
}

/* ---- there and back ------------------------------------------------------------------------- */

/* The master takes the dead off the board; where it is dead itself, they beat no more. */
static bool lives(void *data, const struct cache_owner *o)
{
	const struct worker *w = data;
	if (o->slot >= BOARD_WORKERS)
		return false;
	const struct board_worker *row = &w->board.workers[o->slot];
	uint64_t beat = atomic_load_explicit(&row->beat_ns, memory_order_relaxed);
	return board_worker_lives(row) &&
	       atomic_load_explicit(&row->started_ns, memory_order_relaxed) == o->life &&
	       clock_ns() < beat + BEAT_MAX_S * NS_PER_S;
}

static struct cache_owner me(const struct worker *w)
{
	return (struct cache_owner){
		w->slot, atomic_load_explicit(&w->row->started_ns, memory_order_relaxed)
	};
}

void cached_init_text(const struct worker *w, struct buf *text)
{
	buf_init(text, w->cache ? cache_entry_max(w->cache) : 1);	/* off: nothing is found */
}

int cached_find(struct worker *w, const struct cached *c, bool claims, struct cache_info *ret,
		struct buf *text)
{
	struct cache_owner own = me(w);
	if (!w->cache)
		return -ENOENT;
	if (!claims)
		return cache_find(w->cache, &c->key, clock_ns(), c->max_age_ns, ret, text);
	return cache_claim(w->cache, &c->key, clock_ns(), c->max_age_ns, &own, lives, w, ret, text);
}

static uint32_t small(uint64_t v)
{
	return v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}

struct cache_info cached_info(struct request *r)
{
	struct usage u;
	struct cache_info info = {
		.deployment = r->deployment ? r->deployment->id_hash : 0,
		.cost_nano = account_cost(r, &u),
	};
	info.input = small(u.input);
	info.output = small(u.output);
	return info;
}

void cached_put(struct worker *w, const struct cached *c, const struct cache_info *info,
		struct str head, struct str body)
{
	struct cache_owner own = me(w);
	struct cache_info kept = *info;
	if (!w->cache)
		return;
	kept.stored_ns = clock_ns();
	kept.expires_ns = kept.stored_ns + c->ttl_ns;
	/* One that is not kept is asked for again, and that is all. */
	(void)(cache_put(w->cache, &c->key, c->era, &kept, head, body, &own) == 0);
}

void cached_drop(struct worker *w, const struct cached *c)
{
	struct cache_owner own = me(w);
	if (w->cache)
		cache_drop(w->cache, &c->key, &own);
}
