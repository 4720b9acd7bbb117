/* SPDX-License-Identifier: MIT
 * texts_redact.c - see texts_redact.h. All known secrets are looked for in one pass: by their first
 * eight bytes, which a bitmap and then a table know again. */
#include "master/texts_redact.h"

#include "common/json_write.h"
#include "common/mem.h"

enum {
	GRAM = 8,			/* bytes that tell a secret's beginning */
	LOOKS_MIN = 16,			/* behind "sk-" */
	BITS = 16,			/* of the bitmap's index */
	SECRETS_MAX = 65536, SECRET_MAX = 65536, ALL_MAX = 16 << 20
};

struct redactor {
	struct buf bytes;		/* of all secrets, one behind the other */
	struct known {
		uint64_t gram;
		size_t at, n;
		uint32_t next;		/* 1 + place of another one in the same slot; 0: none */
	} *v;
	size_t n, room;
	uint32_t slots[1 << BITS];	/* 1 + place of the first one */
	uint64_t bitmap[1 << (BITS - 6)];
};

static uint64_t gram_at(const char *p)
{
	uint64_t g;
	memcpy(&g, p, sizeof g);
	return g;
}

static uint32_t slot_of(uint64_t gram)
{
	return (uint32_t)(gram * UINT64_C(0x9e3779b97f4a7c15) >> (64 - BITS));
}

static bool may_be(const struct redactor *r, uint32_t slot)
{
	return r->bitmap[slot / 64] >> (slot % 64) & 1;
}

/* The longest one that the text begins with; 0: none does. */
static size_t known_at(const struct redactor *r, const char *p, size_t n)
{
	uint64_t gram = gram_at(p);
	size_t longest = 0;
	uint32_t slot = slot_of(gram);
	if (!may_be(r, slot))
		return 0;
	for (uint32_t i = r->slots[slot]; i; i = r->v[i - 1].next) {
		const struct known *k = &r->v[i - 1];
		if (k->gram == gram && k->n <= n && k->n > longest &&
		    memcmp(r->bytes.p + k->at, p, k->n) == 0)
			longest = k->n;
	}
	return longest;
}

/* ---- what is known ---- */

static bool make_room(struct redactor *r)
{
	size_t room = r->room ? 2 * r->room : 64;
	if (r->n < r->room)
		return true;
	struct known *v = r->n < SECRETS_MAX ? mem_grow(r->v, room * sizeof *v) : NULL;
	if (!v)
		return false;
	r->v = v;
	r->room = room;
	return true;
}

static void add_bytes(struct redactor *r, struct str s)
{
	if (s.n < GRAM || s.n > SECRET_MAX || known_at(r, s.p, s.n) == s.n || !make_room(r))
		return;
	struct known *k = &r->v[r->n];
	uint32_t slot = slot_of(gram_at(s.p));
	*k = (struct known){ gram_at(s.p), r->bytes.n, s.n, r->slots[slot] };
	buf_put(&r->bytes, s);
	if (r->bytes.failed)
		return;
	r->slots[slot] = (uint32_t)++r->n;
	r->bitmap[slot / 64] |= UINT64_C(1) << (slot % 64);
}

/* In JSON some characters are written otherwise. */
static void add(struct redactor *r, struct str s)
{
	struct buf escaped;
	if (s.n < GRAM)
		return;
	add_bytes(r, s);
	buf_init(&escaped, 2 * SECRET_MAX);
	json_escape(&escaped, s);
	if (!escaped.failed && escaped.n != s.n)
		add_bytes(r, buf_str(&escaped));
	if (escaped.p)
		mem_wipe(escaped.p, escaped.room);
	buf_done(&escaped);
}

/* Others say what is no secret, and stand in many a text: "2023-06-01". */
static bool is_secret_header(struct str name)
{
	static const char *const words[] = { "auth", "key", "secret", "token", "cookie" };
	for (size_t i = 0; i < COUNT(words); i++)
		for (size_t at = 0; at < name.n; at++)
			if (str_starts_nocase(str_skip(name, at), str_z(words[i])))
				return true;
	return false;
}

static void add_model(struct redactor *r, const struct config_model *m)
{
	add(r, m->api_key);
	add(r, m->aws_secret_access_key);
	add(r, m->aws_session_token);
	add(r, m->cloud.azure_ad_token);
	add(r, m->cloud.client_secret);
	for (size_t i = 0; i < m->headers.n; i++)
		if (is_secret_header(m->headers.v[i].name))
			add(r, m->headers.v[i].value);
}

struct redactor *redactor_new(const struct config *c)
{
	struct redactor *r = mem_alloc(sizeof *r);
	if (!r)
		return NULL;
	buf_init(&r->bytes, ALL_MAX);
	add(r, c->master_key);
	add(r, c->alerts.mail.password);
	for (size_t i = 0; i < c->alerts.n_targets; i++)
		add(r, c->alerts.targets[i].url);
	for (size_t i = 0; i < c->n_models; i++)
		add_model(r, &c->models[i]);
	for (size_t i = 0; i < c->n_passes; i++)
		add_model(r, &c->passes[i].model);
	return r->bytes.failed ? redactor_free(r) : r;
}

struct redactor *redactor_free(struct redactor *r)
{
	if (!r)
		return NULL;
	if (r->bytes.p)
		mem_wipe(r->bytes.p, r->bytes.room);
	buf_done(&r->bytes);
	mem_free(r->v);
	mem_free(r);
	return NULL;
}

/* ---- what is hidden ---- */

static bool is_of_key(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

/* Not amid a word, as in "risk-averse"; but behind "\n", as JSON writes a new line. */
static bool is_beginning(const char *text, size_t at)
{
	return at == 0 || !is_of_key(text[at - 1]) || (at > 1 && text[at - 2] == '\\');
}

static size_t looks_at(const char *p, size_t n)
{
	size_t end = 3;
	if (n < 3 + LOOKS_MIN || memcmp(p, "sk-", 3) != 0)
		return 0;
	while (end < n && is_of_key(p[end]))
		end++;
	return end >= 3 + LOOKS_MIN ? end : 0;
}

size_t redactor_hide(const struct redactor *r, char *text, size_t n)
{
	size_t found = 0;
	for (size_t at = 0; at + GRAM <= n;) {
		size_t known = known_at(r, text + at, n - at);
		bool may_look = text[at] == 's' && is_beginning(text, at);
		size_t looks = may_look ? looks_at(text + at, n - at) : 0;
		size_t hide = known > looks ? known : looks;
		if (!hide) {
			at++;
			continue;
		}
		memset(text + at, '*', hide);
		at += hide;
		found++;
	}
	return found;
}
