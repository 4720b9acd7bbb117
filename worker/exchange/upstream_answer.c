/* SPDX-License-Identifier: MIT
 * upstream_answer.c - the head and the bytes of a provider's answer, as curl reads them; see
 * upstream_private.h. */
#include "worker/exchange/upstream_private.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* Everything else that a provider sends stays here: no Set-Cookie, no Server, no echo. */
static bool is_passed_on(struct str name)
{
	static const char *const starts[] = {"x-ratelimit-", "ratelimit-",   "anthropic-ratelimit-",
					     "openai-",	     "x-request-id", "request-id",
					     "retry-after",  "x-amzn-requestid"};
	if (!name.n || !memchr("xrao", name.p[0] | 0x20, 4))	/* most begin with none of them */
		return false;
	for (size_t i = 0; i < COUNT(starts); i++)
		if (str_starts_nocase(name, str_z(starts[i])))
			return true;
	return false;
}

static void pass_on(struct transfer *t, struct str name, struct str value)
{
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f)
			return;
	if (value.n > 256 || (t->key.n && str_find(value, t->key) != SIZE_MAX))
		return;
	if (str_starts_nocase(name, STR("x-ratelimit-"))) {
		buf_put(&t->passed, name);
		BUF_PUT_LIT(&t->passed, ": ");
		buf_put(&t->passed, value);
		BUF_PUT_LIT(&t->passed, "\r\n");
	}
	BUF_PUT_LIT(&t->passed, "llm_provider-");
	buf_put(&t->passed, name);
	BUF_PUT_LIT(&t->passed, ": ");
	buf_put(&t->passed, value);
	BUF_PUT_LIT(&t->passed, "\r\n");
}

/* Seconds, or an HTTP date (RFC 9110, 10.2.3); at most a day. */
static uint64_t read_retry_after(struct str v)
{
	uint64_t s;
	double f;
	char text[64];
	if (str_read_u64(v, &s) == 0)
		return s > 86400 ? 86400000 : s * 1000;
	if (str_read_double(v, &f) == 0 && f >= 0)
		return f > 86400 ? 86400000 : (uint64_t)(f * 1000);
	if (v.n >= sizeof text)
		return 0;
	memcpy(text, v.p, v.n);
	text[v.n] = 0;
	time_t at = curl_getdate(text, NULL), now = time(NULL);
	return at > now && at - now <= 86400 ? (uint64_t)(at - now) * 1000 : 0;
}

/* OpenAI's names of limits, Anthropic's, and those of many others: what remains, and when it is
 * full again, of requests or of tokens. */
static void read_limit(struct transfer *t, struct str name, struct str value)
{
	char lower[64];
	if (name.n > sizeof lower)
		return;
	for (size_t i = 0; i < name.n; i++)
		lower[i] = (char)tolower((unsigned char)name.p[i]);
	name = str_of(lower, name.n);
	if (str_find(name, STR("ratelimit")) == SIZE_MAX)
		return;
	unsigned kind = str_find(name, STR("token")) == SIZE_MAX ? PACE_REQUESTS : PACE_TOKENS;
	if (str_find(name, STR("remaining")) != SIZE_MAX)
		pace_read_remaining(&t->pace, kind, value);
	else if (str_find(name, STR("reset")) != SIZE_MAX)
		t->pace.reset_ms[kind] = pace_read_reset(value, (uint64_t)time(NULL));
}

/* As much of a value as there is room for. */
static struct str copy_value(char *to, size_t room, struct str value)
{
	size_t n = value.n < room ? value.n : room;
	memcpy(to, value.p, n);
	return str_of(to, n);
}

