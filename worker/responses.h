/* SPDX-License-Identifier: MIT
 * responses.h - the format of OpenAI's Responses, for whoever speaks it: the dialect of that name,
 * which stands before the client, and the provider family, which stands before the model. Pure. */
#ifndef RESPONSES_H
#define RESPONSES_H

#include "worker/llm.h"

/* What each stream event means to someone who wants neutral ones. */
enum responses_event_kind {
	RSP_EV_OTHER,			/* nothing */
	RSP_EV_BEGIN,			/* response */
	RSP_EV_DELTA,			/* delta, of the content that the row tells */
	RSP_EV_PART,			/* a part of a summary begins */
	RSP_EV_ITEM,			/* an item begins */
	RSP_EV_ITEM_DONE,		/* an item is whole */
	RSP_EV_ERROR,
	RSP_EV_FAILED,			/* response with error */
	RSP_EV_END			/* response, whole or incomplete */
};
struct responses_event {
	struct str type;
	enum responses_event_kind kind;
	enum llm_event_kind content;	/* of a delta */
};
/* Never NULL: what is not known is RSP_EV_OTHER. */
const struct responses_event *responses_event_of(struct str type);

/* Of a response, or of the usage alone, which says less. */
void responses_read_usage(const struct json *usage, struct usage *ret);
void responses_read_worth(const struct json *response, struct usage *ret);
/* What tools of the provider's an answer used: looks at one of its items, whose members are given
 * as the JSON has them. Looking at a page that a search on the web found is none. A container that
 * was named before is the same session, if it is among the first ones. */
struct responses_tools {
	uint32_t searches, file_searches, sessions;
	struct str seen[8];
};
void responses_count_item(struct responses_tools *t, struct str type, struct str action,
			  struct str container);
/* Why a response that is given whole has ended. */
enum llm_finish responses_finish_of(struct arena *a, const struct json *response);

/* Models that are served under /responses alone, by their names. */
bool responses_is_needed(struct str model);
/* Models that think, and can hand over their thoughts sealed. */
bool responses_can_reason(struct str model);

/* A deployment's default parameters, which are in the words of chat, in those of this API; what it
 * has not is left out. params: a JSON object's text, or .p NULL, which gives .p NULL. *ret: the
 * same. 0 or -ENOMEM. */
int responses_read_params(struct arena *a, struct str params, struct str *ret) MUST_USE;
/* The same for what a client's request has beside the neutral form: where a name of chat goes. */
enum responses_param {
	RSP_PARAM_SAME,			/* as it is */
	RSP_PARAM_LIMIT,		/* max_output_tokens */
	RSP_PARAM_EFFORT,		/* reasoning.effort */
	RSP_PARAM_VERBOSITY,		/* text.verbosity */
	RSP_PARAM_FORMAT,		/* text.format, flat */
	RSP_PARAM_NOWHERE,		/* has no meaning here, and harms nobody */
	RSP_PARAM_REFUSAL		/* a client would miss it */
};
enum responses_param responses_param_of(struct str name);

#endif
