/* SPDX-License-Identifier: MIT
 * dry_run.c - what the first deployment of a group would get for a request; secrets are hidden. */
#include "worker/exchange/dry_run.h"

#include <errno.h>

#include "common/json_write.h"
#include "common/key_header.h"
#include "worker/client/intake.h"
#include "worker/decide/decide.h"
#include "worker/exchange/attempt.h"

enum { ANSWER_MAX = 64 << 20 };

/* LiteLLM's names of calls; an "a" before them says nothing here. */
static const struct {
	struct str name;
	const struct dialect *dialect;
} calls[] = {
	{ STR("completion"), &dialect_openai_chat },
	{ STR("text_completion"), &dialect_openai_text },
	{ STR("embedding"), &dialect_openai_embed },
	{ STR("anthropic_messages"), &dialect_anthropic_messages },
};

static const struct dialect *find_call(struct str name)
{
	for (size_t i = 0; i < COUNT(calls); i++)
		if (str_eq(name, calls[i].name) ||
		    (name.n && name.p[0] == 'a' && str_eq(str_skip(name, 1), calls[i].name)))
			return calls[i].dialect;
	return NULL;
}

/* ---- the answer --------------------------------------------------------------------------- */

/* What an operator has configured as a header may be a secret; these are none. */
static bool is_open(struct str name)
{
	static const struct str open[] = { STR("content-type"), STR("anthropic-version"),
					   STR("anthropic-beta"), STR("accept") };
	for (size_t i = 0; i < COUNT(open); i++)
		if (str_eq_nocase(name, open[i]))
			return true;
	return false;
}

static void put_header(struct json_out *o, struct str name, struct str value)
{
	json_key(o, name);
	json_put_str(o, NULL, is_open(name) ? value : STR("********"));
}

static void put_headers(struct json_out *o, const struct request *r,
			const struct attempt_description *d)
{
	const struct snap_header *h = snap_headers(r->snap, d->deployment);
	struct str key = key_header_name((enum provider_auth)d->deployment->auth);
	struct str lines = d->headers;
	json_open(o, "raw_request_headers");
	put_header(o, STR("Content-Type"), STR("application/json"));
	if (key.n && d->deployment->api_key.n)
		put_header(o, key, STR_NONE);
	for (uint32_t i = 0; i < d->deployment->headers.count; i++)
		put_header(o, snap_text(r->snap, h[i].name), snap_text(r->snap, h[i].value));
	while (lines.n) {
		struct str line = str_cut(&lines, '\n'), name = str_cut(&line, ':');
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		put_header(o, name, str_trim(line));
	}
	json_close(o);
}

static enum step answer(struct request *r, const struct attempt_description *d)
{
	struct json_error e;
	struct buf body;
	buf_init(&body, ANSWER_MAX);
	struct json_out o = json_out(&body);
	json_open(&o, NULL);
	json_put_str(&o, "raw_request_api_base", d->url);
	if (json_parse(r->mem, d->body, 0, &e))
		json_put_raw(&o, "raw_request_body", d->body);
	else
		json_put_str(&o, "raw_request_body", d->body);
	put_headers(&o, r, d);
	json_put_null(&o, "error");
	json_close(&o);
	enum step s = request_reply_buf(r, 200, "application/json", &body);
	buf_done(&body);
	return s;
}

/* ---- the question --------------------------------------------------------------------------- */

static enum step read_inner(struct request *r, const struct json *outer)
{
	struct dialect_error e = { .outcome = OUTCOME_BAD_REQUEST };
	const struct json *inner = json_get(outer, "request_body");
	const struct dialect *d = find_call(json_get_str(r->mem, outer, "call_type"));
	if (!d)
		return request_fail(r, OUTCOME_BAD_REQUEST, "call_type",
				    "call_type must be completion, text_completion, embedding or "
				    "anthropic_messages");
	if (!json_is(inner, JSON_OBJECT))
		return request_fail(r, OUTCOME_BAD_REQUEST, "request_body",
				    "request_body must be an object");
	r->dialect = d;
	int err = d->read_request(r->mem, inner->raw, inner, &r->q, &e);
	if (err == -EINVAL)
		return intake_refuse(r, &e);
	if (err < 0)
		return request_fail(r, OUTCOME_TOO_LARGE, NULL,
				    "the request needs too much memory");
	r->requested_model = r->q.model;
	return limits_check_model(r);
}

enum step dry_run(struct request *r)
{
	struct attempt_description d;
	struct llm_error e = { 0 };
	const struct json *outer;
	if (!intake_json(r, &outer))
		return STEP_DONE;
	enum step s = read_inner(r, outer);
	if (s != STEP_NEXT)
		return s;
	if (!r->group->members.count)
		return request_fail(r, OUTCOME_UNKNOWN_MODEL, "model", "nobody serves this model");
	int err = attempt_describe(r, snap_member(r->snap, r->group, 0), &d, &e);
	return err ? request_fail_with(r, &e) : answer(r, &d);
}
