/* SPDX-License-Identifier: MIT
 * provider_anthropic_model.c - what a model can do, by the version in its name.
 *
 * "claude-3-7-sonnet-20250219", "claude-opus-4-1", "anthropic.claude-sonnet-4-5-20250929-v1:0",
 * "claude-opus-4.6": the first number of one or two digits behind "claude" is the major version,
 * the next one, if it follows at once, the minor. Names without a number are taken for the newest
 * models, and those of other vendors with this API for what all of them know. */
#include "worker/exchange/provider_anthropic.h"

enum {
	VERSION_UNKNOWN = 0,
	VERSION_THINKING = 307,
	VERSION_OPUS_4_1 = 401,		/* there is no other 4.1 */
	VERSION_FORMAT = 405,
	VERSION_ADAPTIVE = 406,
	VERSION_LAST_SAMPLING = 406,
	VERSION_NEWEST = 9999
};

/* A number of one or two digits that stands alone; moves *s behind it. -1: there is none. */
static int take_number(struct str *s)
{
	size_t n = 0;
	int v = 0;
	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9' && n < 3)
		v = v * 10 + (s->p[n++] - '0');
	bool is_alone = n == s->n || strchr("-.@:/", s->p[n]);
	if (n == 0 || n > 2 || !is_alone)
		return -1;
	*s = str_skip(*s, n);
	return v;
}

static int version_of(struct str name)
{
	size_t at = str_find(name, STR("claude"));
	if (at == SIZE_MAX)
		return VERSION_UNKNOWN;
	for (name = str_skip(name, at + 6); name.n; name = str_skip(name, 1)) {
		if (!strchr("-.@:/", name.p[0]))
			continue;
		struct str rest = str_skip(name, 1);
		if (rest.n && rest.p[0] == 'v')		/* "claude-v2" */
			rest = str_skip(rest, 1);
		int major = take_number(&rest), minor = 0;
		if (major < 0)
			continue;
		if (rest.n && (rest.p[0] == '-' || rest.p[0] == '.')) {
			rest = str_skip(rest, 1);
			minor = take_number(&rest);
		}
		return major * 100 + (minor > 0 ? minor : 0);
	}
	return VERSION_NEWEST;
}

struct ant_model ant_model_of(struct str name)
{
	int v = version_of(name);
	return (struct ant_model){
		.may_think = v == VERSION_UNKNOWN || v >= VERSION_THINKING,
		.thinks_adaptively = v >= VERSION_ADAPTIVE,
		.knows_format = v == VERSION_OPUS_4_1 || v >= VERSION_FORMAT,
		.samples_freely = v <= VERSION_LAST_SAMPLING,
	};
}
