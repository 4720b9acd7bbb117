/* SPDX-License-Identifier: MIT
 * fuzz_rerank.c - any request for a ranking: refused with a place, or written for every provider as
 * a JSON object, and in the common form read again as the same. Any bytes read as a ranking: events
 * or an error, and what the client gets is JSON, the best first and not more than were asked for.
 * The first byte chooses. */
#include "tests/fuzz/answer_fuzz.h"
#include "worker/exchange/provider_rerank.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const struct json *parse(struct arena *a, struct str text)
{
	struct json_error error;
	return json_parse(a, text, JSON_ONE_KEY, &error);
}

static int write_for(struct arena *a, const struct llm_request *q, const char *name, struct buf *body)
{
	struct provider_target t = { .model = STR("../up"), .provider = str_z(name) };
	struct provider_call call = { 0 };
	struct llm_error err = { 0 };
	buf_init(&call.path, 256);
	buf_init(&call.body, ANSWER_MEMORY);
	int r = provider_rerank.write_request(a, q, &t, &call, &err);
	MUST(r == 0 || r == -ENOMEM);
	MUST(r || str_find(buf_str(&call.path), STR("..")) == SIZE_MAX);
	buf_done(&call.path);
	*body = call.body;
	return r;
}

/* Without the model, which is the provider's. */
static void say(struct buf *b, const struct llm_request *q)
{
	struct llm_request copy = *q;
	copy.model = STR_NONE;
	say_request(b, &copy);
	say_str(b, "query", q->query);
	say_u64(b, "top", q->top_n);
	say_u64(b, "returns", q->return_documents);
}

static void check_again(struct arena *a, const struct llm_request *q, struct str body)
{
	struct dialect_error refusal = { 0 };
	struct llm_request again = { 0 };
	struct buf once, twice;
	const struct json *root = parse(a, body);
	int r = dialect_rerank.read_request(a, body, root, &again, &refusal);
	if (r == -ENOMEM)
		return;
	MUST(r == 0);
	buf_init(&once, ANSWER_MEMORY);
	buf_init(&twice, ANSWER_MEMORY);
	say(&once, q);
	say(&twice, &again);
	MUST(once.failed || twice.failed || str_eq(buf_str(&once), buf_str(&twice)));
	buf_done(&once);
	buf_done(&twice);
}

static void fuzz_request(struct str body)
{
	static const char *const names[] = {
		"jina_ai", "cohere", "voyage", "dashscope", "deepinfra", "nvidia_nim", "huggingface",
	};
	struct arena *a = arena_new(ANSWER_MEMORY);
	struct dialect_error refusal = { 0 };
	struct llm_request q = { 0 };
	const struct json *root = parse(a, body);
	int r = json_is(root, JSON_OBJECT) ? dialect_rerank.read_request(a, body, root, &q, &refusal) : 1;
	MUST(r != -EINVAL || (refusal.message.n && refusal.param.n));
	for (size_t i = 0; i < COUNT(names) && r == 0; i++) {
		struct buf out;
		if (write_for(a, &q, names[i], &out) == 0) {
			MUST(json_is(parse(a, buf_str(&out)), JSON_OBJECT));
			/* A name that the client gave twice in other words is told as it came. */
			if (i == 0 && !q.has_return_documents)
				check_again(a, &q, buf_str(&out));
		}
		buf_done(&out);
	}
	arena_free(a);
}

static void check_order(struct arena *a, const struct llm_request *q, struct str answer)
{
	const struct json *results = json_get(parse(a, answer), "results");
	double last = 0, score;
	MUST(json_is(results, JSON_ARRAY) && (!q->top_n || results->count <= q->top_n));
	for (const struct json *j = results->child; j; j = j->next) {
		MUST(json_read_double(json_get(j, "relevance_score"), &score) == 0);
		MUST(j == results->child || score <= last);
		last = score;
	}
}

static void fuzz_answer(struct str in, unsigned how)
{
	static const char body[] = "{\"model\":\"m\",\"query\":\"q\",\"documents\":[\"a\",{\"text\":\"b\"},{\"c\":1}]}";
	struct llm_request q = { 0 };
	struct dialect_error refusal;
	struct answer_run r;
	struct buf out;
	answer_begin(&r, &provider_rerank, &dialect_rerank, &q);
	MUST(dialect_rerank.read_request(r.mem, str_z(body), parse(r.mem, str_z(body)), &q, &refusal) == 0);
	q.top_n = how & 3;
	q.has_return_documents = how & 4;
	q.return_documents = q.has_return_documents && (how & 8);
	int err = rerank_read(&r.reader, in, on_answer_event, &r);
	MUST(err == 0 || err == -EBADMSG || err == -ENOMEM || r.failed);
	MUST(err || r.said.errors == 1 || r.said.ends == 1);
	buf_init(&out, ANSWER_MEMORY);
	if (!err && !r.said.errors && dialect_rerank.write_answer(&r.plain, &out) == 0 && !out.failed)
		check_order(r.mem, &q, buf_str(&out));
	buf_done(&out);
	answer_done(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n < 1 || hash_init() != 0)
		return 0;
	struct str in = { (const char *)p + 1, n - 1 };
	if (p[0] & 128)
		fuzz_request(in);
	else
		fuzz_answer(in, p[0] & 127);
	return 0;
}
