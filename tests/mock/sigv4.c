/* SPDX-License-Identifier: MIT
 * sigv4.c - see sigv4.h. Written from the published description, and on purpose without a look at
 * the gateway's own: two readings of it must agree. */
#include "tests/mock/sigv4.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "tests/mock/log.h"

enum { HASH = crypto_hash_sha256_BYTES, SKEW_S = 300 };

struct claim {				/* what Authorization says */
	struct span credential, names, signature;
	struct span id, day, region, service, end;
};

static struct span cut(struct span *s, char by)
{
	const char *at = s->n ? memchr(s->p, by, s->n) : NULL;
	struct span ret = { s->p, at ? (size_t)(at - s->p) : s->n };
	*s = at ? (struct span){ at + 1, s->n - ret.n - 1 } : (struct span){ s->p + s->n, 0 };
	return ret;
}

static bool take_prefix(struct span *s, const char *prefix)
{
	size_t n = strlen(prefix);
	while (s->n && *s->p == ' ')
		*s = (struct span){ s->p + 1, s->n - 1 };
	if (s->n < n || memcmp(s->p, prefix, n) != 0)
		return false;
	*s = (struct span){ s->p + n, s->n - n };
	return true;
}

static bool read_claim(struct span text, struct claim *ret)
{
	struct claim c;
	if (!take_prefix(&text, "AWS4-HMAC-SHA256 ") || !take_prefix(&text, "Credential="))
		return false;
	c.credential = cut(&text, ',');
	if (!take_prefix(&text, "SignedHeaders="))
		return false;
	c.names = cut(&text, ',');
	if (!take_prefix(&text, "Signature="))
		return false;
	c.signature = text;
	struct span rest = c.credential;
	c.id = cut(&rest, '/');
	c.day = cut(&rest, '/');
	c.region = cut(&rest, '/');
	c.service = cut(&rest, '/');
	c.end = rest;
	*ret = c;
	return true;
}

static void put_hex(struct buf *out, const unsigned char *p)
{
	char hex[2 * HASH + 1];
	sodium_bin2hex(hex, sizeof hex, p, HASH);
	buf_put_z(out, hex);
}

static void put_hash(struct buf *out, struct span s)
{
	unsigned char h[HASH];
	crypto_hash_sha256(h, (const unsigned char *)s.p, s.n);
	put_hex(out, h);
}

/* The path as it came, encoded once more. */
static void put_path(struct buf *out, struct span path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/";
	for (size_t i = 0; i < path.n; i++) {
		char hex[4];
		if (path.p[i] && strchr(plain, path.p[i])) {
			buf_put(out, path.p + i, 1);
			continue;
		}
		snprintf(hex, sizeof hex, "%%%02X", (unsigned)(unsigned char)path.p[i]);
		buf_put_z(out, hex);
	}
}

static bool is_named(struct span names, const char *name)
{
	while (names.n) {
		if (span_is(cut(&names, ';'), name))
			return true;
	}
	return false;
}

static bool put_headers(struct buf *out, struct span names, struct span headers)
{
	while (names.n) {
		char z[128];
		struct span name = cut(&names, ';');
		if (name.n >= sizeof z)
			return false;
		memcpy(z, name.p, name.n);
		z[name.n] = 0;
		struct span value = header_find(headers, z);
		if (!value.p)
			return false;
		buf_put_span(out, name);
		BUF_PUT_LIT(out, ":");
		buf_put_span(out, value);
		BUF_PUT_LIT(out, "\n");
	}
	return true;
}

static void sign(unsigned char key[HASH], struct span text)
{
	crypto_auth_hmacsha256_state s;
	crypto_auth_hmacsha256_init(&s, key, HASH);
	crypto_auth_hmacsha256_update(&s, (const unsigned char *)text.p, text.n);
	crypto_auth_hmacsha256_final(&s, key);
}

static void put_signature(struct buf *out, const struct claim *c, struct span text)
{
	static const char secret[] = "AWS4" SIGV4_SECRET;
	crypto_auth_hmacsha256_state s;
	unsigned char key[HASH];
	crypto_auth_hmacsha256_init(&s, (const unsigned char *)secret, sizeof secret - 1);
	crypto_auth_hmacsha256_update(&s, (const unsigned char *)c->day.p, c->day.n);
	crypto_auth_hmacsha256_final(&s, key);
	sign(key, c->region);
	sign(key, c->service);
	sign(key, SPAN("aws4_request"));
	sign(key, text);
	put_hex(out, key);
}

static bool is_fresh(struct span date)
{
	struct tm tm = { 0 };
	char z[32];
	if (date.n >= sizeof z)
		return false;
	memcpy(z, date.p, date.n);
	z[date.n] = 0;
	const char *end = strptime(z, "%Y%m%dT%H%M%SZ", &tm);
	time_t at = end && !*end ? timegm(&tm) : 0, now = time(NULL);
	return at > now - SKEW_S && at < now + SKEW_S;
}

static bool is_signed_well(const struct claim *c, const char *method, struct span url, struct span headers,
			   struct span body)
{
	struct buf form = { 0 }, text = { 0 }, signature = { 0 };
	struct span query = url, path = cut(&query, '?'), scope = c->credential;
	cut(&scope, '/');
	buf_put_z(&form, method);
	BUF_PUT_LIT(&form, "\n");
	put_path(&form, path);
	BUF_PUT_LIT(&form, "\n\n");
	bool is_good = put_headers(&form, c->names, headers) && query.n == 0;
	BUF_PUT_LIT(&form, "\n");
	buf_put_span(&form, c->names);
	BUF_PUT_LIT(&form, "\n");
	put_hash(&form, body);
	BUF_PUT_LIT(&text, "AWS4-HMAC-SHA256\n");
	buf_put_span(&text, header_find(headers, "x-amz-date"));
	BUF_PUT_LIT(&text, "\n");
	buf_put_span(&text, scope);
	BUF_PUT_LIT(&text, "\n");
	put_hash(&text, span_of(&form));
	put_signature(&signature, c, span_of(&text));
	is_good = is_good && signature.n == c->signature.n &&
		  memcmp(signature.p, c->signature.p, signature.n) == 0;
	buf_done(&form);
	buf_done(&text);
	buf_done(&signature);
	return is_good;
}

/* What AWS wants to be among the headers signed. */
static bool are_named_well(const struct claim *c, struct span headers)
{
	static const char *const wanted[] = { "content-type", "x-amz-security-token", "x-amz-content-sha256" };
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		if (header_find(headers, wanted[i]).p && !is_named(c->names, wanted[i]))
			return false;
	}
	return is_named(c->names, "host") && is_named(c->names, "x-amz-date");
}

const char *sigv4_complaint(const char *method, struct span url, struct span headers, struct span body)
{
	struct span text = header_find(headers, "authorization"), date = header_find(headers, "x-amz-date");
	struct claim c;
	if (!text.p)
		return "MissingAuthenticationTokenException";
	if (take_prefix(&text, "Bearer "))
		return NULL;
	if (!read_claim(text, &c) || !date.p)
		return "IncompleteSignatureException";
	if (!span_is(c.id, SIGV4_KEY_ID))
		return "UnrecognizedClientException";
	bool is_scope = span_is(c.service, "bedrock") && span_is(c.end, "aws4_request") && date.n > c.day.n &&
			memcmp(date.p, c.day.p, c.day.n) == 0;
	if (!is_scope || !is_fresh(date) || !are_named_well(&c, headers) ||
	    !is_signed_well(&c, method, url, headers, body))
		return "InvalidSignatureException";
	return NULL;
}
