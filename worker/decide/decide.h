/* SPDX-License-Identifier: MIT
 * decide.h - the stages that decide: who is asking, where it goes, whether they may, now. */
#ifndef DECIDE_H
#define DECIDE_H

#include "worker/decide/keyset.h"
#include "worker/request.h"

enum step auth_check(struct request *r);
/* What who is no administrator may do at the gateway's own paths, by its user's role. */
enum step auth_check_role(struct request *r);
/* The key is `k`, a row of the directory: whose it is, and whether it may come in at all. */
enum step auth_take_key(struct request *r, const struct dir_key *k);
/* Counts against its address, as an unknown key does. STEP_DONE. */
enum step auth_refuse_token(struct request *r, enum token_fault f);
enum step route_resolve(struct request *r);	/* model name to group */
/* The same of a call that is relayed: its group, model name and price. Where it names a model
 * that nobody has, the group stays NULL. */
enum step raw_resolve(struct request *r);
/* Whether that key, or the team above it, may make such a call. */
bool raw_may(const struct request *r, const struct dir_key *k);
/* The model, and a request of what they may make in a minute; then tokens, where a provider will
 * be asked. */
enum step limits_take(struct request *r);
enum step limits_take_tokens(struct request *r);
/* Whether there is such a model and the key may use it, for answers that need no more. */
enum step limits_check_model(struct request *r);

#endif
