/* SPDX-License-Identifier: MIT
 * fuzz_answer.c - an Idempotency-Key, and heads as they are kept.
 *
 * Invariants: a key is within its limits, printable, a part of the header, and is its own key. What
 * is written of any lines can be read again and is nothing but whole lines of them; writing that
 * once more changes nothing. A head that is read has a status that can be sent, and tells of its
 * making what it told before when it is written again. */
#include "worker/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_key(struct str input)
{
	struct str key = answer_key(input);
	if (!key.p)
		return;
	MUST(key.n > 0 && key.n <= ANSWER_KEY_MAX);
	MUST(key.p >= input.p && key.p + key.n <= input.p + input.n);
	for (size_t i = 0; i < key.n; i++)
		MUST(key.p[i] >= 0x20 && key.p[i] < 0x7f && key.p[i] != '"');
	struct str trimmed = str_trim(key);
	MUST(!trimmed.n || str_eq(answer_key(trimmed), trimmed));
}

static void check_lines(struct str input)
{
	struct buf once, twice;
	struct answer_head h = { .status = 200, .lines = input }, again;
	buf_init(&once, input.n + 8);
	buf_init(&twice, input.n + 8);
	answer_write_head(&once, &h);
	MUST(!once.failed && answer_read_head(buf_str(&once), &h) == 0);
	MUST(h.status == 200 && !h.has_made && h.lines.n <= input.n);
	MUST(!h.lines.n || str_eq(str_skip(h.lines, h.lines.n - 2), STR("\r\n")));
	answer_write_head(&twice, &h);
	MUST(answer_read_head(buf_str(&twice), &again) == 0 && str_eq(h.lines, again.lines));
	for (struct str rest = h.lines; rest.n;) {
		struct str line = str_of(rest.p, str_find(rest, STR("\r\n")) + 2);
		MUST(str_find(input, line) != SIZE_MAX);
		MUST(!str_starts_nocase(line, STR("x-litellm-call-id:")));
		rest = str_skip(rest, line.n);
	}
	buf_done(&once);
	buf_done(&twice);
}

/* Of any head that is read: what it says of its making is what is written again. */
static void check_head(struct str input)
{
	struct answer_head h, again;
	struct buf out;
	if (answer_read_head(input, &h) < 0)
		return;
	MUST(h.status >= 200 && h.status <= 599 && h.lines.n + 5 <= input.n);
	MUST(!h.lines.n || h.lines.p + h.lines.n == input.p + input.n);
	MUST(!h.has_made || h.lines.n + 5 < input.n);
	buf_init(&out, 2 * input.n + 128);
	answer_write_head(&out, &h);
	MUST(!out.failed && answer_read_head(buf_str(&out), &again) == 0);
	MUST(again.status == h.status && again.has_made == h.has_made);
	MUST(!h.has_made || memcmp(&again.made, &h.made, sizeof h.made) == 0);
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str input = str_of(n ? (const char *)p : "", n);
	MUST(hash_init() == 0);
	check_key(input);
	check_lines(input);
	check_head(input);
	return 0;
}
