/* SPDX-License-Identifier: MIT
 * bearer.c - see bearer.h: is the token good, and with which keys? */
#include "worker/decide/bearer.h"

#include <errno.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fdpass.h"
#include "common/link_proto.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/parcel.h"
#include "worker/decide/bearer_private.h"
#include "worker/decide/token_cache.h"

enum {
	WAITING_MAX = 256,
	WAIT_MS = 6000,			/* a little more than fetching may take */
	AGAIN_MS = 1000,		/* the master said that there is nothing newer */
	TURNS = 4,			/* that a request waits: each may bring another issuer's */
	SCRATCH_MAX = 16 << 20
};

struct bearer_wait {			/* in the request's arena */
	struct bearer_wait *next;
	struct request *r;
	struct str token;
	unsigned turns;			/* that are left */
};

struct bearers {			/* of a worker that has seen a token */
	struct worker *w;
	struct keyset *keys;
	uint64_t version;		/* of keys; 0: none have come */
	struct token_cache *cache;
	struct bearer_wait *waiting;	/* for keys that the master was asked for */
	unsigned n_waiting;
	bool is_asked;
	uint64_t ask_again_ns;
	struct later late;
};

static struct bearers *bearers_of(struct worker *w)
{
	if (w->bearers)
		return w->bearers;
	struct bearers *b = mem_alloc(sizeof *b);
	struct keyset *keys = b ? keyset_new() : NULL;
	struct token_cache *cache = keys ? token_cache_new() : NULL;
	if (!cache) {
		keyset_free(keys);
		mem_free(b);
		return NULL;
	}
	b->w = w;
	b->keys = keys;
	b->cache = cache;
	w->bearers = b;
	return b;
}

/* ---- waiting for keys ---- */

static enum step check(struct request *r, struct str token, unsigned turns);

void bearer_go_on(struct request *r, enum step s)
{
	if (s == STEP_NEXT)
		s = auth_check_role(r);
	if (s == STEP_NEXT)
		request_resume(r);
	else if (s == STEP_DONE)
		request_end(r);
}

/* Those that wait now, once more. Who still lacks a key is refused, unless there were news: then
 * another issuer may still be asked. */
static void go_on(struct bearers *b, bool has_news)
{
	later_stop(&b->late);
	b->is_asked = false;
	for (unsigned n = b->n_waiting; n && b->waiting; n--) {
		struct bearer_wait *x = b->waiting;
		struct request *r = x->r;
		b->waiting = x->next;
		b->n_waiting--;
		r->token_wait = NULL;
		bearer_go_on(r, check(r, x->token, has_news ? x->turns - 1 : 0));
	}
}

static void on_late(struct later *l)
{
	struct bearers *b = l->data;
	b->ask_again_ns = clock_ns() + AGAIN_MS * NS_PER_MS;
	go_on(b, false);
}

static bool ask(struct bearers *b)
{
	struct frame_out *f = b->is_asked ? NULL : mem_alloc(sizeof *f);
	if (b->is_asked)
		return true;
	if (!f || clock_ns() < b->ask_again_ns || b->w->is_master_gone) {
		mem_free(f);
		return false;
	}
	frame_begin(f, LINK_KEYS_WANTED);
	frame_put_u64(f, b->version);
	b->is_asked = fdpass_send(b->w->link_fd, frame_finish(f), NULL, 0) == 0;
	mem_free(f);
	if (b->is_asked)
		later_start(b->w->wheel, &b->late, WAIT_MS, on_late, b);
	return b->is_asked;
}

static bool wait_for_keys(struct bearers *b, struct request *r, struct str token, unsigned turns)
{
	struct bearer_wait *x = NULL, **last = &b->waiting;
	if (b->n_waiting < WAITING_MAX && ask(b))
		x = arena_alloc(r->mem, sizeof *x);
	if (!x)
		return false;
	*x = (struct bearer_wait){ .r = r, .token = token, .turns = turns };
	while (*last)
		last = &(*last)->next;
	*last = x;
	b->n_waiting++;
	r->token_wait = x;
	return true;
}

