/* SPDX-License-Identifier: MIT
 * ctl_bench.c - `llmgwctl bench MODEL`: who is asked for money, with which key, and what came out.
 *
 * Over the control socket a key is made for it, with a budget and a near end, so that neither a
 * typing error nor a kill can cost more; it is deleted in the end. With --url the caller's is
 * taken. What answers by itself, a mock, costs nothing and is not asked about. */
#include "master/ctl_bench.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json_write.h"
#include "common/mem.h"

enum {
	PARALLEL = 8,
	PARALLEL_OPEN = 256,
	DURATION_MS = 10000,
	DURATION_MAX_MS = 3600000,
	RATE_MAX = 100000,
	MAX_TOKENS = 16,
	BODY_MAX = 1 << 20,
	LOOKS = 10,			/* for what it has cost */
	LOOK_MS = 200
};

struct bench {
	struct arena *mem;
	const struct ctl_pages *of;
	const struct json *args;
	struct ctl_error *reterr;
	struct str model;
	const char *key;
	struct str alias;		/* of the key that was made; .n 0: none was */
	struct bench_plan plan;
	struct bench_result result;
	bool is_mock;
	struct str cost;		/* JSON; .n 0: nobody knows */
};

static enum ctl_exit fail(struct bench *b, enum ctl_exit exit, const char *what, const char *next)
{
	*b->reterr = (struct ctl_error){ exit, arena_printf(b->mem, "bench: %s", what),
					 str_z(next) };
	return exit;
}

/* One call of a command; its answer, or NULL with *reterr. */
static const struct json *call(struct bench *b, const char *words, struct str args)
{
	struct ctl_request q = { .opt = b->of->q->opt, .command = ctl_find(str_z(words)),
				 .args = args };
	struct ctl_progress quiet;
	struct json_error why;
	struct buf text;
	int status = 0;
	if (!q.command)
		return NULL;
	buf_init(&text, CTL_ANSWER_MAX);
	ctl_progress_start(&quiet, "", false);
	enum ctl_exit r = b->of->call(b->of->data, b->mem, &q, &quiet, &status, &text, b->reterr);
	struct str kept = arena_dup(b->mem, buf_str(&text));
	if (text.p)
		mem_wipe(text.p, text.n);
	buf_done(&text);
	const struct json *j = r == CTL_DONE && kept.p ? json_parse(b->mem, kept, 0, &why) : NULL;
	if (r == CTL_DONE && (status != 200 || !j)) {
		*b->reterr = ctl_error_of(b->mem, &q, status, j);
		return NULL;
	}
	return r == CTL_DONE ? j : NULL;
}

static struct str with_name(struct bench *b, const char *name, struct str value)
{
	struct buf t;
	buf_init(&t, 8192);
	struct json_out o = json_out(&t);
	json_open(&o, NULL);
	json_put_str(&o, name, value);
	json_close(&o);
	struct str made = arena_dup(b->mem, buf_str(&t));
	buf_done(&t);
	return made;
}

/* ---- the plan ---- */

static bool read_count(struct bench *b, const char *name, uint64_t most, uint64_t *ret)
{
	const struct json *j = json_get(b->args, name);
	uint64_t v;
	if (!json_is_given(j))
		return true;
	if (str_read_u64(j->raw, &v) != 0 || v < 1 || v > most) {
		fail(b, CTL_USAGE,
		     arena_printf(b->mem, "--%s is 1 to %llu", name, (unsigned long long)most).p,
		     "llmgwctl bench --help");
		return false;
	}
	*ret = v;
	return true;
}

