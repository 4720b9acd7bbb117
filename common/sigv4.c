/* SPDX-License-Identifier: MIT
 * sigv4.c - AWS Signature Version 4; see sigv4.h.
 *
 * Both sides write the call down in one canonical form: method, path, query, headers, the body's
 * hash. The signature is an HMAC over that form's hash, under a key that is derived from the secret
 * for one day, region and service. The path is encoded once more than it was sent. */
#include "common/sigv4.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "common/hash.h"
#include "common/mem.h"

enum { FORM_MAX = 1 << 20, HEADERS_ALL = SIGV4_HEADERS_MAX + 4, HEX_ROOM = 65 };

#define ALGORITHM "AWS4-HMAC-SHA256"

struct signing {
	const struct sigv4_call *call;
	const struct sigv4_keys *keys;
	char date[32], day[16];		/* "20150830T123600Z", "20150830" */
	char body_hash[HEX_ROOM];
	struct sigv4_header headers[HEADERS_ALL];
	size_t n_headers;
	struct buf form;		/* canonical request, then what is signed */
	struct buf names;		/* of the headers signed: "host;x-amz-date" */
	struct buf scope;
	char signature[HEX_ROOM];
};

static void hex_of(char out[HEX_ROOM], struct sha256 h)
{
	hash_hex(out, h.b, sizeof h.b);
}

/* --- path and query --- */

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* What is encoded already stays as it is. */
static void put_encoded_once(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		bool is_escape = s.p[i] == '%' && i + 2 < s.n && is_hex(s.p[i + 1]) &&
				 is_hex(s.p[i + 2]);
		if (is_escape)
			buf_put_char(out, '%');
		else
			buf_put_escaped(out, str_of(s.p + i, 1));
	}
}

/* Forgets the last segment written since `from`. */
static void drop_segment(struct buf *out, size_t from)
{
	while (out->n > from && out->p[out->n - 1] != '/')
		out->n--;
	if (out->n > from)
		out->n--;
}

static void put_path(struct buf *out, struct str path)
{
	size_t from = out->n;
	bool is_folder = !path.n || path.p[path.n - 1] == '/';
	while (path.n) {
		struct str segment = str_cut(&path, '/');
		if (!segment.n || str_eq(segment, STR(".")))
			continue;
		if (str_eq(segment, STR(".."))) {
			drop_segment(out, from);
			continue;
		}
		buf_put_char(out, '/');
		buf_put_escaped(out, segment);
	}
	if (is_folder || out->n == from)
		buf_put_char(out, '/');
}

static int by_name(const void *a, const void *b)
{
	const struct sigv4_header *x = a, *y = b;
	int order = str_cmp(x->name, y->name);
	return order ? order : str_cmp(x->value, y->value);
}

/* Encodes all pairs behind each other, sorts the spans. */
static int put_query(struct buf *out, struct str query)
{
	struct sigv4_header pairs[SIGV4_PAIRS_MAX];
	struct { size_t name, value, end; } at[SIGV4_PAIRS_MAX];
	struct buf text;
	size_t n = 0;
	buf_init(&text, FORM_MAX);
	for (; query.n && n < SIGV4_PAIRS_MAX; n++) {
		struct str value = str_cut(&query, '&'), name = str_cut(&value, '=');
		at[n].name = text.n;
		put_encoded_once(&text, name);
		at[n].value = text.n;
		put_encoded_once(&text, value);
		at[n].end = text.n;
	}
	for (size_t i = 0; i < n; i++)
		pairs[i] = (struct sigv4_header){
			str_of(text.p + at[i].name, at[i].value - at[i].name),
			str_of(text.p + at[i].value, at[i].end - at[i].value) };
	if (n)
		qsort(pairs, n, sizeof *pairs, by_name);
	for (size_t i = 0; i < n; i++) {
		buf_put(out, i ? STR("&") : STR(""));
		buf_put(out, pairs[i].name);
		buf_put_char(out, '=');
		buf_put(out, pairs[i].value);
	}
	int err = text.failed ? -ENOMEM : query.n ? -EINVAL : 0;
	buf_done(&text);
	return err;
}

