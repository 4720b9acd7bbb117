/* SPDX-License-Identifier: MIT
 * sniff.c - see sniff.h. */
#include "worker/exchange/sniff.h"

#include "worker/anthropic.h"
#include "worker/gemini.h"
#include "worker/openai.h"
#include "worker/responses.h"
#include "worker/skim.h"

enum { SCRATCH_MAX = 4 << 20, USAGE_MAX = 65536 };

static uint64_t count_of(const struct json *object, const char *name)
{
	return json_count(json_get(object, name));
}

/* Bedrock's Converse. */
static void read_converse(const struct json *usage, struct usage *ret)
{
	uint64_t read = count_of(usage, "cacheReadInputTokens"),
		 write = count_of(usage, "cacheWriteInputTokens");
	*ret = (struct usage){ .input = count_of(usage, "inputTokens") + read + write,
			       .output = count_of(usage, "outputTokens"),
			       .cache_read = read, .cache_write = write };
}

/* What Bedrock says of a stream, in whatever format its events are. */
static void read_metrics(const struct json *metrics, struct usage *ret)
{
	*ret = (struct usage){ .input = count_of(metrics, "inputTokenCount") +
					count_of(metrics, "cacheReadInputTokenCount") +
					count_of(metrics, "cacheWriteInputTokenCount"),
			       .output = count_of(metrics, "outputTokenCount"),
			       .cache_read = count_of(metrics, "cacheReadInputTokenCount"),
			       .cache_write = count_of(metrics, "cacheWriteInputTokenCount") };
	usage_clamp(ret);
}

/* {"tokens": {...}, "billed_units": {...}}: what is billed counts. */
static void read_cohere(const struct json *usage, struct usage *ret)
{
	const struct json *units = json_get(usage, "billed_units");
	if (!units)
		units = json_get(usage, "tokens");
	*ret = (struct usage){ .input = count_of(units, "input_tokens"),
			       .output = count_of(units, "output_tokens") };
}

static void read_usage(const struct json *usage, struct usage *ret)
{
	if (json_get(usage, "inputTokens") || json_get(usage, "outputTokens"))
		read_converse(usage, ret);
	else if (json_get(usage, "billed_units") || json_get(usage, "tokens"))
		read_cohere(usage, ret);
	else if (json_get(usage, "cache_read_input_tokens") ||
		 json_get(usage, "cache_creation_input_tokens"))
		anthropic_read_usage(usage, ret);
	else
		openai_read_usage(usage, ret);
}

typedef void read_fn(const struct json *usage, struct usage *ret);

static void take(struct arena *scratch, struct str text, read_fn *read, struct llm_tally *tally)
{
	struct json_error e;
	struct usage u = { 0 };
	const struct json *j =
		text.n && text.n < USAGE_MAX ? json_parse(scratch, text, 0, &e) : NULL;
	if (!json_is(j, JSON_OBJECT))
		return;
	read(j, &u);
	llm_tally_usage(tally, &u);
}

/* Seconds as a bare number: verbose transcriptions. */
static void take_duration(struct str text, struct llm_tally *tally)
{
	double v;
	uint64_t ms;
	if (str_read_double(text, &v) < 0 || v <= 0 || v >= 1e6)
		return;
	ms = (uint64_t)(v * 1000 + 0.999);
	if (ms > tally->usage.milliseconds)
		tally->usage.milliseconds = ms;
}

/* How many images there are. */
static void take_images(struct str list, struct llm_tally *tally)
{
	struct skim s;
	struct str key, value;
	uint64_t n = 0;
	if (!skim_open(&s, list) || s.is_object)
		return;
	while (skim_next(&s, &key, &value))
		n += skim_get(value, STR("b64_json")).p || skim_get(value, STR("url")).p;
	if (!s.is_broken && n > tally->usage.images)
		tally->usage.images = n;
}

/* Meta's models on Bedrock, and Amazon's first ones, count beside their text. */
static void take_bare(struct str key, struct str value, struct llm_tally *tally)
{
	struct usage u = { 0 };
	uint64_t n;
	if (str_read_u64(value, &n) < 0)
		return;
	if (str_eq(key, STR("generation_token_count")))
		u.output = n;
	else if (str_eq(key, STR("prompt_token_count")) || str_eq(key, STR("inputTextTokenCount")))
		u.input = n;
	else
		return;
	llm_tally_usage(tally, &u);
}