static enum ctl_exit read_plan(struct bench *b)
{
	uint64_t rate = 0, parallel = 0, ms = DURATION_MS, requests = 0;
	struct str duration = json_get_str(b->mem, b->args, "duration");
	if (!read_count(b, "rate", RATE_MAX, &rate) ||
	    !read_count(b, "concurrency", BENCH_PARALLEL_MAX, &parallel) ||
	    !read_count(b, "requests", BENCH_REQUESTS_MAX, &requests))
		return CTL_USAGE;
	if (duration.n && (str_read_duration_ms(duration, &ms) != 0 || ms < 100 ||
			   ms > DURATION_MAX_MS))
		return fail(b, CTL_USAGE, "--duration is 100ms to 1h", "llmgwctl bench --help");
	b->plan = (struct bench_plan){
		.rate = (double)rate,
		.parallel = (unsigned)(parallel ? parallel : rate ? PARALLEL_OPEN : PARALLEL),
		.duration_ns = ms * NS_PER_MS,
		.requests = requests,
		.timeout_ms = b->of->q->opt.timeout_ms,
		.is_stream = json_is_true(json_get(b->args, "stream")),
	};
	return CTL_DONE;
}

static enum ctl_exit make_body(struct bench *b)
{
	struct str prompt = json_get_str(b->mem, b->args, "prompt");
	uint64_t tokens = MAX_TOKENS;
	struct buf t;
	if (!read_count(b, "max_tokens", 1000000, &tokens))
		return CTL_USAGE;
	buf_init(&t, BODY_MAX);
	struct json_out o = json_out(&t);
	json_open(&o, NULL);
	json_put_str(&o, "model", b->model);
	json_open_array(&o, "messages");
	json_open(&o, NULL);
	json_put_z(&o, "role", "user");
	json_put_str(&o, "content", prompt.n ? prompt : STR("Hello"));
	json_close(&o);
	json_close_array(&o);
	json_put_u64(&o, "max_tokens", tokens);
	if (b->plan.is_stream)
		json_put_bool(&o, "stream", true);
	json_close(&o);
	b->plan.body = t.failed ? NULL : arena_dup_z(b->mem, buf_str(&t));
	buf_done(&t);
	return b->plan.body ? CTL_DONE : fail(b, CTL_USAGE, "the prompt is too long", "");
}

static enum ctl_exit find_url(struct bench *b)
{
	struct str base = str_z(b->of->q->opt.url);
	while (base.n && base.p[base.n - 1] == '/')
		base.n--;
	if (!base.n) {
		const struct json *status = call(b, "status", STR("{}"));
		if (!status)
			return b->reterr->exit;
		base = json_str(b->mem, json_at(json_get(status, "urls"), 0));
		if (!base.n)
			return fail(b, CTL_FAILED, "the gateway does not listen where it could be "
				    "asked", "--url says where, with a key");
	}
	struct str url = arena_printf(b->mem, STR_FMT "/v1/chat/completions", STR_ARG(base));
	b->plan.url = url.p;
	return url.p ? CTL_DONE : fail(b, CTL_FAILED, "out of memory", "");
}

/* ---- money ---- */

static void look_for_mock(struct bench *b)
{
	const struct json *j = call(b, "models show", with_name(b, "model", b->model));
	const struct json *list = json_get(j, "models");
	b->is_mock = json_is(list, JSON_ARRAY) && list->count;
	for (const struct json *m = b->is_mock ? list->child : NULL; m; m = m->next)
		b->is_mock &= json_is_true(json_get(m, "mock"));
}

static struct str budget_of(struct bench *b)
{
	const struct json *j = json_get(b->args, "max_budget");
	return json_is_given(j) ? j->raw : STR("1");
}

static enum ctl_exit ask_for_money(struct bench *b, ctl_bench_ask *ask)
{
	struct buf shown;
	if (b->is_mock)
		return CTL_DONE;
	buf_init(&shown, 4096);
	ctl_put_safe(&shown, b->model);
	struct str question = b->of->q->opt.url
		? arena_printf(b->mem, "Send requests to '" STR_FMT "', which its provider wants "
			       "money for?", STR_ARG(buf_str(&shown)))
		: arena_printf(b->mem, "Send requests to '" STR_FMT "', which its provider wants "
			       "money for, up to $" STR_FMT "?", STR_ARG(buf_str(&shown)),
			       STR_ARG(budget_of(b)));
	buf_done(&shown);
	return ask(b->of->data, question);
}