/* --- headers --- */

static void add_header(struct signing *s, struct str name, struct str value)
{
	MUST(s->n_headers < HEADERS_ALL);
	s->headers[s->n_headers++] = (struct sigv4_header){ name, value };
}

static char to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static int compare_names(struct str a, struct str b)
{
	for (size_t i = 0; i < a.n && i < b.n; i++)
		if (to_lower(a.p[i]) != to_lower(b.p[i]))
			return to_lower(a.p[i]) < to_lower(b.p[i]) ? -1 : 1;
	return a.n < b.n ? -1 : a.n > b.n;
}

/* Few, and those of one name must stay in their order. */
static void sort_headers(struct signing *s)
{
	for (size_t i = 1; i < s->n_headers; i++) {
		struct sigv4_header h = s->headers[i];
		size_t k = i;
		for (; k > 0 && compare_names(s->headers[k - 1].name, h.name) > 0; k--)
			s->headers[k] = s->headers[k - 1];
		s->headers[k] = h;
	}
}

static void put_name(struct buf *out, struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		buf_put_char(out, to_lower(name.p[i]));
}

/* Without blanks at its ends, and with one where several stood. */
static void put_value(struct buf *out, struct str value)
{
	value = str_trim(value);
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] != ' ' || value.p[i - 1] != ' ')
			buf_put_char(out, value.p[i]);
}

static void put_headers(struct signing *s)
{
	for (size_t i = 0; i < s->n_headers; i++) {
		const struct sigv4_header *h = &s->headers[i];
		if (i && compare_names(h[-1].name, h->name) == 0) {
			buf_put_char(&s->form, ',');
		} else {
			if (i) {
				buf_put_char(&s->form, '\n');
				buf_put_char(&s->names, ';');
			}
			put_name(&s->form, h->name);
			buf_put_char(&s->form, ':');
			put_name(&s->names, h->name);
		}
		put_value(&s->form, h->value);
	}
	buf_put_char(&s->form, '\n');
}

static void collect_headers(struct signing *s)
{
	const struct sigv4_call *c = s->call;
	add_header(s, STR("host"), c->host);
	add_header(s, STR("x-amz-date"), str_z(s->date));
	if (s->keys->session_token.n)
		add_header(s, STR("x-amz-security-token"), s->keys->session_token);
	if (c->tells_hash)
		add_header(s, STR("x-amz-content-sha256"), str_z(s->body_hash));
	for (size_t i = 0; i < c->n_headers; i++)
		add_header(s, c->headers[i].name, c->headers[i].value);
	sort_headers(s);
}

/* --- signing --- */

static int put_form(struct signing *s)
{
	const struct sigv4_call *c = s->call;
	buf_put(&s->form, c->method);
	buf_put_char(&s->form, '\n');
	put_path(&s->form, c->path);
	buf_put_char(&s->form, '\n');
	int err = put_query(&s->form, c->query);
	buf_put_char(&s->form, '\n');
	put_headers(s);
	buf_put_char(&s->form, '\n');
	buf_put(&s->form, buf_str(&s->names));
	buf_put_char(&s->form, '\n');
	buf_put_z(&s->form, s->body_hash);
	if (err)
		return err;
	return s->form.failed || s->names.failed ? -ENOMEM : 0;
}

static void put_what_is_signed(struct signing *s)
{
	char form_hash[HEX_ROOM];
	hex_of(form_hash, hash_sha256(buf_str(&s->form)));
	mem_wipe(s->form.p, s->form.n);
	buf_reset(&s->form);
	BUF_PUT_LIT(&s->form, ALGORITHM "\n");
	buf_put_z(&s->form, s->date);
	buf_put_char(&s->form, '\n');
	buf_put(&s->form, buf_str(&s->scope));
	buf_put_char(&s->form, '\n');
	buf_put_z(&s->form, form_hash);
}

