/* SPDX-License-Identifier: MIT
 * translate_bench.c - CPU of the adapters alone: a prompt of 100 KB from each dialect to each
 * provider's format, and each event of a stream on the way back.
 *
 * translate_bench [--json]: microseconds, medians of several rounds, from the thread's CPU clock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/arena.h"
#include "common/hash.h"
#include "common/json_write.h"
#include "worker/client/dialect.h"
#include "worker/client/prompt_check.h"
#include "worker/exchange/provider.h"

enum { PROMPT_BYTES = 100 * 1024, TURNS = 20, EVENTS = 2000, ROUNDS = 15, CAP = 64 << 20 };

static struct arena *mem, *scratch;

static double cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof *v, by_value);
	return v[n / 2];
}

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "translate_bench: %s\n", what);
	exit(1);
}

/* ---- what is translated ---- */

/* Prose with what must be escaped now and then. */
static void put_prose(struct buf *b, size_t n)
{
	static const char words[] = "The quick brown fox said: \\\"jumps over the lazy dog\\\"\\n";
	while (n > sizeof words) {
		buf_put(b, str_of(words, sizeof words - 1));
		n -= sizeof words - 1;
	}
}

static void put_turns(struct buf *b, const char *first, const char *other, const char *end)
{
	for (unsigned i = 0; i < TURNS; i++) {
		buf_put_z(b, i ? "," : "");
		buf_put_z(b, i % 2 ? other : first);
		put_prose(b, PROMPT_BYTES / TURNS);
		buf_put_z(b, end);
	}
}

static const struct from {
	const char *name;
	const struct dialect *dialect;
	const char *before, *first, *other, *end, *after;
} froms[] = {
	{ "openai", &dialect_openai_chat, "{\"model\":\"m\",\"stream\":true,\"messages\":[",
	  "{\"role\":\"user\",\"content\":\"", "{\"role\":\"assistant\",\"content\":\"", "\"}", "]}" },
	{ "anthropic", &dialect_anthropic_messages,
	  "{\"model\":\"m\",\"stream\":true,\"max_tokens\":100,\"messages\":[",
	  "{\"role\":\"user\",\"content\":\"", "{\"role\":\"assistant\",\"content\":\"", "\"}", "]}" },
	{ "gemini", &dialect_gemini_stream, "{\"contents\":[",
	  "{\"role\":\"user\",\"parts\":[{\"text\":\"", "{\"role\":\"model\",\"parts\":[{\"text\":\"",
	  "\"}]}", "]}" },
	{ "ollama", &dialect_ollama_chat, "{\"model\":\"m\",\"messages\":[",
	  "{\"role\":\"user\",\"content\":\"", "{\"role\":\"assistant\",\"content\":\"", "\"}", "]}" },
	{ "cohere", &dialect_cohere_chat, "{\"model\":\"m\",\"stream\":true,\"messages\":[",
	  "{\"role\":\"user\",\"content\":\"", "{\"role\":\"assistant\",\"content\":\"", "\"}", "]}" },
};

static const struct to {
	const char *name;
	const struct provider *provider;
	const char *start, *event, *finish;	/* of a stream: first, then EVENTS times, last */
} tos[] = {
	{ "openai", &provider_openai, "",
	  "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","
	  "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"finish_reason\":null}]}\n\n",
	  "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
	  "data: [DONE]\n\n" },
	{ "anthropic", &provider_anthropic,
	  "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\","
	  "\"model\":\"m\",\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n"
	  "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
	  "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
	  "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
	  "\"delta\":{\"type\":\"text_delta\",\"text\":\" word\"}}\n\n",
	  "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
	  "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
	  "\"end_turn\"},\"usage\":{\"output_tokens\":9}}\n\n"
	  "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n" },
	{ "gemini", &provider_gemini, "",
	  "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\" word\"}],\"role\":\"model\"},"
	  "\"index\":0}],\"modelVersion\":\"m\",\"responseId\":\"r\"}\n\n",
	  "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\".\"}],\"role\":\"model\"},"
	  "\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":9}}\n\n" },
	{ "ollama", &provider_ollama_chat, "",
	  "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\" word\"},\"done\":false}\n",
	  "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,"
	  "\"done_reason\":\"stop\",\"prompt_eval_count\":9,\"eval_count\":9}\n" },
	{ "cohere", &provider_cohere,
	  "event: message-start\ndata: {\"type\":\"message-start\",\"id\":\"c\"}\n\n",
	  "event: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{"
	  "\"content\":{\"text\":\" word\"}}}}\n\n",
	  "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\","
	  "\"usage\":{\"tokens\":{\"input_tokens\":9,\"output_tokens\":9}}}}\n\n" },
};

/* ---- there ---- */

