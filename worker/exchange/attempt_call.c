/* SPDX-License-Identifier: MIT
 * attempt_call.c - what an attempt sends: adapter, parameters, path, headers and body; see
 * attempt_private.h. */
#include "worker/exchange/attempt_private.h"

#include <errno.h>

#include "common/clock.h"
#include "worker/exchange/client_headers.h"
#include "worker/exchange/credential_aws.h"
#include "worker/exchange/site.h"
#include "worker/responses.h"
#include "worker/trace.h"

enum {
	PATH_MAX_BYTES = 4096,
	HEADERS_MAX = 32768		/* of one call */
};

/* Features that a client of Anthropic's dialect opts into reach a provider that knows them. */
static void pass_beta(struct attempt *at)
{
	struct request *r = at->r;
	struct str beta = r->http ? http_header(r->http, "anthropic-beta") : STR_NONE;
	if (!at->is_short || at->provider->family != FAMILY_ANTHROPIC || !beta.n)
		return;
	BUF_PUT_LIT(&at->call.headers, "anthropic-beta: ");
	buf_put(&at->call.headers, beta);
	BUF_PUT_LIT(&at->call.headers, "\r\n");
}

/* The short way needs only know that nothing is refused: what else the rules say is done while
 * the body is edited. On the long way it is done here, in the neutral form, and names that differ
 * are written by the adapter. */
static int settle_params(struct attempt *at, struct llm_error *reterr)
{
	struct request *r = at->r;
	struct llm_request *q;
	at->rules = (struct params_rules){
		.text = snap_text(r->snap, at->d->rules),
		.model = at->target.model,
		.dropped = r->q.dropped_params,
		.allowed = r->q.allowed_params,
		.drops = at->target.drop_params || r->q.drop_params,
	};
	at->q = at->asked;
	if (snap_settings(r->snap)->flags & SET_MODIFY_PARAMS && at->d->max_output_tokens)
		at->rules.longest = arena_printf(r->mem, "%u", at->d->max_output_tokens);
	if (!params_has_rules(&at->rules))
		return 0;
	q = arena_alloc(r->mem, sizeof *q);
	if (!q)
		return -ENOMEM;
	*q = *at->asked;
	q->rules = &at->rules;
	at->q = q;
	if (!at->is_short)
		return params_settle_neutral(r->mem, &at->rules, q, attempt_provider_name(at),
					     reterr);
	return at->provider->family == FAMILY_OPENAI
		       ? params_check_body(r->mem, &at->rules, r->q.root,
					   attempt_provider_name(at), reterr)
		       : 0;
}

/* What says who we are, where a key alone does not. */
static int add_credentials(struct attempt *at, struct llm_error *reterr)
{
	struct request *r = at->r;
	if (at->d->auth != AUTH_SIGV4)
		return 0;
	struct aws_call call = {
		.method = STR("POST"),
		.url = arena_printf(r->mem, STR_FMT STR_FMT,
				    STR_ARG(snap_text(r->snap, at->d->base)),
				    STR_ARG(buf_str(&at->call.path))),
		.body = buf_str(&at->call.body),
		.content_type = STR("application/json"),
		.wall_s = clock_wall_ns() / NS_PER_S,
	};
	if (!call.url.p)
		return -ENOMEM;
	return credential_aws(r->mem, snap_text(r->snap, at->d->credentials), &call,
			      &at->call.headers, reterr);
}

int attempt_build_call(struct attempt *at, struct llm_error *reterr)
{
	struct request *r = at->r;
	const struct provider_target *t = &at->target;
	buf_init(&at->call.path, PATH_MAX_BYTES);
	buf_init(&at->call.body, snap_settings(r->snap)->request_memory_max);
	buf_init(&at->call.headers, HEADERS_MAX);
	int err = settle_params(at, reterr);
	if (err)
		return err;
	pass_beta(at);
	if (r->trace)
		trace_put_header(r, at->d, &at->call.headers);
	err = client_headers_put(r, at->d, &at->call.headers, reterr);
	if (err)
		return err;
	if (at->is_short) {
		at->call.framing = FRAMING_SSE;
		at->provider->write_path(at->q, t, &at->call.path);
		err = at->dialect->forward_request(r->mem, at->q, t->model, t->params,
						   t->extra_body, &at->call.body);
	} else if (r->q.kind == LLM_RERANK && !at->provider->reranks) {
		*reterr = (struct llm_error){
			.outcome = OUTCOME_BAD_REQUEST,
			.message = STR("the provider of this model does no reranking"),
			.param = STR("model") };
		err = -EINVAL;
	} else {
		err = at->provider->write_request(r->mem, at->q, t, &at->call, reterr);
	}
	if (err == 0)
		err = site_wrap(r->mem, at->provider->family, at->q, t, &at->call, reterr);
	if (err == 0)
		err = add_credentials(at, reterr);
	return err;
}

