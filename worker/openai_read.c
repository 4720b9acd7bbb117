/* SPDX-License-Identifier: MIT
 * openai_read.c - answers in the OpenAI format to neutral events.
 *
 * One reader for the short way, which only counts, and for the long way, which translates; so
 * both see the same. A chunk's `delta`, an answer's `message` and a completion's `text` differ
 * in little and are read by the same functions. */
#include "worker/openai.h"

#include <errno.h>

#include "common/hash.h"
#include "worker/skim.h"

enum { CALLS_MAX = 512, CHOICES_MAX = 2048 };

#define IS(j, name) str_eq((j)->key, STR(name))

struct openai_call {			/* a tool call under way */
	struct openai_call *next;	/* the one begun before it */
	unsigned number;		/* ours: 0, 1, 2 ... */
	int64_t wire;			/* index as sent; -1 = none */
	uint64_t id;			/* hash of its id; 0 = none */
};
struct openai_choice {
	struct openai_choice *next;
	unsigned index, n_calls;
	struct openai_call *calls;	/* the last one first */
};

struct reading {
	struct openai_reader *rd;
	struct arena *scratch;
	llm_emit_fn *emit;
	void *data;
	unsigned choice;
	bool is_whole;
};

static int emit(const struct reading *r, const struct llm_event *ev)
{
	return llm_emit(&r->rd->is_ended, ev, r->emit, r->data);
}

static int emit_text(const struct reading *r, enum llm_event_kind kind, const struct json *j)
{
	struct llm_event ev = { .kind = kind, .choice = r->choice };
	ev.text = json_str(r->scratch, j);
	if (!ev.text.p)
		return j->type == JSON_STRING ? -ENOMEM : -EBADMSG;
	return ev.text.n ? emit(r, &ev) : 0;
}

/* --- usage --- */

static void read_prompt_details(const struct json *details, struct usage *u)
{
	uint64_t media = 0, cached = 0;		/* of media, those that the cache had */
	if (!json_is(details, JSON_OBJECT))
		return;
	for (const struct json *j = details->child; j; j = j->next) {
		if (IS(j, "cached_tokens"))
			u->cache_read = json_count(j);
		else if (IS(j, "cache_write_tokens") || IS(j, "cache_creation_tokens"))
			u->cache_write = json_count(j);
		else if (IS(j, "cache_creation_token_details"))	/* LiteLLM's */
			u->cache_write_hour =
				json_count(json_get(j, "ephemeral_1h_input_tokens"));
		else if (IS(j, "audio_tokens") || IS(j, "image_tokens"))
			media += json_count(j);
		else if (IS(j, "cached_tokens_details"))
			cached += json_count(json_get(j, "audio_tokens")) +
				  json_count(json_get(j, "image_tokens"));
	}
	u->media_input = media > cached ? media - cached : 0;
}

/* Returns tokens of reasoning. */
static uint64_t read_answer_details(const struct json *details, struct usage *u)
{
	u->media_output = json_count(json_get(details, "audio_tokens")) +
			  json_count(json_get(details, "image_tokens"));
	return json_count(json_get(details, "reasoning_tokens"));
}

static uint64_t read_milliseconds(const struct json *j)
{
	double v;
	return json_read_double(j, &v) == 0 && v > 0 && v < 1e6 ? (uint64_t)(v * 1000 + 0.999) : 0;
}

void openai_read_usage(const struct json *usage, struct usage *ret)
{
	struct usage u = { 0 };
	uint64_t input = 0, output = 0, total = 0, reasoning = 0;
	for (const struct json *j = usage->child; j; j = j->next) {
		if (IS(j, "prompt_tokens") || (IS(j, "input_tokens") && !input))
			input = json_count(j);
		else if (IS(j, "completion_tokens") || (IS(j, "output_tokens") && !output))
			output = json_count(j);
		else if (IS(j, "total_tokens"))
			total = json_count(j);
		else if (IS(j, "reasoning_tokens") && !reasoning)
			reasoning = json_count(j);
		else if (IS(j, "completion_tokens_details") || IS(j, "output_tokens_details") ||
			 IS(j, "output_token_details"))
			reasoning = read_answer_details(j, &u);
		else if (IS(j, "prompt_tokens_details") || IS(j, "input_tokens_details") ||
			 IS(j, "input_token_details"))
			read_prompt_details(j, &u);
		else if (IS(j, "seconds"))
			u.milliseconds = read_milliseconds(j);
		else if (IS(j, "prompt_cache_hit_tokens") && !u.cache_read)
			u.cache_read = json_count(j);
		else if (IS(j, "num_search_queries"))	/* Perplexity's */
			u.web_searches = llm_searches_of(j);
		else if (IS(j, "search_context_size"))
			u.search_size = (uint8_t)llm_search_size_of(j);
		else if (IS(j, "server_tool_use"))	/* LiteLLM's, of Anthropic's */
			u.web_searches = llm_searches_of(json_get(j, "web_search_requests"));
		else if (IS(j, "service_tier"))
			u.tier = (uint8_t)llm_tier_of(j);
	}
	u.input = input;
	u.output = output;
	u.reasoning = reasoning;
	usage_clamp(&u);
	/* Some leave the reasoning out of the output; their total tells. */
	if (reasoning && total > 0 && total == u.input + u.output + reasoning)
		u.output += reasoning;
	if (!input && !output)
		u.input = total;
	u.reasoning = reasoning;
	usage_clamp(&u);
	*ret = u;
}

