/* SPDX-License-Identifier: MIT
 * gemini_read.c - answers of the Gemini API to neutral events.
 *
 * Each event of a stream is a whole answer whose parts are increments; so both are read by the
 * same functions. What the neutral form has no place for becomes text: images are links with
 * their data in them, code that the model ran stands between fences. */
#include <errno.h>

#include "common/hash.h"
#include "worker/gemini.h"
#include "worker/skim.h"

enum { CALLS_MAX = 512, CHOICES_MAX = 128 };

#define IS(j, name) str_eq((j)->key, STR(name))

struct gemini_choice {
	struct gemini_choice *next;
	unsigned index, n_calls;
	bool is_finished;
};
struct reading {
	struct gemini_reader *rd;
	struct arena *scratch;
	llm_emit_fn *emit;
	void *data;
	struct gemini_choice *choice;
	bool is_whole;
};

static int emit(const struct reading *r, const struct llm_event *ev)
{
	return llm_emit(&r->rd->is_ended, ev, r->emit, r->data);
}

static int emit_piece(const struct reading *r, enum llm_event_kind kind, struct str text)
{
	struct llm_event ev = { .kind = kind, .choice = r->choice->index, .text = text };
	return text.n ? emit(r, &ev) : 0;
}

/* --- usage --- */

/* [{"modality": "AUDIO", "tokenCount": 5}, ...]: those of sound; of images only where they are
 * made, for those that are read cost what text does. */
static uint64_t count_media(const struct json *list, bool with_images)
{
	uint64_t n = 0;
	if (!json_is(list, JSON_ARRAY))
		return 0;
	for (const struct json *j = list->child; j; j = j->next) {
		const struct json *kind = json_get(j, "modality");
		if (kind && (str_eq(kind->raw, STR("\"AUDIO\"")) ||
			     (with_images && str_eq(kind->raw, STR("\"IMAGE\"")))))
			n += json_count(json_get(j, "tokenCount"));
	}
	return n;
}

/* Thoughts stand beside the candidates' tokens, unless the total says that they are among them. */
void gemini_read_usage(const struct json *usage, struct usage *ret)
{
	struct usage u = { 0 };
	uint64_t prompt = 0, tools = 0, said = 0, thought = 0, cached = 0, total = 0;
	uint64_t heard = 0, heard_cached = 0;
	for (const struct json *j = usage->child; j; j = j->next) {
		if (IS(j, "promptTokenCount"))
			prompt = json_count(j);
		else if (IS(j, "toolUsePromptTokenCount"))
			tools = json_count(j);
		else if (IS(j, "candidatesTokenCount"))
			said = json_count(j);
		else if (IS(j, "thoughtsTokenCount"))
			thought = json_count(j);
		else if (IS(j, "cachedContentTokenCount"))
			cached = json_count(j);
		else if (IS(j, "totalTokenCount"))
			total = json_count(j);
		else if (IS(j, "promptTokensDetails"))
			heard = count_media(j, false);
		else if (IS(j, "cacheTokensDetails"))
			heard_cached = count_media(j, false);
		else if (IS(j, "candidatesTokensDetails"))
			u.media_output = count_media(j, true);
		else if (IS(j, "serviceTier") || IS(j, "trafficType"))
			u.tier = (uint8_t)llm_tier_of(j);
	}
	bool is_included = thought > 0 && thought <= said && total > 0 &&
			   prompt + said == total;
	u.input = prompt + tools;
	u.output = said + (is_included ? 0 : thought);
	u.reasoning = thought;
	u.cache_read = cached;
	u.media_input = heard > heard_cached ? heard - heard_cached : 0;
	usage_clamp(&u);
	*ret = u;
}

/* On how many searches the candidates are grounded; a list of them comes with the last event. */
static uint32_t count_searches(const struct json *candidates)
{
	uint64_t n = 0;
	if (!json_is(candidates, JSON_ARRAY))
		return 0;
	for (const struct json *j = candidates->child; j; j = j->next) {
		const struct json *found = json_get_path(j, "groundingMetadata.webSearchQueries");
		n += json_is(found, JSON_ARRAY) ? found->count : 0;
	}
	return n < WEB_SEARCHES_MAX ? (uint32_t)n : WEB_SEARCHES_MAX;
}

