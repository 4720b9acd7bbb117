/* SPDX-License-Identifier: MIT
 * pass_call.c - the call that goes out where bytes are relayed: URL, headers, and the body with
 * another model's name in it. Hosts come from the configuration alone. */
#include <errno.h>

#include "common/clock.h"
#include "worker/exchange/credential_aws.h"
#include "worker/exchange/pass.h"
#include "worker/exchange/site.h"
#include "worker/openai.h"
#include "worker/trace.h"

enum { URL_MAX = 4000, LINES_MAX = 16384 };

/* ---- where to ------------------------------------------------------------------------------- */

static int refuse(struct llm_error *reterr, struct arena *a, struct str provider, const char *what)
{
	*reterr = (struct llm_error){
		.outcome = OUTCOME_UNSUPPORTED_PARAM,
		.message = arena_printf(a, "provider " STR_FMT " has no %s here", STR_ARG(provider),
					what) };
	return -EINVAL;
}

/* Whoever speaks OpenAI's format has its other endpoints at the same place. */
static bool has_endpoints(const struct snap_deployment *d)
{
	return d->family == FAMILY_OPENAI && (d->site == SITE_OWN || d->site == SITE_AZURE);
}

static void put_azure(struct buf *out, struct str base, struct str model, struct str path)
{
	buf_put(out, base);
	if (str_find(base, STR("/openai/v1")) != SIZE_MAX) {
		buf_put(out, path);
		return;
	}
	if (str_eq(path, STR("/realtime"))) {
		BUF_PUT_LIT(out, "/openai");
	} else if (str_find(base, STR("/deployments/")) == SIZE_MAX) {
		BUF_PUT_LIT(out, "/openai/deployments/");
		site_put_name(model, out);
	}
	buf_put(out, path);
}

/* Azure wants its version with each call; a client's own comes first. */
static void put_query(const struct request *r, const struct snap_deployment *d, struct str model,
		      struct buf *out)
{
	struct str version = snap_text(r->snap, d->api_version);
	size_t before = out->n;
	raw_put_query(out, r->raw->query, !r->raw->is_tunnel);
	if (r->raw->is_tunnel) {
		buf_put_z(out, out->n > before ? "&" : "?");
		buf_put_z(out, d->site == SITE_AZURE ? "deployment=" : "model=");
		buf_put_escaped(out, model);
	}
	if (d->site != SITE_AZURE || !version.n ||
	    raw_query_get(r->raw->query, STR("api-version")).p)
		return;
	buf_put_char(out, out->n > before ? '&' : '?');
	BUF_PUT_LIT(out, "api-version=");
	buf_put(out, version);
}

static void put_url(const struct request *r, const struct snap_deployment *d, struct str model,
		    struct buf *out)
{
	const struct raw_call *c = r->raw;
	struct str base = snap_text(r->snap, d->base);
	if (c->raw->source == RAW_TARGET) {
		buf_put(out, base);
		raw_put_path(out, r->path_rest);
	} else if (c->raw->path && d->site == SITE_AZURE) {
		put_azure(out, base, model, c->path);
	} else {
		raw_put_url(out, base, c->path);
	}
	put_query(r, d, model, out);
}

/* ---- headers -------------------------------------------------------------------------------- */

/* What says how an answer is wanted, and which version of the format is spoken. */
static bool goes_along(struct str name)
{
	static const char *const names[] = { "accept",		  "accept-language",
					     "range",		  "if-match",
					     "if-none-match",	  "idempotency-key",
					     "openai-beta",	  "openai-project",
					     "anthropic-version", "anthropic-beta",
					     "x-goog-api-client", "x-client-name",
					     "prefer" };
	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq_z(name, names[i]))
			return true;
	return false;
}

/* "x-pass-NAME" asks for a header of any name, but for those that say who asks, to whom, by which
 * method and path, and where a message ends. */
static bool is_forbidden(struct str name)
{
	static const char *const starts[] = {
		"authorization",    "proxy-", "cookie",	   "host",     "content-",
		"transfer-",	    "te",     "trailer",   "upgrade",  "connection",
		"keep-alive",	    "expect", "x-api-key", "api-key",  "x-goog-api-key",
		"x-litellm-",	    "x-amz-", "xi-api-",   "x-pass-",  "accept-encoding",
		"x-forwarded-",	    "via",    "forwarded", "x-goog-user-project",
		"ocp-apim-",	    "x-key",  "x-ms-",	   "x-auth-token",
		"x-http-method",    "x-method-override",   "x-original-",
		"x-rewrite-",	    "x-envoy-",		   "x-real-ip"
	};
	for (size_t i = 0; i < COUNT(starts); i++)
		if (str_starts_nocase(name, str_z(starts[i])))
			return true;
	return name.n == 0;
}

static bool is_deployments(const struct request *r, const struct snap_deployment *d,
			   struct str name)
{
	const struct snap_header *h = snap_headers(r->snap, d);
	for (uint32_t i = 0; i < d->headers.count; i++)
		if (str_eq_nocase(snap_text(r->snap, h[i].name), name))
			return true;
	return false;
}

static void put_headers(const struct request *r, const struct snap_deployment *d, struct buf *out)
{
	struct str own = snap_text(r->snap, snap_settings(r->snap)->key_header);
	if (r->trace)
		trace_put_header(r, d, out);
	for (unsigned i = 0; r->http && i < r->http->n_headers; i++) {
		struct str name = r->http->headers[i].name, value = r->http->headers[i].value;
		bool ok = goes_along(name);
		if (str_starts(name, STR("x-pass-"))) {
			name = str_skip(name, 7);
			ok = !is_forbidden(name);
		}
		if (!ok || value.n == 0 || is_deployments(r, d, name) ||
		    (own.n && str_eq_nocase(own, name)))
			continue;
		buf_put(out, name);
		BUF_PUT_LIT(out, ": ");
		buf_put(out, value);
		BUF_PUT_LIT(out, "\r\n");
	}
}

