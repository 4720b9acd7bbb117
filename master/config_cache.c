/* SPDX-License-Identifier: MIT
 * config_cache.c - what follows from litellm_settings.cache_params. There is one cache, in this
 * machine's shared memory: whoever asks for another kind is told, and has this one. */
#include "master/config_read.h"

#define CACHE "litellm_settings.cache_params"

/* LiteLLM names a call by its function; each has an asynchronous twin. */
static bool read_call(struct str name, uint32_t *ret_bit)
{
	static const struct {
		const char *name;
		enum snap_cache_call call;
	} calls[] = {
		{ "completion", CACHED_CHAT },
		{ "text_completion", CACHED_TEXT },
		{ "embedding", CACHED_EMBED },
		{ "rerank", CACHED_RERANK },
		{ "responses", CACHED_RESPONSES },
	};
	if (str_starts(name, STR("a")))
		name = str_skip(name, 1);
	for (size_t i = 0; i < COUNT(calls); i++)
		if (str_eq_z(name, calls[i].name)) {
			*ret_bit = 1u << calls[i].call;
			return true;
		}
	return false;
}

static void read_calls(struct reader *r)
{
	struct config *c = r->c;
	uint32_t bit;
	if (!c->cache_calls.n)
		c->set.cache_calls = UINT32_MAX;
	for (size_t i = 0; i < c->cache_calls.n; i++) {
		if (read_call(c->cache_calls.v[i], &bit))
			c->set.cache_calls |= bit;
		else
			complain(r, W_NOT_ACTED_ON, given_place(r, CACHE, "supported_call_types"),
				 "calls of type '" STR_FMT "' are not cached",
				 STR_ARG(shown(c->cache_calls.v[i])));
	}
}

void cache_finish(struct reader *r)
{
	const struct config *c = r->c;
	read_calls(r);
	if (c->set.flags & SET_CACHE && !str_eq(c->cache_type, STR("local")))
		complain(r, W_NOT_ACTED_ON, given_place(r, CACHE, "type"),
			 "llmgw has no cache of type '" STR_FMT "': answers are kept in this "
			 "machine's memory", STR_ARG(c->cache_type));
}