static int emit_usage(const struct reading *r, const struct json *usage,
		      const struct json *candidates)
{
	struct llm_event ev = { .kind = EV_USAGE };
	if (!json_is(usage, JSON_OBJECT))
		return 0;
	gemini_read_usage(usage, &ev.usage);
	ev.usage.web_searches = count_searches(candidates);
	return emit(r, &ev);
}

/* --- parts --- */

static int emit_text(const struct reading *r, const struct json *text, bool is_thought,
		     const struct json *signature)
{
	struct llm_event ev = { .kind = is_thought ? EV_REASONING : EV_TEXT };
	ev.choice = r->choice->index;
	ev.text = json_str(r->scratch, text);
	if (!ev.text.p)
		return text->type == JSON_STRING ? -ENOMEM : -EBADMSG;
	if (is_thought && json_is(signature, JSON_STRING) && signature->raw.n > 2) {
		ev.signature = json_str(r->scratch, signature);
		if (!ev.signature.p)
			return -ENOMEM;
	}
	return ev.text.n || ev.signature.n ? emit(r, &ev) : 0;
}

/* An id that no other call of the conversation has, for one that comes without. */
static struct str make_id(const struct reading *r)
{
	struct gemini_reader *rd = r->rd;
	if (!rd->seed)
		rd->seed = hash_stable(rd->q->body);
	return arena_printf(r->scratch, "call_%016llx%04x%04x", (unsigned long long)rd->seed,
			    r->choice->index & 0xffff, r->choice->n_calls & 0xffff);
}

static int emit_call(const struct reading *r, const struct json *call, const struct json *signature)
{
	const struct json *args = json_get(call, "args");
	struct llm_event ev = { .kind = EV_TOOL_START, .choice = r->choice->index };
	if (call->type != JSON_OBJECT || r->choice->n_calls >= CALLS_MAX)
		return -EBADMSG;
	ev.name = json_get_str(r->scratch, call, "name");
	ev.id = json_get_str(r->scratch, call, "id");
	if (!ev.id.n)
		ev.id = make_id(r);
	if (json_is(signature, JSON_STRING) && ev.id.p)
		ev.id = gemini_join_id(r->scratch, ev.id, json_str(r->scratch, signature));
	if (!ev.id.p)
		return -ENOMEM;
	ev.tool = r->choice->n_calls++;
	int err = emit(r, &ev);
	ev.kind = EV_TOOL_ARGS;
	ev.text = json_is(args, JSON_OBJECT) ? args->raw : STR("{}");
	return err ? err : emit(r, &ev);
}

/* ![image](data:image/png;base64,...), or a link without the "!" for what is no image. */
static int emit_medium(const struct reading *r, const struct json *medium)
{
	struct str mime = json_get_str(r->scratch, medium, "mimeType");
	struct str data = json_get_str(r->scratch, medium, "data");
	bool is_image = str_starts(mime, STR("image/"));
	if (!data.n)
		return 0;
	struct str text = arena_printf(r->scratch, "%s" STR_FMT ";base64," STR_FMT ")",
				       is_image ? "![image](data:" : "[data](data:",
				       STR_ARG(mime), STR_ARG(data));
	return text.p ? emit_piece(r, EV_TEXT, text) : -ENOMEM;
}

static bool is_lower(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 'a' || s.p[i] > 'z')
			return false;
	return s.n > 0;
}

static int emit_fenced(const struct reading *r, const struct json *text, const char *language)
{
	struct str s = json_str(r->scratch, text);
	if (str_ends(s, STR("\n")))
		s.n--;
	if (!s.n)
		return 0;
	s = arena_printf(r->scratch, "\n```%s\n" STR_FMT "\n```\n", language, STR_ARG(s));
	return s.p ? emit_piece(r, EV_TEXT, s) : -ENOMEM;
}

