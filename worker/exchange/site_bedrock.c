/* SPDX-License-Identifier: MIT
 * site_bedrock.c - Anthropic's models by Bedrock's InvokeModel: the vendor's own body, with the
 * model and the wish for a stream in the path, and the version and features in the body. */
#include <errno.h>

#include "common/json_write.h"
#include "worker/exchange/provider_bedrock.h"
#include "worker/exchange/site.h"

#define BEDROCK_VERSION "bedrock-2023-05-31"

/* "anthropic-beta: a,b" among the call's headers becomes a list in the body; the line goes. */
static int take_beta(struct arena *a, struct buf *headers, struct str *ret_list)
{
	static const struct str name = STR("anthropic-beta: ");
	struct str lines = buf_str(headers);
	while (lines.n) {
		char *from = headers->p + headers->n - lines.n;
		struct str line = str_cut(&lines, '\n');
		if (!str_starts_nocase(line, name))
			continue;
		*ret_list = arena_dup(a, str_trim(str_of(line.p + name.n, line.n - name.n)));
		memmove(from, headers->p + headers->n - lines.n, lines.n);
		headers->n = (size_t)(from - headers->p) + lines.n;
		return ret_list->p ? 0 : -ENOMEM;
	}
	return 0;
}

static void put_beta(struct json_out *o, struct str list)
{
	json_open_array(o, "anthropic_beta");
	while (list.n) {
		struct str one = str_trim(str_cut(&list, ','));
		if (one.n)
			json_put_str(o, NULL, one);
	}
	json_close_array(o);
}

static void put_body(struct json_out *o, const struct json *root, struct str beta)
{
	static const struct str ours[] = { STR("model"), STR("stream"), STR("anthropic_version") };
	json_open(o, NULL);
	json_put_z(o, "anthropic_version", BEDROCK_VERSION);
	if (beta.n && !json_get(root, "anthropic_beta"))
		put_beta(o, beta);
	for (const struct json *j = root->child; j; j = j->next) {
		bool is_ours = false;
		for (size_t i = 0; i < COUNT(ours); i++)
			is_ours = is_ours || str_eq(j->key, ours[i]);
		if (is_ours)
			continue;
		json_key(o, j->key);
		json_put_raw(o, NULL, j->raw);
	}
	json_close(o);
}

static int wrap(struct arena *a, enum provider_family family, const struct llm_request *q,
		const struct provider_target *t, struct provider_call *call,
		struct llm_error *reterr)
{
	struct json_error error;
	struct str beta = STR_NONE;
	struct buf body;
	if (family != FAMILY_ANTHROPIC || q->kind == LLM_EMBED || !bedrock_is_model(t->model)) {
		*reterr = (struct llm_error){
			.outcome = OUTCOME_UNSUPPORTED_PARAM,
			.message = STR("bedrock's invoke takes chats with Anthropic's models") };
		return -EINVAL;
	}
	const struct json *root = json_parse(a, buf_str(&call->body), 0, &error);
	if (!json_is(root, JSON_OBJECT))
		return -ENOMEM;
	int err = take_beta(a, &call->headers, &beta);
	if (err)
		return err;
	while (beta.n && beta.p[beta.n - 1] == '\r')
		beta.n--;
	buf_init(&body, call->body.cap);
	struct json_out o = json_out(&body);
	put_body(&o, root, beta);
	buf_done(&call->body);
	call->body = body;
	buf_reset(&call->path);
	bedrock_put_path(&call->path, t->model,
			 q->is_stream ? "invoke-with-response-stream" : "invoke");
	call->framing = FRAMING_EVENTSTREAM;
	return call->body.failed || call->path.failed ? -ENOMEM : 0;
}

const struct site site_bedrock = {
	.name = "bedrock",
	.site = SITE_BEDROCK,
	.wrap = wrap,
};