/* Whether a site of OpenAI's wire format is asked by its Responses: a client speaks them, or the
 * model knows nothing else. */
static bool takes_responses(const struct attempt *at)
{
	const struct dialect *d = at->r->dialect;
	if (at->d->family != FAMILY_OPENAI || !(at->d->flags & DEPLOY_RESPONSES))
		return false;
	return d->twin == FAMILY_RESPONSES ||
	       (d->kind == LLM_CHAT && responses_is_needed(at->target.model));
}

/* False: out of memory. */
bool attempt_choose_adapter(struct attempt *at)
{
	struct request *r = at->r;
	enum provider_family family = (enum provider_family)at->d->family;
	struct str mock = json_is(r->q.mock_response, JSON_STRING)
				  ? json_str(r->mem, r->q.mock_response)
				  : STR_NONE;
	at->target = (struct provider_target){
		.model = snap_upstream_model(r->snap, r->group, at->d, request_model(r), r->mem),
		.provider = snap_text(r->snap, at->d->provider),
		.paths = snap_text(r->snap, at->d->paths),
		.params = snap_text(r->snap, at->d->params),
		.extra_body = snap_text(r->snap, at->d->extra_body),
		.mock_response = mock.p ? mock : snap_text(r->snap, at->d->mock_response),
		.site = (enum provider_site)at->d->site,
		.api_version = snap_text(r->snap, at->d->api_version),
		.project = snap_text(r->snap, at->d->project),
		.location = snap_text(r->snap, at->d->location),
		.max_output_tokens = at->d->max_output_tokens,
		.drop_params = at->d->flags & DEPLOY_DROP_PARAMS ||
			       snap_settings(r->snap)->flags & SET_DROP_PARAMS,
	};
	if (at->d->flags & DEPLOY_WILDCARD)
		family = site_family(at->target.site, family, at->target.model);
	if (takes_responses(at))
		family = FAMILY_RESPONSES;
	if (at->target.mock_response.p)
		family = FAMILY_MOCK;
	at->provider = provider_for(family, r->q.kind);
	MUST(at->provider);		/* the master builds no deployment of another family */
	at->dialect = r->dialect;
	at->is_short = !at->is_continuing && family == at->dialect->twin && family != FAMILY_MOCK &&
		       site_takes_body(at->target.site, family, &r->q);
	at->is_event_stream = r->q.is_stream;
	if (json_is(r->q.mock_response, JSON_STRING) && !mock.p)
		return false;
	return at->target.model.p || family == FAMILY_MOCK;
}

static int describe(struct attempt *at, struct attempt_description *ret, struct llm_error *reterr)
{
	struct arena *a = at->r->mem;
	if (!attempt_choose_adapter(at))
		return -ENOMEM;
	if (at->provider->family == FAMILY_MOCK) {
		*reterr = (struct llm_error){
			.outcome = OUTCOME_BAD_REQUEST, .param = STR("model"),
			.message = STR("this model has a mock_response: nothing is sent")};
		return -EINVAL;
	}
	int err = attempt_build_call(at, reterr);
	if (err)
		return err;
	if (at->call.body.failed || at->call.path.failed || at->call.headers.failed)
		return -ENOMEM;
	*ret = (struct attempt_description){
		.deployment = at->d,
		.url = arena_printf(a, STR_FMT STR_FMT,
				    STR_ARG(snap_text(at->r->snap, at->d->base)),
				    STR_ARG(buf_str(&at->call.path))),
		.headers = arena_dup(a, buf_str(&at->call.headers)),
		.body = arena_dup(a, buf_str(&at->call.body)),
	};
	return ret->url.p && ret->headers.p && ret->body.p ? 0 : -ENOMEM;
}

int attempt_describe(struct request *r, uint32_t deployment, struct attempt_description *ret,
		     struct llm_error *reterr)
{
	struct attempt *at = attempt_new(NULL, r, deployment);
	int err = at ? describe(at, ret, reterr) : -ENOMEM;
	if (err == -ENOMEM)
		*reterr = (struct llm_error){ .outcome = OUTCOME_TOO_LARGE,
					      .message = STR("the request needs too much memory") };
	if (at)
		attempt_free(at);
	return err;
}