/* ---- body ----------------------------------------------------------------------------------- */

/* Splices what raw_read() has found; the model's name is known only now. */
static int splice_names(struct request *r, struct str model, struct pass_call *ret)
{
	struct raw_call *c = r->raw;
	struct json_edit edits[COUNT(c->edits)];
	unsigned n = 0;
	for (unsigned i = 0; i < c->n_edits; i++) {
		edits[n] = c->edits[i];
		if ((int)i == c->model_edit) {
			if (!model.p)
				continue;
			edits[n].with = c->is_form ? model : openai_quote(r->mem, model);
			if (!edits[n].with.p)
				return -ENOMEM;
		}
		n++;
	}
	ret->is_changed = n > 0;
	if (n)
		json_splice(&ret->body, c->body, edits, n);
	return 0;
}

/* The body goes as it came where a path of the client's decides; else with the deployment's name
 * for the model in it. */
static int put_body(struct request *r, const struct snap_deployment *d, struct str model,
		    struct pass_call *ret)
{
	struct raw_call *c = r->raw;
	if (c->raw->source == RAW_PREFIX || c->raw->source == RAW_TARGET)
		return 0;
	if (c->raw->source == RAW_PROVIDER || c->is_form || !c->root)
		return splice_names(r, c->pass || c->model_edit < 0 ? STR_NONE : model, ret);
	struct openai_edits e = { .model = c->pass ? STR_NONE : model,
				  .extra_body = snap_text(r->snap, d->extra_body) };
	ret->is_changed = true;
	return openai_edit_request(r->mem, c->root, c->body, &e, &ret->body);
}

static int sign(struct request *r, const struct snap_deployment *d, struct pass_call *ret,
		struct llm_error *reterr)
{
	struct aws_call call = {
		.method = str_z(r->raw->method),
		.url = buf_str(&ret->url),
		.body = ret->is_changed ? buf_str(&ret->body) : r->raw->body,
		.content_type = ret->content_type,
		.wall_s = clock_wall_ns() / NS_PER_S,
	};
	return credential_aws(r->mem, snap_text(r->snap, d->credentials), &call, &ret->headers,
			      reterr);
}

/* ---- all of it ------------------------------------------------------------------------------ */

/* What this deployment is not there for. */
static int check(struct request *r, const struct snap_deployment *d, struct llm_error *reterr)
{
	const struct raw_call *c = r->raw;
	struct str provider = snap_text(r->snap, d->provider);
	if ((c->raw->path || (c->raw->source == RAW_PROVIDER && !c->pass)) && !has_endpoints(d))
		return refuse(reterr, r->mem, provider, c->raw->name);
	if ((c->is_tunnel && d->auth >= AUTH_SIGV4) || d->mock_response.at)
		return refuse(reterr, r->mem, provider, "calls that are passed through");
	return 0;
}

int pass_call_write(struct request *r, const struct snap_deployment *d, struct pass_call *ret,
		    struct llm_error *reterr)
{
	struct raw_call *c = r->raw;
	struct str model = STR_NONE;
	int err = check(r, d, reterr);
	if (err)
		return err;
	buf_init(&ret->url, URL_MAX);
	buf_init(&ret->headers, LINES_MAX);
	buf_init(&ret->body, snap_settings(r->snap)->request_memory_max);
	if (!c->pass) {
		model = snap_upstream_model(r->snap, r->group, d, request_model(r), r->mem);
		if (!model.p)
			return -ENOMEM;
	}
	put_url(r, d, model, &ret->url);
	put_headers(r, d, &ret->headers);
	if (c->raw->source == RAW_MODEL && c->root)
		ret->content_type = STR("application/json");
	else if (c->body.n && !is_deployments(r, d, STR("content-type")))
		ret->content_type = c->content_type;
	if (!ret->content_type.p)
		ret->content_type = STR("");	/* none at all */
	err = put_body(r, d, model, ret);
	if (err == 0 && (ret->url.failed || ret->headers.failed || ret->body.failed))
		err = -ENOMEM;
	if (err == 0 && d->auth == AUTH_SIGV4)
		err = sign(r, d, ret, reterr);
	return err;
}

/* "Bearer X" is X. */
static struct str last_word(struct str value)
{
	size_t n = value.n;
	while (n > 0 && value.p[n - 1] != ' ')
		n--;
	return str_skip(value, n);
}

struct str pass_secret(const struct request *r, const struct snap_deployment *d,
		       const struct pass_call *c)
{
	const struct snap_header *h = snap_headers(r->snap, d);
	struct str key = snap_text(r->snap, d->api_key), lines = buf_str(&c->headers);
	for (uint32_t i = 0; !key.n && i < d->headers.count; i++)
		if (str_eq_nocase(snap_text(r->snap, h[i].name), STR("authorization")))
			key = last_word(str_trim(snap_text(r->snap, h[i].value)));
	while (!key.n && lines.n) {
		struct str value = str_cut(&lines, '\n'), name = str_cut(&value, ':');
		if (str_eq_nocase(name, STR("authorization")) && d->auth != AUTH_SIGV4)
			key = last_word(str_trim(value));
	}
	return key;
}

void pass_call_done(struct pass_call *c)
{
	buf_done(&c->url);
	buf_done(&c->body);
	buf_done(&c->headers);
}
