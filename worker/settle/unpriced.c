/* SPDX-License-Identifier: MIT
 * unpriced.c - see unpriced.h. What has been told of is remembered as numbers, in a table that
 * does not grow: names may be a client's own, where a deployment takes any. */
#include "worker/settle/unpriced.h"

#include "common/hash.h"
#include "common/log.h"

static struct str upstream_model(struct request *r)
{
	if (!r->group)
		return snap_text(r->snap, r->deployment->model);
	return snap_upstream_model(r->snap, r->group, r->deployment, request_model(r), r->mem);
}

void unpriced_note(struct request *r)
{
	struct worker *w = r->w;
	uint64_t model = hash_table(request_model(r)) ^ r->deployment->id_hash;
	for (unsigned i = 0; i < w->n_unpriced; i++)
		if (w->unpriced[i] == model)
			return;
	if (w->n_unpriced == COUNT(w->unpriced))
		return;
	w->unpriced[w->n_unpriced++] = model;
	LOG(LOG_WARN, "price.unknown", F_STR("model", r->requested_model),
	    F_STR("deployment", snap_text(r->snap, r->deployment->id)),
	    F_STR("provider", snap_text(r->snap, r->deployment->provider)),
	    F_STR("upstream_model", upstream_model(r)));
}
