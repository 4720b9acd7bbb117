/* SPDX-License-Identifier: MIT
 * dialect_gemini.c - answers in the Gemini format, whole and as streams.
 *
 * Each item of a stream is an answer with one part. Calls come whole in this format: their pieces
 * are kept until the end, and so are finish reasons, since the last item has them and the usage. */
#include "worker/client/dialect_gemini.h"

#include <errno.h>

#include "common/hash.h"

enum { CHOICES_MAX = 2048, CALLS_MAX = 512 };

struct gem_call {
	struct gem_call *next;
	unsigned tool;
	struct str id, name;
	struct rope args;
};
struct gem_choice {
	struct gem_choice *next;
	unsigned index;
	enum llm_finish finish;		/* FINISH_NONE: it goes on */
	struct gem_call *calls;
};

/* --- parts --- */

static void open_candidate(struct json_out *o)
{
	json_open(o, NULL);
	json_open(o, "content");
	json_open_array(o, "parts");
}

static const char *finish_name(enum llm_finish f)
{
	switch (f) {
	case FINISH_LENGTH:
		return "MAX_TOKENS";
	case FINISH_FILTER:
		return "SAFETY";
	default:
		return "STOP";
	}
}

/* finish FINISH_NONE: not yet. */
static void close_candidate(struct json_out *o, unsigned index, enum llm_finish finish)
{
	json_close_array(o);
	json_put_z(o, "role", "model");
	json_close(o);
	if (finish != FINISH_NONE)
		json_put_z(o, "finishReason", finish_name(finish));
	json_put_u64(o, "index", index);
	json_close(o);
}

static void put_text(struct json_out *o, struct str text, bool is_thought, struct str signature)
{
	json_open(o, NULL);
	json_put_str(o, "text", text.p ? text : STR(""));
	if (is_thought)
		json_put_bool(o, "thought", true);
	if (signature.n)
		json_put_str(o, "thoughtSignature", signature);
	json_close(o);
}

/* What is no object is told as text. */
static int put_args(const struct dialect_answer *an, struct json_out *o, struct str text)
{
	const struct json *j;
	int err = gemini_parse(an->mem, text, &j);
	if (json_is(j, JSON_OBJECT)) {
		json_put_line(o, "args", j->raw);
		return 0;
	}
	json_open(o, "args");
	if (text.n)
		json_put_str(o, "_raw", text);
	json_close(o);
	return err;
}

/* Every call of an answer has an id of its own, made where the provider gave none. */
static struct str id_of(const struct dialect_answer *an, struct str id, unsigned choice,
			unsigned tool)
{
	id = gemini_bare_id(id);
	if (id.n)
		return id;
	uint64_t h = hash_stable(an->id);
	return arena_printf(an->mem, "call_%016llx%04x%04x", (unsigned long long)h,
			    choice & 0xffff, tool & 0xffff);
}

static int put_call(const struct dialect_answer *an, struct json_out *o, unsigned choice,
		    unsigned tool, struct str given, struct str name, const struct rope *pieces)
{
	struct str id = id_of(an, given, choice, tool), args = rope_join(an->mem, pieces);
	struct str signature;
	int err = gemini_id_signature(an->mem, given, &signature);
	if (err || !id.p || !args.p)
		return -ENOMEM;
	json_open(o, NULL);
	json_open(o, "functionCall");
	json_put_str(o, "id", id);
	json_put_str(o, "name", name.p ? name : STR(""));
	err = put_args(an, o, args);
	json_close(o);
	if (signature.n)
		json_put_str(o, "thoughtSignature", signature);
	json_close(o);
	return err;
}

/* --- what stands beside the candidates --- */

static void put_usage(const struct dialect_answer *an, struct json_out *o)
{
	struct usage u = oai_usage(an);
	json_open(o, "usageMetadata");
	json_put_u64(o, "promptTokenCount", u.input);
	json_put_u64(o, "candidatesTokenCount", u.output - u.reasoning);
	if (u.reasoning)
		json_put_u64(o, "thoughtsTokenCount", u.reasoning);
	if (u.cache_read)
		json_put_u64(o, "cachedContentTokenCount", u.cache_read);
	json_put_u64(o, "totalTokenCount", u.input + u.output);
	json_close(o);
}

static void put_names(const struct dialect_answer *an, struct json_out *o, struct str id)
{
	json_put_str(o, "modelVersion", an->model);
	json_put_str(o, "responseId", id.n ? id : an->id);
}

