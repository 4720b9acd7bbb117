/* SPDX-License-Identifier: MIT
 * dialect_cohere_forward.c - the short way: client and provider both speak Cohere.
 *
 * Bodies get the model's name, and nothing comes back that would have to be changed: each answer
 * is read for the tally and goes on as it came. */
#include <errno.h>

#include "worker/client/dialect_cohere.h"
#include "worker/client/forward.h"
#include "worker/skim.h"

/* --- requests --- */

int coh_forward_chat(struct arena *a, const struct llm_request *q, struct str model,
		     struct str params, struct str extra_body, struct buf *out)
{
	static const struct str known[] = {
		STR("max_tokens"), STR("temperature"), STR("p"), STR("k"), STR("seed"),
		STR("stop_sequences"), STR("frequency_penalty"), STR("presence_penalty"),
		STR("tools"), STR("tool_choice"), STR("strict_tools"), STR("documents"),
		STR("citation_options"), STR("safety_mode"), STR("thinking"), STR("logprobs"),
	};
	static const struct str fixed[] = { STR("model"), STR("messages"), STR("stream") };
	static const struct forward_words words = { known, COUNT(known), fixed, COUNT(fixed),
						    openai_is_ours };
	return forward_body(a, q, &words, model, params, extra_body, out);
}

int coh_forward_embed(struct arena *a, const struct llm_request *q, struct str model,
		      struct str params, struct str extra_body, struct buf *out)
{
	static const struct str known[] = {
		STR("input_type"), STR("embedding_types"), STR("output_dimension"),
		STR("truncate"),
	};
	static const struct str fixed[] = { STR("model"), STR("texts"), STR("inputs"),
					    STR("images") };
	static const struct forward_words words = { known, COUNT(known), fixed, COUNT(fixed),
						    openai_is_ours };
	return forward_body(a, q, &words, model, params, extra_body, out);
}

/* --- answers --- */

/* Whose answer it is and which block is open, for who may have to go on behind it. */
static int follow(struct dialect_answer *an, struct arena *scratch, const struct json *root,
		  struct str name)
{
	struct coh_stream *s = an->state;
	const struct json *kind = json_get_path(root, "delta.message.content.type");
	struct str type = json_get_str(scratch, root, "type");
	struct str id = json_get_str(scratch, root, "id");
	type = type.p ? type : name;
	if (id.n && !s->id.p)
		s->id = arena_dup(an->mem, id);
	if (id.n && !s->id.p)
		return -ENOMEM;
	if (str_eq(type, STR("content-end"))) {
		s->n_blocks++;
		s->open = COH_NONE;
	} else if (str_eq(type, STR("content-start"))) {
		bool is_thought = kind && str_eq(kind->raw, STR("\"thinking\""));
		s->open = is_thought ? COH_THINKING : COH_TEXT;
	}
	return 0;
}

int coh_forward_event(struct dialect_answer *an, struct arena *scratch, const struct sse_event *ev,
		      struct buf *out)
{
	struct coh_stream *s = coh_stream(an);
	const struct json *root;
	if (!s)
		return -ENOMEM;
	an->is_started = true;
	if (ev->oversize) {
		an->tally.has_content = true;
		buf_put(out, ev->raw);
		return 0;
	}
	if (an->is_ended || forward_is_blank(ev->data))
		return 0;
	int err = cohere_read_event(&s->reader, scratch, ev->data, ev->name, &root,
				    forward_tally, an);
	if (err || an->tally.has_error)
		return err;
	an->is_ended = an->tally.is_done;
	forward_raw(ev->raw, out);
	return an->tally.text ? follow(an, scratch, root, ev->name) : 0;
}

/* The vectors themselves are not looked at: there may be millions of numbers. */
static int forward_vectors(struct dialect_answer *an, struct cohere_reader *rd, struct str body,
			   struct buf *out)
{
	struct usage usage;
	if (!skim_get(body, STR("embeddings")).p)
		return cohere_read_vectors(rd, body, forward_tally, an);
	if (cohere_read_embed_usage(body, &usage))
		llm_tally_usage(&an->tally, &usage);
	an->tally.has_content = true;
	an->tally.is_done = true;
	buf_put(out, body);
	return 0;
}

int coh_forward_answer(struct dialect_answer *an, struct str body, struct buf *out)
{
	struct coh_stream *s = coh_stream(an);
	if (!s)
		return -ENOMEM;
	if (an->q->kind == LLM_EMBED)
		return forward_vectors(an, &s->reader, body, out);
	int err = cohere_read_answer(&s->reader, body, forward_tally, an);
	if (!err && !an->tally.has_error)
		buf_put(out, body);
	return err;
}
