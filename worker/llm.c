/* SPDX-License-Identifier: MIT
 * llm.c - what the gateway knows of an answer whoever gave it, and the words for it. */
#include "worker/llm.h"

enum {
	SCRUBBED_MAX = 2048,
	KEY_MIN = 8		/* a shorter word behind "sk-" is no key */
};

static void keep_larger(uint64_t *kept, uint64_t seen)
{
	if (seen > *kept)
		*kept = seen;
}

void llm_tally_usage(struct llm_tally *t, const struct usage *u)
{
	struct usage seen = *u;
	usage_clamp(&seen);
	if (!seen.input && !seen.output && !seen.searches && !seen.milliseconds)
		return;		/* all zero is how some say that they do not know */
	keep_larger(&t->usage.input, seen.input);
	keep_larger(&t->usage.output, seen.output);
	keep_larger(&t->usage.cache_read, seen.cache_read);
	keep_larger(&t->usage.cache_write, seen.cache_write);
	keep_larger(&t->usage.cache_write_hour, seen.cache_write_hour);
	keep_larger(&t->usage.reasoning, seen.reasoning);
	keep_larger(&t->usage.searches, seen.searches);
	keep_larger(&t->usage.media_input, seen.media_input);
	keep_larger(&t->usage.media_output, seen.media_output);
	keep_larger(&t->usage.milliseconds, seen.milliseconds);
	if (seen.tier)
		t->usage.tier = seen.tier;
	if (seen.search_size)
		t->usage.search_size = seen.search_size;
	if (seen.web_searches > t->usage.web_searches)
		t->usage.web_searches = seen.web_searches;
	if (seen.file_searches > t->usage.file_searches)
		t->usage.file_searches = seen.file_searches;
	if (seen.sessions > t->usage.sessions)
		t->usage.sessions = seen.sessions;
	usage_clamp(&t->usage);
	t->usage.estimated = t->has_usage ? t->usage.estimated && seen.estimated : seen.estimated;
	t->has_usage = true;
}

/* As it stands between its quotes: none of the words needs an escape. */
static struct str word_of(const struct json *j)
{
	return json_is(j, JSON_STRING) ? str_of(j->raw.p + 1, j->raw.n - 2) : STR("");
}

enum price_tier llm_tier_of(const struct json *j)
{
	return price_tier_of(word_of(j));
}

enum search_size llm_search_size_of(const struct json *j)
{
	return search_size_of(word_of(j));
}

uint32_t llm_searches_of(const struct json *j)
{
	uint64_t n = json_count(j);
	return n < WEB_SEARCHES_MAX ? (uint32_t)n : WEB_SEARCHES_MAX;
}

static void tally_content(struct llm_tally *t, struct str text)
{
	if (text.n == 0)
		return;
	t->has_content = true;
	t->content_bytes += text.n;
	t->estimate_milli += estimate_tokens_milli(text);
}

void llm_tally_event(struct llm_tally *t, const struct llm_event *ev)
{
	if (t->text && ev->kind == EV_TEXT && ev->choice == 0)
		buf_put(t->text, ev->text);
	if (t->listener)
		t->listener->hear(t->listener, ev);
	switch (ev->kind) {
	case EV_TEXT:
	case EV_REASONING:
	case EV_REFUSAL:
	case EV_TOOL_ARGS:
		tally_content(t, ev->text);
		break;
	case EV_TOOL_START:
		t->has_content = t->has_calls = true;
		tally_content(t, ev->name);
		break;
	case EV_VECTOR:
	case EV_RANK:
		t->has_content = true;
		break;
	case EV_FINISH:
		if (t->finish == FINISH_NONE)
			t->finish = ev->finish;
		break;
	case EV_USAGE:
		llm_tally_usage(t, &ev->usage);
		break;
	case EV_ERROR:
		t->has_error = true;
		t->error = *ev->error;
		break;
	case EV_END:
		t->is_done = true;
		break;
	case EV_START:
		break;
	}
}

/* --- why an answer ends --- */