/* --- streams --- */

struct gem_stream *gem_stream(struct dialect_answer *an, bool is_array)
{
	struct gem_stream *s = an->state;
	if (s)
		return s;
	s = an->state = arena_alloc(an->mem, sizeof *s);
	if (s) {
		s->is_array = is_array;
		s->reader = (struct gemini_reader){ .mem = an->mem, .q = an->q };
	}
	return s;
}

void gem_open_item(struct gem_stream *s, struct buf *out)
{
	if (!s->is_array)
		BUF_PUT_LIT(out, "data: ");
	else
		buf_put_z(out, s->has_items ? ",\r\n" : "[");
	s->has_items = true;
}

static void close_item(const struct gem_stream *s, struct buf *out)
{
	if (!s->is_array)
		BUF_PUT_LIT(out, "\r\n\r\n");
}

static int find_choice(struct dialect_answer *an, struct gem_stream *s, unsigned index,
		       struct gem_choice **ret)
{
	struct gem_choice **at = &s->choices;
	if (s->recent && s->recent->index <= index)
		at = s->recent->index == index ? &s->recent : &s->recent->next;
	while (*at && (*at)->index < index)
		at = &(*at)->next;
	if (!*at || (*at)->index != index) {
		struct gem_choice *one = arena_alloc(an->mem, sizeof *one);
		if (!one)
			return -ENOMEM;
		one->index = index;
		one->next = *at;
		*at = one;
	}
	*ret = s->recent = *at;
	return 0;
}

static int find_call(struct dialect_answer *an, struct gem_choice *c, unsigned tool,
		     struct gem_call **ret)
{
	struct gem_call **at = &c->calls;
	while (*at && (*at)->tool < tool)
		at = &(*at)->next;
	if (!*at || (*at)->tool != tool) {
		struct gem_call *one = arena_alloc(an->mem, sizeof *one);
		if (!one)
			return -ENOMEM;
		one->tool = tool;
		one->next = *at;
		*at = one;
	}
	*ret = *at;
	return 0;
}

static int keep(struct arena *a, struct str *to, struct str s)
{
	if (!s.p || to->p)
		return 0;
	*to = arena_dup(a, s);
	return to->p ? 0 : -ENOMEM;
}

static int keep_call(struct dialect_answer *an, struct gem_choice *c, const struct llm_event *ev)
{
	struct gem_call *k;
	if (ev->tool >= CALLS_MAX)
		return 0;
	int err = find_call(an, c, ev->tool, &k);
	if (err)
		return err;
	if (ev->kind == EV_TOOL_ARGS)
		return rope_add(an->mem, &k->args, ev->text);
	err = keep(an->mem, &k->id, ev->id);
	return err ? err : keep(an->mem, &k->name, ev->name);
}

static void put_item(struct dialect_answer *an, struct gem_stream *s, const struct llm_event *ev,
		     struct buf *out)
{
	struct json_out o = json_out(out);
	gem_open_item(s, out);
	json_open(&o, NULL);
	json_open_array(&o, "candidates");
	open_candidate(&o);
	put_text(&o, ev->text, ev->kind == EV_REASONING,
		 ev->kind == EV_REASONING ? ev->signature : STR_NONE);
	close_candidate(&o, ev->choice, FINISH_NONE);
	json_close_array(&o);
	put_names(an, &o, s->id);
	json_close(&o);
	close_item(s, out);
}

static int put_end(struct dialect_answer *an, struct json_out *o, const struct gem_choice *c)
{
	enum llm_finish finish = c->finish == FINISH_NONE ? FINISH_STOP : c->finish;
	int err = 0;
	open_candidate(o);
	if (!c->calls)
		put_text(o, STR(""), false, STR_NONE);
	for (const struct gem_call *k = c->calls; k && !err; k = k->next)
		err = put_call(an, o, c->index, k->tool, k->id, k->name, &k->args);
	close_candidate(o, c->index, finish);
	return err;
}

/* A choice that the provider left open ends as well. */
static int end_stream(struct dialect_answer *an, struct gem_stream *s, struct buf *out)
{
	static const struct gem_choice empty;
	const struct gem_choice *c = s->choices ? s->choices : &empty;
	struct json_out o = json_out(out);
	int err = 0;
	if (an->is_ended)
		return 0;
	if (!s->is_forwarded) {
		gem_open_item(s, out);
		json_open(&o, NULL);
		json_open_array(&o, "candidates");
		for (; c && !err; c = c->next)
			err = put_end(an, &o, c);
		if (err)
			return err;
		json_close_array(&o);
		put_usage(an, &o);
		put_names(an, &o, s->id);
		json_close(&o);
		close_item(s, out);
	}
	if (s->is_array)
		buf_put_z(out, s->has_items ? "]" : "[]");
	an->is_ended = true;
	return 0;
}

