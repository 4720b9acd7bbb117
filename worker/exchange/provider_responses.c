/* SPDX-License-Identifier: MIT
 * provider_responses.c - OpenAI's Responses as a provider, for models that are served under that
 * API alone. Clients that speak it themselves go the short way and are not seen here.
 *
 * Deltas are passed on as they come. What an item says when it is done is compared with how much
 * of it has come, by bytes: providers that send no deltas are read all the same. */
#include "worker/exchange/provider_responses.h"

#include <errno.h>

#include "worker/openai.h"

enum { ITEMS_MAX = 4096 };

/* ---- requests ---- */

static void write_path(const struct llm_request *q, const struct provider_target *t,
		       struct buf *out)
{
	(void)q;
	(void)t;
	BUF_PUT_LIT(out, "/responses");
}

/* The body in neutral order, then edited as one from a client would be. */
static int write_edited(struct rsp_writing *w, struct buf *out)
{
	struct openai_edits e = { .extra_body = w->target->extra_body };
	struct json_error error;
	struct buf plain;
	buf_init(&plain, out->cap);
	int err = responses_read_params(w->mem, w->target->params, &e.params);
	if (!err)
		err = rsp_write_body(w, &plain);
	if (!err && plain.failed)
		err = -ENOMEM;
	const struct json *root = err ? NULL : json_parse(w->mem, buf_str(&plain), 0, &error);
	if (!err && !root)
		err = -ENOMEM;
	if (!err)
		err = openai_edit_request(w->mem, root, buf_str(&plain), &e, out);
	buf_done(&plain);
	return err;
}

static int write_request(struct arena *a, const struct llm_request *q,
			 const struct provider_target *t, struct provider_call *ret,
			 struct llm_error *reterr)
{
	struct rsp_writing w = { .mem = a, .q = q, .target = t, .err = reterr };
	if (q->kind != LLM_CHAT) {
		*reterr = (struct llm_error){ .outcome = OUTCOME_BAD_REQUEST,
					      .message = STR("this model answers chats only") };
		return -EINVAL;
	}
	int err = t->params.n || t->extra_body.n ? write_edited(&w, &ret->body)
						 : rsp_write_body(&w, &ret->body);
	ret->framing = FRAMING_SSE;
	write_path(q, t, &ret->path);
	return err || !(ret->body.failed || ret->path.failed) ? err : -ENOMEM;
}

/* ---- answers ---- */

struct item {
	struct item *next;
	uint64_t index;			/* output_index */
	unsigned tool;			/* of a call */
	bool is_call, is_done;
	size_t text_bytes, refusal_bytes, thought_bytes, input_bytes;	/* that were passed on */
};
struct reading {
	struct provider_reader *rd;
	struct arena *scratch;
	llm_emit_fn *emit;
	void *data;
	struct item *items;		/* newest first */
	unsigned n_items, n_tools;
	bool has_called;
};

/* An answer begins with its first event even where the provider has left out the beginning. */
static int emit(struct reading *r, const struct llm_event *ev)
{
	if (!r->rd->is_started) {
		r->rd->is_started = true;
		if (ev->kind != EV_START && ev->kind != EV_ERROR) {
			int err = r->emit(r->data, &(struct llm_event){ .kind = EV_START });
			if (err)
				return err;
		}
	}
	return r->emit(r->data, ev);
}

/* NULL: out of memory, or more items than an answer may have. */
static struct item *item_at(struct reading *r, uint64_t index)
{
	struct item *i = r->items;
	while (i && i->index != index)
		i = i->next;
	if (i || r->n_items >= ITEMS_MAX)
		return i;
	i = arena_alloc(r->rd->mem, sizeof *i);
	if (!i)
		return NULL;
	*i = (struct item){ .next = r->items, .index = index };
	r->items = i;
	r->n_items++;
	return i;
}

static uint64_t index_of(const struct json *event)
{
	int64_t n;
	return json_read_i64(json_get(event, "output_index"), &n) == 0 && n >= 0 ? (uint64_t)n : 0;
}

static int start_answer(struct reading *r, const struct json *response)
{
	struct llm_event ev = { .kind = EV_START };
	int64_t created;
	if (r->rd->is_started)
		return 0;
	ev.id = json_get_str(r->scratch, response, "id");
	ev.model = json_get_str(r->scratch, response, "model");
	if (json_read_i64(json_get(response, "created_at"), &created) == 0 && created > 0)
		ev.created_s = created;
	return emit(r, &ev);
}

/* ---- what an item says ---- */