const char *llm_finish_name(enum llm_finish f)
{
	static const char *const names[] = {
		[FINISH_NONE] = "stop",		    [FINISH_STOP] = "stop",
		[FINISH_LENGTH] = "length",	    [FINISH_TOOL_CALLS] = "tool_calls",
		[FINISH_FILTER] = "content_filter", [FINISH_FUNCTION] = "function_call",
	};
	MUST((unsigned)f < COUNT(names));
	return names[f];
}

enum llm_finish llm_finish_of(struct str native)
{
	static const struct {
		struct str name;
		enum llm_finish finish;
	} words[] = {
		{ STR("stop"), FINISH_STOP },
		{ STR("length"), FINISH_LENGTH },
		{ STR("tool_calls"), FINISH_TOOL_CALLS },
		{ STR("content_filter"), FINISH_FILTER },
		{ STR("function_call"), FINISH_FUNCTION },
		{ STR("tool_use"), FINISH_TOOL_CALLS },
		{ STR("max_tokens"), FINISH_LENGTH },
		{ STR("model_length"), FINISH_LENGTH },
		{ STR("max_length"), FINISH_LENGTH },
		{ STR("model_context_window_exceeded"), FINISH_LENGTH },
		{ STR("content-filter"), FINISH_FILTER },
		{ STR("sensitive"), FINISH_FILTER },
		{ STR("refusal"), FINISH_FILTER },
		{ STR("error"), FINISH_NONE },
		{ STR("abort"), FINISH_NONE },
		{ STR("insufficient_system_resource"), FINISH_NONE },
	};
	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq_nocase(native, words[i].name))
			return words[i].finish;
	return FINISH_STOP;
}

/* --- secrets in texts --- */

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* What may stand in a key, also in one that somebody has half hidden. */
static bool is_key_char(char c)
{
	return is_word(c) || strchr("-_.*+/=", c);
}

static size_t key_chars(struct str s)
{
	size_t n = 0;
	while (n < s.n && s.p[n] && is_key_char(s.p[n]))
		n++;
	return n;
}

/* Bytes at the front of s that must not be shown; *ret_kept of them say what it was. */
static size_t secret_length(struct str s, struct str key, size_t *ret_kept)
{
	static const struct str prefixes[] = {
		STR("sk-"), STR("gsk_"), STR("xai-"), STR("AIza"), STR("hf_"), STR("r8_"),
		STR("pplx-"), STR("nvapi-"), STR("csk-"), STR("fw_"), STR("key-"),
	};
	*ret_kept = 0;
	if (key.n >= KEY_MIN && str_starts(s, key))
		return key.n;
	if (str_starts_nocase(s, STR("bearer "))) {
		*ret_kept = 7;
		size_t n = key_chars(str_skip(s, 7));
		return n >= KEY_MIN ? 7 + n : 0;
	}
	for (size_t i = 0; i < COUNT(prefixes); i++) {
		size_t n = str_starts(s, prefixes[i]) ? key_chars(s) : 0;
		if (n >= prefixes[i].n + KEY_MIN)
			return n;
	}
	return 0;
}

/* Copies one character, or what stands for it where it cannot be shown. Returns its bytes. */
static size_t put_printable(char *out, size_t *n, struct str s)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t len = str_utf8_len(s);
	if (len < 2) {
		out[(*n)++] = c >= 0x80 ? '?' : c < 0x20 || c == 0x7f ? ' ' : (char)c;
		return 1;
	}
	memcpy(out + *n, s.p, len);
	*n += len;
	return len;
}

struct str llm_scrub(struct arena *a, struct str text, struct str key)
{
	char *out = arena_alloc(a, SCRUBBED_MAX + 16);
	size_t n = 0, kept;
	if (!out)
		return STR_NONE;
	for (size_t i = 0; i < text.n && n < SCRUBBED_MAX;) {
		struct str rest = str_skip(text, i);
		bool begins = i == 0 || !is_word(text.p[i - 1]);
		size_t secret = begins || (key.n && text.p[i] == key.p[0])
					? secret_length(rest, key, &kept) : 0;
		if (!secret) {
			i += put_printable(out, &n, rest);
			continue;
		}
		memcpy(out + n, rest.p, kept);
		memcpy(out + n + kept, "***", 3);
		n += kept + 3;
		i += secret;
	}
	return str_of(out, n);
}