static int emit_code(const struct reading *r, const struct json *code)
{
	struct str language = json_get_str(r->scratch, code, "language");
	const char *name = str_eq(language, STR("PYTHON")) ? "python" : "";
	char lower[16] = "";
	if (is_lower(language) && language.n < sizeof lower)
		memcpy(lower, language.p, language.n);
	return emit_fenced(r, json_get(code, "code"), name[0] ? name : lower);
}

struct members {			/* of a part; NULL: not there */
	const struct json *text, *thought, *signature, *call, *medium, *code, *result;
};

static void sort_part(const struct json *part, struct members *m)
{
	for (const struct json *j = part->child; j; j = j->next) {
		if (j->type == JSON_NULL)
			continue;
		if (IS(j, "text"))
			m->text = j;
		else if (IS(j, "thought"))
			m->thought = j;
		else if (IS(j, "thoughtSignature"))
			m->signature = j;
		else if (IS(j, "functionCall"))
			m->call = j;
		else if (IS(j, "inlineData"))
			m->medium = j;
		else if (IS(j, "executableCode"))
			m->code = j;
		else if (IS(j, "codeExecutionResult"))
			m->result = j;
	}
}

static int read_part(const struct reading *r, const struct json *part)
{
	struct members m = { 0 };
	if (part->type != JSON_OBJECT)
		return -EBADMSG;
	sort_part(part, &m);
	if (m.call)
		return emit_call(r, m.call, m.signature);
	if (m.text)
		return emit_text(r, m.text, json_is_true(m.thought), m.signature);
	if (m.medium)
		return emit_medium(r, m.medium);
	if (m.code)
		return emit_code(r, m.code);
	return m.result ? emit_fenced(r, json_get(m.result, "output"), "") : 0;
}

static int read_parts(const struct reading *r, const struct json *content)
{
	const struct json *parts = json_get(content, "parts");
	int err = json_is_given(parts) && parts->type != JSON_ARRAY ? -EBADMSG : 0;
	for (const struct json *j = json_is(parts, JSON_ARRAY) ? parts->child : NULL; j && !err;
	     j = j->next)
		err = read_part(r, j);
	return err;
}

/* --- the end of a candidate --- */

static enum llm_finish finish_of(struct str native)
{
	static const struct str filters[] = {
		STR("SAFETY"), STR("RECITATION"), STR("LANGUAGE"), STR("BLOCKLIST"),
		STR("PROHIBITED_CONTENT"), STR("SPII"), STR("IMAGE_SAFETY"),
		STR("IMAGE_PROHIBITED_CONTENT"), STR("IMAGE_RECITATION"),
	};
	if (str_eq(native, STR("MAX_TOKENS")))
		return FINISH_LENGTH;
	for (size_t i = 0; i < COUNT(filters); i++)
		if (str_eq(native, filters[i]))
			return FINISH_FILTER;
	return FINISH_STOP;
}

static int emit_finish(const struct reading *r, enum llm_finish finish, struct str native)
{
	struct llm_event ev = { .kind = EV_FINISH, .finish = finish, .native = native };
	if (r->choice->is_finished)
		return 0;
	r->choice->is_finished = true;
	ev.choice = r->choice->index;
	if (finish == FINISH_STOP && r->choice->n_calls)
		ev.finish = FINISH_TOOL_CALLS;
	return emit(r, &ev);
}

static int read_finish(const struct reading *r, const struct json *reason)
{
	struct str native = STR("");
	if (json_is(reason, JSON_STRING))
		native = json_str(r->scratch, reason);
	if (!native.p)
		return -ENOMEM;
	return native.n || r->is_whole ? emit_finish(r, finish_of(native), native) : 0;
}

/* --- candidates --- */

