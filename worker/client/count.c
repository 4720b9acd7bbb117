/* SPDX-License-Identifier: MIT
 * count.c - how many tokens a prompt makes, by estimate: Anthropic's count_tokens and Gemini's
 * countTokens. Nobody is asked and nothing is paid. */
#include "worker/client/count.h"

#include <errno.h>

#include "worker/client/dialect_anthropic.h"
#include "worker/client/dialect_gemini.h"
#include "worker/client/intake.h"
#include "worker/decide/decide.h"

typedef int count_fn(struct arena *a, struct str body, const struct json *root,
		     struct llm_request *ret, struct buf *out, struct dialect_error *reterr);

static enum step refuse(struct request *r, const struct dialect_error *e)
{
	struct llm_error full = { .outcome = e->outcome, .message = e->message, .param = e->param };
	return request_fail_with(r, &full);
}

static enum step count(struct request *r, const struct dialect *d, count_fn *answer)
{
	struct dialect_error e = { .outcome = OUTCOME_BAD_REQUEST };
	const struct json *root;
	struct buf out;
	r->dialect = d;			/* of errors, too */
	if (!intake_json(r, &root))
		return STEP_DONE;
	buf_init(&out, 4096);
	r->q.model = r->path_model;
	int err = answer(r->mem, conn_body(r->conn), root, &r->q, &out, &e);
	r->requested_model = r->path_model.p ? r->path_model : r->q.model;
	enum step step;
	if (err == -EINVAL)
		step = refuse(r, &e);
	else if (err < 0)
		step = request_fail(r, OUTCOME_TOO_LARGE, NULL,
				    "the request needs too much memory");
	else if (limits_check_model(r) == STEP_NEXT)
		step = request_reply_buf(r, 200, "application/json", &out);
	else
		step = STEP_DONE;	/* refused */
	buf_done(&out);
	return step;
}

enum step count_anthropic(struct request *r)
{
	return count(r, &dialect_anthropic_messages, anthropic_count_tokens);
}

enum step count_gemini(struct request *r)
{
	return count(r, &dialect_gemini_chat, gemini_count_tokens);
}
