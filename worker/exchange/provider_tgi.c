/* SPDX-License-Identifier: MIT
 * provider_tgi.c - Hugging Face's Text Generation Inference: prompts go to its own /generate, chats
 * to the copy of OpenAI's API that it has beside.
 *
 * That copy wants schemas in a form of its own; else it is spoken by OpenAI's adapter. */
#include <errno.h>

#include "worker/exchange/members.h"
#include "worker/exchange/provider_openai.h"
#include "worker/exchange/reading.h"
#include "worker/exchange/site.h"
#include "worker/openai.h"

enum { FORMAT_MAX = 4 << 20 };

/* --- parameters of prompts --- */

/* Zero is refused there, and means that nothing is left to chance. */
static int make_temperature(struct members *m, struct str json)
{
	double v;
	if (str_read_double(json, &v) == 0 && v > 0)
		return members_add(m, STR("temperature"), json);
	return members_add(m, STR("do_sample"), STR("false"));
}

/* Only what lies between 0 and 1 is taken; 1 asks for nothing. */
static int make_top_p(struct members *m, struct str json)
{
	double v;
	if (str_read_double(json, &v) == 0 && v > 0 && v < 1)
		return members_add(m, STR("top_p"), json);
	return 0;
}

static int make_stop(struct members *m, struct str json)
{
	json = members_list(m, json);
	return json.p ? members_add(m, STR("stop"), json) : -ENOMEM;
}

/* The prompt with the answer. */
static int make_echo(struct members *m, struct str json)
{
	return members_add(m, STR("return_full_text"), json);
}

static int make_format(struct members *m, struct str json)
{
	const struct json *format = members_parse(m, json);
	const struct json *schema = json_get_path(format, "json_schema.schema");
	struct str type = json_get_str(m->mem, format, "type");
	struct str value = STR("{\"type\":\"object\"}");
	if (str_eq(type, STR("text")))
		return 0;
	if (json_is(schema, JSON_OBJECT))
		value = schema->raw;
	json = arena_printf(m->mem, "{\"type\":\"json\",\"value\":" STR_FMT "}", STR_ARG(value));
	return json.p ? members_add(m, STR("grammar"), json) : -ENOMEM;
}

#define DROPPED(name) { STR(name), MEMBER_DROP, NULL, NULL }
#define FIXED(name) { STR(name), MEMBER_FIXED, NULL, NULL }
#define REFUSED(name) { STR(name), MEMBER_REFUSE, NULL, NULL }

static const struct member_row rows[] = {
	{ STR("max_tokens"), MEMBER_AS, "max_new_tokens", NULL },
	{ STR("max_completion_tokens"), MEMBER_AS, "max_new_tokens", NULL },
	{ STR("temperature"), MEMBER_MAKE, NULL, make_temperature },
	{ STR("top_p"), MEMBER_MAKE, NULL, make_top_p },
	{ STR("stop"), MEMBER_MAKE, NULL, make_stop },
	{ STR("echo"), MEMBER_MAKE, NULL, make_echo },
	{ STR("response_format"), MEMBER_MAKE, NULL, make_format },
	FIXED("inputs"), FIXED("stream"), FIXED("details"),
	DROPPED("model"), DROPPED("messages"), DROPPED("prompt"), DROPPED("tools"),
	DROPPED("tool_choice"), DROPPED("stream_options"), DROPPED("user"), DROPPED("metadata"),
	DROPPED("store"), DROPPED("service_tier"), DROPPED("reasoning_effort"),
	REFUSED("n"), REFUSED("suffix"), REFUSED("logit_bias"), REFUSED("logprobs"),
	REFUSED("presence_penalty"),
};

/* --- prompts --- */

static int check_prompt(struct members *m)
{
	if (m->q->n_inputs == 1 && !m->q->inputs_are_tokens)
		return 0;
	return members_refuse(m, OUTCOME_BAD_REQUEST, "prompt",
			      "prompt must be one string: tgi takes no list, no tokens");
}

static int write_prompt(struct members *m, struct provider_call *ret)
{
	struct json_out o = json_out(&ret->body);
	int err = check_prompt(m);
	if (!err)
		err = members_add_extra(m, STR("parameters"));
	if (!err)
		err = members_sort(m);
	if (err)
		return err;
	json_open(&o, NULL);
	json_put_str(&o, "inputs", m->q->inputs[0]);
	json_open(&o, "parameters");
	members_put(m, &o);
	json_put_bool(&o, "details", true);
	json_close(&o);
	members_put_beside(m, &o);
	json_close(&o);
	if (m->q->is_stream)
		provider_put_path(m->target, "stream", "/generate_stream", &ret->path);
	else
		provider_put_path(m->target, "text", "/generate", &ret->path);
	ret->framing = FRAMING_SSE;
	return ret->body.failed || ret->path.failed ? -ENOMEM : 0;
}

/* --- chats --- */

#define FORMAT "\"response_format\":{\"type\":\"json_object\",\"value\":" STR_FMT "}"

/* A schema's place is another than OpenAI's. */
static int add_format(struct arena *a, const struct llm_request *q, struct buf *body)
{
	bool has_schema = q->format == FORMAT_SCHEMA && q->format_schema.p;
	struct str schema = has_schema ? q->format_schema : STR("{\"type\":\"object\"}");
	struct site_edit e = { .added = arena_printf(a, FORMAT, STR_ARG(schema)),
			       .unless = STR("response_format") };
	return e.added.p ? site_edit_body(a, body, &e) : -ENOMEM;
}