static size_t *passed(struct item *i, enum llm_event_kind kind)
{
	switch (kind) {
	case EV_TEXT:
		return &i->text_bytes;
	case EV_REFUSAL:
		return &i->refusal_bytes;
	case EV_REASONING:
		return &i->thought_bytes;
	default:
		return &i->input_bytes;
	}
}

static int say(struct reading *r, struct item *i, enum llm_event_kind kind, struct str text)
{
	if (!text.n)
		return 0;
	*passed(i, kind) += text.n;
	return emit(r, &(struct llm_event){ .kind = kind, .text = text, .tool = i->tool });
}

static bool is_type(const struct json *item, const char *type)
{
	const struct json *j = json_get(item, "type");
	return json_is(j, JSON_STRING) && j->raw.n > 2 &&
	       str_eq_z(str_of(j->raw.p + 1, j->raw.n - 2), type);
}

static int start_call(struct reading *r, struct item *i, const struct json *item)
{
	struct llm_event ev = { .kind = EV_TOOL_START };
	if (i->is_call)
		return 0;
	i->is_call = r->has_called = true;
	i->tool = ev.tool = r->n_tools++;
	ev.name = json_get_str(r->scratch, item, "name");
	ev.id = json_get_str(r->scratch, item, "call_id");
	return emit(r, &ev);
}

static int begin_item(struct reading *r, struct item *i, const struct json *item)
{
	if (is_type(item, "function_call") || is_type(item, "custom_tool_call"))
		return start_call(r, i, item);
	return 0;
}

/* All texts of a list of parts, unless some of it has come before. */
static int say_list(struct reading *r, struct item *i, const struct json *list, const char *member,
		    enum llm_event_kind kind)
{
	const struct json *j = json_is(list, JSON_ARRAY) ? list->child : NULL;
	int err = 0;
	for (; j && !err; j = j->next) {
		struct str text = json_get_str(r->scratch, j, member);
		if (kind == EV_REASONING && *passed(i, kind) && text.n)
			err = say(r, i, kind, STR("\n\n"));
		if (!err)
			err = say(r, i, kind, text);
	}
	return err;
}

static int say_message(struct reading *r, struct item *i, const struct json *item)
{
	const struct json *content = json_get(item, "content");
	int err = i->text_bytes ? 0 : say_list(r, i, content, "text", EV_TEXT);
	return err || i->refusal_bytes ? err : say_list(r, i, content, "refusal", EV_REFUSAL);
}

static int say_reasoning(struct reading *r, struct item *i, const struct json *item)
{
	struct llm_event ev = { .kind = EV_REASONING };
	int err = 0;
	if (!i->thought_bytes)
		err = say_list(r, i, json_get(item, "summary"), "text", EV_REASONING);
	if (!err && !i->thought_bytes)
		err = say_list(r, i, json_get(item, "content"), "text", EV_REASONING);
	ev.signature = json_get_str(r->scratch, item, "encrypted_content");
	return err || !ev.signature.n ? err : emit(r, &ev);
}

static int say_call(struct reading *r, struct item *i, const struct json *item, const char *member)
{
	int err = start_call(r, i, item);
	if (err || i->input_bytes)
		return err;
	return say(r, i, EV_TOOL_ARGS, json_get_str(r->scratch, item, member));
}

/* Built-in tools have run where the model is: what they found stands in its text. */
static int end_item(struct reading *r, struct item *i, const struct json *item)
{
	if (i->is_done)
		return 0;
	i->is_done = true;
	if (is_type(item, "message"))
		return say_message(r, i, item);
	if (is_type(item, "reasoning"))
		return say_reasoning(r, i, item);
	if (is_type(item, "function_call"))
		return say_call(r, i, item, "arguments");
	if (is_type(item, "custom_tool_call"))
		return say_call(r, i, item, "input");
	return 0;
}

/* ---- ends ---- */

static int fail(struct reading *r, const struct json *root)
{
	struct llm_error e;
	llm_read_error(r->rd->mem, 0, root, root->raw, STR_NONE, &e);
	r->rd->is_ended = true;
	return emit(r, &(struct llm_event){ .kind = EV_ERROR, .error = &e });
}

static int emit_usage(struct reading *r, const struct json *response)
{
	struct llm_event ev = { .kind = EV_USAGE };
	if (!json_is(json_get(response, "usage"), JSON_OBJECT))
		return 0;
	responses_read_worth(response, &ev.usage);
	return emit(r, &ev);
}

