/* SPDX-License-Identifier: MIT
 * intake.c - from a request's head to the neutral form; see intake.h. */
#include "worker/client/intake.h"

#include <errno.h>

#include "common/clock.h"
#include "common/fault.h"
#include "worker/client/dialect_gemini.h"
#include "worker/client/forwarded.h"
#include "worker/client/prompt_check.h"
#include "worker/memory.h"
#include "worker/suspect.h"

static enum step answer_preflight(struct request *r)
{
	struct str asked = http_header(r->http, "access-control-request-headers");
	struct buf headers;
	r->outcome = OUTCOME_OK;
	buf_init(&headers, 8192);
	BUF_PUT_LIT(&headers,
		    "access-control-allow-methods: GET, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
		    "access-control-max-age: 600\r\naccess-control-allow-headers: ");
	buf_put(&headers, asked.n && asked.n < 4096 ? asked : STR("authorization, content-type"));
	BUF_PUT_LIT(&headers, "\r\n");
	request_headers(r, &headers, true);
	r->status = headers.failed ? 0 : 200;
	if (r->status)
		conn_reply(r->conn, 200, buf_str(&headers), STR("OK"));
	buf_done(&headers);
	return STEP_DONE;
}

static enum step no_memory(struct request *r)
{
	return request_fail(r, memory_outcome(r->w), NULL, "the request needs too much memory");
}

/* A path that the configuration names: general_settings.pass_through_endpoints. */
static const struct endpoint *find_target(struct request *r, struct str method,
					  struct endpoint_parts *ret, bool *ret_other_method)
{
	const struct snap_pass *p = snap_find_target(r->snap, r->http->path, &ret->rest);
	if (!p)
		return NULL;
	if (!snap_pass_takes(p, method)) {
		*ret_other_method = true;
		return NULL;
	}
	r->pass = p;
	return p->flags & PASS_OPEN ? &endpoint_open_target : &endpoint_target;
}

enum step intake_endpoint(struct request *r)
{
	const struct http_request *h = r->http;
	const struct endpoint *near;
	bool other_method = false;
	struct endpoint_parts parts;
	if (snap_settings(r->snap)->flags & SET_FORWARDED)
		forwarded_address(r->snap, h, r->client_ip);
	struct str method = str_eq(h->method, STR("HEAD")) ? STR("GET") : h->method;
	if (str_eq(h->method, STR("OPTIONS")) && http_header(h, "access-control-request-method").p)
		return answer_preflight(r);
	r->endpoint = endpoint_find(method, h->path, &parts, &near);
	if (!r->endpoint)
		r->endpoint = find_target(r, method, &parts, &other_method);
	if (!r->endpoint && (near || other_method)) {
		r->dialect = near ? near->dialect : NULL;	/* of the error */
		return request_fail(r, OUTCOME_METHOD, NULL,
				    "Method Not Allowed: " STR_FMT " " STR_FMT, STR_ARG(h->method),
				    STR_ARG(h->path));
	}
	if (!r->endpoint)
		return request_fail(r, OUTCOME_NOT_FOUND, NULL, "Not Found: " STR_FMT,
				    STR_ARG(h->path));
	if (parts.model.p)
		r->path_model = arena_dup(r->mem, parts.model);
	if (parts.rest.p)
		r->path_rest = arena_dup(r->mem, parts.rest);
	if ((parts.model.p && !r->path_model.p) || (parts.rest.p && !r->path_rest.p))
		return no_memory(r);
	return STEP_NEXT;
}

enum step intake_body(struct request *r)
{
	if (!(r->endpoint->flags & EP_BODY) || !r->http->has_body)
		return STEP_NEXT;
	if (memory_refuses(r->w))
		return request_fail(r, OUTCOME_OVERLOADED, NULL,
				    "the gateway holds too much already; try again in a moment");
	conn_read_body(r->conn, snap_settings(r->snap)->body_max);
	return STEP_WAIT;
}

enum step intake_own(struct request *r)
{
	if (!suspect_may_pass(r))
		return STEP_DONE;
	(void)FAULT_IN("parse.marked", conn_body(r->conn));
	return r->endpoint->run ? r->endpoint->run(r) : STEP_NEXT;
}

enum step intake_refuse(struct request *r, const struct dialect_error *e)
{
	struct llm_error full = { .outcome = e->outcome, .message = e->message, .param = e->param };
	return request_fail_with(r, &full);
}

bool intake_headers(struct request *r)
{
	struct str v = http_header(r->http, "x-litellm-timeout");
	int64_t n;
	double f;
	if (v.p && str_read_double(v, &f) == 0 && f > 0 && f < 86400)
		r->q.timeout_s = f;
	v = http_header(r->http, "x-litellm-stream-timeout");
	if (v.p && str_read_double(v, &f) == 0 && f > 0 && f < 86400)
		r->q.stream_timeout_s = f;
	v = http_header(r->http, "x-litellm-num-retries");
	if (v.p && str_read_i64(v, &n) == 0 && n >= 0 && n <= 100)
		r->q.num_retries = n;
	v = http_header(r->http, "x-litellm-end-user-id");
	if (!v.p)
		v = http_header(r->http, "x-litellm-customer-id");
	if (v.p)
		r->q.user = arena_dup(r->mem, v);
	return !v.p || r->q.user.p;
}

