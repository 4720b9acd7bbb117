/* SPDX-License-Identifier: MIT
 * keyset.c - see keyset.h. */
#include "worker/decide/keyset.h"

#include <errno.h>

#include "common/hash.h"
#include "common/json.h"
#include "common/mem.h"
#include "worker/decide/jws.h"

enum { KID_MAX = 256 };

struct key {
	struct jws_key *jws;
	enum jws_kind kind;
	char alg[8];			/* the only one it is for; "": any that fits */
	char kid[KID_MAX];
	size_t n_kid;			/* 0: it has none */
	unsigned issuer;		/* its number in the set */
};

struct issuer {
	char name[KEYSET_ISSUER_MAX];
	size_t n;			/* 0: anybody */
};

struct keyset {
	unsigned n, n_issuers;
	struct key keys[KEYSET_KEYS];
	struct issuer issuers[KEYSET_ISSUERS];
};

static const struct algorithm {
	const char *name;
	enum jws_kind kind;
} algorithms[] = {
	{ "RS256", JWS_RSA }, { "RS384", JWS_RSA }, { "RS512", JWS_RSA },
	{ "PS256", JWS_RSA }, { "PS384", JWS_RSA }, { "PS512", JWS_RSA },
	{ "ES256", JWS_P256 }, { "ES384", JWS_P384 }, { "ES512", JWS_P521 },
	{ "EdDSA", JWS_ED25519 }, { "Ed25519", JWS_ED25519 },
};

const char *token_fault_text(enum token_fault f)
{
	static const char *const texts[TOKEN_FAULT_COUNT] = {
		[TOKEN_GOOD] = "",
#define X(name, text) [TOKEN_BAD_##name] = text,
		TOKEN_FAULTS(X)
#undef X
	};
	return f < TOKEN_FAULT_COUNT ? texts[f] : "";
}

/* ---- keys ---- */

struct keyset *keyset_new(void)
{
	return mem_alloc(sizeof(struct keyset));
}

struct keyset *keyset_free(struct keyset *k)
{
	for (unsigned i = 0; k && i < k->n; i++)
		jws_key_free(k->keys[i].jws);
	mem_free(k);
	return NULL;
}

unsigned keyset_count(const struct keyset *k)
{
	return k->n;
}

static bool list_has(const struct json *list, const char *word)
{
	for (const struct json *j = list->child; j; j = j->next)
		if (json_is(j, JSON_STRING) && str_eq_z(str_of(j->raw.p + 1, j->raw.n - 2), word))
			return true;
	return false;
}

/* One that says what it is for must say that it is for this. */
static bool is_for_signatures(struct arena *a, const struct json *jwk)
{
	struct str use = json_get_str(a, jwk, "use");
	const struct json *ops = json_get(jwk, "key_ops");
	return (!use.p || str_eq(use, STR("sig"))) &&
	       (!json_is(ops, JSON_ARRAY) || list_has(ops, "verify"));
}

static struct str decode(struct arena *a, struct str part)
{
	size_t n, room = part.n / 4 * 3 + 3;
	char *out = arena_alloc(a, room);
	if (!out || !hash_unbase64url(out, room, part, &n))
		return STR_NONE;
	return str_of(out, n);
}

/* Of an octet key pair (RFC 8037); .p NULL: it is none, or not of this curve. */
static struct str ed25519_point(struct arena *a, const struct json *jwk)
{
	if (!str_eq(json_get_str(a, jwk, "kty"), STR("OKP")) ||
	    !str_eq(json_get_str(a, jwk, "crv"), STR("Ed25519")))
		return STR_NONE;
	return decode(a, json_get_str(a, jwk, "x"));
}

static bool read_key(struct arena *a, const struct json *jwk, struct key *ret)
{
	struct str kid = json_get_str(a, jwk, "kid"), alg = json_get_str(a, jwk, "alg");
	if (!json_is(jwk, JSON_OBJECT) || !is_for_signatures(a, jwk) || kid.n > sizeof ret->kid ||
	    alg.n >= sizeof ret->alg)
		return false;
	*ret = (struct key){ .n_kid = kid.n };
	if (kid.n)
		memcpy(ret->kid, kid.p, kid.n);
	if (alg.n)
		memcpy(ret->alg, alg.p, alg.n);
	struct str point = ed25519_point(a, jwk);
	ret->jws = point.p ? jws_key_new_ed25519(point, &ret->kind)
			   : jws_key_new(jwk->raw, &ret->kind);
	return ret->jws != NULL;
}

/* Its number in the set, the same for the same; KEYSET_ISSUERS: no room. */
static unsigned add_issuer(struct keyset *k, struct str name)
{
	unsigned i = 0;
	while (i < k->n_issuers && !str_eq(str_of(k->issuers[i].name, k->issuers[i].n), name))
		i++;
	if (i < k->n_issuers || i == KEYSET_ISSUERS || name.n > KEYSET_ISSUER_MAX)
		return name.n > KEYSET_ISSUER_MAX ? KEYSET_ISSUERS : i;
	if (name.n)
		memcpy(k->issuers[i].name, name.p, name.n);
	k->issuers[i].n = name.n;
	k->n_issuers++;
	return i;
}

