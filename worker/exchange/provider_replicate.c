/* SPDX-License-Identifier: MIT
 * provider_replicate.c - Replicate's predictions, asked for with "Prefer: wait": the answer comes
 * when it is done, so that nothing has to be polled.
 *
 * That takes a minute at most; what is not done by then is an error. A stream is given in one
 * piece, for Replicate would want a second call for it. */
#include <errno.h>

#include "worker/exchange/members.h"
#include "worker/exchange/prompt.h"
#include "worker/exchange/reading.h"

/* --- parameters --- */

/* Every model has its own word for the limit. */
static int make_limit(struct members *m, struct str json)
{
	static const struct {
		struct str models;
		const char *name;
	} limits[] = {
		{ STR("*vicuna*"), "max_length" },	{ STR("*flan*"), "max_length" },
		{ STR("*codellama-13b*"), "max_tokens" }, { STR("anthropic/*"), "max_tokens" },
		{ STR("deepseek-ai/*"), "max_tokens" }, { STR("openai/*"), "max_completion_tokens" },
		{ STR("google/*"), "max_output_tokens" },
	};
	for (size_t i = 0; i < COUNT(limits); i++)
		if (str_matches(limits[i].models, m->target->model))
			return members_add(m, str_z(limits[i].name), json);
	return members_add(m, STR("max_new_tokens"), json);
}

/* One string, its parts between commas. */
static int make_stop(struct members *m, struct str json)
{
	const struct json *list = members_parse(m, json);
	struct buf b;
	if (!json_is(list, JSON_ARRAY))
		return members_add(m, STR("stop_sequences"), json);
	buf_init(&b, 1 << 20);
	buf_put_char(&b, '"');
	for (const struct json *j = list->child; j; j = j->next) {
		if (j != list->child)
			buf_put_char(&b, ',');
		json_escape(&b, json_str(m->mem, j));
	}
	buf_put_char(&b, '"');
	json = b.failed ? STR_NONE : arena_dup(m->mem, buf_str(&b));
	buf_done(&b);
	return json.p ? members_add(m, STR("stop_sequences"), json) : -ENOMEM;
}

#define MADE(name, make) { STR(name), MEMBER_MAKE, NULL, make }
#define FIXED(name) { STR(name), MEMBER_FIXED, NULL, NULL }
#define DROPPED(name) { STR(name), MEMBER_DROP, NULL, NULL }
#define REFUSED(name) { STR(name), MEMBER_REFUSE, NULL, NULL }

static const struct member_row rows[] = {
	MADE("max_tokens", make_limit), MADE("max_completion_tokens", make_limit),
	MADE("stop", make_stop),
	FIXED("prompt"), FIXED("system_prompt"), FIXED("version"),
	DROPPED("model"), DROPPED("messages"), DROPPED("input"), DROPPED("stream"),
	DROPPED("stream_options"), DROPPED("tool_choice"), DROPPED("parallel_tool_calls"),
	DROPPED("user"), DROPPED("metadata"), DROPPED("store"), DROPPED("service_tier"),
	DROPPED("safety_identifier"), DROPPED("prompt_cache_key"),
	REFUSED("n"), REFUSED("suffix"), REFUSED("echo"), REFUSED("best_of"), REFUSED("logprobs"),
	REFUSED("top_logprobs"), REFUSED("logit_bias"), REFUSED("response_format"),
	REFUSED("modalities"), REFUSED("audio"), REFUSED("web_search_options"),
};

/* --- requests --- */

static int check(struct members *m)
{
	const struct llm_request *q = m->q;
	if (q->kind == LLM_EMBED)
		return members_refuse(m, OUTCOME_BAD_REQUEST, "model",
				      "replicate has no embeddings");
	if (q->kind == LLM_TEXT && (q->n_inputs != 1 || q->inputs_are_tokens))
		return members_refuse(m, OUTCOME_BAD_REQUEST, "prompt",
				      "prompt must be one string: replicate takes no list, no "
				      "tokens");
	for (const struct llm_message *s = q->messages; s; s = s->next)
		for (const struct llm_part *p = s->parts; p; p = p->next)
			if (p->kind != PART_TEXT && p->kind != PART_REFUSAL &&
			    p->kind != PART_REASONING)
				return members_refuse(m, OUTCOME_BAD_REQUEST, "messages",
						      "replicate takes messages of text alone");
	return q->tools ? members_refuse_param(m, STR("tools")) : 0;
}

