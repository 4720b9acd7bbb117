/* SPDX-License-Identifier: MIT
 * recall.c - see recall.h. What is kept comes from the master: a request that asks waits,
 * and is ended or moved on by the callback. */
#include "worker/client/recall.h"

#include <errno.h>

#include "common/json_write.h"
#include "worker/client/dialect_responses.h"
#include "worker/client/intake.h"
#include "worker/client/responses_store.h"
#include "worker/decide/decide.h"
#include "worker/keep.h"

enum { LIST_MAX = 64 << 20, SMALL_MAX = 4096 };

static enum step refuse(struct request *r, const struct dialect_error *e)
{
	struct llm_error full = { .outcome = e->outcome, .message = e->message, .param = e->param };
	return request_fail_with(r, &full);
}

static enum step no_memory(struct request *r)
{
	return request_fail(r, OUTCOME_TOO_LARGE, NULL, "the request needs too much memory");
}

/* Why nothing came. Always STEP_DONE. */
static enum step refuse_fetch(struct request *r, int err)
{
	if (err == -ENOMEM || err == -EAGAIN || err == -ENOBUFS)
		return request_fail(r, OUTCOME_OVERLOADED, NULL,
				    "too many responses are asked for; try again");
	return request_fail(r, OUTCOME_MASTER_AWAY, NULL,
			    "responses that are kept cannot be reached now; try again");
}

/* ---- a request is made whole ---------------------------------------------------------------- */

static enum step refuse_missing(struct request *r)
{
	struct dialect_error e = { .outcome = OUTCOME_BAD_REQUEST };
	responses_refuse_missing(r->mem, &r->q, &e);
	struct llm_error full = { .outcome = e.outcome, .message = e.message, .param = e.param,
				  .code = STR("previous_response_not_found") };
	return request_fail_with(r, &full);
}

/* STEP_NEXT, or STEP_DONE: it has been refused. */
static enum step resume(struct request *r, int err, const struct kept *kept)
{
	struct dialect_error e = { .outcome = OUTCOME_BAD_REQUEST };
	if (err == -ENOENT)
		return refuse_missing(r);
	if (err)
		return refuse_fetch(r, err);
	struct str items = arena_dup(r->mem, kept->items);
	err = items.p ? responses_resume(r->mem, items, &r->q, &e) : -ENOMEM;
	if (err == -EINVAL)
		return refuse(r, &e);
	if (err == -EBADMSG)
		return request_fail(r, OUTCOME_INTERNAL, NULL, "the response that is kept is damaged");
	return err ? no_memory(r) : STEP_NEXT;
}

static void on_resumed(struct request *r, int err, const struct kept *kept)
{
	if (resume(r, err, kept) == STEP_NEXT)
		request_resume(r);
	else
		request_end(r);
}

/* STEP_WAIT, or STEP_DONE. */
static enum step fetch(struct request *r, keep_done_fn *done)
{
	int err = keep_call(r, LINK_KEEP_ITEMS, r->q.conversation_id, NULL, done);
	if (err == -ENOENT)
		return refuse_missing(r);
	return err ? refuse_fetch(r, err) : STEP_WAIT;
}

enum step recall_stage(struct request *r)
{
	return r->q.conversation_id.p ? fetch(r, on_resumed) : STEP_NEXT;
}

/* ---- counting ------------------------------------------------------------------------------- */

static enum step give_count(struct request *r)
{
	struct buf out;
	r->requested_model = r->q.model;
	if (limits_check_model(r) != STEP_NEXT)
		return STEP_DONE;
	buf_init(&out, SMALL_MAX);
	struct json_out o = json_out(&out);
	json_open(&o, NULL);
	json_put_z(&o, "object", "response.input_tokens");
	json_put_u64(&o, "input_tokens", estimate_prompt(&r->q));
	json_close(&o);
	enum step step = request_reply_buf(r, 200, "application/json", &out);
	buf_done(&out);
	return step;
}

static void on_counted(struct request *r, int err, const struct kept *kept)
{
	if (resume(r, err, kept) == STEP_NEXT)
		give_count(r);
	request_end(r);
}

