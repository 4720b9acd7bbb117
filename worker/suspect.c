/* SPDX-License-Identifier: MIT
 * suspect.c - see suspect.h. */
#include "worker/suspect.h"

#include "common/suspect.h"

bool suspect_may_pass(struct request *r)
{
	struct worker *w = r->w;
	if (!suspect_watch(&w->board, r->start_ns) || !conn_body(r->conn).n)
		return true;
	r->print = suspect_print(&w->board, r->key.id, r->http->path, conn_body(r->conn));
	uint64_t seconds = suspect_refuses(&w->board, r->print, r->start_ns);
	suspect_works(r);
	if (!seconds)
		return true;
	struct llm_error e = {
		.outcome = OUTCOME_SUSPECT,
		.must_not_retry = true,
		.retry_after_ms = seconds * 1000,
		.message = STR("this very request has crashed the gateway's workers and is "
			       "refused for a while; the operator's log has it as worker.suspect")};
	METRIC_ADD(w->metrics, suspects_refused, 1);
	request_fail_with(r, &e);
	return false;
}
