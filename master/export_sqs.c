/* SPDX-License-Identifier: MIT
 * export_sqs.c - payloads as messages for a queue of SQS, by SendMessageBatch in AWS's JSON
 * protocol: a message a record, named by the request's id. A queue whose name ends in .fifo has
 * them in order, and that id keeps one that is sent twice from being there twice. */
#include <stdio.h>

#include "common/hash.h"
#include "master/export_aws.h"

enum { PAYLOAD_MAX = 256 << 10, ID_AT = 7 /* behind {"Id":" */, ID_BYTES = 32,
       ANSWER_MEMORY = 1 << 20 };

/* The endpoint, or where the queue is; ends in a slash. */
static bool put_endpoint(struct export_target *t, struct str endpoint, struct str queue)
{
	struct str rest = str_skip(queue, str_find(queue, STR("://")) + 3);
	struct str host = str_cut(&rest, '/');
	if (!endpoint.n)
		endpoint = str_of(queue.p, (size_t)(host.p - queue.p) + host.n);
	while (str_ends(endpoint, STR("/")))
		endpoint.n--;
	int n = snprintf(t->url, sizeof t->url, STR_FMT "/", STR_ARG(endpoint));
	int m = snprintf(t->queue, sizeof t->queue, STR_FMT, STR_ARG(queue));
	return host.n && n < (int)sizeof t->url && m < (int)sizeof t->queue;
}

static const char *read_params(struct arena *a, const struct json *params, struct export_target *t)
{
	struct str queue = export_aws_given(t, a, params, "sqs_queue_url", "SQS_QUEUE_URL", NULL);
	struct str region = export_aws_given(t, a, params, "sqs_region_name", "AWS_REGION",
					     "AWS_DEFAULT_REGION");
	struct str endpoint = export_aws_given(t, a, params, "sqs_endpoint_url",
					       "AWS_ENDPOINT_URL_SQS", NULL);
	t->is_strangers &= json_get_str(a, params, "sqs_queue_url").n > 0 ||
			   json_get_str(a, params, "sqs_endpoint_url").n > 0;
	if (!queue.n || !export_aws_is_address(queue))
		return "aws_sqs_callback_params.sqs_queue_url";
	if (!region.n || !export_aws_is_plain(region, "-"))
		return "aws_sqs_callback_params.sqs_region_name, or AWS_REGION";
	if (!export_aws_is_address(endpoint) || !put_endpoint(t, endpoint, queue))
		return "aws_sqs_callback_params.sqs_endpoint_url (it is no address)";
	if (!export_aws_read_keys(a, params, "sqs_", region, t))
		return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the same in "
		       "aws_sqs_callback_params";
	return NULL;
}

const char *export_read_sqs(const struct config *c, struct export_target *ret)
{
	ret->is_strangers = c && c->sqs_is_strangers && !ret->vars;
	return export_aws_params(c ? c->sqs_params : STR_NONE, ret, read_params);
}

void export_begin_sqs(const struct export_target *t, struct buf *to)
{
	BUF_PUT_LIT(to, "{\"QueueUrl\":\"");
	json_escape(to, str_z(t->queue));
	BUF_PUT_LIT(to, "\",\"Entries\":[");
}

void export_put_sqs(const struct export_target *t, const struct export_view *v, struct buf *to)
{
	char id[2 * sizeof v->r->request_id + 1];
	struct json_out o = json_out(to), inner;
	struct buf payload;
	buf_init(&payload, PAYLOAD_MAX);
	inner = json_out(&payload);
	export_put_payload(&inner, NULL, v);
	hash_hex(id, v->r->request_id, sizeof v->r->request_id);
	json_open(&o, NULL);
	json_put_z(&o, "Id", id);
	json_put_str(&o, "MessageBody", buf_str(&payload));
	if (str_ends(str_z(t->queue), STR(".fifo"))) {
		json_put_z(&o, "MessageGroupId", "llmgw");
		json_put_z(&o, "MessageDeduplicationId", id);
	}
	json_close(&o);
	to->failed |= payload.failed;
	buf_done(&payload);
}

bool export_address_sqs(const struct export_target *t, struct str body, uint64_t wall_ns,
			struct export_address *ret)
{
	static const struct sigv4_header signed_too[] = {
		{ STR("content-type"), STR("application/x-amz-json-1.0") },
		{ STR("x-amz-target"), STR("AmazonSQS.SendMessageBatch") },
	};
	struct sigv4_call call = { .method = STR("POST"), .body = body, .service = STR("sqs"),
				   .headers = signed_too, .n_headers = COUNT(signed_too) };
	snprintf(ret->url, sizeof ret->url, "%s", t->url);
	snprintf(ret->headers, sizeof ret->headers, "X-Amz-Target: " STR_FMT "\n",
		 STR_ARG(signed_too[1].value));
	return export_aws_sign(t, &call, wall_ns, ret);
}

/* Who is at fault when the message of this line was not taken; NULL: it was. */
static const struct json *failure_of(struct arena *a, const struct json *failed, struct str line)
{
	struct str id = line.n > ID_AT + ID_BYTES ? str_of(line.p + ID_AT, ID_BYTES) : STR_NONE;
	for (size_t i = 0; failed && i < failed->count; i++)
		if (id.n && str_eq(json_get_str(a, json_at(failed, i), "Id"), id))
			return json_at(failed, i);
	return NULL;
}

/* An answer that cannot be read, to a call that was taken, complains of nobody. */
void export_judge_sqs(struct str answer, struct str lines, struct buf *left, uint32_t *ret_left,
		      uint32_t *ret_refused)
{
	struct arena *a = arena_new(ANSWER_MEMORY);
	struct json_error why;
	const struct json *failed =
		a && answer.n ? json_get(json_parse(a, answer, 0, &why), "Failed") : NULL;
	*ret_left = *ret_refused = 0;
	if (!json_is(failed, JSON_ARRAY))
		failed = NULL;
	while (lines.n) {
		struct str line = str_cut(&lines, '\n');
		const struct json *f = failure_of(a, failed, line);
		if (f && json_is_true(json_get(f, "SenderFault"))) {
			++*ret_refused;
		} else if (f) {
			++*ret_left;
			buf_put(left, line);
			buf_put_char(left, '\n');
		}
	}
	arena_free(a);
}