static int write_content(struct dialect_answer *an, struct gem_stream *s,
			 const struct llm_event *ev,
			 struct buf *out)
{
	struct gem_choice *c;
	int err = find_choice(an, s, ev->choice, &c);
	if (err || c->finish != FINISH_NONE)	/* what comes after a choice's end is nothing */
		return err;
	switch (ev->kind) {
	case EV_TEXT:
	case EV_REFUSAL:
		put_item(an, s, ev, out);
		return 0;
	case EV_REASONING:
		if (ev->text.n || ev->signature.n)
			put_item(an, s, ev, out);
		return 0;
	case EV_TOOL_START:
	case EV_TOOL_ARGS:
		return keep_call(an, c, ev);
	case EV_FINISH:
		c->finish = ev->finish;
		return 0;
	default:
		return 0;
	}
}

static int write_event(struct dialect_answer *an, const struct llm_event *ev, struct buf *out,
		       bool is_array)
{
	struct gem_stream *s = gem_stream(an, is_array);
	if (!s)
		return -ENOMEM;
	llm_tally_event(&an->tally, ev);
	switch (ev->kind) {
	case EV_START:
		return ev->id.n ? keep(an->mem, &s->id, ev->id) : 0;
	case EV_USAGE:
	case EV_ERROR:
	case EV_VECTOR:
		return 0;
	case EV_END:
		return end_stream(an, s, out);
	default:
		if (ev->choice >= CHOICES_MAX || an->is_ended)
			return 0;
		return write_content(an, s, ev, out);
	}
}

static int write_sse(struct dialect_answer *an, const struct llm_event *ev, struct buf *out)
{
	return write_event(an, ev, out, false);
}

static int write_item(struct dialect_answer *an, const struct llm_event *ev, struct buf *out)
{
	return write_event(an, ev, out, true);
}

static int resume(struct dialect_answer *an)
{
	struct gem_stream *s = an->state;
	if (!s || s->is_oversize)
		return -EINVAL;
	s->is_forwarded = false;
	return 0;
}

/* --- plain answers --- */

static int put_choice(const struct dialect_answer *an, struct json_out *o,
		      const struct collected_choice *c)
{
	struct str thought = rope_join(an->mem, &c->reasoning), text = rope_join(an->mem, &c->text);
	int err = thought.p && text.p ? 0 : -ENOMEM;
	open_candidate(o);
	if (thought.n || c->signature.n)
		put_text(o, thought, true, c->signature);
	if (text.n || !c->calls)
		put_text(o, text, false, STR_NONE);
	for (const struct collected_call *k = c->calls; k && !err; k = k->next)
		err = put_call(an, o, c->index, k->tool, k->id, k->name, &k->args);
	close_candidate(o, c->index, c->finish == FINISH_NONE ? FINISH_STOP : c->finish);
	return err;
}

static int write_answer(struct dialect_answer *an, struct buf *out)
{
	static const struct collected_choice empty;
	const struct collected *all = collected(an);
	const struct collected_choice *c = all->choices ? all->choices : &empty;
	struct json_out o = json_out(out);
	int err = 0;
	json_open(&o, NULL);
	json_open_array(&o, "candidates");
	for (; c && !err; c = c->next)
		err = put_choice(an, &o, c);
	if (err)
		return err;
	json_close_array(&o);
	put_usage(an, &o);
	put_names(an, &o, all->id);
	json_close(&o);
	return 0;
}

/* --- errors --- */

static const char *status_name(int status)
{
	static const struct {
		int status;
		const char *name;
	} names[] = {
		{ 401, "UNAUTHENTICATED" },    { 402, "RESOURCE_EXHAUSTED" },
		{ 403, "PERMISSION_DENIED" },  { 404, "NOT_FOUND" },
		{ 405, "UNIMPLEMENTED" },      { 408, "DEADLINE_EXCEEDED" },
		{ 409, "ABORTED" },	       { 429, "RESOURCE_EXHAUSTED" },
		{ 499, "CANCELLED" },	       { 503, "UNAVAILABLE" },
		{ 504, "DEADLINE_EXCEEDED" },  { 529, "UNAVAILABLE" },
	};
	for (size_t i = 0; i < COUNT(names); i++)
		if (names[i].status == status)
			return names[i].name;
	return status < 500 ? "INVALID_ARGUMENT" : "INTERNAL";
}

