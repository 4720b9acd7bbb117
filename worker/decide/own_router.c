/* SPDX-License-Identifier: MIT
 * own_router.c - see own_router.h. */
#include "worker/decide/own_router.h"

#include "worker/decide/route.h"
#include "worker/request.h"

enum { RETRIES_MAX = 100, SECONDS_MAX = 86400 };

/* ---- reading ---- */

static const struct json *parse(struct request *r, struct str text)
{
	struct json_error e;
	const struct json *j = text.n ? json_parse(r->mem, text, 0, &e) : NULL;
	return json_is(j, JSON_OBJECT) ? j : NULL;
}

/* The first of the two that has a member of that name and kind. */
static const struct json *find(const struct own_router *own, const char *name, enum json_type kind)
{
	for (size_t i = 0; i < COUNT(own->of); i++) {
		const struct json *j = own->of[i] ? json_get(own->of[i], name) : NULL;
		if (json_is(j, kind))
			return j;
	}
	return NULL;
}

static void set_seconds(const struct own_router *own, const char *name, double *seconds)
{
	const struct json *j = *seconds > 0 ? NULL : find(own, name, JSON_NUMBER);
	double v;
	if (j && str_read_double(j->raw, &v) == 0 && v > 0 && v < SECONDS_MAX)
		*seconds = v;
}

bool own_router_read(struct request *r)
{
	struct own_router *own = arena_alloc(r->mem, sizeof *own);
	const struct json *j;
	uint64_t n;
	if (!own)
		return false;
	own->of[0] = parse(r, r->key.router);
	own->of[1] = parse(r, r->team.router);
	own->request_has_retries = r->q.num_retries >= 0;
	j = own->request_has_retries ? NULL : find(own, "num_retries", JSON_NUMBER);
	if (j && str_read_u64(j->raw, &n) == 0)
		r->q.num_retries = n > RETRIES_MAX ? RETRIES_MAX : (int64_t)n;
	set_seconds(own, "timeout", &r->q.timeout_s);
	set_seconds(own, "stream_timeout", &r->q.stream_timeout_s);
	j = find(own, "routing_strategy", JSON_STRING);
	uint32_t strategy;
	if (j && route_find_strategy(json_str(r->mem, j), &strategy))
		own->strategy = 1 + strategy;
	r->own = own;
	return true;
}

/* ---- retries ---- */

static const char *const class_names[POLICY_CLASSES] = {
	[POLICY_BAD_REQUEST] = "BadRequestErrorRetries",
	[POLICY_AUTH] = "AuthenticationErrorRetries",
	[POLICY_TIMEOUT] = "TimeoutErrorRetries",
	[POLICY_RATE_LIMIT] = "RateLimitErrorRetries",
	[POLICY_CONTENT] = "ContentPolicyViolationErrorRetries",
	[POLICY_INTERNAL] = "InternalServerErrorRetries",
	[POLICY_UNAVAILABLE] = "ServiceUnavailableErrorRetries",
	[POLICY_NOT_FOUND] = "NotFoundErrorRetries",
	[POLICY_BAD_GATEWAY] = "BadGatewayErrorRetries",
};

bool own_router_retries(const struct own_router *own, struct str group, enum outcome o,
			unsigned *ret)
{
	enum policy_class class = route_policy_class(o);
	uint64_t n;
	if (own->request_has_retries || class == POLICY_CLASSES)
		return false;
	for (size_t i = 0; i < COUNT(own->of); i++) {
		const struct json *groups =
			json_member(own->of[i], STR("model_group_retry_policy"));
		const struct json *policies[] = { json_member(groups, group),
						  json_member(own->of[i], STR("retry_policy")) };
		for (size_t k = 0; k < COUNT(policies); k++) {
			const struct json *j = json_member(policies[k], str_z(class_names[class]));
			if (!json_is(j, JSON_NUMBER) || str_read_u64(j->raw, &n) < 0)
				continue;
			*ret = n > RETRIES_MAX ? RETRIES_MAX : (unsigned)n;
			return true;
		}
	}
	return false;
}

/* ---- fallbacks ---- */

const struct json *own_router_list(const struct json *all, struct str asked, struct str group)
{
	const struct str names[] = { asked, group, STR("*") };
	for (size_t i = 0; i < COUNT(names); i++)
		for (const struct json *j = json_is(all, JSON_ARRAY) ? all->child : NULL; j;
		     j = j->next) {
			const struct json *own = json_member(j, names[i]);
			if (json_is(own, JSON_ARRAY))
				return own;
		}
	return NULL;
}

const struct json *own_router_fallbacks(const struct own_router *own, struct str asked,
					struct str group, enum outcome o)
{
	struct str special = o == OUTCOME_CONTEXT_LENGTH   ? STR("context_window_fallbacks")
			     : o == OUTCOME_CONTENT_POLICY ? STR("content_policy_fallbacks")
							   : STR("fallbacks");
	for (size_t i = 0; i < COUNT(own->of); i++) {
		const struct json *list =
			own_router_list(json_member(own->of[i], special), asked, group);
		if (!list)
			list = own_router_list(json_member(own->of[i], STR("fallbacks")), asked,
					       group);
		if (list)
			return list;
	}
	return NULL;
}
