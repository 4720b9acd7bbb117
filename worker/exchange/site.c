/* SPDX-License-Identifier: MIT
 * site.c - the list of sites; see site.h. */
#include "worker/exchange/site.h"

#include <errno.h>

static const struct site *const sites[SITE_COUNT] = {
	[SITE_OWN] = NULL,
	[SITE_BEDROCK] = &site_bedrock,
};

int site_wrap(struct arena *a, enum provider_family family, const struct llm_request *q,
	      const struct provider_target *t, struct provider_call *call, struct llm_error *reterr)
{
	if (t->site == SITE_OWN)
		return 0;
	MUST(t->site < SITE_COUNT);
	if (sites[t->site])
		return sites[t->site]->wrap(a, family, q, t, call, reterr);
	*reterr = (struct llm_error){ .outcome = OUTCOME_UNSUPPORTED_PARAM,
				      .message = STR("this site is not served") };
	return -EINVAL;
}