static void read_header(struct transfer *t, struct str name, struct str value)
{
	uint64_t ms;
	if (str_eq_nocase(name, STR("content-type"))) {
		t->head.content_type =
			copy_value(t->content_type, sizeof t->content_type, value);
	} else if (str_eq_nocase(name, STR("x-amzn-errortype"))) {
		t->head.error_type = copy_value(t->error_type, sizeof t->error_type, value);
	} else if (str_eq_nocase(name, STR("content-disposition"))) {
		buf_reset(&t->disposition);
		buf_put(&t->disposition, value);
		if (!t->disposition.failed)		/* half of one is none */
			t->head.disposition = buf_str(&t->disposition);
	} else if (str_eq_nocase(name, STR("content-length"))) {
		if (str_read_u64(value, &t->head.length) < 0)
			t->head.length = UINT64_MAX;
	} else if (str_eq_nocase(name, STR("transfer-encoding"))) {
		t->is_chunked = true;
	} else if (str_eq_nocase(name, STR("content-encoding"))) {
		if (value.n && !str_eq_nocase(value, STR("identity")))
			t->wrong = "the answer is compressed, which it was not asked to be";
	} else if (str_eq_nocase(name, STR("retry-after-ms"))) {
		if (str_read_u64(value, &ms) == 0 && ms <= 86400000)
			t->head.retry_after_ms = ms;
	} else if (str_eq_nocase(name, STR("retry-after"))) {
		if (!t->head.retry_after_ms)
			t->head.retry_after_ms = read_retry_after(value);
	} else if (str_eq_nocase(name, STR("x-should-retry"))) {
		t->head.should_retry = str_eq_nocase(value, STR("true"));
	}
	if (is_passed_on(name)) {
		pass_on(t, name, value);
		read_limit(t, name, value);
	}
}

void upstream_head_begin(struct transfer *t)
{
	t->pace = (struct pace){ 0 };
	buf_reset(&t->passed);
	t->head = (struct transfer_head){ .should_retry = -1, .length = UINT64_MAX };
	t->wrong = NULL;
	t->is_chunked = t->is_head_whole = false;
}

/* The line with the status. 101 would end HTTP, and libcurl would wait for more of it. */
static bool begin_head(struct transfer *t, struct str line)
{
	upstream_head_begin(t);			/* also after a 100 Continue */
	(void)str_cut(&line, ' ');
	if (!str_starts(str_trim(line), STR("101")))
		return true;
	t->wrong = "the answer changes to another protocol, which nobody asked for";
	return false;
}

size_t upstream_on_header(char *p, size_t size, size_t n, void *data)
{
	struct transfer *t = data;
	struct str line = str_of(p, size * n);
	t->head_bytes += line.n;
	if (t->head_bytes > HEAD_BYTES_MAX) {
		t->wrong = "the answer's head is longer than the gateway takes";
		return 0;
	}
	if (str_starts(line, STR("HTTP/")) && !t->is_head_told)
		return begin_head(t, line) ? line.n : 0;
	if (t->is_head_whole)
		return line.n;			/* trailers say nothing that is wanted */
	while (line.n && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	t->is_head_whole = !line.n;
	struct str value = line, name = str_cut(&value, ':');
	if (value.p)
		read_header(t, name, str_trim(value));
	return size * n;
}

bool upstream_is_asked(const struct transfer *t)
{
	long sent = 0, status = 0;
	curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &sent);
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	return sent > 0 && status < 300;
}

bool upstream_tell_head(struct transfer *t)
{
	long status = 0;
	if (t->is_head_told)
		return true;
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (t->wrong || status < 100)
		return false;
	t->is_head_told = true;
	t->head.status = (int)status;
	if (t->is_chunked)		/* then a length is no word about it (RFC 9112, 6.3) */
		t->head.length = UINT64_MAX;
	t->head.headers = t->passed.failed ? STR_NONE : buf_str(&t->passed);
	t->head.pause_ms = pace_pause_ms(&t->pace);
	memcpy(t->head.remaining, t->pace.remaining, sizeof t->head.remaining);
	t->h->on_head(t->data, &t->head);
	return true;
}

size_t upstream_on_body(char *p, size_t size, size_t n, void *data)
{
	struct transfer *t = data;
	if (t->wants_pause) {
		t->is_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	if (!upstream_tell_head(t))
		return 0;
	int r = t->h->on_data(t->data, str_of(p, size * n));
	if (r < 0)
		return 0;
	t->wants_pause = r == 1;
	return size * n;
}