static void put_delay(struct json_out *o, uint64_t ms)
{
	json_open_array(o, "details");
	json_open(o, NULL);
	json_put_z(o, "@type", "type.googleapis.com/google.rpc.RetryInfo");
	json_put_raw(o, "retryDelay", STR("\""));
	buf_put_u64(o->to, (ms + 999) / 1000);
	BUF_PUT_LIT(o->to, "s\"");
	json_close(o);
	json_close_array(o);
}

static void put_error(struct buf *out, const struct llm_error *e, enum outcome o, int status)
{
	struct json_out j = json_out(out);
	MUST((unsigned)o < OUTCOME_COUNT);
	json_open(&j, NULL);
	json_open(&j, "error");
	json_put_i64(&j, "code", status);
	json_put_str(&j, "message", e && e->message.p ? e->message : str_z(outcome_rows[o].name));
	json_put_z(&j, "status", status_name(status));
	if (e && e->retry_after_ms)
		put_delay(&j, e->retry_after_ms);
	json_close(&j);
	json_close(&j);
}

void gem_write_error(struct buf *out, const struct llm_error *e, enum outcome o, int status,
		     struct str call_id, bool in_stream)
{
	(void)call_id;			/* a header has it */
	if (in_stream)
		BUF_PUT_LIT(out, "data: ");
	put_error(out, e, o, status);
	if (in_stream)
		BUF_PUT_LIT(out, "\r\n\r\n");
}

/* The array is closed: what it held before the error can be read. It has begun, for there are no
 * heartbeats, and so an item stands before. */
static void write_last_item(struct buf *out, const struct llm_error *e, enum outcome o, int status,
			    struct str call_id, bool in_stream)
{
	(void)call_id;
	if (in_stream)
		BUF_PUT_LIT(out, ",\r\n");
	put_error(out, e, o, status);
	if (in_stream)
		buf_put_char(out, ']');
}

/* --- the dialects --- */

static int read_plain(struct arena *a, struct str body, const struct json *root,
		      struct llm_request *ret, struct dialect_error *reterr)
{
	return gem_read_request(a, body, root, false, ret, reterr);
}

static int read_stream(struct arena *a, struct str body, const struct json *root,
		       struct llm_request *ret, struct dialect_error *reterr)
{
	return gem_read_request(a, body, root, true, ret, reterr);
}

const struct dialect *gemini_dialect_for(const struct dialect *d, struct str query)
{
	if (d != &dialect_gemini_array)
		return d;
	while (query.p) {
		struct str one = str_cut(&query, '&');
		if (str_eq(one, STR("alt=sse")))
			return &dialect_gemini_stream;
	}
	return d;
}

const struct dialect dialect_gemini_chat = {
	.name = "gemini.chat",
	.kind = LLM_CHAT,
	.twin = FAMILY_GEMINI,
	.read_request = read_plain,
	.collect = collect_spoken,
	.write_answer = write_answer,
	.forward_request = gem_forward_request,
	.forward_answer = gem_forward_answer,
	.write_error = gem_write_error,
	.stream_type = "text/event-stream",
};

const struct dialect dialect_gemini_stream = {
	.name = "gemini.stream",
	.kind = LLM_CHAT,
	.twin = FAMILY_GEMINI,
	.read_request = read_stream,
	.write_event = write_sse,
	.collect = collect_spoken,
	.write_answer = write_answer,
	.forward_request = gem_forward_request,
	.forward_event = gem_forward_event,
	.resume = resume,
	.forward_answer = gem_forward_answer,
	.write_error = gem_write_error,
	.stream_type = "text/event-stream",
	.heartbeat = ": llmgw\n\n",
};

const struct dialect dialect_gemini_array = {
	.name = "gemini.array",
	.kind = LLM_CHAT,
	.twin = FAMILY_GEMINI,
	.read_request = read_stream,
	.write_event = write_item,
	.collect = collect_spoken,
	.write_answer = write_answer,
	.forward_request = gem_forward_request,
	.forward_event = gem_forward_item,
	.resume = resume,
	.forward_answer = gem_forward_answer,
	.write_error = write_last_item,
	.stream_type = "application/json",
};