static int emit_usage(const struct reading *r, const struct json *usage)
{
	struct llm_event ev = { .kind = EV_USAGE };
	if (!json_is(usage, JSON_OBJECT))
		return 0;
	openai_read_usage(usage, &ev.usage);
	if (r->rd->tier)
		ev.usage.tier = r->rd->tier;
	return emit(r, &ev);
}

/* --- tool calls --- */

static struct openai_choice *choice_of(const struct reading *r)
{
	struct openai_choice *c = r->rd->choices;
	while (c && c->index != r->choice)
		c = c->next;
	return c;
}

static struct openai_choice *choice_new(const struct reading *r)
{
	struct openai_choice *c = arena_alloc(r->rd->mem, sizeof *c);
	if (!c)
		return NULL;
	c->index = r->choice;
	c->next = r->rd->choices;
	r->rd->choices = c;
	return c;
}

/* The call that a fragment belongs to. An index alone is not trusted where the id says that
 * another call has begun, and without an index the id, or the last call, is what there is. */
static struct openai_call *find_call(const struct openai_choice *c, int64_t wire, uint64_t id)
{
	for (struct openai_call *k = c->calls; k; k = k->next) {
		if (wire >= 0 && k->wire != wire)
			continue;
		if (!id || !k->id || k->id == id)
			return k;
	}
	return NULL;
}

static int start_call(const struct reading *r, struct openai_choice *c, int64_t wire, struct str id,
		      struct str name, struct openai_call **ret)
{
	struct llm_event ev = {
		.kind = EV_TOOL_START, .choice = r->choice, .id = id, .name = name,
	};
	if (c->n_calls >= CALLS_MAX)
		return -EBADMSG;
	struct openai_call *k = arena_alloc(r->rd->mem, sizeof *k);
	if (!k)
		return -ENOMEM;
	ev.tool = k->number = c->n_calls++;
	k->wire = wire;
	k->id = id.n ? hash_stable(id) : 0;
	k->next = c->calls;
	c->calls = k;
	*ret = k;
	return emit(r, &ev);
}

/* Arguments should be a text; some send an object. */
static int emit_arguments(const struct reading *r, const struct openai_call *k,
			  const struct json *j)
{
	struct llm_event ev = { .kind = EV_TOOL_ARGS, .choice = r->choice, .tool = k->number };
	if (!json_is_given(j))
		return 0;
	ev.text = j->type == JSON_STRING ? json_str(r->scratch, j) : j->raw;
	if (!ev.text.p)
		return -ENOMEM;
	return ev.text.n ? emit(r, &ev) : 0;
}

static int read_call(const struct reading *r, const struct json *call, unsigned position)
{
	const struct json *body = json_get(call, "function"), *custom = json_get(call, "custom");
	bool is_custom = !json_is(body, JSON_OBJECT) && json_is(custom, JSON_OBJECT);
	struct str id = json_get_str(r->scratch, call, "id");
	int64_t wire = -1;
	if (is_custom)
		body = custom;
	if (json_read_i64(json_get(call, "index"), &wire) != 0)
		wire = r->is_whole ? (int64_t)position : -1;
	struct str name = json_get_str(r->scratch, body, "name");
	struct openai_choice *c = choice_of(r);
	if (!c)
		c = choice_new(r);
	if (!c)
		return -ENOMEM;
	struct openai_call *k = NULL;
	if (wire >= 0 || id.n || !name.n)	/* else a name alone begins another call */
		k = find_call(c, wire, id.n ? hash_stable(id) : 0);
	if (!k) {
		int err = start_call(r, c, wire, id, name, &k);
		if (err)
			return err;
	}
	return emit_arguments(r, k, json_get(body, is_custom ? "input" : "arguments"));
}

