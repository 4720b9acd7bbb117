/* SPDX-License-Identifier: MIT
 * fuzz_export_texts.c - a prompt and an answer from strangers, with a NUL between, behind a byte that
 * says how much of them is told: whatever they are, each callback is sent JSON, and a payload that
 * says how much is not there. */
#include <stdlib.h>

#include "common/hash.h"
#include "common/journal.h"
#include "master/export_texts.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { NESTED = 40 /* what is deeper is no JSON to our own reader once it stands in another */ };

static void check(int ok)
{
	if (!ok)
		abort();
}

static unsigned depth(struct str s)
{
	unsigned now = 0, most = 0;
	for (size_t i = 0; i < s.n; i++) {
		now += s.p[i] == '[' || s.p[i] == '{';
		most = now > most ? now : most;
	}
	return most;
}

static void check_row(struct arena *a, unsigned kind, const struct export_view *v, struct buf *out)
{
	static const struct export_target target = { .queue = "q", .service = "s" };
	const struct export_row *row = &export_rows[kind];
	struct json_error e;
	buf_reset(out);
	row->begin(&target, out);
	row->put(&target, v, out);
	check(!row->call_rows || str_find_char(buf_str(out), '\n') == SIZE_MAX);
	buf_put_z(out, row->end);
	check(!out->failed && json_parse(a, buf_str(out), JSON_ONE_KEY, &e));
}

static void check_cut(struct arena *a, const struct export_view *v, struct buf *out)
{
	struct json_out o = json_out(out);
	struct json_error e;
	buf_reset(out);
	export_put_payload(&o, NULL, v);
	const struct json *j = json_parse(a, buf_str(out), 0, &e);
	check(json_count(json_get_path(j, "texts_cut.prompt_bytes")) == export_text_cut(v, TEXT_PROMPT));
	check(json_count(json_get_path(j, "texts_cut.response_bytes")) ==
	      export_text_cut(v, TEXT_ANSWER));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct record record = { .call = JOURNAL_CALL_CHAT };
	struct export_texts t = { 0 };
	struct json_error e;
	struct buf out;
	if (hash_init() != 0 || n < 1 || n > 65536)
		return 0;
	struct str rest = { (const char *)p + 1, n - 1 };
	struct arena *a = t.mem = arena_new(256 << 20);
	if (depth(rest) > NESTED) {
		arena_free(a);
		return 0;
	}
	t.text[TEXT_PROMPT] = str_cut(&rest, '\0');
	t.text[TEXT_ANSWER] = rest;
	for (unsigned i = 0; i < TEXT_KINDS; i++)
		if (t.text[i].n)
			t.root[i] = json_parse(a, t.text[i], JSON_ONE_KEY, &e);
	struct export_view v = { .r = &record, .texts = &t,
				 .text_most = *p == 0xff ? TEXT_MOST : *p };
	buf_init(&out, 16 << 20);
	for (unsigned i = 0; i < EXPORT_KINDS; i++)
		check_row(a, i, &v, &out);
	check_cut(a, &v, &out);
	buf_done(&out);
	arena_free(a);
	return 0;
}