static int write_chat(struct arena *a, const struct llm_request *q, const struct provider_target *t,
		      struct provider_call *ret, struct llm_error *reterr)
{
	bool has_format = q->format == FORMAT_JSON || q->format == FORMAT_SCHEMA;
	struct llm_request own = *q;
	struct provider_target at = *t;
	own.format = FORMAT_UNSET;
	if (!at.paths.n)
		at.paths = STR("chat=/v1/chat/completions embed=/v1/embeddings");
	int err = provider_openai.write_request(a, &own, &at, ret, reterr);
	return err || !has_format ? err : add_format(a, q, &ret->body);
}

static int write_request(struct arena *a, const struct llm_request *q,
			 const struct provider_target *t, struct provider_call *ret,
			 struct llm_error *reterr)
{
	struct members m = { .mem = a, .target = t, .q = q, .err = reterr, .vendor = "tgi",
			     .rows = rows, .n_rows = COUNT(rows) };
	return q->kind == LLM_TEXT ? write_prompt(&m, ret) : write_chat(a, q, t, ret, reterr);
}

/* --- answers --- */

/* Few versions count the prompt: then what we think it is stands for it. */
static int emit_usage(const struct reading *r, const struct json *details)
{
	const struct json *prefill = json_get(details, "prefill");
	struct llm_event ev = { .kind = EV_USAGE };
	ev.usage.output = json_count(json_get(details, "generated_tokens"));
	ev.usage.input = json_count(json_get(details, "input_length"));
	if (!ev.usage.input && json_is(prefill, JSON_ARRAY))
		ev.usage.input = prefill->count;
	if (!ev.usage.output)
		return 0;
	if (!ev.usage.input) {
		ev.usage.input = estimate_prompt(r->rd->q);
		ev.usage.estimated = true;
	}
	usage_clamp(&ev.usage);
	return reading_emit(r, &ev);
}

static int emit_end(const struct reading *r, const struct json *details)
{
	const struct json *reason = json_get(details, "finish_reason");
	struct llm_event ev = { .kind = EV_FINISH, .finish = FINISH_STOP, .native = STR("") };
	if (json_is(reason, JSON_STRING))
		ev.native = json_str(r->scratch, reason);
	if (!ev.native.p)
		return -ENOMEM;
	if (str_eq(ev.native, STR("length")))
		ev.finish = FINISH_LENGTH;
	int err = reading_emit(r, &ev);
	if (!err)
		err = emit_usage(r, details);
	ev = (struct llm_event){ .kind = EV_END };
	return err ? err : reading_emit(r, &ev);
}

/* The last event repeats the whole text; what has no text to be shown is special. */
static int read_token(const struct reading *r, const struct json *root)
{
	const struct json *token = json_get(root, "token"), *details = json_get(root, "details");
	int err = 0;
	if (json_is_given(json_get(root, "error")))
		return reading_error(r, root, 0);
	if (!json_is(token, JSON_OBJECT))
		return -EBADMSG;
	err = reading_start(r, STR_NONE, STR_NONE);
	if (!err && !json_is_true(json_get(token, "special")))
		err = reading_text(r, EV_TEXT, json_get(token, "text"));
	bool is_last = json_is(json_get(root, "generated_text"), JSON_STRING);
	return !err && is_last ? emit_end(r, details) : err;
}

static int read_event(struct provider_reader *rd, struct arena *scratch, const struct sse_event *ev,
		      llm_emit_fn *emit_fn, void *data)
{
	struct reading r = { rd, scratch, emit_fn, data };
	struct json_error error;
	if (rd->q->kind != LLM_TEXT)
		return provider_openai.read_event(rd, scratch, ev, emit_fn, data);
	if (rd->is_ended || str_eq(str_trim(ev->data), STR("[DONE]")))
		return 0;
	const struct json *root = json_parse(scratch, ev->data, 0, &error);
	return json_is(root, JSON_OBJECT) ? read_token(&r, root) : -EBADMSG;
}

/* Behind "/" the same comes as a list of one. */
static int read_answer(struct provider_reader *rd, struct str body, llm_emit_fn *emit_fn,
		       void *data)
{
	struct reading r = { rd, rd->mem, emit_fn, data };
	struct json_error error;
	if (rd->q->kind != LLM_TEXT)
		return provider_openai.read_answer(rd, body, emit_fn, data);
	const struct json *root = json_parse(rd->mem, body, 0, &error);
	if (json_is(root, JSON_ARRAY))
		root = root->child;
	if (!json_is(root, JSON_OBJECT))
		return -EBADMSG;
	if (json_is_given(json_get(root, "error")))
		return reading_error(&r, root, 0);
	const struct json *text = json_get(root, "generated_text");
	if (!json_is(text, JSON_STRING))
		return -EBADMSG;
	int err = reading_start(&r, STR_NONE, STR_NONE);
	if (!err)
		err = reading_text(&r, EV_TEXT, text);
	return err ? err : emit_end(&r, json_get(root, "details"));
}

const struct provider provider_tgi = {
	.name = "tgi",
	.family = FAMILY_TGI,
	.write_request = write_request,
	.read_event = read_event,
	.read_answer = read_answer,
};
