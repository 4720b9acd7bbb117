/* SPDX-License-Identifier: MIT
 * fuzz_provider_anthropic.c - any bytes read as an Anthropic answer give events or an error, the
 * same however they are cut; what the client's dialect writes of them keeps the stream's grammar
 * and sums up to the plain answer; and the short way counts the same. The first byte chooses what
 * the client asked, the second one the size of the pieces. */
#include "tests/fuzz/answer_fuzz.h"
#include "tests/unit/anthropic_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const struct dialect *const dialect = &dialect_anthropic_messages;

/* --- the grammar of what is written --- */

struct grammar {
	struct arena *scratch;
	unsigned blocks;
	bool has_started, is_open, has_delta, has_stopped;
};

static int check_sse(void *data, const struct sse_event *ev)
{
	struct grammar *g = data;
	struct json_error error;
	const struct json *root = json_parse(g->scratch, ev->data, JSON_ONE_KEY, &error);
	struct str type = json_get_str(g->scratch, root, "type");
	int64_t index = 0;
	MUST(root && str_eq(type, ev->name) && !g->has_stopped);
	MUST(g->has_started == !str_eq(type, STR("message_start")));
	g->has_started = true;
	bool is_start = str_eq(type, STR("content_block_start"));
	bool is_stop = str_eq(type, STR("content_block_stop"));
	if (is_start || is_stop || str_eq(type, STR("content_block_delta"))) {
		MUST(g->is_open == !is_start && !g->has_delta);
		MUST(json_read_i64(json_get(root, "index"), &index) == 0 && index == g->blocks);
		g->is_open = !is_stop;
		g->blocks += is_stop;
	} else if (str_eq(type, STR("message_delta"))) {
		MUST(!g->is_open && !g->has_delta);
		g->has_delta = true;
	} else if (str_eq(type, STR("message_stop"))) {
		MUST(g->has_delta);
		g->has_stopped = true;
	}
	arena_reset(g->scratch);
	return 0;
}

static void check_grammar(struct str stream)
{
	struct grammar g = { .scratch = arena_new(ANSWER_MEMORY) };
	struct sse s;
	sse_init(&s, FRAMING_SSE, ANSWER_MEMORY);
	MUST(sse_feed(&s, stream, check_sse, &g) == 0 && g.has_stopped);
	sse_done(&s);
	arena_free(g.scratch);
}

/* --- the sum of the deltas --- */

/* What is no JSON stays as it is in a stream alone. */
static bool has_odd_input(struct str plain)
{
	return str_find(plain, STR("\"_raw\":")) != SIZE_MAX;
}

static void compare_sums(struct answer_run *r, struct answer_run *back)
{
	struct buf plain, summed;
	buf_init(&plain, ANSWER_MEMORY);
	buf_init(&summed, ANSWER_MEMORY);
	if (dialect->write_answer(&r->plain, &plain) == 0 && !has_odd_input(buf_str(&plain)) &&
	    dialect->write_answer(&back->plain, &summed) == 0 && !plain.failed && !summed.failed) {
		struct str a = buf_str(&plain), b = buf_str(&summed);
		a.n = str_find(a, STR("],\"stop_reason\":"));
		b.n = str_find(b, STR("],\"stop_reason\":"));
		MUST(str_eq(a, b));
	}
	buf_done(&plain);
	buf_done(&summed);
}

/* The request asks for no format here: the tool that stands for one is a tool on the way back. */
static void check_sum(struct answer_run *r)
{
	static const struct llm_request no_format = { .kind = LLM_CHAT, .n = 1, .is_stream = true };
	struct llm_event end = { .kind = EV_END };
	struct answer_run back;
	if (r->said.errors || r->failed || r->said.tally.finish == FINISH_NONE)
		return;
	if (!r->is_over)
		on_answer_event(r, &end);
	if (r->failed || r->out.failed)
		return;
	MUST(r->stream.is_ended);
	check_grammar(buf_str(&r->out));
	answer_begin(&back, &provider_anthropic, dialect, &no_format);
	struct sse s;
	sse_init(&s, FRAMING_SSE, ANSWER_MEMORY);
	int err = sse_feed(&s, buf_str(&r->out), on_answer_sse, &back);
	sse_done(&s);
	MUST(err == 0 || err == -ENOMEM || back.failed);
	if (!err && !back.failed) {
		MUST(back.said.tally.has_usage || !r->said.tally.has_usage);
		compare_sums(r, &back);
	}
	answer_done(&back);
}

static void fuzz_cuts(const struct llm_request *q, struct str in, size_t step)
{
	struct answer_run whole, pieces;
	answer_begin(&whole, &provider_anthropic, dialect, q);
	answer_begin(&pieces, &provider_anthropic, dialect, q);
	int a = answer_feed(&whole, FRAMING_SSE, in, in.n + 1);
	int b = answer_feed(&pieces, FRAMING_SSE, in, step);
	MUST(a == b || whole.failed || pieces.failed);
	MUST(a == 0 || a == -EBADMSG || a == -ENOMEM || whole.failed);
	MUST(whole.failed || str_eq(buf_str(&whole.text), buf_str(&pieces.text)));
	if (a == 0)
		check_sum(&whole);
	answer_done(&whole);
	answer_done(&pieces);
}

static void fuzz_whole(const struct llm_request *q, struct str in)
{
	struct answer_run r;
	answer_begin(&r, &provider_anthropic, dialect, q);
	int err = provider_anthropic.read_answer(&r.reader, in, on_answer_event, &r);
	MUST(err == 0 || err == -EBADMSG || err == -ENOMEM || r.failed);
	MUST(err || r.said.errors == 1 || r.said.ends == 1);
	if (!err)
		check_sum(&r);
	answer_done(&r);
}

/* --- the short way --- */

static void check_same_counts(const struct llm_tally *a, const struct llm_tally *b)
{
	MUST(a->usage.input == b->usage.input && a->usage.output == b->usage.output);
	MUST(a->content_bytes == b->content_bytes && a->estimate_milli == b->estimate_milli);
	MUST(a->finish == b->finish && a->has_content == b->has_content);
}

static void fuzz_short_way(const struct llm_request *q, struct str in)
{
	struct answer_run direct, after;
	struct short_run r;
	answer_begin(&direct, &provider_anthropic, dialect, q);
	answer_begin(&after, &provider_anthropic, dialect, q);
	int err = short_feed(&r, dialect, &direct.stream, in);
	int direct_err = answer_feed(&direct, FRAMING_SSE, in, in.n + 1);
	if (!err && !direct_err && !direct.failed) {
		check_same_counts(&r.answer.tally, &direct.said.tally);
		MUST(answer_feed(&after, FRAMING_SSE, buf_str(&r.out), r.out.n + 1) == 0);
		check_same_counts(&after.said.tally, &direct.said.tally);
	}
	short_done(&r);
	answer_done(&direct);
	answer_done(&after);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct llm_request q = { .kind = LLM_CHAT, .n = 1, .is_stream = true };
	if (n < 2 || n > 65536 || hash_init() != 0)
		return 0;
	struct str in = { (const char *)p + 2, n - 2 };
	if (p[0] & 32)
		q.format = FORMAT_JSON;
	if (p[0] & 64) {
		fuzz_whole(&q, in);
		return 0;
	}
	fuzz_cuts(&q, in, p[1] % 13 + 1);
	if (!(p[0] & 32))
		fuzz_short_way(&q, in);
	return 0;
}