static int read_calls(const struct reading *r, const struct json *calls)
{
	unsigned position = 0;
	if (!json_is(calls, JSON_ARRAY))
		return 0;
	for (const struct json *j = calls->child; j; j = j->next) {
		int err = json_is(j, JSON_OBJECT) ? read_call(r, j, position++) : -EBADMSG;
		if (err)
			return err;
	}
	return 0;
}

/* The old form: one call without id or index. */
static int read_function_call(const struct reading *r, const struct json *call)
{
	struct openai_choice *c = choice_of(r);
	struct openai_call *k;
	int err = 0;
	if (!c)
		c = choice_new(r);
	if (!c)
		return -ENOMEM;
	k = c->calls;
	if (!k)
		err = start_call(r, c, -1, STR_NONE, json_get_str(r->scratch, call, "name"), &k);
	return err ? err : emit_arguments(r, k, json_get(call, "arguments"));
}

/* --- texts --- */

/* {"type":"thinking","thinking":[{"type":"text","text":"..."}]}, or a string in its place. */
static int read_thinking(const struct reading *r, const struct json *thinking)
{
	if (json_is(thinking, JSON_STRING))
		return emit_text(r, EV_REASONING, thinking);
	if (!json_is(thinking, JSON_ARRAY))
		return 0;
	for (const struct json *j = thinking->child; j; j = j->next) {
		const struct json *text = json_get(j, "text");
		int err = json_is(text, JSON_STRING) ? emit_text(r, EV_REASONING, text) : 0;
		if (err)
			return err;
	}
	return 0;
}

static int read_part(const struct reading *r, const struct json *part)
{
	const struct json *text = json_get(part, "text"), *refusal = json_get(part, "refusal");
	if (json_is(text, JSON_STRING))
		return emit_text(r, EV_TEXT, text);
	if (json_is(refusal, JSON_STRING))
		return emit_text(r, EV_REFUSAL, refusal);
	return read_thinking(r, json_get(part, "thinking"));
}

static int read_content(const struct reading *r, const struct json *content)
{
	if (content->type == JSON_STRING)
		return emit_text(r, EV_TEXT, content);
	if (content->type != JSON_ARRAY)
		return json_is_given(content) ? -EBADMSG : 0;
	for (const struct json *j = content->child; j; j = j->next) {
		int err = read_part(r, j);
		if (err)
			return err;
	}
	return 0;
}

/* LiteLLM's: each thought with its signature. Their texts stand in reasoning_content, too. */
static int read_thinking_blocks(const struct reading *r, const struct json *blocks, bool has_text)
{
	struct llm_event ev = { .kind = EV_REASONING, .choice = r->choice };
	int err = 0;
	for (const struct json *j = blocks->child; j && !err; j = j->next) {
		const struct json *text = json_get(j, "thinking");
		if (!has_text && json_is(text, JSON_STRING))
			err = emit_text(r, EV_REASONING, text);
		ev.signature = json_get_str(r->scratch, j, "signature");
		if (!err && ev.signature.n)
			err = emit(r, &ev);
	}
	return err;
}

/* delta or message. Reasoning goes first: that is its order in a whole message, too. */
static int read_message(const struct reading *r, const struct json *message)
{
	const struct json *content = NULL, *thought = NULL, *refusal = NULL;
	const struct json *calls = NULL, *call = NULL, *blocks = NULL;
	int err = 0;
	for (const struct json *j = message->child; j; j = j->next) {
		if (j->type == JSON_NULL)
			continue;
		if (IS(j, "content"))
			content = j;
		else if (IS(j, "reasoning_content") || (IS(j, "reasoning") && !thought))
			thought = j;
		else if (IS(j, "thinking_blocks"))
			blocks = j;
		else if (IS(j, "refusal"))
			refusal = j;
		else if (IS(j, "tool_calls"))
			calls = j;
		else if (IS(j, "function_call"))
			call = j;
	}
	if (json_is(thought, JSON_STRING))
		err = emit_text(r, EV_REASONING, thought);
	if (!err && json_is(blocks, JSON_ARRAY))
		err = read_thinking_blocks(r, blocks, json_is(thought, JSON_STRING));
	if (!err && content)
		err = read_content(r, content);
	if (!err && json_is(refusal, JSON_STRING))
		err = emit_text(r, EV_REFUSAL, refusal);
	if (!err && calls)
		err = read_calls(r, calls);
	if (!err && json_is(call, JSON_OBJECT))
		err = read_function_call(r, call);
	return err;
}