static void next_key(struct sha256 *key, struct str text)
{
	*key = hash_hmac_sha256(str_of((const char *)key->b, sizeof key->b), text);
}

/* The key of one day, region and service; then the signature. */
static int put_signature(struct signing *s)
{
	struct buf first;
	buf_init(&first, FORM_MAX);
	BUF_PUT_LIT(&first, "AWS4");
	buf_put(&first, s->keys->secret_access_key);
	int err = first.failed ? -ENOMEM : 0;
	if (!err) {
		struct sha256 key = hash_hmac_sha256(buf_str(&first), str_z(s->day));
		next_key(&key, s->keys->region);
		next_key(&key, s->call->service);
		next_key(&key, STR("aws4_request"));
		next_key(&key, buf_str(&s->form));
		hex_of(s->signature, key);
		mem_wipe(first.p, first.n);
	}
	buf_done(&first);
	return err;
}

static bool is_good_key(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool are_good_keys(const struct sigv4_keys *k)
{
	return k->access_key_id.n && k->secret_access_key.n && k->region.n &&
	       is_good_key(k->access_key_id) && is_good_key(k->secret_access_key) &&
	       is_good_key(k->session_token) && is_good_key(k->region);
}

static int begin(struct signing *s, uint64_t time_s)
{
	time_t t = (time_t)time_s;
	struct tm tm;
	if (!gmtime_r(&t, &tm))
		return -EINVAL;
	strftime(s->date, sizeof s->date, "%Y%m%dT%H%M%SZ", &tm);
	strftime(s->day, sizeof s->day, "%Y%m%d", &tm);
	hex_of(s->body_hash, hash_sha256(s->call->body));
	buf_init(&s->form, FORM_MAX);
	buf_init(&s->names, FORM_MAX);
	buf_init(&s->scope, FORM_MAX);
	buf_put_z(&s->scope, s->day);
	buf_put_char(&s->scope, '/');
	buf_put(&s->scope, s->keys->region);
	buf_put_char(&s->scope, '/');
	buf_put(&s->scope, s->call->service);
	BUF_PUT_LIT(&s->scope, "/aws4_request");
	return s->scope.failed ? -ENOMEM : 0;
}

static void put_lines(struct signing *s, struct buf *out)
{
	buf_printf(out, "X-Amz-Date: %s\r\n", s->date);
	if (s->keys->session_token.n) {
		BUF_PUT_LIT(out, "X-Amz-Security-Token: ");
		buf_put(out, s->keys->session_token);
		BUF_PUT_LIT(out, "\r\n");
	}
	if (s->call->tells_hash)
		buf_printf(out, "X-Amz-Content-Sha256: %s\r\n", s->body_hash);
	BUF_PUT_LIT(out, "Authorization: " ALGORITHM " Credential=");
	buf_put(out, s->keys->access_key_id);
	buf_put_char(out, '/');
	buf_put(out, buf_str(&s->scope));
	BUF_PUT_LIT(out, ", SignedHeaders=");
	buf_put(out, buf_str(&s->names));
	buf_printf(out, ", Signature=%s\r\n", s->signature);
}

int sigv4_sign(const struct sigv4_call *c, const struct sigv4_keys *k, struct buf *out)
{
	struct signing s = { .call = c, .keys = k };
	size_t before = out->n;
	if (!are_good_keys(k) || c->n_headers > SIGV4_HEADERS_MAX)
		return -EINVAL;
	int err = begin(&s, c->time_s);
	if (!err) {
		collect_headers(&s);
		err = put_form(&s);
	}
	if (!err) {
		put_what_is_signed(&s);
		err = s.form.failed ? -ENOMEM : put_signature(&s);
	}
	if (!err)
		put_lines(&s, out);
	if (!err && out->failed) {
		out->n = before;
		err = -ENOMEM;
	}
	if (s.form.p)
		mem_wipe(s.form.p, s.form.n);
	buf_done(&s.form);
	buf_done(&s.names);
	buf_done(&s.scope);
	return err;
}