static int end_answer(struct reading *r, const struct json *response)
{
	const struct json *output = json_get(response, "output");
	uint64_t index = 0;
	int err = start_answer(r, response);
	if (!json_is(output, JSON_ARRAY))
		return err ? err : -EBADMSG;
	for (const struct json *j = output->child; j && !err; j = j->next, index++) {
		struct item *i = item_at(r, index);
		err = i ? end_item(r, i, j) : -ENOMEM;
	}
	struct llm_event ev = { .kind = EV_FINISH };
	ev.finish = responses_finish_of(r->scratch, response);
	if (ev.finish == FINISH_STOP && r->has_called)
		ev.finish = FINISH_TOOL_CALLS;
	if (!err)
		err = emit(r, &ev);
	if (!err)
		err = emit_usage(r, response);
	r->rd->is_ended = true;
	return err ? err : emit(r, &(struct llm_event){ .kind = EV_END });
}

static bool has_failed(const struct json *response)
{
	return json_is(json_get(response, "error"), JSON_OBJECT) || is_type(response, "error") ||
	       (json_is(json_get(response, "status"), JSON_STRING) &&
		(str_eq(json_get(response, "status")->raw, STR("\"failed\"")) ||
		 str_eq(json_get(response, "status")->raw, STR("\"cancelled\""))));
}

/* ---- events ---- */

static int read_delta(struct reading *r, const struct json *root, enum llm_event_kind kind)
{
	struct item *i = item_at(r, index_of(root));
	if (!i)
		return -ENOMEM;
	if (kind == EV_TOOL_ARGS && !i->is_call)
		return 0;		/* of a built-in tool */
	return say(r, i, kind, json_get_str(r->scratch, root, "delta"));
}

/* Between two parts of a summary stands an empty line. */
static int read_part(struct reading *r, const struct json *root)
{
	struct item *i = item_at(r, index_of(root));
	if (!i)
		return -ENOMEM;
	return i->thought_bytes ? say(r, i, EV_REASONING, STR("\n\n")) : 0;
}

static int read_item(struct reading *r, const struct json *root, bool is_done)
{
	struct item *i = item_at(r, index_of(root));
	const struct json *item = json_get(root, "item");
	if (!i)
		return -ENOMEM;
	return is_done ? end_item(r, i, item) : begin_item(r, i, item);
}

static int read_root(struct reading *r, const struct json *root)
{
	const struct responses_event *row =
		responses_event_of(json_get_str(r->scratch, root, "type"));
	const struct json *response = json_get(root, "response");
	if (json_is(json_get(root, "error"), JSON_OBJECT))
		return fail(r, root);
	switch (row->kind) {
	case RSP_EV_BEGIN:
		return start_answer(r, response);
	case RSP_EV_DELTA:
		return read_delta(r, root, row->content);
	case RSP_EV_PART:
		return read_part(r, root);
	case RSP_EV_ITEM:
	case RSP_EV_ITEM_DONE:
		return read_item(r, root, row->kind == RSP_EV_ITEM_DONE);
	case RSP_EV_ERROR:
		return fail(r, root);
	case RSP_EV_FAILED:
		return fail(r, json_is(response, JSON_OBJECT) ? response : root);
	case RSP_EV_END:
		return end_answer(r, response);
	case RSP_EV_OTHER:
		break;
	}
	return 0;
}

static struct reading *reading_of(struct provider_reader *rd, struct arena *scratch,
				  llm_emit_fn *to, void *data)
{
	struct reading *r = rd->state;
	if (!r)
		r = rd->state = arena_alloc(rd->mem, sizeof *r);
	if (!r)
		return NULL;
	r->rd = rd;
	r->scratch = scratch;
	r->emit = to;
	r->data = data;
	return r;
}

static int read_event(struct provider_reader *rd, struct arena *scratch, const struct sse_event *ev,
		      llm_emit_fn *to, void *data)
{
	struct reading *r = reading_of(rd, scratch, to, data);
	struct json_error error;
	if (!r)
		return -ENOMEM;
	if (rd->is_ended || str_starts(ev->data, STR("[DONE]")))
		return 0;
	const struct json *root = json_parse(scratch, ev->data, 0, &error);
	return json_is(root, JSON_OBJECT) ? read_root(r, root) : -EBADMSG;
}

static int read_answer(struct provider_reader *rd, struct str body, llm_emit_fn *to, void *data)
{
	struct reading *r = reading_of(rd, rd->mem, to, data);
	struct json_error error;
	if (!r)
		return -ENOMEM;
	const struct json *root = json_parse(rd->mem, body, 0, &error);
	if (!json_is(root, JSON_OBJECT))
		return -EBADMSG;
	return has_failed(root) ? fail(r, root) : end_answer(r, root);
}

const struct provider provider_responses = {
	.name = "responses",
	.family = FAMILY_RESPONSES,
	.write_request = write_request,
	.read_event = read_event,
	.read_answer = read_answer,
	.write_path = write_path,
};