/* --- choices --- */

static int emit_failure(const struct reading *r, struct str native)
{
	struct llm_event ev;
	int err = llm_failure_event(r->rd->mem, native, &ev);
	return err ? err : emit(r, &ev);
}

static int read_finish(const struct reading *r, const struct json *reason)
{
	struct llm_event ev = { .kind = EV_FINISH, .choice = r->choice, .native = STR("") };
	if (json_is(reason, JSON_STRING))
		ev.native = json_str(r->scratch, reason);
	if (!ev.native.p)
		return -ENOMEM;
	if (!ev.native.n && !r->is_whole)
		return 0;
	ev.finish = llm_finish_of(ev.native);
	if (ev.finish == FINISH_NONE)
		return emit_failure(r, ev.native);
	const struct openai_choice *c = choice_of(r);
	if (ev.finish == FINISH_STOP && c && c->n_calls)
		ev.finish = FINISH_TOOL_CALLS;
	return emit(r, &ev);
}

static int read_choice(struct reading *r, const struct json *choice, unsigned position)
{
	const struct json *message = NULL, *text = NULL, *reason = NULL, *usage = NULL;
	int64_t index = (int64_t)position;
	int err = 0;
	for (const struct json *j = choice->child; j; j = j->next) {
		if (IS(j, "delta") || IS(j, "message"))
			message = json_is(message, JSON_OBJECT) ? message : j;
		else if (IS(j, "text"))
			text = j;
		else if (IS(j, "finish_reason"))
			reason = j;
		else if (IS(j, "index") && json_read_i64(j, &index) != 0)
			index = (int64_t)position;
		else if (IS(j, "usage"))
			usage = j;
	}
	if (index < 0 || index >= CHOICES_MAX)
		return -EBADMSG;
	r->choice = (unsigned)index;
	if (json_is(message, JSON_OBJECT))
		err = read_message(r, message);
	else if (json_is(text, JSON_STRING))
		err = emit_text(r, EV_TEXT, text);
	if (!err)
		err = read_finish(r, reason);
	return err ? err : emit_usage(r, usage);
}

static int read_choices(struct reading *r, const struct json *choices)
{
	unsigned position = 0;
	for (const struct json *j = choices->child; j; j = j->next) {
		int err = json_is(j, JSON_OBJECT) ? read_choice(r, j, position++) : -EBADMSG;
		if (err)
			return err;
	}
	return 0;
}

/* --- chunks and answers --- */

static int emit_error(const struct reading *r, const struct json *root)
{
	struct llm_event ev;
	int err = llm_read_error_event(r->rd->mem, 0, root, &ev);
	return err ? err : emit(r, &ev);
}

static int emit_start(const struct reading *r, const struct json *id, const struct json *model,
		      const struct json *created)
{
	struct llm_event ev = { .kind = EV_START };
	if (r->rd->is_started)
		return 0;
	r->rd->is_started = true;
	ev.id = json_str(r->scratch, id);
	ev.model = json_str(r->scratch, model);
	ev.created_s = (int64_t)json_count(created);
	return emit(r, &ev);
}

static bool is_error(const struct json *j)
{
	return j->type == JSON_OBJECT ? j->count > 0 : j->type == JSON_STRING && j->raw.n > 2;
}

static int read_root(struct reading *r, const struct json *root)
{
	const struct json *id = NULL, *model = NULL, *created = NULL;
	const struct json *choices = NULL, *usage = NULL, *groq = NULL;
	for (const struct json *j = root->child; j; j = j->next) {
		if (IS(j, "choices"))
			choices = j;
		else if (IS(j, "id"))
			id = j;
		else if (IS(j, "model"))
			model = j;
		else if (IS(j, "created"))
			created = j;
		else if (IS(j, "usage"))
			usage = j;
		else if (IS(j, "x_groq"))
			groq = j;
		else if (IS(j, "service_tier"))
			r->rd->tier = (uint8_t)llm_tier_of(j);
		else if (IS(j, "error") && is_error(j))
			return emit_error(r, root);
	}
	bool has_choices = json_is(choices, JSON_ARRAY);
	if (r->is_whole && !has_choices)
		return -EBADMSG;
	int err = 0;
	/* A word on the prompt may come before anything that has a name. */
	if ((has_choices && choices->count) || (json_is(id, JSON_STRING) && id->raw.n > 2))
		err = emit_start(r, id, model, created);
	if (!err && has_choices)
		err = read_choices(r, choices);
	if (!err)
		err = emit_usage(r, json_is(usage, JSON_OBJECT) ? usage : json_get(groq, "usage"));
	return err;
}