static int choose(struct reading *r, unsigned index)
{
	struct gemini_choice **at = &r->rd->choices;
	if (index >= CHOICES_MAX)
		return -EBADMSG;
	while (*at && (*at)->index != index)
		at = &(*at)->next;
	if (!*at) {
		*at = arena_alloc(r->rd->mem, sizeof **at);
		if (!*at)
			return -ENOMEM;
		(*at)->index = index;
	}
	r->choice = *at;
	return 0;
}

/* An index of 0 is left out, as all zeros are. */
static int read_candidate(struct reading *r, const struct json *candidate, unsigned position)
{
	const struct json *content = NULL, *reason = NULL;
	int64_t index = (int64_t)position;
	if (candidate->type != JSON_OBJECT)
		return -EBADMSG;
	for (const struct json *j = candidate->child; j; j = j->next) {
		if (IS(j, "content"))
			content = j;
		else if (IS(j, "finishReason"))
			reason = j;
		else if (IS(j, "index") && json_read_i64(j, &index) != 0)
			index = (int64_t)position;
	}
	int err = index < 0 || index >= CHOICES_MAX ? -EBADMSG : choose(r, (unsigned)index);
	if (!err && r->choice->is_finished)
		return 0;
	if (!err)
		err = read_parts(r, content);
	return err ? err : read_finish(r, reason);
}

static int read_candidates(struct reading *r, const struct json *candidates)
{
	unsigned position = 0;
	for (const struct json *j = candidates->child; j; j = j->next) {
		int err = read_candidate(r, j, position++);
		if (err)
			return err;
	}
	return 0;
}

/* A prompt that is not answered at all. */
static int read_block(struct reading *r, const struct json *feedback)
{
	struct str native = json_get_str(r->scratch, feedback, "blockReason");
	if (!native.n)
		return 0;
	int err = choose(r, 0);
	return err ? err : emit_finish(r, FINISH_FILTER, native);
}

/* --- answers --- */

static int emit_error(const struct reading *r, const struct json *root)
{
	struct llm_event ev;
	int err = llm_read_error_event(r->rd->mem, 0, root, &ev);
	return err ? err : emit(r, &ev);
}

static int emit_start(const struct reading *r, const struct json *id, const struct json *model)
{
	struct llm_event ev = { .kind = EV_START };
	if (r->rd->is_started)
		return 0;
	r->rd->is_started = true;
	ev.id = json_str(r->scratch, id);
	ev.model = json_str(r->scratch, model);
	if (ev.id.n)
		r->rd->seed = hash_stable(ev.id);
	return emit(r, &ev);
}

static int read_root(struct reading *r, const struct json *root)
{
	const struct json *candidates = NULL, *feedback = NULL, *usage = NULL, *id = NULL;
	const struct json *model = NULL;
	if (!json_is(root, JSON_OBJECT))
		return -EBADMSG;
	for (const struct json *j = root->child; j; j = j->next) {
		if (IS(j, "candidates"))
			candidates = j;
		else if (IS(j, "promptFeedback"))
			feedback = j;
		else if (IS(j, "usageMetadata"))
			usage = j;
		else if (IS(j, "responseId"))
			id = j;
		else if (IS(j, "modelVersion"))
			model = j;
		else if (IS(j, "error") && json_is_given(j))
			return emit_error(r, root);
	}
	bool has_candidates = json_is(candidates, JSON_ARRAY) && candidates->count;
	bool is_blocked = json_is_given(json_get(feedback, "blockReason"));
	if (r->is_whole && !has_candidates && !is_blocked)
		return -EBADMSG;
	int err = has_candidates || is_blocked || id ? emit_start(r, id, model) : 0;
	if (!err && has_candidates)
		err = read_candidates(r, candidates);
	if (!err && is_blocked)
		err = read_block(r, feedback);
	return err ? err : emit_usage(r, usage, candidates);
}

int gemini_read_event(struct gemini_reader *rd, struct arena *scratch, struct str data,
		      const struct json **ret_root, llm_emit_fn *emit_fn, void *emit_data)
{
	struct reading r = { .rd = rd, .scratch = scratch, .emit = emit_fn, .data = emit_data };
	struct json_error error;
	*ret_root = json_parse(scratch, data, 0, &error);
	return read_root(&r, *ret_root);
}