enum step recall_count(struct request *r)
{
	struct dialect_error e = { .outcome = OUTCOME_BAD_REQUEST };
	const struct json *root;
	r->dialect = &dialect_responses;	/* of errors, too */
	if (!intake_json(r, &root))
		return STEP_DONE;
	int err = rsp_read_request(r->mem, conn_body(r->conn), root, &r->q, &e);
	if (err == -EINVAL)
		return refuse(r, &e);
	if (err)
		return no_memory(r);
	return r->q.conversation_id.p ? fetch(r, on_counted) : give_count(r);
}

/* ---- what is kept ---------------------------------------------------------------------------- */

static enum step not_found(struct request *r)
{
	return request_fail(r, OUTCOME_NOT_FOUND, "response_id",
			    "Response with id '" STR_FMT "' not found.", STR_ARG(r->path_model));
}

static enum step ask(struct request *r, enum link_keep what, keep_done_fn *done)
{
	int err = keep_call(r, what, r->path_model, NULL, done);
	if (err == -ENOENT)
		return not_found(r);
	return err ? refuse_fetch(r, err) : STEP_WAIT;
}

/* False: the request has ended. */
static bool is_there(struct request *r, int err)
{
	if (!err)
		return true;
	if (err == -ENOENT)
		not_found(r);
	else
		refuse_fetch(r, err);
	request_end(r);
	return false;
}

static void on_got(struct request *r, int err, const struct kept *kept)
{
	if (!is_there(r, err))
		return;
	request_reply(r, 200, "application/json", kept->response);
	request_end(r);
}

enum step recall_get(struct request *r)
{
	for (struct str query = r->http->query; query.n;)
		if (str_eq(str_cut(&query, '&'), STR("stream=true")))
			return request_fail(r, OUTCOME_BAD_REQUEST, "stream",
					    "stream: only the response as a whole is kept");
	return ask(r, LINK_KEEP_ALL, on_got);
}

static void on_deleted(struct request *r, int err, const struct kept *kept)
{
	struct buf out;
	(void)kept;
	if (!is_there(r, err))
		return;
	buf_init(&out, SMALL_MAX);
	struct json_out o = json_out(&out);
	json_open(&o, NULL);
	json_put_str(&o, "id", r->path_model);
	json_put_z(&o, "object", "response");
	json_put_bool(&o, "deleted", true);
	json_close(&o);
	request_reply_buf(r, 200, "application/json", &out);
	buf_done(&out);
	request_end(r);
}

enum step recall_delete(struct request *r)
{
	return ask(r, LINK_KEEP_DELETE, on_deleted);
}

static void give_page(struct request *r, const struct kept *kept)
{
	struct dialect_error e = { .outcome = OUTCOME_BAD_REQUEST };
	struct recall_page page;
	struct buf out;
	int err = recall_read_page(r->http ? r->http->query : STR_NONE, &page, &e);
	buf_init(&out, LIST_MAX);
	if (!err)
		err = recall_write_page(r->mem, r->path_model, kept->response, kept->items,
					&page, &out, &e);
	if (!err)
		request_reply_buf(r, 200, "application/json", &out);
	else if (err == -EINVAL)
		refuse(r, &e);
	else if (err == -EBADMSG)
		request_fail(r, OUTCOME_INTERNAL, NULL, "the response that is kept is damaged");
	else
		no_memory(r);
	buf_done(&out);
}

static void on_listed(struct request *r, int err, const struct kept *kept)
{
	if (!is_there(r, err))
		return;
	give_page(r, kept);
	request_end(r);
}

enum step recall_input_items(struct request *r)
{
	struct dialect_error e = { .outcome = OUTCOME_BAD_REQUEST };
	struct recall_page page;
	if (recall_read_page(r->http->query, &page, &e) < 0)
		return refuse(r, &e);
	return ask(r, LINK_KEEP_ALL, on_listed);
}

/* What is kept has ended, and nothing runs in the background. */
static void on_cancelled(struct request *r, int err, const struct kept *kept)
{
	(void)kept;
	if (!is_there(r, err))
		return;
	request_fail(r, OUTCOME_BAD_REQUEST, "response_id", "Cannot cancel a synchronous response.");
	request_end(r);
}

enum step recall_cancel(struct request *r)
{
	return ask(r, LINK_KEEP_ITEMS, on_cancelled);
}