/* A limit that the client has dropped limits nothing. */
static void forget_dropped(struct llm_request *q)
{
	const struct json *list = q->dropped_params;
	for (const struct json *j = list ? list->child : NULL; j; j = j->next)
		if (str_eq(j->raw, STR("\"max_tokens\"")) ||
		    str_eq(j->raw, STR("\"max_completion_tokens\"")))
			q->max_tokens = 0;
}

static enum step refuse_json(struct request *r, const struct json_error *e)
{
	return request_fail(r, OUTCOME_BAD_JSON, "request_body",
			    "Invalid JSON payload: %s at byte %zu", e->what, e->at);
}

/* In lower case, as decoders see it that do not mind the case: to Go's, U+017F is an s, too, and
 * U+212A a k. "" when it does not fit. */
static struct str fold(struct str name, char *room, size_t max)
{
	size_t n = 0;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		if (str_starts(str_skip(name, i), STR("\xc5\xbf"))) {
			c = 's';
			i += 1;
		} else if (str_starts(str_skip(name, i), STR("\xe2\x84\xaa"))) {
			c = 'k';
			i += 2;
		}
		if (n == max)
			return STR("");
		room[n++] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	return str_of(room, n);
}

static bool has_other_case(struct str name)
{
	bool found = false;
	for (size_t i = 0; i < name.n; i++)
		found |= (name.p[i] >= 'A' && name.p[i] <= 'Z') || (unsigned char)name.p[i] >= 0x80;
	return found;
}

/* What says what is asked for and paid: "Model" would travel along unread, and a provider could
 * take it for "model". The name it looks like, or NULL. */
static const char *disguised(struct str name)
{
	static const char *const names[] = {
		"model",  "messages", "prompt",	     "input",
		"n",	  "best_of",  "stream",	     "stream_options",
		"tools",  "user",     "max_tokens",  "max_completion_tokens",
		"suffix", "metadata", "service_tier",
		"query",  "documents", "texts", "inputs"};
	char room[32];
	if (!has_other_case(name))
		return NULL;
	struct str folded = fold(name, room, sizeof room);
	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq_z(folded, names[i]) && !str_eq_z(name, names[i]))
			return names[i];
	return NULL;
}

const char *intake_disguised(const struct json *root)
{
	const char *found = NULL;
	for (const struct json *j = root->child; j && !found; j = j->next)
		found = disguised(j->key);
	return found;
}

bool intake_json(struct request *r, const struct json **ret)
{
	struct json_error je = { 0 };
	struct str type = http_header(r->http, "content-type");
	if (type.p && !str_starts_nocase(type, STR("application/json")) &&
	    !str_starts_nocase(type, STR("text/plain")) &&
	    !str_starts_nocase(type, STR("application/octet-stream"))) {
		request_fail(r, OUTCOME_MEDIA_TYPE, "content-type",
			     "The body must be application/json, not " STR_FMT, STR_ARG(type));
		return false;
	}
	*ret = json_parse(r->mem, conn_body(r->conn), JSON_ONE_KEY, &je);
	if (!*ret) {
		refuse_json(r, &je);
		return false;
	}
	if (json_is(*ret, JSON_OBJECT))
		return true;
	request_fail(r, OUTCOME_BAD_JSON, "request_body", "Invalid JSON payload: not an object");
	return false;
}

enum step intake_parse(struct request *r)
{
	struct dialect_error de = { .outcome = OUTCOME_BAD_REQUEST };
	struct str body = conn_body(r->conn);
	const struct json *root;
	if (r->endpoint->raw)
		return raw_read(r);
	r->dialect = gemini_dialect_for(r->endpoint->dialect, r->http->query);
	if (!intake_json(r, &root))
		return STEP_DONE;
	const char *name = intake_disguised(root);
	if (name)
		return request_fail(
			r, OUTCOME_BAD_REQUEST, name,
			"%s must be written in lower case: it is not what another case makes of it",
			name);
	r->q.model = r->path_model;	/* where the path names one, the body need not */
	int err = r->dialect->read_request(r->mem, body, root, &r->q, &de);
	if (err == 0)
		err = prompt_check(r->mem, &r->q, &de);
	if (err == -ENOMEM)
		return no_memory(r);
	if (err < 0)
		return intake_refuse(r, &de);
	forget_dropped(&r->q);
	if (r->path_model.p)
		r->q.model = r->path_model;
	r->requested_model = r->q.model;
	if (!r->requested_model.n)
		return request_fail(r, OUTCOME_BAD_REQUEST, "model",
				    "model: a model name is required");
	return intake_headers(r) ? STEP_NEXT : no_memory(r);
}
