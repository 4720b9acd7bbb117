/* SPDX-License-Identifier: MIT
 * config_callbacks.c - LiteLLM's lists of whom to tell of each request. One of them is acted on:
 * prometheus, which means that /metrics has LiteLLM's names beside our own. */
#include "master/config_read.h"

static void take_all(struct reader *r, const char *directive, const struct config_names *names)
{
	for (size_t i = 0; i < names->n; i++) {
		if (str_eq(names->v[i], STR("prometheus")))
			r->c->set.flags |= SET_LITELLM_METRICS;
		else
			complain(r, W_NOT_ACTED_ON, given_place(r, "litellm_settings", directive),
				 "the callback '" STR_FMT "' of %s is not called yet",
				 STR_ARG(shown(names->v[i])), directive);
	}
}

void callbacks_finish(struct reader *r)
{
	const struct config *c = r->c;
	take_all(r, "callbacks", &c->callbacks);
	take_all(r, "success_callback", &c->success_callbacks);
	take_all(r, "failure_callback", &c->failure_callbacks);
}