void bearer_forget(struct request *r)
{
	struct bearers *b = r->w->bearers;
	struct bearer_wait **p = &b->waiting;
	while (*p != r->token_wait)
		p = &(*p)->next;
	*p = r->token_wait->next;
	b->n_waiting--;
	r->token_wait = NULL;
}

/* ---- keys that come ---- */

struct key_text {
	uint32_t bytes;
	struct str issuer;		/* in the frame */
};

/* A text that is no list of keys is as if its address had none. */
static int add_texts(struct keyset *k, struct arena *scratch, char *texts, const struct key_text *v,
		     unsigned n)
{
	int added = 0;
	for (unsigned i = 0; i < n && added >= 0; i++) {
		struct str one = str_of(texts, v[i].bytes);
		texts += v[i].bytes;
		if (!one.n)
			continue;
		added = keyset_add(k, scratch, v[i].issuer, one);
		if (added <= 0)
			LOG(LOG_ERROR, "jwks.refused", F_INT("text", i), F_INT("bytes", one.n),
			    F_INT("errno", -added));
		added = added == -ENOMEM ? added : 0;
	}
	return added;
}

static struct keyset *read_keys(int fd, const struct key_text *v, unsigned n)
{
	size_t all = 0;
	for (unsigned i = 0; i < n; i++)
		all += v[i].bytes;
	struct keyset *k = keyset_new();
	struct arena *scratch = arena_new(SCRATCH_MAX);
	char *texts = mem_alloc(all + 1);
	bool is_whole = k && scratch && texts &&
			(!n || (fd >= 0 && parcel_read(fd, texts, all) == 0)) &&
			add_texts(k, scratch, texts, v, n) == 0;
	mem_free(texts);
	arena_free(scratch);
	return is_whole ? k : keyset_free(k);
}

static void take_keys(struct bearers *b, struct keyset *k, uint64_t version)
{
	keyset_free(b->keys);
	b->keys = k;
	b->version = version;
	b->ask_again_ns = 0;
	LOG(LOG_INFO, "jwks.taken", F_INT("version", version), F_INT("keys", keyset_count(k)));
}

void bearer_keys(struct worker *w, struct frame_in *f, int fd)
{
	struct bearers *b = bearers_of(w);
	struct key_text v[LINK_KEYS_MAX] = { 0 };
	uint64_t version = frame_get_u64(f);
	uint32_t n = frame_get_u32(f);
	bool is_good = n <= LINK_KEYS_MAX;
	for (uint32_t i = 0; is_good && i < n; i++) {
		v[i].bytes = frame_get_u32(f);
		v[i].issuer = frame_get_str(f);
		is_good = v[i].bytes <= LINK_KEYS_BYTES && v[i].issuer.n <= LINK_ISSUER_MAX;
	}
	is_good = is_good && frame_end(f) == 0 && b;
	struct keyset *k = is_good && version ? read_keys(fd, v, n) : NULL;
	if (fd >= 0)
		close(fd);
	if (!b)
		return;
	if (k)
		take_keys(b, k, version);
	else
		b->ask_again_ns = clock_ns() + AGAIN_MS * NS_PER_MS;
	go_on(b, k != NULL);
}

void bearer_fail_all(struct worker *w)
{
	if (w->bearers)
		go_on(w->bearers, false);
}

/* ---- the check ---- */

struct claims_rules bearer_rules(const struct request *r)
{
	const struct snap_settings *s = snap_settings(r->snap);
	struct claims_rules rules = { .flags = s->jwt_flags, .leeway_s = s->jwt_leeway_s };
	for (uint32_t i = 0; i < s->jwt.count && i < JWT_TEXTS; i++)
		rules.text[i] = snap_name(r->snap, s->jwt, i);
	return rules;
}

