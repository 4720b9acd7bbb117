/* SPDX-License-Identifier: MIT
 * fuzz_retell.c - any bytes as the stream that a client was given, read once more in the dialect
 * that the first byte chooses.
 *
 * Invariants: the same is heard whenever it is read, and nothing behind an error; what is heard is
 * text; counters stay in range and are what was heard, at least; the plain answer made of it is JSON. */
#include "tests/fuzz/answer_fuzz.h"
#include "tests/unit/retell_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* worker.h wants these of main.c; nobody calls them here. */
struct snap *worker_snap(struct worker *w)
{
	return w->snap;
}

struct hearing {
	struct retell_run run;
	struct dialect_answer plain;
	int failed;			/* of the plain answer: -ENOMEM, -E2BIG */
};

static void hear(struct llm_listener *of, const struct llm_event *ev)
{
	struct hearing *h = (struct hearing *)((char *)of - offsetof(struct hearing, run.l.of));
	MUST(!h->run.l.said.errors);
	check_event(ev);
	retell_hear(of, ev);
	if (ev->kind != EV_ERROR && !h->failed)
		h->failed = h->run.r.dialect->collect(&h->plain, ev);
}

static bool hear_all(struct hearing *h, const struct dialect *d, struct str bytes)
{
	retell_begin(&h->run, d);
	h->plain = h->run.an;
	h->plain.tally.listener = NULL;
	h->failed = 0;
	h->run.l.of.hear = hear;
	return retell_stream(&h->run.r, &h->run.an, bytes);
}

static void check_counts(const struct hearing *h)
{
	const struct llm_tally *t = &h->run.an.tally, *heard = &h->run.l.said.tally;
	MUST(t->usage.input >= heard->usage.input && t->usage.output >= heard->usage.output);
	MUST(t->content_bytes == heard->content_bytes && t->finish == heard->finish);
	MUST(t->has_error == (h->run.l.said.errors == 1));
	MUST(t->usage.input <= INT32_MAX && t->usage.output <= INT32_MAX);
}

static void check_plain(struct hearing *h)
{
	struct json_error error;
	struct buf out;
	buf_init(&out, ANSWER_MEMORY);
	int err = h->failed ? h->failed : h->run.r.dialect->write_answer(&h->plain, &out);
	MUST(err == 0 || err == -ENOMEM || err == -E2BIG);
	if (!err && !out.failed) {
		const struct json *j = json_parse(h->run.r.mem, buf_str(&out), JSON_ONE_KEY, &error);
		MUST(json_is(j, JSON_OBJECT));
	}
	buf_done(&out);
}

static const struct dialect *choose(uint8_t by)
{
	const struct dialect *streams[32];
	unsigned n = 0;
	for (unsigned i = 0; dialects[i]; i++)
		if (dialects[i]->write_event && n < COUNT(streams))
			streams[n++] = dialects[i];
	return streams[by % n];
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct hearing one, two;
	if (n == 0 || n > 65536 || hash_init() != 0)
		return 0;
	const struct dialect *d = choose(p[0]);
	struct str bytes = str_of((const char *)p + 1, n - 1);
	bool is_good = hear_all(&one, d, bytes);
	MUST(hear_all(&two, d, bytes) == is_good);
	MUST(str_eq(buf_str(&one.run.l.text), buf_str(&two.run.l.text)));
	MUST(!is_good || !one.run.l.said.errors);
	check_counts(&one);
	if (is_good)
		check_plain(&one);
	retell_done(&one.run);
	retell_done(&two.run);
	return 0;
}
