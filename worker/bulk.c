/* SPDX-License-Identifier: MIT
 * bulk.c - see bulk.h. */
#include "worker/bulk.h"

#include <string.h>

#include "common/hash.h"
#include "worker/responses.h"

enum {
	ID_MAX = 256,
	MODEL_MAX = 128,
	REQUESTS_MAX = 1000000		/* in a batch: 50,000 at OpenAI */
};

/* As it stands between its quotes: with an escape in it, it is no such name. */
static struct str plain(const struct json *object, const char *name, size_t most)
{
	const struct json *j = json_get(object, name);
	struct str s = json_is(j, JSON_STRING) ? str_of(j->raw.p + 1, j->raw.n - 2) : STR("");
	return s.n <= most && str_find_char(s, '\\') == SIZE_MAX ? s : STR("");
}

static bool is_last_status(struct str s)
{
	static const char *const all[] = { "completed", "failed", "expired", "cancelled" };
	for (size_t i = 0; i < COUNT(all); i++)
		if (str_eq_z(s, all[i]))
			return true;
	return false;
}

bool bulk_read(const struct json *batch, struct bulk_told *ret)
{
	const struct json *usage = json_get(batch, "usage");
	struct bulk_told b = { .id = plain(batch, "id", ID_MAX),
			       .model = plain(batch, "model", MODEL_MAX) };
	if (!str_eq(plain(batch, "object", 8), STR("batch")) || !b.id.n)
		return false;
	if (json_is(usage, JSON_OBJECT))
		responses_read_usage(usage, &b.usage);
	b.usage.tier = TIER_BATCH;
	b.answered = json_count(json_get_path(batch, "request_counts.completed"));
	b.is_over = is_last_status(plain(batch, "status", 16)) && b.usage.input + b.usage.output;
	*ret = b;
	return true;
}

void bulk_id(struct str provider, struct str id, uint8_t ret[16])
{
	char text[64 + 1 + ID_MAX];
	size_t n = provider.n < 64 ? provider.n : 64, m = id.n < ID_MAX ? id.n : ID_MAX;
	memcpy(text, provider.p, n);
	text[n] = '\n';
	memcpy(text + n + 1, id.p, m);
	struct sha256 h = hash_sha256(str_of(text, n + 1 + m));
	memcpy(ret, h.b, 16);
}

int64_t bulk_cost(const struct price *list, const struct bulk_told *b)
{
	struct price p = *list;
	uint64_t n = b->answered < REQUESTS_MAX ? b->answered : REQUESTS_MAX;
	p.tier_tokens = 0;
	if (p.per_request > INT64_MAX / REQUESTS_MAX)
		p.per_request = INT64_MAX / REQUESTS_MAX;
	p.per_request *= (int64_t)n;
	return price_cost(&p, &b->usage);
}