static int emit_end(struct reading *r)
{
	struct llm_event ev = { .kind = EV_END };
	return emit(r, &ev);
}

/* What a stream's answers leave open is closed. */
static int read_array(struct reading *r, const struct json *list)
{
	int err = list->count ? 0 : -EBADMSG;
	for (const struct json *j = list->child; j && !err; j = j->next)
		err = read_root(r, j);
	if (!err && !r->rd->choices && !r->rd->is_ended)
		return -EBADMSG;
	for (r->choice = r->rd->choices; r->choice && !err; r->choice = r->choice->next)
		err = emit_finish(r, FINISH_STOP, STR(""));
	return err;
}

int gemini_read_answer(struct gemini_reader *rd, struct str body, const struct json **ret_root,
		       llm_emit_fn *emit_fn, void *emit_data)
{
	struct reading r = { .rd = rd, .scratch = rd->mem, .emit = emit_fn, .data = emit_data };
	struct json_error error;
	const struct json *root = *ret_root = json_parse(rd->mem, body, 0, &error);
	r.is_whole = !json_is(root, JSON_ARRAY);
	int err = r.is_whole ? read_root(&r, root) : read_array(&r, root);
	return err ? err : emit_end(&r);
}

/* --- embeddings --- */

static int emit_vector(const struct reading *r, struct str item, unsigned choice)
{
	struct llm_event ev = { .kind = EV_VECTOR, .choice = choice };
	ev.text = skim_get(item, STR("values"));
	return skim_is_numbers(ev.text) ? emit(r, &ev) : -EBADMSG;
}

/* What Vertex AI tells with each vector; 0: nothing. */
static int64_t tokens_of(struct str vector)
{
	struct str count = skim_get(skim_get(vector, STR("statistics")), STR("token_count"));
	double n;
	return str_read_double(count, &n) == 0 && n > 0 && n < 1e9 ? (int64_t)n : 0;
}

/* is_prediction: of Vertex AI, where each vector lies one step deeper. */
static int emit_vectors(const struct reading *r, struct str list, bool is_prediction,
			int64_t *ret_tokens)
{
	struct skim s;
	struct str key, item;
	unsigned choice = 0;
	if (!skim_open(&s, list) || s.is_object)
		return -EBADMSG;
	while (skim_next(&s, &key, &item)) {
		if (is_prediction)
			item = skim_get(item, STR("embeddings"));
		*ret_tokens += tokens_of(item);
		int err = emit_vector(r, item, choice++);
		if (err)
			return err;
	}
	return s.is_broken ? -EBADMSG : 0;
}

int gemini_read_vectors(struct gemini_reader *rd, struct str body, llm_emit_fn *emit_fn,
			void *emit_data)
{
	struct reading r = { .rd = rd, .scratch = rd->mem, .emit = emit_fn, .data = emit_data };
	struct llm_event ev = { .kind = EV_USAGE };
	struct str one = skim_get(body, STR("embedding")), many = skim_get(body, STR("embeddings")),
		   predictions = skim_get(body, STR("predictions"));
	int64_t tokens = 0;
	struct json_error error;
	if (skim_get(body, STR("error")).p) {
		const struct json *root = json_parse(rd->mem, body, 0, &error);
		return root ? emit_error(&r, root) : -EBADMSG;
	}
	if (!one.p && !many.p && !predictions.p)
		return -EBADMSG;
	int err = emit_start(&r, NULL, NULL);
	if (!err && one.p)
		err = emit_vector(&r, one, 0);
	else if (!err)
		err = emit_vectors(&r, many.p ? many : predictions, !many.p, &tokens);
	ev.usage.input = tokens ? (uint64_t)tokens : estimate_prompt(rd->q);
	ev.usage.estimated = !tokens;
	usage_clamp(&ev.usage);
	if (!err)
		err = emit(&r, &ev);
	return err ? err : emit_end(&r);
}