int keyset_add(struct keyset *k, struct arena *scratch, struct str issuer, struct str document)
{
	struct json_error e;
	const struct json *root = json_parse(scratch, document, JSON_ONE_KEY, &e);
	const struct json *list = json_get(root, "keys");
	int n = 0;
	if (!json_is(list, JSON_ARRAY))
		return -EINVAL;
	unsigned owner = add_issuer(k, issuer);
	if (owner == KEYSET_ISSUERS)
		return -ENOMEM;
	for (const struct json *j = list->child; j; j = j->next) {
		struct key one;
		if (!read_key(scratch, j, &one))
			continue;
		if (k->n == KEYSET_KEYS) {
			jws_key_free(one.jws);
			return -ENOMEM;
		}
		one.issuer = owner;
		k->keys[k->n++] = one;
		n++;
	}
	return n;
}

/* ---- tokens ---- */

static bool is_base64url(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

bool token_has_form(struct str s)
{
	size_t at[2], dots = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '.' && !is_base64url(s.p[i]))
			return false;
		if (s.p[i] == '.' && dots == COUNT(at))
			return false;
		if (s.p[i] == '.')
			at[dots++] = i;
	}
	return dots == COUNT(at) && at[0] > 0 && at[1] > at[0] + 1;
}

static const struct algorithm *find_algorithm(struct str name)
{
	for (size_t i = 0; i < COUNT(algorithms); i++)
		if (str_eq_z(name, algorithms[i].name))
			return &algorithms[i];
	return NULL;
}

/* A header that wants something understood which we do not (`crit`) is refused, as it must. */
static enum token_fault read_header(struct arena *a, struct str part, struct str *ret_kid,
				    const struct algorithm **ret)
{
	struct json_error e;
	struct str text = decode(a, part);
	const struct json *root = text.p ? json_parse(a, text, JSON_ONE_KEY, &e) : NULL;
	const struct json *kid = json_get(root, "kid");
	if (!json_is(root, JSON_OBJECT) || json_get(root, "crit") ||
	    (kid && !json_is(kid, JSON_STRING)))
		return TOKEN_BAD_HEADER;
	*ret = find_algorithm(json_get_str(a, root, "alg"));
	if (!*ret)
		return TOKEN_BAD_ALGORITHM;
	*ret_kid = json_str(a, kid);
	return TOKEN_GOOD;
}

static bool fits(const struct key *k, const struct algorithm *alg)
{
	return k->kind == alg->kind && (!k->alg[0] || strcmp(k->alg, alg->name) == 0);
}

static bool is_named(const struct key *k, struct str kid)
{
	return !kid.p || str_eq(str_of(k->kid, k->n_kid), kid);
}

static enum token_fault check_signature(const struct keyset *k, struct str token, struct str kid,
					const struct algorithm *alg, const struct key **ret)
{
	enum token_fault f = TOKEN_BAD_KEY;
	unsigned tries = 0;
	for (unsigned i = 0; i < k->n && tries < KEYSET_TRIES; i++) {
		if (!is_named(&k->keys[i], kid))
			continue;
		if (!fits(&k->keys[i], alg)) {
			f = f == TOKEN_BAD_SIGNATURE ? f : TOKEN_BAD_UNFIT;
			continue;
		}
		if (jws_verify(k->keys[i].jws, token)) {
			*ret = &k->keys[i];
			return TOKEN_GOOD;
		}
		f = TOKEN_BAD_SIGNATURE;
		tries++;
	}
	return f;
}

enum token_fault keyset_verify(const struct keyset *k, struct arena *a, struct str token,
			       struct str *ret_claims, struct str *ret_issuer)
{
	struct str rest = token, kid = STR_NONE;
	const struct algorithm *alg = NULL;
	const struct key *key = NULL;
	if (token.n > KEYSET_TOKEN_MAX)
		return TOKEN_BAD_LONG;
	if (!token_has_form(token))
		return TOKEN_BAD_FORM;
	struct str header = str_cut(&rest, '.'), claims = str_cut(&rest, '.');
	enum token_fault f = read_header(a, header, &kid, &alg);
	if (f == TOKEN_GOOD)
		f = check_signature(k, token, kid, alg, &key);
	if (f != TOKEN_GOOD)
		return f;
	claims = decode(a, claims);
	if (!claims.p)
		return TOKEN_BAD_FORM;
	*ret_claims = claims;
	*ret_issuer = str_of(k->issuers[key->issuer].name, k->issuers[key->issuer].n);
	return TOKEN_GOOD;
}
