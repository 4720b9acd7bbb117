/* SPDX-License-Identifier: MIT
 * http_check.c - the checks of a whole head. A request that two programs could understand in two
 * ways is refused, not repaired. */
#include "worker/client/http_check.h"

#include "common/swar.h"

const struct http_refusal http_refusals[REFUSAL_COUNT] = {
#define X(name, status, message) [REFUSE_##name] = { status, message },
	REFUSALS(X)
#undef X
};

static bool is_alnum(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

size_t http_value_run(struct str s)
{
	size_t i = 0;
	while (i + 8 <= s.n) {
		uint64_t v = swar_load(s.p + i), bad = swar_below(v, 0x20) | swar_is(v, 0x7f);
		if (!bad) {
			i += 8;
			continue;
		}
		i += swar_first(bad);
		if (s.p[i] != '\t')
			return i;
		i++;
	}
	for (; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			break;
	}
	return i;
}

bool http_is_value(struct str s)
{
	return http_value_run(s) == s.n;
}

/* Every byte is a letter, a digit, or one of `others`. */
static bool is_made_of(struct str s, const char *others)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (!is_alnum(c) && (c == 0 || !strchr(others, c)))
			return false;
	}
	return s.n > 0;
}

/* clang-format off */
static const bool token_bytes[256] = {		/* RFC 9110, 5.6.2 */
	['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1,
	['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1,
	['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};
/* clang-format on */

/* Those of eight bytes that are no small letters and no hyphens, which names mostly are: sums of
 * seven bits, which carry into the eighth and no further. */
static uint64_t others_8(uint64_t v)
{
	uint64_t low = v & ~SWAR_HIGHS, not_hyphen = (low ^ SWAR_ONES * '-') + SWAR_ONES * 0x7f;
	uint64_t letter = (low + SWAR_ONES * (0x80 - 'a')) &
			  ~(low + SWAR_ONES * (0x7f - 'z'));
	return ((~letter & not_hyphen) | v) & SWAR_HIGHS;
}

size_t http_token_run(struct str s)
{
	size_t i = 0;
	while (i + 8 <= s.n) {
		uint64_t others = others_8(swar_load(s.p + i));
		if (!others) {
			i += 8;
			continue;
		}
		i += swar_first(others);
		if (!token_bytes[(unsigned char)s.p[i]])
			return i;
		i++;
	}
	while (i < s.n && token_bytes[(unsigned char)s.p[i]])
		i++;
	return i;
}

bool http_is_token(struct str s)
{
	return s.n > 0 && http_token_run(s) == s.n;
}

struct str http_header(const struct http_request *h, const char *name)
{
	struct str wanted = str_z(name);
	for (unsigned i = 0; i < h->n_headers; i++)
		if (str_eq(h->headers[i].name, wanted))
			return h->headers[i].value;
	return STR_NONE;
}

/* The only header of that name: 1 and *ret, 0 when there is none, -1 when there are several. */
static int only(const struct http_request *q, const char *name, struct str *ret)
{
	struct str wanted = str_z(name);
	int found = 0;
	for (unsigned i = 0; i < q->n_headers; i++) {
		if (!str_eq(q->headers[i].name, wanted))
			continue;
		if (found++)
			return -1;
		*ret = q->headers[i].value;
	}
	return found;
}

static enum refusal check_host(const struct http_request *q)
{
	struct str host = STR_NONE;
	int found = only(q, "host", &host);
	if (found == 0 && q->version_minor == 0)
		return REFUSE_NOTHING;
	if (found != 1 || !is_made_of(host, "-._~:[]%!$&'()*+;="))
		return REFUSE_HOST;
	return REFUSE_NOTHING;
}

/* Turns "http://host/path" into "/path" where the host is the one in Host. */
static struct str strip_scheme(const struct http_request *q, struct str t)
{
	struct str rest, host = STR_NONE;
	if (str_starts_nocase(t, STR("http://")))
		rest = str_skip(t, 7);
	else if (str_starts_nocase(t, STR("https://")))
		rest = str_skip(t, 8);
	else
		return STR_NONE;
	size_t n = 0;
	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
		n++;
	if (n == 0 || only(q, "host", &host) != 1 || !str_eq_nocase(host, str_of(rest.p, n)))
		return STR_NONE;
	return n < rest.n ? str_skip(rest, n) : STR("/");
}

static bool is_visible(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f)
			return false;
	return true;
}

/* RFC 9112, 3.2: origin, absolute and asterisk form; the authority form is CONNECT's. */
static enum refusal check_target(struct http_request *q, struct str t)
{
	bool is_asterisk = str_eq(t, STR("*"));
	if (str_eq(q->method, STR("CONNECT")))
		return REFUSE_METHOD_CONNECT;
	if (!is_visible(t) || str_find_char(t, '#') != SIZE_MAX)
		return REFUSE_TARGET;
	if (is_asterisk && !str_eq(q->method, STR("OPTIONS")))
		return REFUSE_TARGET;
	if (!is_asterisk && !str_starts(t, STR("/")))
		t = strip_scheme(q, t);
	if (!is_asterisk && !str_starts(t, STR("/")))
		return REFUSE_TARGET;
	q->target = t;
	q->query = t;
	q->path = str_cut(&q->query, '?');
	return REFUSE_NOTHING;
}

/* RFC 9112, 6.1 and 6.3: any doubt about where the body ends is an attack. */
static enum refusal check_framing(struct http_request *q)
{
	struct str length = STR_NONE, coding = STR_NONE;
	int lengths = only(q, "content-length", &length);
	int codings = only(q, "transfer-encoding", &coding);
	if (lengths < 0 || codings < 0 || (lengths && codings))
		return REFUSE_FRAMING;
	if (codings && q->version_minor == 0)
		return REFUSE_FRAMING;
	if (codings && !str_eq_nocase(coding, STR("chunked")))
		return REFUSE_CODING;
	q->content_length = codings ? UINT64_MAX : 0;
	if (lengths && (length.n > 19 || str_read_u64(length, &q->content_length) != 0 ||
			q->content_length > INT64_MAX))
		return REFUSE_LENGTH;
	q->has_body = q->content_length > 0;
	return REFUSE_NOTHING;
}

static enum refusal check_expect(const struct http_request *q)
{
	struct str v = STR_NONE;
	int found = only(q, "expect", &v);
	bool is_met = found == 0 || (found == 1 && str_eq_nocase(v, STR("100-continue")));
	return is_met ? REFUSE_NOTHING : REFUSE_EXPECT;
}

static enum refusal check_encoding(const struct http_request *q)
{
	for (unsigned i = 0; i < q->n_headers; i++)
		if (str_eq(q->headers[i].name, STR("content-encoding")) &&
		    !str_eq_nocase(q->headers[i].value, STR("identity")))
			return REFUSE_CONTENT_ENCODING;
	return REFUSE_NOTHING;
}

enum refusal http_check_head(struct http_request *q, struct str target)
{
	enum refusal r = check_host(q);
	if (r == REFUSE_NOTHING)
		r = check_target(q, target);
	if (r == REFUSE_NOTHING)
		r = check_framing(q);
	if (r == REFUSE_NOTHING)
		r = check_expect(q);
	if (r == REFUSE_NOTHING)
		r = check_encoding(q);
	return r;
}
