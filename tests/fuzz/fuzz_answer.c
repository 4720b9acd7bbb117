/* SPDX-License-Identifier: MIT
 * fuzz_answer.c - an Idempotency-Key, and heads as they are kept.
 *
 * Invariants: a key is within its limits, printable, a part of the header, and is its own key. What
 * is written of any lines can be read again and is nothing but whole lines of them; writing that
 * once more changes nothing. A head that is read has a status that can be sent. */
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
	struct str lines, again;
	int status;
	buf_init(&once, input.n + 8);
	buf_init(&twice, input.n + 8);
	answer_write_head(&once, 200, input);
	MUST(!once.failed && answer_read_head(buf_str(&once), &status, &lines) == 0);
	MUST(status == 200 && lines.n <= input.n);
	MUST(!lines.n || str_eq(str_skip(lines, lines.n - 2), STR("\r\n")));
	answer_write_head(&twice, status, lines);
	MUST(answer_read_head(buf_str(&twice), &status, &again) == 0 && str_eq(lines, again));
	for (struct str rest = lines; rest.n;) {
		struct str line = str_of(rest.p, str_find(rest, STR("\r\n")) + 2);
		MUST(str_find(input, line) != SIZE_MAX);
		MUST(!str_starts_nocase(line, STR("x-litellm-call-id:")));
		rest = str_skip(rest, line.n);
	}
	buf_done(&once);
	buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str input = str_of(n ? (const char *)p : "", n), lines;
	int status;
	MUST(hash_init() == 0);
	check_key(input);
	check_lines(input);
	if (answer_read_head(input, &status, &lines) == 0)
		MUST(status >= 200 && status <= 599 && lines.n + 5 == input.n);
	return 0;
}
