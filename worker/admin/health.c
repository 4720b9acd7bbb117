/* SPDX-License-Identifier: MIT
 * health.c - whether the process lives, and whether traffic is welcome. */
#include "common/json_write.h"
#include "worker/admin/admin.h"
#include "worker/request.h"

enum step admin_alive(struct request *r)
{
	return request_reply(r, 200, "application/json", STR("\"I'm alive!\""));
}

enum step admin_ready(struct request *r)
{
	struct worker *w = r->w;
	enum money_reason down = (enum money_reason)atomic_load_explicit(&w->board.head->money_down,
									 memory_order_relaxed);
	const char *why = w->is_draining     ? "draining"
			  : w->is_master_gone ? "the master is away"
			  : down != MONEY_OK  ? money_reason_text(down)
					      : NULL;
	struct buf body;
	buf_init(&body, 4096);
	struct json_out o = json_out(&body);
	json_open(&o, NULL);
	json_put_z(&o, "status", why ? "unhealthy" : "connected");
	json_put_z(&o, "db", down == MONEY_OK ? "connected" : "Not connected");
	json_put_null(&o, "cache");
	json_put_z(&o, "litellm_version", LLMGW_VERSION);
	json_open_array(&o, "success_callbacks");
	json_close_array(&o);
	json_put_u64(&o, "generation",
		     atomic_load_explicit(&w->row->generation, memory_order_relaxed));
	if (why)
		json_put_z(&o, "reason", why);
	json_close(&o);
	enum step step = request_reply_buf(r, why ? 503 : 200, "application/json", &body);
	buf_done(&body);
	return step;
}
