/* SPDX-License-Identifier: MIT
 * windows.h - limits in windows of any length (common/window.h) of those that a request goes by,
 * and its class's share of the model's limits: taken before it goes on, corrected when it is known
 * what it used.
 *
 * Requests are taken when the model is known, tokens by estimate, money by the worst case. All of
 * that is taken once, however often the request is tried, and given back where nobody was asked.
 * A request without any has r->windows NULL, and nothing here is called.
 *
 * A class (litellm_settings.priority_reservation) is counted always, and held to its share once the
 * model is saturated: until then it may use what others leave. */
#ifndef WINDOWS_H
#define WINDOWS_H

#include "common/gate.h"
#include "common/window.h"
#include "worker/request.h"

struct window_hold {
	const struct dir_key *owner;	/* NULL: the model, or a class of priority */
	const struct snap_gate *whole;	/* of a class: the model's limit; else NULL */
	struct window w;		/* its gate with the factor of this request */
	struct board_gate *row;
	uint64_t id_hash;		/* what the row was called when it was taken from */
	struct gate_hold hold;
	bool is_taken;
};
struct windows {
	uint32_t n;
	bool is_settled;
	struct window_hold v[];
};

/* Those of all owners, and the request itself. STEP_DONE: refused. */
enum step windows_take_request(struct request *r);
enum step windows_take_tokens(struct request *r, uint64_t prompt);
enum step windows_take_cost(struct request *r, int64_t worst_nano);
/* What it used, in the end; or nothing at all (u NULL): then a replayed answer is a request. */
void windows_settle(struct request *r, const struct usage *u);
/* x-ratelimit-OWNER-limit-UNIT-NAME and -remaining-, NAME being the window's or its length. */
void windows_headers(const struct request *r, struct buf *out);

#endif
