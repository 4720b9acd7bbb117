/* SPDX-License-Identifier: MIT
 * models.c - GET /v1/models: the names that the caller's key may ask for, in OpenAI's shape with
 * LiteLLM's constant stamp. */
#include "common/json_write.h"
#include "worker/admin/admin.h"
#include "worker/decide/route.h"
#include "worker/request.h"

enum { ANSWER_MAX = 16 << 20, CREATED = 1677610602 };

bool admin_shows(const struct request *r, const struct snap_group *g)
{
	struct str name = snap_text(r->snap, g->name);
	if (g->flags & (GROUP_HIDDEN | GROUP_PATTERN))
		return false;
	return request_may_use(r, name, g);
}

static void put_model(struct json_out *o, struct str name)
{
	json_open(o, NULL);
	json_put_str(o, "id", name);
	json_put_z(o, "object", "model");
	json_put_i64(o, "created", CREATED);
	json_put_z(o, "owned_by", "openai");
	json_close(o);
}

static bool wants_patterns(const struct request *r)
{
	return r->http->query.p &&
	       str_find(r->http->query, STR("return_wildcard_routes=true")) != SIZE_MAX;
}

enum step admin_models(struct request *r)
{
	const struct snap_head *h = snap_head(r->snap);
	const struct snap_group *patterns =
		h->patterns.count ? (const struct snap_group *)(const void *)((const char *)h +
									      h->patterns.at)
				  : NULL;
	struct buf body;
	buf_init(&body, ANSWER_MAX);
	struct json_out o = json_out(&body);
	json_open(&o, NULL);
	json_open_array(&o, "data");
	for (uint32_t i = 0; i < h->groups.count; i++)
		if (admin_shows(r, snap_group(r->snap, i)))
			put_model(&o, snap_text(r->snap, snap_group(r->snap, i)->name));
	for (uint32_t i = 0; patterns && wants_patterns(r) && i < h->patterns.count; i++)
		put_model(&o, snap_text(r->snap, patterns[i].name));
	json_close_array(&o);
	json_put_z(&o, "object", "list");
	json_close(&o);
	enum step step = request_reply_buf(r, 200, "application/json", &body);
	buf_done(&body);
	return step;
}

enum step admin_model(struct request *r)
{
	const struct snap_group *g = snap_resolve(r->snap, r->path_model);
	struct buf body;
	if (!g || !request_may_use(r, r->path_model, g))
		return request_fail(r, OUTCOME_NOT_FOUND, "model",
				    "The model '" STR_FMT "' does not exist",
				    STR_ARG(r->path_model));
	buf_init(&body, 65536);
	struct json_out o = json_out(&body);
	put_model(&o, r->path_model);
	enum step step = request_reply_buf(r, 200, "application/json", &body);
	buf_done(&body);
	return step;
}