/* [{"tokenCount": 5, "outputText": "..."}] */
static void take_results(struct str list, struct llm_tally *tally)
{
	struct skim s;
	struct str key, item;
	struct usage u = { 0 };
	uint64_t n;
	if (!skim_open(&s, list) || s.is_object)
		return;
	while (skim_next(&s, &key, &item))
		if (str_read_u64(skim_get(item, STR("tokenCount")), &n) == 0 && n < INT32_MAX)
			u.output += n;
	if (!s.is_broken)
		llm_tally_usage(tally, &u);
}

static void take_tier(struct str word, struct llm_tally *tally)
{
	enum price_tier told = word.n >= 2 && word.p[0] == '"' ?
				       price_tier_of(str_of(word.p + 1, word.n - 2)) : TIER_UNTOLD;
	if (told)
		tally->usage.tier = (uint8_t)told;
}

static void keep_more(uint32_t *kept, uint32_t seen)
{
	seen = seen < WEB_SEARCHES_MAX ? seen : WEB_SEARCHES_MAX;
	*kept = seen > *kept ? seen : *kept;
}

/* The items of OpenAI's Responses: what did its tools do? */
static void take_output(struct str list, struct llm_tally *tally)
{
	struct skim s;
	struct str key, item;
	struct responses_tools t = { 0 };
	if (!skim_open(&s, list) || s.is_object)
		return;
	while (skim_next(&s, &key, &item))
		responses_count_item(&t, skim_get(item, STR("type")),
				     skim_get(skim_get(item, STR("action")), STR("type")),
				     skim_get(item, STR("container_id")));
	keep_more(&tally->usage.web_searches, t.searches);
	keep_more(&tally->usage.file_searches, t.file_searches);
	keep_more(&tally->usage.sessions, t.sessions);
}

/* Gemini's: on how many searches is it grounded? */
static void take_candidates(struct str list, struct llm_tally *tally)
{
	struct skim s, queries;
	struct str key, item, query;
	uint32_t n = 0;
	if (!skim_open(&s, list) || s.is_object)
		return;
	while (skim_next(&s, &key, &item)) {
		struct str grounds = skim_get(item, STR("groundingMetadata"));
		struct str found = skim_get(grounds, STR("webSearchQueries"));
		if (!grounds.p || !found.p || !skim_open(&queries, found) || queries.is_object)
			continue;
		while (skim_next(&queries, &key, &query))
			n++;
	}
	keep_more(&tally->usage.web_searches, n);
}

/* What stands in an answer, and in a response or a message within an event. False: not in all. */
static bool take_member(struct arena *scratch, struct str key, struct str value,
			struct llm_tally *tally)
{
	if (str_eq(key, STR("usage")) || str_eq(key, STR("meta")))
		take(scratch, value, read_usage, tally);
	else if (str_eq(key, STR("service_tier")))
		take_tier(value, tally);
	else if (str_eq(key, STR("output")))
		take_output(value, tally);
	else
		return false;
	return true;
}

/* A response, or a message, within an event. */
static void take_inner(struct arena *scratch, struct str object, struct llm_tally *tally)
{
	struct skim s;
	struct str key, value;
	if (!skim_open(&s, object) || !s.is_object)
		return;
	while (skim_next(&s, &key, &value))
		(void)take_member(scratch, key, value, tally);
}

/* What Gemini streams to those who ask for no events: an array of what the events would be. */
static void take_array(struct arena *scratch, struct skim *s, struct llm_tally *tally)
{
	struct str key, value;
	while (skim_next(s, &key, &value)) {
		struct str usage = skim_get(value, STR("usageMetadata"));
		if (usage.p)
			take(scratch, usage, gemini_read_usage, tally);
		take_candidates(skim_get(value, STR("candidates")), tally);
		arena_reset(scratch);
	}
}