static enum token_fault verify(struct bearers *b, struct request *r, struct str token,
			       struct who *who)
{
	struct str claims, signer;
	struct claims_rules rules;
	enum token_fault f = keyset_verify(b->keys, r->mem, token, &claims, &signer);
	if (f != TOKEN_GOOD)
		return f;
	METRIC_ADD(r->w->metrics, jwt_verified, 1);
	rules = bearer_rules(r);
	rules.signer = signer;
	return claims_read(r->mem, claims, &rules, r->start_wall_ns / NS_PER_S, who);
}

static enum step refuse(struct bearers *b, struct request *r, enum token_fault f)
{
	if (f == TOKEN_BAD_KEY && !keyset_count(b->keys))
		return request_fail(r, OUTCOME_OVERLOADED, NULL,
				    "public keys to check the token with could not be fetched yet");
	return auth_refuse_token(r, f);
}

/* What would have to be found out again at some cost, and will not be otherwise in a moment. */
static bool is_lasting(enum token_fault f)
{
	return f == TOKEN_BAD_SIGNATURE || f == TOKEN_BAD_CLAIMS || f == TOKEN_BAD_NO_EXPIRY ||
	       f == TOKEN_BAD_EXPIRED || f == TOKEN_BAD_ISSUER || f == TOKEN_BAD_AUDIENCE ||
	       f == TOKEN_BAD_ROLE || f == TOKEN_BAD_STRANGE;
}

static bool keep_later(struct request *r, const struct token_key *key)
{
	struct token_key *own = arena_alloc(r->mem, sizeof *own);
	if (own)
		*own = *key;
	r->token_key = own;
	return own;
}

void bearer_keep(struct request *r, const struct who *who)
{
	token_cache_put(r->w->bearers->cache, r->token_key, r->start_wall_ns / NS_PER_S, who);
}

enum step bearer_found(struct request *r, enum token_fault f, struct who *who)
{
	struct bearers *b = r->w->bearers;
	uint64_t now_s = r->start_wall_ns / NS_PER_S;
	if (is_lasting(f))
		token_cache_refuse(b->cache, r->token_key, now_s, f);
	if (f != TOKEN_GOOD)
		return refuse(b, r, f);
	who->needs_master = bearer_needs_master(r, who);
	if (!who->needs_master)
		bearer_keep(r, who);
	return bearer_admit(r, who);
}

static enum step check(struct request *r, struct str token, unsigned turns)
{
	struct bearers *b = bearers_of(r->w);
	struct who *who = arena_alloc(r->mem, sizeof *who);
	uint64_t now_s = r->start_wall_ns / NS_PER_S;
	if (!b || !who)
		return request_fail(r, OUTCOME_OVERLOADED, NULL, "no memory to check the token");
	if (token.n > KEYSET_TOKEN_MAX)
		return refuse(b, r, TOKEN_BAD_LONG);
	struct token_key key = { .digest = hash_sha256(token),
				 .generation = snap_head(r->snap)->generation,
				 .version = b->version };
	if (token_cache_find(b->cache, &key, now_s, r->mem, who)) {
		METRIC_ADD(r->w->metrics, jwt_cached, 1);
		return bearer_admit(r, who);
	}
	enum token_fault f = token_cache_fault(b->cache, &key, now_s);
	if (f != TOKEN_GOOD) {
		METRIC_ADD(r->w->metrics, jwt_refused_cached, 1);
		return refuse(b, r, f);
	}
	if (bearer_asks(r, token))
		return keep_later(r, &key) ? bearer_ask(r, token) : refuse(b, r, TOKEN_BAD_MEMORY);
	f = verify(b, r, token, who);
	if (f == TOKEN_BAD_KEY && turns && wait_for_keys(b, r, token, turns))
		return STEP_WAIT;
	return keep_later(r, &key) ? bearer_found(r, f, who) : refuse(b, r, TOKEN_BAD_MEMORY);
}

enum step bearer_check(struct request *r, struct str token)
{
	return check(r, token, TURNS);
}