/* From the client's bytes to the provider's; q stays in the arena. */
static void ask(const struct from *f, const struct to *t, struct str body, struct llm_request *q,
		struct provider_call *call)
{
	struct dialect_error de = { 0 };
	struct llm_error e = { 0 };
	struct json_error je;
	struct provider_target target = { .model = STR("m"), .drop_params = true };
	const struct json *root = json_parse(mem, body, JSON_ONE_KEY, &je);
	*q = (struct llm_request){ .num_retries = -1, .model = STR("m") };
	need(root && f->dialect->read_request(mem, body, root, q, &de) == 0, "cannot be read");
	need(prompt_check(mem, q, &de) == 0, "is not what it should be");
	buf_init(&call->path, 4096);
	buf_init(&call->body, CAP);
	buf_init(&call->headers, 4096);
	need(t->provider->write_request(mem, q, &target, call, &e) == 0, "cannot be written");
}

static void ask_done(struct provider_call *call)
{
	buf_done(&call->path);
	buf_done(&call->body);
	buf_done(&call->headers);
}

static double time_request(const struct from *f, const struct to *t, struct str body)
{
	double us[ROUNDS];
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct llm_request q;
		struct provider_call call = { 0 };
		arena_reset(mem);
		double began = cpu_us();
		ask(f, t, body, &q, &call);
		us[i] = cpu_us() - began;
		need(call.body.n > PROMPT_BYTES, "the prompt has not arrived");
		ask_done(&call);
	}
	return median(us, ROUNDS);
}

/* ---- and back ---- */

struct back {
	const struct from *f;
	const struct to *t;
	struct provider_reader reader;
	struct dialect_answer answer;
	struct buf out;
	unsigned events;
};

static int take(void *data, const struct llm_event *ev)
{
	struct back *b = data;
	return b->f->dialect->write_event(&b->answer, ev, &b->out);
}

static int on_event(void *data, const struct sse_event *ev)
{
	struct back *b = data;
	int err = ev->data.p ? b->t->provider->read_event(&b->reader, scratch, ev, take, b) : 0;
	arena_reset(scratch);
	buf_reset(&b->out);		/* what the client has been given */
	b->events++;
	return err;
}

static double time_stream(const struct from *f, const struct to *t, struct str body,
			  struct str stream)
{
	double us[ROUNDS];
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct llm_request q;
		struct provider_call call = { 0 };
		struct back b = { .f = f, .t = t };
		struct sse s;
		arena_reset(mem);
		ask(f, t, body, &q, &call);
		b.reader = (struct provider_reader){ .mem = mem, .q = &q };
		b.answer = (struct dialect_answer){ .mem = mem, .q = &q, .model = STR("m"),
						    .id = STR("chatcmpl-1"), .show_usage = true };
		buf_init(&b.out, CAP);
		sse_init(&s, call.framing, 1 << 20);
		double began = cpu_us();
		need(sse_feed(&s, stream, on_event, &b) == 0 && sse_end(&s, on_event, &b) == 0,
		     "the stream cannot be read");
		us[i] = (cpu_us() - began) / b.events;
		need(b.events >= EVENTS && b.answer.tally.content_bytes >= 5 * EVENTS,
		     "not all events came through");
		sse_done(&s);
		buf_done(&b.out);
		ask_done(&call);
	}
	return median(us, ROUNDS);
}

/* ---- the table ---- */

static void run_cell(const struct from *f, const struct to *t, bool as_json, bool is_first)
{
	struct buf body, stream;
	buf_init(&body, CAP);
	buf_init(&stream, CAP);
	buf_put_z(&body, f->before);
	put_turns(&body, f->first, f->other, f->end);
	buf_put_z(&body, f->after);
	buf_put_z(&stream, t->start);
	for (unsigned i = 0; i < EVENTS; i++)
		buf_put_z(&stream, t->event);
	buf_put_z(&stream, t->finish);
	double request = time_request(f, t, buf_str(&body));
	double event = time_stream(f, t, buf_str(&body), buf_str(&stream));
	if (as_json)
		printf("%s{\"dialect\":\"%s\",\"provider\":\"%s\",\"request_us\":%.1f,\"event_us\":%.3f}",
		       is_first ? "[" : ",", f->name, t->name, request, event);
	else
		printf("%-10s %-10s %12.1f %12.3f\n", f->name, t->name, request, event);
	buf_done(&body);
	buf_done(&stream);
}

int main(int argc, char **argv)
{
	bool as_json = argc > 1 && strcmp(argv[1], "--json") == 0;
	mem = arena_new(CAP);
	scratch = arena_new(CAP);
	need(mem && scratch && hash_init() == 0, "no memory");
	if (!as_json)
		printf("%-10s %-10s %12s %12s\n", "DIALECT", "PROVIDER", "100 KB, us", "EVENT, us");
	for (size_t f = 0; f < COUNT(froms); f++)
		for (size_t t = 0; t < COUNT(tos); t++)
			run_cell(&froms[f], &tos[t], as_json, f + t == 0);
	if (as_json)
		printf("]\n");
	arena_free(mem);
	arena_free(scratch);
	return 0;
}
