/* SPDX-License-Identifier: MIT
 * models.c - GET /v1/models: the names that the caller's key may ask for, in OpenAI's shape with
 * LiteLLM's constant stamp. */
#include "common/json_write.h"
#include "worker/admin/admin.h"
#include "worker/admin/names.h"
#include "worker/request.h"

enum { ANSWER_MAX = 16 << 20, CREATED = 1677610602 };

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
	unsigned wanted = NAMES_ALIASES | (wants_patterns(r) ? NAMES_PATTERNS : 0u);
	size_t n = 0;
	const struct model_name *names = names_list(r, wanted, &n);
	struct buf body;
	if (!names)
		return names_refuse(r);
	buf_init(&body, ANSWER_MAX);
	struct json_out o = json_out(&body);
	json_open(&o, NULL);
	json_open_array(&o, "data");
	for (size_t i = 0; i < n; i++)
		put_model(&o, names[i].name);
	json_close_array(&o);
	json_put_z(&o, "object", "list");
	json_close(&o);
	enum step step = request_reply_buf(r, 200, "application/json", &body);
	buf_done(&body);
	return step;
}

enum step admin_model(struct request *r)
{
	struct buf body;
	if (!names_find(r, r->path_model))
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
