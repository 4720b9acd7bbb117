/* SPDX-License-Identifier: MIT
 * routes.c - GET /routes: all paths in the list that LiteLLM makes of its own; GET /test. */
#include "common/json_write.h"
#include "worker/admin/admin.h"
#include "worker/client/endpoint.h"
#include "worker/request.h"

enum { ANSWER_MAX = 1 << 20 };

static void put_methods(struct json_out *o, const char *method)
{
	static const char *const all[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
	json_open_array(o, "methods");
	for (size_t i = 0; method[0] == '*' && i < COUNT(all); i++)
		json_put_z(o, NULL, all[i]);
	if (method[0] != '*')
		json_put_z(o, NULL, method);
	json_close_array(o);
}

enum step admin_routes(struct request *r)
{
	struct buf body;
	buf_init(&body, ANSWER_MAX);
	struct json_out o = json_out(&body);
	json_open(&o, NULL);
	json_open_array(&o, "routes");
	for (size_t i = 0; i < endpoints_count; i++) {
		const struct endpoint *e = &endpoints[i];
		json_open(&o, NULL);
		json_put_z(&o, "path", e->path);
		put_methods(&o, e->method);
		json_put_z(&o, "name", e->doc);
		json_put_z(&o, "endpoint", e->path);
		json_close(&o);
	}
	json_close_array(&o);
	json_close(&o);
	enum step step = request_reply_buf(r, 200, "application/json", &body);
	buf_done(&body);
	return step;
}

enum step admin_test(struct request *r)
{
	return request_reply(r, 200, "application/json", STR("{\"route\":\"/test\"}"));
}
