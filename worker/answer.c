/* SPDX-License-Identifier: MIT
 * answer.c - see answer.h. */
#include "worker/answer.h"

#include <errno.h>
#include <inttypes.h>

/* The line behind the status, in a head that tells of its making. A program that does not know it
 * takes it for one of the header. */
#define MADE "x-llmgw-made:"

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
					       "x-llmgw-cache:", MADE };
	for (size_t i = 0; i < COUNT(kept); i++)
		if (str_starts_nocase(line, str_z(kept[i])))
			return false;
	for (size_t i = 0; i < COUNT(passing); i++)
		if (str_starts_nocase(line, str_z(passing[i])))
			return true;
	return false;
}

void answer_write_head(struct buf *out, const struct answer_head *h)
{
	const struct cache_info *made = &h->made;
	struct str lines = h->lines;
	buf_printf(out, "%03d\r\n", h->status);
	if (h->has_made)
		buf_printf(out, MADE " %" PRIu32 " %" PRIu32 " %" PRId64 " %" PRIu64 "\r\n",
			   made->input, made->output, made->cost_nano, made->deployment);
	while (lines.n) {
		size_t end = str_find(lines, STR("\r\n"));
		size_t n = end == SIZE_MAX ? lines.n : end + 2;
		if (end != SIZE_MAX && !is_passing(lines))
			buf_put(out, str_of(lines.p, n));
		lines = str_skip(lines, n);
	}
}

static bool read_made(struct str line, struct cache_info *ret)
{
	uint64_t input, output, deployment;
	int64_t cost;
	if (str_read_u64(str_cut(&line, ' '), &input) < 0 || input > UINT32_MAX ||
	    str_read_u64(str_cut(&line, ' '), &output) < 0 || output > UINT32_MAX ||
	    str_read_i64(str_cut(&line, ' '), &cost) < 0 || str_read_u64(line, &deployment) < 0)
		return false;
	*ret = (struct cache_info){ .deployment = deployment, .cost_nano = cost,
				    .input = (uint32_t)input, .output = (uint32_t)output };
	return true;
}

/* What cannot be read of it is not known; the answer is as good. */
static void take_made(struct answer_head *h)
{
	size_t end = str_find(h->lines, STR("\r\n"));
	if (end == SIZE_MAX || !str_starts(h->lines, STR(MADE " ")))
		return;
	h->has_made = read_made(str_skip(str_of(h->lines.p, end), sizeof MADE), &h->made);
	h->lines = str_skip(h->lines, end + 2);
}

int answer_read_head(struct str head, struct answer_head *ret)
{
	int64_t status;
	if (head.n < 5 || !str_eq(str_of(head.p + 3, 2), STR("\r\n")) ||
	    str_read_i64(str_of(head.p, 3), &status) < 0 || status < 200 || status > 599)
		return -EBADMSG;
	*ret = (struct answer_head){ .status = (int)status, .lines = str_skip(head, 5) };
	take_made(ret);
	return 0;
}
