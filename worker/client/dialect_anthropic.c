/* SPDX-License-Identifier: MIT
 * dialect_anthropic.c - POST /v1/messages: the dialect's row, its errors, and the counting of
 * tokens. */
#include "worker/client/dialect_anthropic.h"

static int read_request(struct arena *a, struct str body, const struct json *root,
			struct llm_request *ret, struct dialect_error *reterr)
{
	return ant_read_request(a, body, root, false, ret, reterr);
}

int anthropic_count_tokens(struct arena *a, struct str body, const struct json *root,
			   struct llm_request *ret, struct buf *out, struct dialect_error *reterr)
{
	struct json_out o = json_out(out);
	int err = ant_read_request(a, body, root, true, ret, reterr);
	if (err)
		return err;
	json_open(&o, NULL);
	json_put_u64(&o, "input_tokens", estimate_prompt(ret));
	json_close(&o);
	return 0;
}

/* --- errors --- */

static const char *const error_types[OUTCOME_COUNT] = {
	[OUTCOME_OK] = "api_error",
	[OUTCOME_CLIENT_GONE] = "api_error",
	[OUTCOME_BAD_REQUEST] = "invalid_request_error",
	[OUTCOME_BAD_JSON] = "invalid_request_error",
	[OUTCOME_UNKNOWN_MODEL] = "invalid_request_error",
	[OUTCOME_UNSUPPORTED_PARAM] = "invalid_request_error",
	[OUTCOME_CONTEXT_LENGTH] = "invalid_request_error",
	[OUTCOME_CONTENT_POLICY] = "invalid_request_error",
	[OUTCOME_NO_KEY] = "authentication_error",
	[OUTCOME_KEY_MALFORMED] = "authentication_error",
	[OUTCOME_KEY_UNKNOWN] = "authentication_error",
	[OUTCOME_KEY_EXPIRED] = "authentication_error",
	[OUTCOME_KEY_BLOCKED] = "authentication_error",
	[OUTCOME_ADMIN_ONLY] = "authentication_error",
	[OUTCOME_MODEL_DENIED] = "permission_error",
	[OUTCOME_ROUTE_DENIED] = "permission_error",
	[OUTCOME_BUDGET_SPENT] = "billing_error",
	[OUTCOME_RATE_LIMITED] = "rate_limit_error",
	[OUTCOME_NOT_FOUND] = "not_found_error",
	[OUTCOME_METHOD] = "invalid_request_error",
	[OUTCOME_TOO_LARGE] = "request_too_large",
	[OUTCOME_MEDIA_TYPE] = "invalid_request_error",
	[OUTCOME_TIMEOUT_BODY] = "timeout_error",
	[OUTCOME_UP_BAD_REQUEST] = "invalid_request_error",
	[OUTCOME_UP_AUTH] = "authentication_error",
	[OUTCOME_UP_PERMISSION] = "permission_error",
	[OUTCOME_UP_NOT_FOUND] = "not_found_error",
	[OUTCOME_UP_UNPROCESSABLE] = "invalid_request_error",
	[OUTCOME_UP_RATE_LIMITED] = "rate_limit_error",
	[OUTCOME_UP_TIMEOUT] = "timeout_error",
	[OUTCOME_UP_CONNECT] = "api_error",
	[OUTCOME_UP_BARRED] = "api_error",
	[OUTCOME_UP_ERROR] = "api_error",
	[OUTCOME_UP_MALFORMED] = "api_error",
	[OUTCOME_UP_BROKEN] = "api_error",
	[OUTCOME_UP_UNAVAILABLE] = "overloaded_error",
	[OUTCOME_NO_DEPLOYMENT] = "overloaded_error",
	[OUTCOME_QUEUE_FULL] = "overloaded_error",
	[OUTCOME_TAGS_DENIED] = "authentication_error",
	[OUTCOME_COST_LIMIT] = "invalid_request_error",
	[OUTCOME_ALL_COOLING] = "overloaded_error",
	[OUTCOME_MONEY_DOWN] = "overloaded_error",
	[OUTCOME_OVERLOADED] = "overloaded_error",
	[OUTCOME_DRAINING] = "overloaded_error",
	[OUTCOME_MASTER_AWAY] = "overloaded_error",
	[OUTCOME_INTERNAL] = "api_error",
};

static bool has_words(struct str s, struct str words)
{
	for (size_t i = 0; i + words.n <= s.n; i++)
		if (str_starts_nocase(str_skip(s, i), words))
			return true;
	return false;
}

/* Clients know by these words alone that they should make the prompt shorter. */
static void put_message(struct json_out *j, enum outcome o, struct str message)
{
	static const struct str too_long = STR("prompt is too long");
	if (o != OUTCOME_CONTEXT_LENGTH || has_words(message, too_long)) {
		json_put_str(j, "message", message);
		return;
	}
	json_put_raw(j, "message", STR("\"prompt is too long: "));
	json_escape(j->to, message);
	buf_put_char(j->to, '"');
}

static void write_error(struct buf *out, const struct llm_error *e, enum outcome o, int status,
			struct str call_id, bool in_stream)
{
	struct json_out j = json_out(out);
	(void)status;
	MUST((unsigned)o < OUTCOME_COUNT);
	if (in_stream)
		BUF_PUT_LIT(out, "event: error\ndata: ");
	json_open(&j, NULL);
	json_put_z(&j, "type", "error");
	json_open(&j, "error");
	json_put_z(&j, "type", error_types[o] ? error_types[o] : "api_error");
	put_message(&j, o, e && e->message.p ? e->message : str_z(outcome_rows[o].name));
	json_close(&j);
	if (call_id.n)
		json_put_str(&j, "request_id", call_id);
	json_close(&j);
	if (in_stream)
		BUF_PUT_LIT(out, "\n\n");
}

const struct dialect dialect_anthropic_messages = {
	.name = "anthropic.messages",
	.kind = LLM_CHAT,
	.twin = FAMILY_ANTHROPIC,
	.read_request = read_request,
	.write_event = ant_write_event,
	.collect = ant_collect,
	.write_answer = ant_write_answer,
	.forward_request = ant_forward_request,
	.forward_event = ant_forward_event,
	.resume = ant_resume,
	.forward_answer = ant_forward_answer,
	.write_error = write_error,
	.stream_type = "text/event-stream",
	.heartbeat = "event: ping\ndata: {\"type\": \"ping\"}\n\n",
};
