/* SPDX-License-Identifier: MIT
 * dialect_anthropic_forward.c - the short way: client and provider both speak Anthropic.
 *
 * Bytes go on as they came but for the model's name; each event is read for the tally. */
#include <errno.h>

#include "worker/client/dialect_anthropic.h"
#include "worker/client/forward.h"

/* --- requests --- */

static const struct str known_params[] = {
	STR("max_tokens"), STR("temperature"), STR("top_p"), STR("top_k"), STR("stop_sequences"),
	STR("system"), STR("tools"), STR("tool_choice"), STR("thinking"), STR("output_config"),
	STR("metadata"), STR("service_tier"), STR("cache_control"), STR("container"),
	STR("context_management"), STR("inference_geo"), STR("mcp_servers"), STR("speed"),
};

int ant_forward_request(struct arena *a, const struct llm_request *q, struct str model,
			struct str params, struct str extra_body, struct buf *out)
{
	static const struct str fixed[] = { STR("model"), STR("messages"), STR("stream") };
	static const struct forward_words words = { known_params, COUNT(known_params), fixed,
						    COUNT(fixed), ant_is_ours };
	return forward_body(a, q, &words, model, params, extra_body, out);
}

/* --- events --- */

/* Which block is open, for who may have to go on behind it. */
static void follow_blocks(struct ant_answer *s, const struct json *root)
{
	struct str type = json_is(json_get(root, "type"), JSON_STRING)
				  ? json_get(root, "type")->raw : STR_NONE;
	const struct json *kind = json_get_path(root, "content_block.type");
	if (str_eq(type, STR("\"content_block_stop\""))) {
		s->n_blocks++;
		s->open = ANT_NONE;
	} else if (str_eq(type, STR("\"content_block_start\"")) && kind) {
		s->open = str_eq(kind->raw, STR("\"text\""))	   ? ANT_TEXT
			  : str_eq(kind->raw, STR("\"thinking\"")) ? ANT_THINKING
								    : ANT_CALL;
	}
}

static int put_event(struct dialect_answer *an, struct arena *scratch, const struct sse_event *ev,
		     const struct json *root, struct buf *out)
{
	const struct json *model = json_get_path(root, "message.model");
	if (!json_is(model, JSON_STRING)) {
		forward_raw(ev->raw, out);
		return 0;
	}
	struct json_edit edit = { (size_t)(model->raw.p - ev->data.p), model->raw.n,
				  openai_quote(scratch, an->model) };
	if (!edit.with.p)
		return -ENOMEM;
	forward_edited(ev, STR("message_start"), &edit, 1, STR("\n\n"), out);
	return 0;
}

int ant_forward_event(struct dialect_answer *an, struct arena *scratch, const struct sse_event *ev,
		      struct buf *out)
{
	struct ant_answer *s = ant_answer(an);
	const struct json *root;
	if (!s)
		return -ENOMEM;
	s->is_forwarded = true;
	if (ev->oversize) {
		an->tally.has_content = true;
		buf_put(out, ev->raw);
		return 0;
	}
	if (an->is_ended || forward_is_blank(ev->data))
		return 0;
	int err = anthropic_read_event(&s->reader, scratch, ev->data, &root, forward_tally, an);
	if (err || an->tally.has_error)
		return err;
	if (!root)			/* "[DONE]" is no word of this dialect */
		return ant_write_event(an, &(struct llm_event){ .kind = EV_END }, out);
	an->is_ended = an->tally.is_done;
	if (an->tally.text)
		follow_blocks(s, root);
	return put_event(an, scratch, ev, root, out);
}

/* --- plain answers --- */

int ant_forward_answer(struct dialect_answer *an, struct str body, struct buf *out)
{
	struct ant_answer *s = ant_answer(an);
	struct json_error error;
	if (!s)
		return -ENOMEM;
	const struct json *root = json_parse(an->mem, body, 0, &error);
	if (!root)
		return -EBADMSG;
	int err = anthropic_read_answer(&s->reader, root, forward_tally, an);
	if (err || an->tally.has_error)
		return err;
	const struct json *model = json_get(root, "model");
	if (!json_is(model, JSON_STRING)) {
		buf_put(out, body);
		return 0;
	}
	struct json_edit edit = { (size_t)(model->raw.p - body.p), model->raw.n,
				  openai_quote(an->mem, an->model) };
	if (!edit.with.p)
		return -ENOMEM;
	json_splice(out, body, &edit, 1);
	return 0;
}