void sniff_text(struct arena *scratch, struct str text, struct llm_tally *tally)
{
	struct skim s;
	struct str key, value;
	if (!skim_open(&s, text))
		return;
	if (!s.is_object) {
		take_array(scratch, &s, tally);
		return;
	}
	while (skim_next(&s, &key, &value)) {
		if (take_member(scratch, key, value, tally))
			continue;
		if (str_eq(key, STR("amazon-bedrock-invocationMetrics")))
			take(scratch, value, read_metrics, tally);
		else if (str_eq(key, STR("usageMetadata")))
			take(scratch, value, gemini_read_usage, tally);
		else if (str_eq(key, STR("candidates")))
			take_candidates(value, tally);
		else if (str_eq(key, STR("response")) || str_eq(key, STR("message")))
			take_inner(scratch, value, tally);
		else if (str_eq(key, STR("delta")))	/* of Cohere's last event */
			take(scratch, skim_get(value, STR("usage")), read_usage, tally);
		else if (str_eq(key, STR("duration")))
			take_duration(value, tally);
		else if (str_eq(key, STR("data")))
			take_images(value, tally);
		else if (str_eq(key, STR("results")))
			take_results(value, tally);
		else
			take_bare(key, value, tally);
	}
}

static int on_event(void *data, const struct sse_event *ev)
{
	struct sniff *s = data;
	if (!ev->data.p)
		return 0;
	s->tally->events++;
	sniff_text(s->scratch, ev->data, s->tally);
	arena_reset(s->scratch);
	return 0;
}

/* One JSON text of many. An empty line is none. */
static void take_line(struct sniff *s)
{
	struct str line = str_trim(buf_str(&s->whole));
	if (line.n) {
		s->tally->events++;
		sniff_text(s->scratch, line, s->tally);
		arena_reset(s->scratch);
	}
	buf_reset(&s->whole);
}

/* Each but the last, which may go on. A line too long to look at ends the looking. */
static void feed_lines(struct sniff *s, struct str bytes)
{
	size_t end;
	while ((end = str_find_char(bytes, '\n')) != SIZE_MAX && !s->whole.failed) {
		buf_put(&s->whole, str_of(bytes.p, end));
		if (!s->whole.failed)
			take_line(s);
		bytes = str_skip(bytes, end + 1);
	}
	buf_put(&s->whole, bytes);
}

static enum sniff_form form_of(struct str type)
{
	size_t semicolon = str_find_char(type, ';');
	type.n = semicolon == SIZE_MAX ? type.n : semicolon;
	type = str_trim(type);
	if (str_eq_nocase(type, STR("text/event-stream")))
		return SNIFF_EVENTS;
	if (str_eq_nocase(type, STR("application/vnd.amazon.eventstream")))
		return SNIFF_AWS;
	if (str_eq_nocase(type, STR("application/stream+json")) ||
	    str_eq_nocase(type, STR("application/x-ndjson")))
		return SNIFF_LINES;
	return str_eq_nocase(type, STR("application/json")) ? SNIFF_JSON : SNIFF_NOTHING;
}

static bool is_stream(const struct sniff *s)
{
	return s->form == SNIFF_EVENTS || s->form == SNIFF_AWS;
}

bool sniff_begin(struct sniff *s, struct str content_type, size_t cap, struct llm_tally *tally)
{
	s->form = form_of(content_type);
	s->tally = tally;
	buf_init(&s->whole, cap < SNIFF_JSON_MAX ? cap : SNIFF_JSON_MAX);
	sse_init(&s->sse, s->form == SNIFF_AWS ? FRAMING_EVENTSTREAM : FRAMING_SSE,
		 SNIFF_EVENT_MAX);
	s->scratch = s->form == SNIFF_NOTHING ? NULL : arena_new(SCRATCH_MAX);
	return s->scratch || s->form == SNIFF_NOTHING;
}

void sniff_feed(struct sniff *s, struct str bytes)
{
	if (is_stream(s) && sse_feed(&s->sse, bytes, on_event, s) < 0)
		s->form = SNIFF_NOTHING;
	if (s->form == SNIFF_LINES)
		feed_lines(s, bytes);
	else if (s->form == SNIFF_JSON)
		buf_put(&s->whole, bytes);
	else
		return;
	if (s->whole.failed) {		/* too long to look at */
		buf_done(&s->whole);
		s->form = SNIFF_NOTHING;
	}
}

void sniff_end(struct sniff *s)
{
	if (s->form == SNIFF_JSON)
		sniff_text(s->scratch, buf_str(&s->whole), s->tally);
	else if (s->form == SNIFF_LINES)
		take_line(s);
	else if (is_stream(s) && sse_end(&s->sse, on_event, s) < 0)
		s->form = SNIFF_NOTHING;
}

void sniff_done(struct sniff *s)
{
	buf_done(&s->whole);
	sse_done(&s->sse);
	arena_free(s->scratch);
	*s = (struct sniff){ 0 };
}
