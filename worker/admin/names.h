/* SPDX-License-Identifier: MIT
 * names.h - the names of models that the caller may ask for: groups of the configuration, aliases
 * of its key and team; of a token with several teams, what any of them may. */
#ifndef NAMES_H
#define NAMES_H

#include <stddef.h>

#include "common/snapshot.h"
#include "worker/step.h"

struct request;

enum { NAMES_PATTERNS = 1, NAMES_ALIASES = 2 };	/* which are wanted beside groups */

struct model_name {
	struct str name;
	const struct snap_group *group;	/* that answers */
};

/* Hidden aliases of the configuration are left out. The list lies in the request's arena; NULL:
 * no room there. */
const struct model_name *names_list(struct request *r, unsigned wanted, size_t *ret_n);
enum step names_refuse(struct request *r);	/* for want of it */
/* Who answers to that name when the caller asks for it; NULL: nobody, or it may not. */
const struct snap_group *names_find(struct request *r, struct str name);

#endif
