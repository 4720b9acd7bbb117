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
/* The same once more, of the name that was asked for, with these aliases as the team's. */
void route_look_up_for(struct request *r, struct str asked, struct str team_aliases);
/* What that name means by the aliases of key and team, which r->renamed notes. */
struct str route_rename(struct request *r, struct str name);
/* The next name in rules that is an alias, which are left behind it; .n 0: no more. */
struct str route_next_alias(struct str *rules);
/* Who would answer if the caller asked for that name, by an alias too; NULL: nobody, or it may
 * not ask. */
const struct snap_group *route_may_ask(struct request *r, struct str name);
/* The same of a call that is relayed: its group, model name and price. Where it names a model or
 * a provider that nobody has, the group is NULL. */
void raw_resolve(struct request *r);
/* The price of a model as the provider of *d calls it, perhaps with a date behind it; *d: the
 * deployment here that has it, where there is one. With nothing known of it, no price. */
const struct price *raw_price_of(struct request *r, struct str model,
				 const struct snap_deployment **d);
/* The call itself costs nothing, as has turned out. */
void raw_is_free(struct request *r);
/* Whether that key, or the team above it, may make such a call for what it calls `name`. */
bool raw_may(const struct request *r, const struct dir_key *k, struct str name);
/* Whether that one of those that the request goes by may ask for what it asks for. */
bool limits_may(const struct request *r, const struct dir_key *k);
/* The model, and a request of what they may make in a minute; then tokens, where a provider will
 * be asked. */
enum step limits_take(struct request *r);
enum step limits_take_tokens(struct request *r);
/* Whether there is such a model and the key may use it, for answers that need no more. */
enum step limits_check_model(struct request *r);

#endif
