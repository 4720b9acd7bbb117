/* SPDX-License-Identifier: MIT
 * answer.c - see answer.h. */
#include "worker/answer.h"

#include <errno.h>

struct str answer_key(struct str header)
{
	struct str v = str_trim(header);
	if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"')
		v = str_of(v.p + 1, v.n - 2);
	bool is_good = v.n > 0 && v.n <= ANSWER_KEY_MAX;
	for (size_t i = 0; is_good && i < v.n; i++)
		is_good = v.p[i] >= 0x20 && v.p[i] < 0x7f && v.p[i] != '"';
	return is_good ? v : STR_NONE;
}

struct sha256 answer_digest(const struct str *parts, unsigned n)
{
	struct sha256 all[16];
	MUST(n <= COUNT(all));
	for (unsigned i = 0; i < n; i++)
		all[i] = hash_sha256(parts[i].n ? parts[i] : STR(""));
	return hash_sha256(str_of((const char *)all, n * sizeof all[0]));
}

/* Of the one answer and nobody else's: who asked, when, and what was left to them. */
static bool is_passing(struct str line)
{
	static const char *const kept[] = { "x-litellm-model-id:", "x-litellm-model-api-base:",
					    "x-litellm-model-region:" };
	static const char *const passing[] = { "x-litellm-",	"x-ratelimit-",	    "llm_provider-",
					       "access-control-", "vary:",	    "retry-after:",
					       "x-should-retry:", "idempotency-", "set-cookie:",
					       "x-llmgw-cache:" };
	for (size_t i = 0; i < COUNT(kept); i++)
		if (str_starts_nocase(line, str_z(kept[i])))
			return false;
	for (size_t i = 0; i < COUNT(passing); i++)
		if (str_starts_nocase(line, str_z(passing[i])))
			return true;
	return false;
}

void answer_write_head(struct buf *out, int status, struct str lines)
{
	buf_printf(out, "%03d\r\n", status);
	while (lines.n) {
		size_t end = str_find(lines, STR("\r\n"));
		size_t n = end == SIZE_MAX ? lines.n : end + 2;
		if (end != SIZE_MAX && !is_passing(lines))
			buf_put(out, str_of(lines.p, n));
		lines = str_skip(lines, n);
	}
}

int answer_read_head(struct str head, int *ret_status, struct str *ret_lines)
{
	int64_t status;
	if (head.n < 5 || !str_eq(str_of(head.p + 3, 2), STR("\r\n")) ||
	    str_read_i64(str_of(head.p, 3), &status) < 0 || status < 200 || status > 599)
		return -EBADMSG;
	*ret_status = (int)status;
	*ret_lines = str_skip(head, 5);
	return 0;
}
