/* SPDX-License-Identifier: MIT
 * token_cache.c - see token_cache.h: sets of four places, which one a token has by its digest.
 * Bad ones have places apart, one each: a flood of them costs the good ones nothing. */
#include "worker/decide/token_cache.h"

#include "common/mem.h"

enum { SETS = 256, WAYS = 4, TEXT_MAX = 4096, BAD = 1024, BAD_S = 60 };

struct entry {
	struct token_key key;
	struct who who;			/* slices into text */
	char *text;			/* NULL: the place is free */
	size_t n_text;
};

struct bad {
	struct token_key key;
	uint64_t until_s;
	enum token_fault fault;
};

struct token_cache {
	struct entry entries[SETS][WAYS];
	struct bad bad[BAD];
};

static const size_t slices[] = {
	offsetof(struct who, subject), offsetof(struct who, user), offsetof(struct who, email),
	offsetof(struct who, organization), offsetof(struct who, end_user),
	offsetof(struct who, teams), offsetof(struct who, models), offsetof(struct who, routes),
	offsetof(struct who, role_routes), offsetof(struct who, key_value),
};

static struct str *slice(struct who *w, size_t i)
{
	return (struct str *)((char *)w + slices[i]);
}

struct token_cache *token_cache_new(void)
{
	return mem_alloc(sizeof(struct token_cache));
}

static void clear(struct entry *e)
{
	mem_free(e->text);
	*e = (struct entry){ 0 };
}

struct token_cache *token_cache_free(struct token_cache *c)
{
	for (size_t i = 0; c && i < (size_t)SETS * WAYS; i++)
		clear(&c->entries[i / WAYS][i % WAYS]);
	mem_free(c);
	return NULL;
}

static struct entry *set_of(struct token_cache *c, const struct token_key *key)
{
	return c->entries[key->digest.b[0] % SETS];
}

/* Slices of one block become the same of another. */
static void move(struct who *w, const char *from, const char *to)
{
	for (size_t i = 0; i < COUNT(slices); i++)
		if (slice(w, i)->p)
			slice(w, i)->p = to + (slice(w, i)->p - from);
}

bool token_cache_find(struct token_cache *c, const struct token_key *key, uint64_t now_s,
		      struct arena *a, struct who *ret)
{
	struct entry *set = set_of(c, key), *e = NULL;
	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].text && hash_sha256_eq(&set[i].key.digest, &key->digest))
			e = &set[i];
	if (!e || e->key.generation != key->generation || e->key.version != key->version ||
	    e->who.expires_s <= now_s)
		return false;
	struct str text = arena_dup(a, str_of(e->text, e->n_text));
	if (!text.p)
		return false;
	*ret = e->who;
	move(ret, e->text, text.p);
	return true;
}

/* When it stops to be of use; 0: it is of none. */
static uint64_t worth(const struct entry *e, const struct token_key *key)
{
	if (!e->text || e->key.generation != key->generation || e->key.version != key->version ||
	    hash_sha256_eq(&e->key.digest, &key->digest))
		return 0;
	return e->who.expires_s;
}

/* One block for all texts, of at least a byte. */
static bool fill(struct entry *e, const struct who *who)
{
	size_t n = 1;
	e->who = *who;
	for (size_t i = 0; i < COUNT(slices); i++)
		n += slice(&e->who, i)->n;
	e->text = n <= TEXT_MAX ? mem_alloc(n) : NULL;
	if (!e->text)
		return false;
	for (size_t i = 0; i < COUNT(slices); i++) {
		struct str *s = slice(&e->who, i);
		if (s->n)
			memcpy(e->text + e->n_text, s->p, s->n);
		s->p = s->p ? e->text + e->n_text : NULL;
		e->n_text += s->n;
	}
	e->n_text = n;
	return true;
}

void token_cache_put(struct token_cache *c, const struct token_key *key, uint64_t now_s,
		     const struct who *who)
{
	struct entry *set = set_of(c, key), *e = NULL;
	if (who->expires_s <= now_s)
		return;
	for (unsigned i = 0; i < WAYS; i++)	/* its old place first: it has one at most */
		if (set[i].text && hash_sha256_eq(&set[i].key.digest, &key->digest))
			e = &set[i];
	for (unsigned i = 0; i < WAYS && !e; i++)
		e = worth(&set[i], key) <= now_s ? &set[i] : NULL;
	for (unsigned i = 0; i < WAYS; i++)
		if (!e || worth(&set[i], key) < worth(e, key))
			e = &set[i];
	clear(e);
	e->key = *key;
	if (!fill(e, who))
		clear(e);
}

static size_t place_of_bad(const struct token_key *key)
{
	return (key->digest.b[0] | (size_t)key->digest.b[1] << 8) % BAD;
}

enum token_fault token_cache_fault(const struct token_cache *c, const struct token_key *key,
				   uint64_t now_s)
{
	const struct bad *b = &c->bad[place_of_bad(key)];
	bool is_it = b->until_s > now_s && b->until_s <= now_s + BAD_S &&
		     b->key.generation == key->generation && b->key.version == key->version &&
		     hash_sha256_eq(&b->key.digest, &key->digest);
	return is_it ? b->fault : TOKEN_GOOD;
}

void token_cache_refuse(struct token_cache *c, const struct token_key *key, uint64_t now_s,
			enum token_fault f)
{
	c->bad[place_of_bad(key)] =
		(struct bad){ .key = *key, .until_s = now_s + BAD_S, .fault = f };
}