static int emit_end(const struct reading *r)
{
	struct llm_event ev = { .kind = EV_END };
	return emit(r, &ev);
}

static bool is_done(struct str data)
{
	while (data.n && (data.p[0] == ' ' || data.p[0] == '\t' || data.p[0] == '\n'))
		data = str_skip(data, 1);
	return str_starts(data, STR("[DONE]"));
}

int openai_read_event(struct openai_reader *rd, struct arena *scratch, struct str data,
		      const struct json **ret_root, llm_emit_fn *emit_fn, void *emit_data)
{
	struct reading r = { .rd = rd, .scratch = scratch, .emit = emit_fn, .data = emit_data };
	struct json_error error;
	*ret_root = NULL;
	if (is_done(data))
		return emit_end(&r);
	const struct json *root = json_parse(scratch, data, 0, &error);
	if (!json_is(root, JSON_OBJECT))
		return -EBADMSG;
	*ret_root = root;
	return read_root(&r, root);
}

int openai_read_answer(struct openai_reader *rd, const struct json *root, llm_emit_fn *emit_fn,
		       void *emit_data)
{
	struct reading r = {
		.rd = rd, .scratch = rd->mem, .emit = emit_fn, .data = emit_data, .is_whole = true,
	};
	if (!json_is(root, JSON_OBJECT))
		return -EBADMSG;
	int err = read_root(&r, root);
	return err ? err : emit_end(&r);
}

/* --- embeddings --- */

int openai_read_list(struct str body, struct openai_list *ret)
{
	struct openai_list list = { 0 };
	struct skim s;
	struct str key, value;
	if (!skim_open(&s, body) || !s.is_object)
		return -EBADMSG;
	while (skim_next(&s, &key, &value)) {
		if (str_eq(key, STR("data")))
			list.data = value;
		else if (str_eq(key, STR("usage")))
			list.usage = value;
		else if (str_eq(key, STR("model")))
			list.model = value;
		else if (str_eq(key, STR("error")) && !str_eq(value, STR("null")))
			list.error = value;
	}
	if (s.is_broken)
		return -EBADMSG;
	*ret = list;
	return 0;
}

/* The members of an item, in one pass: it may be long. */
static bool read_item(struct str item, struct str *ret_vector, uint64_t *ret_index)
{
	struct skim s;
	struct str key, value;
	*ret_vector = STR_NONE;
	if (!skim_open(&s, item) || !s.is_object)
		return false;
	while (skim_next(&s, &key, &value)) {
		if (str_eq(key, STR("embedding")))
			*ret_vector = value;
		else if (str_eq(key, STR("index")) && str_read_u64(value, ret_index) != 0)
			return false;
	}
	return !s.is_broken && ret_vector->p;
}

static int emit_vector(const struct reading *r, struct str item, unsigned position)
{
	struct llm_event ev = { .kind = EV_VECTOR };
	uint64_t index = position;
	if (!read_item(item, &ev.text, &index) || index >= UINT32_MAX)
		return -EBADMSG;
	ev.choice = (unsigned)index;
	if (skim_is_base64(ev.text))
		ev.text = str_of(ev.text.p + 1, ev.text.n - 2);
	else if (!skim_is_numbers(ev.text))
		return -EBADMSG;
	return emit(r, &ev);
}

static int emit_vectors(const struct reading *r, struct str data)
{
	struct skim s;
	struct str key, item;
	unsigned position = 0;
	if (!skim_open(&s, data) || s.is_object)
		return -EBADMSG;
	while (skim_next(&s, &key, &item)) {
		int err = emit_vector(r, item, position++);
		if (err)
			return err;
	}
	return s.is_broken ? -EBADMSG : 0;
}

int openai_read_vectors(struct openai_reader *rd, struct str body, llm_emit_fn *emit_fn,
			void *emit_data)
{
	struct reading r = { .rd = rd, .scratch = rd->mem, .emit = emit_fn, .data = emit_data };
	struct openai_list list;
	struct json_error error;
	int err = openai_read_list(body, &list);
	if (err)
		return err;
	if (list.error.p) {
		const struct json *root = json_parse(rd->mem, body, 0, &error);
		return root ? emit_error(&r, root) : -EBADMSG;
	}
	err = emit_start(&r, NULL, json_parse(rd->mem, list.model, 0, &error), NULL);
	if (!err)
		err = emit_vectors(&r, list.data);
	if (!err && list.usage.p)
		err = emit_usage(&r, json_parse(rd->mem, list.usage, 0, &error));
	return err ? err : emit_end(&r);
}
