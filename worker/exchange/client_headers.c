/* SPDX-License-Identifier: MIT
 * client_headers.c - headers that a client sends to the provider, where that is allowed.
 *
 * As with LiteLLM only names that begin with "x-" go on. Of those, whatever any vendor reads as a
 * key or as part of a signature stays here, and so does what is meant for gateways and proxies. */
#include "worker/exchange/client_headers.h"

#include <errno.h>

enum { HEADERS_MAX = 32, VALUE_MAX = 4096 };

static const struct str closed[] = {
	STR("x-api-key"), STR("x-goog-api-key"), STR("x-goog-user-project"), STR("x-key"),
	STR("x-auth-token"), STR("x-real-ip"), STR("x-request-id"), STR("x-http-method-override"),
	STR("x-litellm-"), STR("x-amz-"), STR("x-ms-"), STR("x-forwarded-"), STR("x-envoy-"),
	STR("x-original-"), STR("x-rewrite-"), STR("x-stainless-"),
};

static bool is_name(struct str s)
{
	if (s.n < 3 || s.n > 128)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '_'))
			return false;
	}
	return true;
}

static bool may_pass(const struct request *r, struct str name)
{
	if (str_eq_nocase(name, snap_text(r->snap, snap_settings(r->snap)->key_header)))
		return false;		/* the client's key to us */
	if (!is_name(name) || !str_starts_nocase(name, STR("x-")))
		return false;
	for (size_t i = 0; i < COUNT(closed); i++) {
		bool is_family = closed[i].p[closed[i].n - 1] == '-';
		if (is_family ? str_starts_nocase(name, closed[i])
			      : str_eq_nocase(name, closed[i]))
			return false;
	}
	return true;
}

static bool is_value(struct str s)
{
	if (!s.p || s.n > VALUE_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || (unsigned char)s.p[i] >= 0x7f)
			return false;
	return true;
}

static bool is_configured(const struct request *r, const struct snap_deployment *d, struct str name)
{
	const struct snap_header *h = snap_headers(r->snap, d);
	for (uint32_t i = 0; i < d->headers.count; i++)
		if (str_eq_nocase(snap_text(r->snap, h[i].name), name))
			return true;
	return false;
}

static void put(const struct request *r, const struct snap_deployment *d, struct str name,
		struct str value, struct buf *out)
{
	if (is_configured(r, d, name))
		return;
	buf_put(out, name);
	BUF_PUT_LIT(out, ": ");
	buf_put(out, value);
	BUF_PUT_LIT(out, "\r\n");
}

static int refuse(struct llm_error *reterr, struct str why)
{
	*reterr = (struct llm_error){ .outcome = OUTCOME_BAD_REQUEST, .message = why,
				      .param = STR("extra_headers") };
	return -EINVAL;
}

static bool is_said(const struct json *object, struct str name)
{
	for (const struct json *j = object ? object->child : NULL; j; j = j->next)
		if (str_eq_nocase(j->key, name))
			return true;
	return false;
}

bool client_headers_has(const struct request *r, struct str name)
{
	return snap_settings(r->snap)->flags & SET_CLIENT_HEADERS && may_pass(r, name);
}

int client_headers_put(struct request *r, const struct snap_deployment *d, struct buf *out,
		       struct llm_error *reterr)
{
	const struct json *extra = json_get(r->q.root, "extra_headers");
	unsigned n = 0;
	if (!(snap_settings(r->snap)->flags & SET_CLIENT_HEADERS))
		return 0;
	if (json_is_given(extra) && (extra->type != JSON_OBJECT || extra->count > HEADERS_MAX))
		return refuse(reterr, STR("extra_headers must be an object of at most 32 strings"));
	for (const struct json *j = json_is_given(extra) ? extra->child : NULL; j; j = j->next) {
		struct str value = json_str(r->mem, j);
		if (!may_pass(r, j->key) || !is_value(value))
			return refuse(reterr, STR("extra_headers may hold names that begin with x- "
						  "and carry no key, with plain texts"));
		put(r, d, j->key, value, out);
	}
	for (unsigned i = 0; r->http && i < r->http->n_headers && n < HEADERS_MAX; i++) {
		const struct http_header *h = &r->http->headers[i];
		if (!may_pass(r, h->name) || !is_value(h->value) ||
		    (json_is_given(extra) && is_said(extra, h->name)))
			continue;
		put(r, d, h->name, h->value, out);
		n++;
	}
	return 0;
}
