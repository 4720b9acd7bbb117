/* SPDX-License-Identifier: MIT
 * model_limit.c - see model_limit.h. Entries are a head and a name, made up to eight bytes with
 * NULs; a text may begin anywhere, so heads are copied. */
#include "common/model_limit.h"

#include <string.h>

#include "common/hash.h"

enum { ENTRY_ALIGN = 8 };

struct head {
	uint64_t id;
	int64_t max_budget_nano;
	uint64_t rpm, tpm;
	uint32_t entity, name_bytes;
};
_Static_assert(sizeof(struct head) % ENTRY_ALIGN == 0, "an entry is a multiple of it");

static size_t entry_bytes(size_t name_bytes)
{
	return sizeof(struct head) + (name_bytes + ENTRY_ALIGN - 1) / ENTRY_ALIGN * ENTRY_ALIGN;
}

uint64_t model_limit_id(unsigned kind, uint64_t owner, struct str model)
{
	const uint64_t of[2] = { kind, owner };
	uint64_t h = hash_stable(str_of((const char *)of, sizeof of));
	h = hash_stable_more(h, model) & ((UINT64_C(1) << 56) - 1);
	return h ? h : 1;
}

void model_limit_put(struct buf *to, const struct model_limit *l)
{
	static const char nuls[ENTRY_ALIGN];
	struct head h = { .id = l->id, .max_budget_nano = l->max_budget_nano, .rpm = l->rpm,
			  .tpm = l->tpm, .entity = l->entity,
			  .name_bytes = (uint32_t)l->model.n };
	buf_put(to, str_of((const char *)&h, sizeof h));
	buf_put(to, l->model);
	buf_put(to, str_of(nuls, entry_bytes(l->model.n) - sizeof h - l->model.n));
}

bool model_limit_next(struct str *rest, struct model_limit *ret)
{
	struct head h;
	if (rest->n < sizeof h)
		return false;
	memcpy(&h, rest->p, sizeof h);
	if (h.name_bytes > MODEL_LIMIT_NAME_MAX || entry_bytes(h.name_bytes) > rest->n)
		return false;
	*ret = (struct model_limit){ .id = h.id, .max_budget_nano = h.max_budget_nano,
				     .rpm = h.rpm, .tpm = h.tpm, .entity = h.entity,
				     .model = str_of(rest->p + sizeof h, h.name_bytes) };
	*rest = str_skip(*rest, entry_bytes(h.name_bytes));
	return true;
}

bool model_limit_find(struct str limits, struct str model, struct model_limit *ret)
{
	struct model_limit l;
	while (model_limit_next(&limits, &l))
		if (str_eq(l.model, model)) {
			*ret = l;
			return true;
		}
	return false;
}

bool model_limit_find_bare(struct str limits, struct str model, struct model_limit *ret)
{
	size_t slash = str_find_char(model, '/');
	return model_limit_find(limits, model, ret) ||
	       (slash != SIZE_MAX && model_limit_find(limits, str_skip(model, slash + 1), ret));
}
