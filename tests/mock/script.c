/* SPDX-License-Identifier: MIT
 * script.c - see script.h. */
#include "tests/mock/script.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum word_kind { WORD_FLAG, WORD_NUMBER, WORD_TEXT, WORD_HEADER };
enum word_effect { STAYS, FAILS, DETAIL };	/* DETAIL: says more about a failure */

struct word {
	const char *name;
	enum word_kind kind;
	enum word_effect effect;
	size_t at;
	const char *doc;
};

#define FLAG(w, effect, doc)   { #w, WORD_FLAG, effect, offsetof(struct script, w), doc }
#define NUMBER(w, effect, doc) { #w "=", WORD_NUMBER, effect, offsetof(struct script, w), doc }
#define TEXT(w, effect, doc)   { #w "=", WORD_TEXT, effect, offsetof(struct script, w), doc }

static const struct word words[] = {
	NUMBER(status, FAILS, "answer with this HTTP status; from 400 on with an error body"),
	NUMBER(retry, DETAIL, "retry-after: N"),
	NUMBER(ttft, STAYS, "milliseconds before the head and the first chunk"),
	NUMBER(cap, STAYS, "only N requests with this name at a time, each for ttft; others wait"),
	FLAG(shed, STAYS, "with cap: others get 429 instead"),
	NUMBER(tokens, STAYS, "content chunks to send (3)"),
	NUMBER(gap, STAYS, "milliseconds between chunks"),
	NUMBER(jitter, STAYS, "gap differs by up to N percent at random, and is kept to the microsecond"),
	NUMBER(die, FAILS, "reset (RST) after N chunks; 0: after the head"),
	NUMBER(fin, FAILS, "close (FIN) after N chunks without the end"),
	NUMBER(stall, FAILS, "send nothing more after N chunks, stay connected"),
	NUMBER(garbage, FAILS, "chunk N, counted from 0, is not JSON"),
	NUMBER(exception, FAILS, "Bedrock: an exception (code=) instead of chunk N, from 0"),
	NUMBER(errat, FAILS, "an error event (429, or status=) after N chunks, and nothing more"),
	NUMBER(bigevent, STAYS, "the first chunk's content has so many bytes"),
	FLAG(nodone, FAILS, "leave out [DONE], or Ollama's done object"),
	FLAG(dupusage, STAYS, "send the usage chunk twice"),
	FLAG(nousage, STAYS, "never tell usage"),
	NUMBER(slowhead, STAYS, "milliseconds between the status line and the rest of the head"),
	NUMBER(trickle, STAYS, "the body byte by byte, so many milliseconds apart"),
	FLAG(gzip, FAILS, "claim content-encoding: gzip, wrongly"),
	FLAG(h1close, STAYS, "connection: close"),
	FLAG(tool, STAYS, "answer with a tool call"),
	NUMBER(tools, STAYS, "answer with N tool calls"),
	NUMBER(think, STAYS, "N chunks of reasoning first"),
	FLAG(refuse, FAILS, "finish with content_filter"),
	FLAG(length, STAYS, "finish because of the limit"),
	NUMBER(size, STAYS, "content of a plain answer has so many bytes"),
	NUMBER(prompt, STAYS, "prompt tokens to report (a quarter of the body's bytes)"),
	NUMBER(out, STAYS, "completion tokens to report (tokens + think)"),
	NUMBER(cached, STAYS, "how many prompt tokens to report as cached"),
	TEXT(tier, STAYS, "the service tier to report"),
	NUMBER(searches, STAYS, "how many searches on the web to report"),
	NUMBER(filed, STAYS, "how many searches in files to report"),
	NUMBER(containers, STAYS, "report code run in so many containers, twice in each"),
	NUMBER(expires, STAYS, "life of a token in seconds (3600)"),
	NUMBER(comment, STAYS, "during ttft an SSE comment every N milliseconds"),
	FLAG(echo, STAYS, "the content is the last user message, in `tokens` chunks"),
	{ "hdr=", WORD_HEADER, STAYS, 0, "name:value, one more response header; may be repeated" },
	TEXT(redirect, FAILS, "307 (or status=) to this location"),
	FLAG(badlen, FAILS, "claim 16 bytes more than are sent, then close; plain answers"),
	TEXT(errbody, FAILS, "this text as the body of an error (500)"),
	TEXT(code, DETAIL, "error code in the error body"),
	NUMBER(failn, STAYS, "only the first N requests with this name fail: as said, or with 500"),
	NUMBER(slowafter, STAYS, "ttft does not hold for the first N requests with this name"),
	FLAG(keyecho, FAILS, "an error (401) that shows the Authorization header"),
	FLAG(emptychoices, FAILS, "choices is an empty list"),
	FLAG(json, STAYS, "the content is a JSON object if the request asks for one"),
	FLAG(drop, FAILS, "reset the connection instead of any answer"),
	FLAG(role, STAYS, "the role comes in a chunk of its own, not counted"),
	FLAG(stamp, STAYS, "a content chunk is @ and the monotonic nanosecond when it was made"),
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

/* Undo %XX, moving *text on; the result lies where *text was. */
static struct span decode(struct span s, char **text)
{
	struct span ret = { *text, 0 };
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		int high = c == '%' && s.n - i > 2 ? hex_digit(s.p[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(s.p[i + 2]) : -1;
		if (low >= 0) {
			c = (char)(high * 16 + low);
			i += 2;
		}
		*(*text)++ = c;
		ret.n++;
	}
	return ret;
}

size_t script_decode(struct span s, char *text)
{
	return decode(s, &text).n;
}

static bool read_number(struct span s, int64_t *ret)
{
	int64_t v = 0;
	if (s.n == 0 || s.n > 9)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (s.p[i] - '0');
	}
	*ret = v;
	return true;
}

static bool take_value(struct script *s, const struct word *w, struct span value, char **text)
{
	char *at = (char *)s + w->at;
	switch (w->kind) {
	case WORD_FLAG:
		*(bool *)at = true;
		return true;
	case WORD_NUMBER:
		return read_number(value, (int64_t *)(void *)at);
	case WORD_TEXT:
		*(struct span *)(void *)at = decode(value, text);
		return true;
	case WORD_HEADER:
		if (s->hdr_count == SCRIPT_HDR_MAX || !memchr(value.p, ':', value.n))
			return false;
		s->hdr[s->hdr_count++] = decode(value, text);
		return true;
	}
	return false;
}

static bool take_word(struct script *s, struct span one, char **text)
{
	const char *eq = memchr(one.p, '=', one.n);
	size_t name = eq ? (size_t)(eq - one.p) + 1 : one.n;
	for (size_t i = 0; i < COUNT(words); i++) {
		if (strlen(words[i].name) == name && memcmp(words[i].name, one.p, name) == 0)
			return take_value(s, &words[i],
					  (struct span){ one.p + name, one.n - name }, text);
	}
	return false;
}

static void clear_word(struct script *s, const struct word *w)
{
	char *at = (char *)s + w->at;
	switch (w->kind) {
	case WORD_FLAG:
		*(bool *)at = false;
		break;
	case WORD_NUMBER:
		*(int64_t *)(void *)at = -1;
		break;
	case WORD_TEXT:
		*(struct span *)(void *)at = (struct span){ 0 };
		break;
	case WORD_HEADER:
		s->hdr_count = 0;
		break;
	}
}

void script_read(struct script *ret, struct span model, char *text)
{
	ret->stranger = (struct span){ 0 };
	for (size_t i = 0; i < COUNT(words); i++)
		clear_word(ret, &words[i]);
	const char *p = model.n ? memchr(model.p, '?', model.n) : NULL;
	if (!p && model.n)
		p = memchr(model.p, '~', model.n);
	const char *end = p ? model.p + model.n : NULL;
	while (p) {
		const char *from = p + 1;
		p = memchr(from, '&', (size_t)(end - from));
		struct span one = { from, (size_t)((p ? p : end) - from) };
		if (one.n && !take_word(ret, one, &text) && !ret->stranger.p)
			ret->stranger = one;
	}
	if (ret->tools < 0)
		ret->tools = ret->tool ? 1 : 0;
	if (ret->tokens < 0)
		ret->tokens = 3;
	if (ret->think < 0)
		ret->think = 0;
}

void script_forgive(struct script *s)
{
	for (size_t i = 0; i < COUNT(words); i++) {
		if (words[i].effect != STAYS)
			clear_word(s, &words[i]);
	}
}

static bool is_said(const struct script *s, const struct word *w)
{
	const char *at = (const char *)s + w->at;
	switch (w->kind) {
	case WORD_FLAG:
		return *(const bool *)at;
	case WORD_NUMBER:
		return *(const int64_t *)(const void *)at >= 0;
	case WORD_TEXT:
		return ((const struct span *)(const void *)at)->p != NULL;
	case WORD_HEADER:
		return s->hdr_count > 0;
	}
	return false;
}

bool script_fails(const struct script *s)
{
	for (size_t i = 0; i < COUNT(words); i++) {
		if (words[i].effect == FAILS && is_said(s, &words[i]))
			return true;
	}
	return false;
}

void script_help(FILE *to)
{
	for (size_t i = 0; i < COUNT(words); i++)
		fprintf(to, "  %-13s %s\n", words[i].name, words[i].doc);
}