static enum ctl_exit make_key(struct bench *b)
{
	struct buf t;
	uint64_t seconds = b->plan.duration_ns / NS_PER_S + 600 + b->plan.timeout_ms / 1000;
	b->alias = arena_printf(b->mem, "llmgwctl-bench-%d-%llu", (int)getpid(),
				(unsigned long long)(clock_wall_ns() / NS_PER_MS));
	buf_init(&t, 8192);
	struct json_out o = json_out(&t);
	json_open(&o, NULL);
	json_put_str(&o, "key_alias", b->alias);
	json_put_raw(&o, "max_budget", budget_of(b));
	json_put_str(&o, "duration", arena_printf(b->mem, "%llus", (unsigned long long)seconds));
	json_open_array(&o, "models");
	json_put_str(&o, NULL, b->model);
	json_close_array(&o);
	json_close(&o);
	const struct json *j = call(b, "keys create", buf_str(&t));
	struct str key = json_get_str(b->mem, j, "key");
	buf_done(&t);
	if (!j)
		b->alias = STR("");
	b->key = key.n ? arena_dup_z(b->mem, key) : NULL;
	if (j && !b->key)
		fail(b, CTL_FAILED, "the gateway made no key", "");
	return b->key ? CTL_DONE : b->reterr->exit;
}

/* What it has cost stands in the books a moment later. */
static void look_for_cost(struct bench *b)
{
	for (unsigned i = 0; i < LOOKS && b->alias.n; i++) {
		const struct json *j = call(b, "keys show", with_name(b, "key", b->alias));
		const struct json *spend = json_get_path(j, "info.spend");
		struct str now = spend ? spend->raw : STR("");
		if (i > 1 && str_eq(now, b->cost))
			break;
		b->cost = now;
		(void)poll(NULL, 0, LOOK_MS);
	}
}

static void delete_key(struct bench *b)
{
	struct buf t;
	struct ctl_error kept = *b->reterr;
	if (!b->alias.n)
		return;
	buf_init(&t, 8192);
	struct json_out o = json_out(&t);
	json_open(&o, NULL);
	json_open_array(&o, "key_aliases");
	json_put_str(&o, NULL, b->alias);
	json_close_array(&o);
	json_close(&o);
	(void)call(b, "keys delete", buf_str(&t));	/* else it ends by itself */
	buf_done(&t);
	*b->reterr = kept;
}

/* ---- the answer ---- */

static void put_ms(struct json_out *o, const char *name, double us)
{
	char text[32];
	int n = snprintf(text, sizeof text, us >= 100000 ? "%.0f" : us >= 1000 ? "%.2f" : "%.3f",
			 us / 1000);
	json_put_raw(o, name, str_of(text, (size_t)n));
}

static void put_times(struct json_out *o, const char *name, struct bench_times *t)
{
	static const struct {
		const char *name;
		unsigned of_10000;
	} points[] = { { "p50", 5000 }, { "p90", 9000 }, { "p99", 9900 }, { "p99.9", 9990 },
		       { "max", 10000 } };
	double sum = 0;
	for (size_t i = 0; i < t->n; i++)
		sum += t->v[i];
	if (!t->n) {
		json_put_null(o, name);
		return;
	}
	json_open(o, name);
	put_ms(o, "mean", sum / (double)t->n);
	for (size_t i = 0; i < COUNT(points); i++)
		put_ms(o, points[i].name, bench_quantile(t, points[i].of_10000));
	json_close(o);
}

/* What the first refusal said, in its own words. */
static void put_refusal(struct bench *b, struct json_out *o)
{
	struct json_error why;
	struct str body = str_of(b->result.refusal, b->result.refusal_n);
	struct str text = json_str(b->mem, json_get_path(json_parse(b->mem, body, 0, &why),
							 "error.message"));
	if (body.n)
		json_put_str(o, "first_failure", text.n ? text : body);
}

