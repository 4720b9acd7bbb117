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
extern const struct site site_azure, site_foundry, site_vertex, site_bedrock;

/* Nothing to do, and 0, for SITE_OWN. */
int site_wrap(struct arena *a, enum provider_family family, const struct llm_request *q,
	      const struct provider_target *t, struct provider_call *call,
	      struct llm_error *reterr) MUST_USE;

/* The family of one model of a wildcard, where a site has several. */
enum provider_family site_family(enum provider_site site, enum provider_family family,
				 struct str model);
/* Whether a body that the client wrote in the family's own format will do here. */
bool site_takes_body(enum provider_site site, enum provider_family family,
		     const struct llm_request *q);

/* Changes to the top of a body. */
struct site_edit {
	const char *const *without;	/* members taken out; ends with NULL */
	struct str added;		/* "\"name\":value", behind the others; .n == 0: nothing */
	struct str unless;		/* nothing is added where it is there; or .p NULL */
};
/* 0; -EINVAL: the body is no JSON object; -ENOMEM. */
int site_edit_body(struct arena *a, struct buf *body, const struct site_edit *e) MUST_USE;

/* A name as one segment of a path. A wildcard's client may call a model anything: in the place of a
 * dot segment, which would lead to another path, stands nothing. */
void site_put_name(struct str name, struct buf *out);

#endif