/* "owner/name:version" is a version; all else has a path of its own. */
static struct str put_path(const struct provider_target *t, struct buf *out)
{
	struct str version = t->model, name = str_cut(&version, ':');
	if (version.n) {
		BUF_PUT_LIT(out, "/predictions");
		return version;
	}
	buf_put_z(out, str_starts(name, STR("deployments/")) ? "/" : "/models/");
	buf_put_path(out, name);
	BUF_PUT_LIT(out, "/predictions");
	return STR_NONE;
}

static void put_input(const struct members *m, struct json_out *o)
{
	json_open(o, "input");
	if (m->q->kind == LLM_TEXT) {
		json_put_str(o, "prompt", m->q->inputs[0]);
	} else {
		prompt_put_turns(o, "prompt", m->q);
		prompt_put_system(o, "system_prompt", m->q);
	}
	members_put(m, o);
	json_close(o);
}

static int write_request(struct arena *a, const struct llm_request *q,
			 const struct provider_target *t, struct provider_call *ret,
			 struct llm_error *reterr)
{
	struct members m = { .mem = a, .target = t, .q = q, .err = reterr, .vendor = "replicate",
			     .rows = rows, .n_rows = COUNT(rows) };
	struct json_out o = json_out(&ret->body);
	int err = check(&m);
	if (!err)
		err = members_add_extra(&m, STR("input"));
	if (!err)
		err = members_sort(&m);
	if (err)
		return err;
	struct str version = put_path(t, &ret->path);
	json_open(&o, NULL);
	if (version.n)
		json_put_str(&o, "version", version);
	put_input(&m, &o);
	members_put_beside(&m, &o);
	json_close(&o);
	BUF_PUT_LIT(&ret->headers, "Prefer: wait\r\n");
	ret->framing = FRAMING_SSE;
	return ret->body.failed || ret->path.failed || ret->headers.failed ? -ENOMEM : 0;
}

/* --- answers --- */

static int emit_late(const struct reading *r)
{
	static const struct llm_error late = {
		.outcome = OUTCOME_UP_TIMEOUT,
		.message = STR("the prediction was not done within the minute that a call waits"),
	};
	return reading_emit(r, &(struct llm_event){ .kind = EV_ERROR, .error = &late });
}

/* A text, or its pieces. */
static int read_output(const struct reading *r, const struct json *output)
{
	int err = 0;
	if (!json_is(output, JSON_ARRAY))
		return reading_text(r, EV_TEXT, output);
	for (const struct json *j = output->child; j && !err; j = j->next)
		err = reading_text(r, EV_TEXT, j);
	return err;
}

static int emit_end(const struct reading *r, const struct json *metrics)
{
	struct llm_event ev = { .kind = EV_USAGE };
	int err = 0;
	ev.usage.input = json_count(json_get(metrics, "input_token_count"));
	ev.usage.output = json_count(json_get(metrics, "output_token_count"));
	usage_clamp(&ev.usage);
	if (ev.usage.output)
		err = reading_emit(r, &ev);
	ev = (struct llm_event){ .kind = EV_FINISH, .finish = FINISH_STOP, .native = STR("") };
	if (!err)
		err = reading_emit(r, &ev);
	ev = (struct llm_event){ .kind = EV_END };
	return err ? err : reading_emit(r, &ev);
}

static int read_answer(struct provider_reader *rd, struct str body, llm_emit_fn *emit, void *data)
{
	struct reading r = { rd, rd->mem, emit, data };
	struct json_error error;
	const struct json *root = json_parse(rd->mem, body, 0, &error);
	struct str status = json_get_str(rd->mem, root, "status");
	if (str_eq(status, STR("starting")) || str_eq(status, STR("processing")))
		return emit_late(&r);
	if (json_is_given(json_get(root, "error")))
		return reading_error(&r, root, 0);
	if (!str_eq(status, STR("succeeded")))
		return -EBADMSG;
	int err = reading_start(&r, json_get_str(rd->mem, root, "id"), STR_NONE);
	if (!err)
		err = read_output(&r, json_get(root, "output"));
	return err ? err : emit_end(&r, json_get(root, "metrics"));
}

static int read_event(struct provider_reader *rd, struct arena *scratch, const struct sse_event *ev,
		      llm_emit_fn *emit, void *data)
{
	(void)rd, (void)scratch, (void)ev, (void)emit, (void)data;
	return -EBADMSG;		/* no call of ours asks for a stream */
}

const struct provider provider_replicate = {
	.name = "replicate",
	.family = FAMILY_REPLICATE,
	.write_request = write_request,
	.read_event = read_event,
	.read_answer = read_answer,
};