static void put_answer(struct bench *b, struct buf *out)
{
	struct bench_result *r = &b->result;
	double s = (double)r->took_ns / 1e9;
	char text[64];
	struct json_out o = json_out(out);
	json_open(&o, NULL);
	json_put_str(&o, "model", b->model);
	json_put_bool(&o, "stream", b->plan.is_stream);
	if (b->plan.rate > 0)
		json_put_str(&o, "load", arena_printf(b->mem, "%.0f a second, at most %u at a time",
						      b->plan.rate, b->plan.parallel));
	else
		json_put_str(&o, "load", arena_printf(b->mem, "%u at a time", b->plan.parallel));
	int n = snprintf(text, sizeof text, "%.3f", s);
	json_put_raw(&o, "seconds", str_of(text, (size_t)n));
	json_put_u64(&o, "requests", r->sent);
	json_put_u64(&o, "succeeded", r->good);
	json_put_u64(&o, "failed", r->sent - r->good);
	n = snprintf(text, sizeof text, "%.1f", s > 0 ? (double)r->good / s : 0);
	json_put_raw(&o, "succeeded_per_second", str_of(text, (size_t)n));
	json_put_u64(&o, "bytes", r->bytes);
	put_times(&o, "latency_ms", &r->latency);
	put_times(&o, b->plan.is_stream ? "first_token_ms" : "first_byte_ms", &r->first);
	if (b->plan.rate > 0)
		json_put_u64(&o, "late", r->late);
	json_open(&o, "failures");
	for (size_t i = 0; i < r->n_codes; i++)
		json_put_u64(&o, r->codes[i].what, r->codes[i].n);
	json_close(&o);
	put_refusal(b, &o);
	if (b->cost.n)
		json_put_raw(&o, "cost", b->cost);
	else
		json_put_null(&o, "cost");
	if (r->is_interrupted)
		json_put_bool(&o, "interrupted", true);
	json_close(&o);
}

static enum ctl_exit run(struct bench *b, ctl_bench_ask *ask)
{
	struct ctl_progress progress;
	enum ctl_exit r = read_plan(b);
	if (r == CTL_DONE)
		r = make_body(b);
	if (r == CTL_DONE)
		r = find_url(b);
	if (r != CTL_DONE)
		return r;
	if (!b->of->q->opt.url)
		look_for_mock(b);
	*b->reterr = (struct ctl_error){ 0 };
	r = ask_for_money(b, ask);
	if (r == CTL_DONE && !b->key)
		r = b->of->q->opt.url ? fail(b, CTL_NOT_ALLOWED, "no key was given",
					     "LLMGW_KEY or --key-file; without --url one is made")
				      : make_key(b);
	if (r != CTL_DONE)
		return r;
	b->plan.key = b->key;
	b->plan.progress = &progress;
	ctl_progress_start(&progress, "sending requests,", b->of->shows_progress);
	int err = bench_run(&b->plan, &b->result);
	ctl_progress_end(&progress);
	look_for_cost(b);
	return err ? fail(b, CTL_FAILED, "out of memory", "") : CTL_DONE;
}

enum ctl_exit ctl_bench(const struct ctl_pages *of, const char *key, ctl_bench_ask *ask,
			struct buf *out, struct ctl_error *reterr)
{
	struct json_error why;
	struct bench b = { .mem = of->mem, .of = of, .reterr = reterr, .key = key };
	b.args = json_parse(of->mem, of->q->args, 0, &why);
	b.model = json_get_str(of->mem, b.args, "model");
	enum ctl_exit r = run(&b, ask);
	delete_key(&b);
	if (r == CTL_DONE)
		put_answer(&b, out);
	if (r == CTL_DONE && !b.result.good && b.result.sent)
		r = CTL_FAILED;
	bench_result_free(&b.result);
	return r;
}
