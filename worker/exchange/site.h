/* SPDX-License-Identifier: MIT
 * site.h - where a family's calls go when not to the vendor's own: on Azure, Vertex AI or Bedrock
 * the same body stands behind another path, in another envelope. Pure. */
#ifndef SITE_H
#define SITE_H

#include "worker/exchange/provider.h"

struct site {
	const char *name;
	enum provider_site site;
	/* After the family's adapter or the dialect's short way has filled *call: replaces the
	 * path, edits the body (members that the site wants or does not take), sets the framing.
	 * 0; -EINVAL with *reterr (a family or kind that this site has not); -ENOMEM. */
	int (*wrap)(struct arena *a, enum provider_family family, const struct llm_request *q,
		    const struct provider_target *t, struct provider_call *call,
		    struct llm_error *reterr);
};
extern const struct site site_azure, site_vertex, site_bedrock;

/* Nothing to do, and 0, for SITE_OWN. */
int site_wrap(struct arena *a, enum provider_family family, const struct llm_request *q,
	      const struct provider_target *t, struct provider_call *call,
	      struct llm_error *reterr) MUST_USE;

#endif
