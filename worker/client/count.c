/* SPDX-License-Identifier: MIT
 * count.c - how many tokens a prompt makes, by estimate: Anthropic's count_tokens, Gemini's
 * countTokens, LiteLLM's token_counter. Nobody is asked and nothing is paid. */
#include "worker/client/count.h"

#include <errno.h>

#include "common/json_write.h"
#include "worker/client/dialect_anthropic.h"
#include "worker/client/dialect_gemini.h"
#include "worker/client/intake.h"
#include "worker/decide/decide.h"

/* Bytes that are counted one by one in one call; what is beyond is estimated. */
enum { COUNTED_MAX = 1 << 20 };

typedef int count_fn(struct arena *a, struct str body, const struct json *root,
		     struct llm_request *ret, struct buf *out, struct dialect_error *reterr);

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
		step = intake_refuse(r, &e);
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

/* ---- LiteLLM's ----------------------------------------------------------------------------- */

/* Whose words the prompt is in shows in what it is called. */
static const struct dialect *dialect_for(const struct json *root)
{
	if (json_is_given(json_get(root, "contents")))
		return &dialect_gemini_chat;
	if (json_is_given(json_get(root, "system")))
		return &dialect_anthropic_messages;
	return json_is_given(json_get(root, "prompt")) ? &dialect_openai_text : &dialect_openai_chat;
}

static int read_prompt(struct request *r, const struct json *root, struct dialect_error *e)
{
	const struct dialect *d = dialect_for(root);
	struct str body = conn_body(r->conn);
	struct buf unused;
	if (d != &dialect_anthropic_messages && d != &dialect_gemini_chat)
		return d->read_request(r->mem, body, root, &r->q, e);
	buf_init(&unused, 4096);
	if (d == &dialect_gemini_chat)	/* whose bodies name no model: their paths do */
		r->q.model = json_get_str(r->mem, root, "model");
	int err = d == &dialect_gemini_chat
			  ? gemini_count_tokens(r->mem, body, root, &r->q, &unused, e)
			  : anthropic_count_tokens(r->mem, body, root, &r->q, &unused, e);
	buf_done(&unused);
	return err;
}

static enum step answer_utility(struct request *r)
{
	const struct snap_deployment *d =
		r->group->members.count
			? snap_deployment(r->snap, snap_member(r->snap, r->group, 0))
			: NULL;
	struct tokenizer *t = request_tokenizer(r);
	bool is_exact = false;
	uint64_t n = t ? estimate_prompt_by(&r->q, t, COUNTED_MAX, &is_exact) :
			 estimate_prompt(&r->q);
	struct buf out;
	buf_init(&out, 65536);
	struct json_out o = json_out(&out);
	json_open(&o, NULL);
	json_put_u64(&o, "total_tokens", n);
	json_put_str(&o, "request_model", r->requested_model);
	json_put_str(&o, "model_used", d ? snap_text(r->snap, d->model) : r->requested_model);
	json_put_z(&o, "tokenizer_type", is_exact ? "openai_tokenizer" : "estimate");
	json_put_null(&o, "original_response");
	json_put_bool(&o, "error", false);
	json_put_null(&o, "error_message");
	json_put_null(&o, "status_code");
	json_close(&o);
	enum step s = request_reply_buf(r, 200, "application/json", &out);
	buf_done(&out);
	return s;
}

enum step count_utility(struct request *r)
{
	struct dialect_error e = { .outcome = OUTCOME_BAD_REQUEST };
	const struct json *root;
	if (!intake_json(r, &root))
		return STEP_DONE;
	int err = read_prompt(r, root, &e);
	r->requested_model = r->q.model;
	if (err == -EINVAL)
		return intake_refuse(r, &e);
	if (err < 0)
		return request_fail(r, OUTCOME_TOO_LARGE, NULL,
				    "the request needs too much memory");
	if (!r->requested_model.n)
		return request_fail(r, OUTCOME_BAD_REQUEST, "model", "model is missing");
	return limits_check_model(r) == STEP_NEXT ? answer_utility(r) : STEP_DONE;
}
