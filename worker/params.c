/* SPDX-License-Identifier: MIT
 * params.c - a deployment's rules applied to a request: see params.h. */
#include "worker/params.h"

#include <errno.h>

#include "worker/openai.h"

enum { REFUSED_MAX = 16, NESTED_MAX = 16 };

/* --- nested members --- */

struct nested {
	const struct params_rules *p;
	struct str text;
	struct str paths[NESTED_MAX];
	size_t n;
	params_cut_fn *cut;
	void *data;
};

static void add_path(struct nested *s, struct str path)
{
	if (s->n < NESTED_MAX &&
	    (str_find_char(path, '[') != SIZE_MAX || str_find_char(path, '.') != SIZE_MAX))
		s->paths[s->n++] = path;
}

/* One step of a path over a member of an object or an element of an array: what is left of the
 * path, .p NULL when it does not lead here. */
static struct str step(struct str path, struct str key, size_t index)
{
	if (path.n && path.p[0] == '.')
		path = str_skip(path, 1);
	if (key.p) {
		size_t n = 0;
		while (n < path.n && path.p[n] != '.' && path.p[n] != '[')
			n++;
		return n && str_eq(str_of(path.p, n), key) ? str_skip(path, n) : STR_NONE;
	}
	uint64_t v;
	if (!path.n || path.p[0] != '[')
		return STR_NONE;
	path = str_skip(path, 1);
	struct str which = str_cut(&path, ']');
	if (!path.p)
		return STR_NONE;
	bool is_here = str_eq(which, STR("*")) || (str_read_u64(which, &v) == 0 && v == index);
	return is_here ? path : STR_NONE;
}

/* `paths` lead to `at`; goes on below it. False: stop. Depth is bounded by the paths' and by the
 * parser's. */
static bool walk(struct nested *s, const struct json *at, const struct str *paths, size_t n)
{
	size_t from = (size_t)(at->raw.p - s->text.p) + 1, index = 0;
	bool is_first = true;
	if (at->type != JSON_OBJECT && at->type != JSON_ARRAY)
		return true;
	for (const struct json *j = at->child; j; j = j->next, index++) {
		struct str left[NESTED_MAX];
		size_t n_left = 0;
		bool is_end = false;
		for (size_t i = 0; i < n; i++) {
			struct str one = step(paths[i], j->key, index);
			if (!one.p)
				continue;
			is_end |= !one.n && j->key.p;
			if (one.n)
				left[n_left++] = one;
		}
		if (is_end) {
			struct json_edit one = openai_without(s->text, j, from, is_first);
			if (!s->cut(s->data, &one))
				return false;
			from = one.at + one.n;
			continue;
		}
		if (n_left && !walk(s, j, left, n_left))
			return false;
		from = (size_t)(j->raw.p + j->raw.n - s->text.p);
		is_first = false;
	}
	return true;
}

void params_find_nested(const struct params_rules *p, struct str text, const struct json *member,
			params_cut_fn *cut, void *data)
{
	struct nested s = { .p = p, .text = text, .cut = cut, .data = data };
	struct params_words w = params_words(p);
	struct str word, left[NESTED_MAX];
	size_t n = 0;
	while (params_next_word(&w, &word))
		if (word.p[0] == '~')
			add_path(&s, str_skip(word, 1));
	for (const struct json *j = p->dropped ? p->dropped->child : NULL; j; j = j->next)
		if (j->type == JSON_STRING && !j->escaped)
			add_path(&s, str_of(j->raw.p + 1, j->raw.n - 2));
	for (size_t i = 0; i < s.n; i++) {
		struct str one = step(s.paths[i], member->key, 0);
		if (one.p && one.n)
			left[n++] = one;
	}
	if (n)
		walk(&s, member, left, n);
}

bool params_change_words(const struct params_rules *p)
{
	struct str word;
	if (!params_has_rules(p))
		return false;
	for (struct params_words w = params_words(p); params_next_word(&w, &word);)
		if (word.p[0] == '~' || str_find_char(word, '>') != SIZE_MAX)
			return true;
	return p->dropped != NULL;
}

/* --- refusing --- */

struct refused {
	struct str names[REFUSED_MAX];
	size_t n;
};

static void note(struct refused *f, struct str name)
{
	if (f->n < REFUSED_MAX)
		f->names[f->n++] = name;
}

/* LiteLLM's words up to the model; then how to go on. */
static int refuse(struct arena *a, const struct params_rules *p, const struct refused *f,
		  struct str provider, struct llm_error *reterr)
{
	struct buf list, text;
	if (!f->n)
		return 0;
	buf_init(&list, 4096);
	buf_init(&text, 16384);
	for (size_t i = 0; i < f->n; i++)
		buf_printf(&list, "%s'" STR_FMT "'", i ? ", " : "", STR_ARG(f->names[i]));
	buf_printf(&text,
		   "litellm.UnsupportedParamsError: " STR_FMT
		   " does not support parameters: [" STR_FMT "], for model=" STR_FMT
		   ". With drop_params: true, in the request or in litellm_settings, they are left "
		   "out; allowed_openai_params: [" STR_FMT "] sends them all the same.",
		   STR_ARG(provider), STR_ARG(buf_str(&list)), STR_ARG(p->model),
		   STR_ARG(buf_str(&list)));
	*reterr = (struct llm_error){ .outcome = OUTCOME_UNSUPPORTED_PARAM, .param = f->names[0] };
	reterr->message = text.failed ? STR_NONE : llm_scrub(a, buf_str(&text), STR_NONE);
	if (!reterr->message.p)
		reterr->message = STR("a parameter is not supported");
	buf_done(&list);
	buf_done(&text);
	return -EINVAL;
}

int params_check_body(struct arena *a, const struct params_rules *p, const struct json *root,
		      struct str provider, struct llm_error *reterr)
{
	struct refused f = { .n = 0 };
	if (!params_has_rules(p) || p->drops)
		return 0;
	for (const struct json *j = root->child; j; j = j->next)
		if (params_judge(p, j->key, j->raw).act == PARAMS_REFUSE)
			note(&f, j->key);
	return refuse(a, p, &f, provider, reterr);
}

/* --- the neutral form --- */

#define AT(member) offsetof(struct llm_request, member)
static const struct {
	struct str name;
	size_t at;			/* of a struct str */
	bool is_text;			/* and no number */
} texts[] = {
	{ STR("temperature"), AT(temperature), false },
	{ STR("top_p"), AT(top_p), false },
	{ STR("top_k"), AT(top_k), false },
	{ STR("seed"), AT(seed), false },
	{ STR("presence_penalty"), AT(presence_penalty), false },
	{ STR("frequency_penalty"), AT(frequency_penalty), false },
	{ STR("reasoning_effort"), AT(reasoning_effort), true },
	{ STR("user"), AT(user), true },
	{ STR("suffix"), AT(prompt_suffix), true },
	{ STR("encoding_format"), AT(encoding_format), true },
};

/* Whether the parameter must go; a refusal is noted. */
static bool must_go(const struct params_rules *p, struct refused *f, struct str name,
		    struct str value)
{
	enum params_act act = params_judge(p, name, value).act;
	if (act == PARAMS_REFUSE && !p->drops)
		note(f, name);
	return act == PARAMS_DROP || act == PARAMS_REFUSE;
}

static int settle_texts(struct arena *a, const struct params_rules *p, struct llm_request *q,
			struct refused *f)
{
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct str *s = (struct str *)(void *)((char *)q + texts[i].at);
		struct str value = *s;
		if (!value.p)
			continue;
		if (texts[i].is_text)
			value = arena_printf(a, "\"" STR_FMT "\"", STR_ARG(value));
		if (!value.p)
			return -ENOMEM;
		if (must_go(p, f, texts[i].name, value))
			*s = STR_NONE;
	}
	return 0;
}

static void settle_numbers(struct arena *a, const struct params_rules *p, struct llm_request *q,
			   struct refused *f)
{
	struct str n = arena_printf(a, "%llu", (unsigned long long)q->n);
	if (q->n > 1 && must_go(p, f, STR("n"), n))
		q->n = 1;
	uint64_t longest;
	if (str_read_u64(p->longest, &longest) == 0 && q->max_tokens > longest)
		q->max_tokens = longest;
	if (q->max_tokens && must_go(p, f, STR("max_tokens"), STR("1")))
		q->max_tokens = 0;
	if (q->dimensions && must_go(p, f, STR("dimensions"), STR("1")))
		q->dimensions = 0;
	if (q->n_stop && must_go(p, f, STR("stop"), STR("[]")))
		q->n_stop = 0;
}

static void settle_tools(const struct params_rules *p, struct llm_request *q, struct refused *f)
{
	static const struct str choices[] = {
		[CHOICE_AUTO] = STR("\"auto\""), [CHOICE_NONE] = STR("\"none\""),
		[CHOICE_REQUIRED] = STR("\"required\""), [CHOICE_NAMED] = STR("{}"),
	};
	struct str name = q->uses_functions ? STR("functions") : STR("tools");
	if (q->tools && must_go(p, f, name, STR("[]"))) {
		q->tools = NULL;
		q->tool_choice = CHOICE_UNSET;
		q->has_parallel_tool_calls = false;
	}
	name = q->uses_functions ? STR("function_call") : STR("tool_choice");
	if (q->tool_choice != CHOICE_UNSET && must_go(p, f, name, choices[q->tool_choice]))
		q->tool_choice = CHOICE_UNSET;
	if (q->has_parallel_tool_calls &&
	    must_go(p, f, STR("parallel_tool_calls"),
		    q->parallel_tool_calls ? STR("true") : STR("false")))
		q->has_parallel_tool_calls = false;
	if (q->format != FORMAT_UNSET && must_go(p, f, STR("response_format"), STR("{}")))
		q->format = FORMAT_UNSET;
}

/* The list belongs to the request, which other attempts read, too: what stays is copied. */
static int settle_others(struct arena *a, const struct params_rules *p, struct llm_request *q,
			 struct refused *f)
{
	struct llm_other *first = NULL, **end = &first;
	for (const struct llm_other *o = q->other; o; o = o->next) {
		if (must_go(p, f, o->name, o->json))
			continue;
		*end = arena_alloc(a, sizeof **end);
		if (!*end)
			return -ENOMEM;
		(*end)->name = o->name;
		(*end)->json = o->json;
		end = &(*end)->next;
	}
	q->other = first;
	return 0;
}

int params_settle_neutral(struct arena *a, const struct params_rules *p, struct llm_request *q,
			  struct str provider, struct llm_error *reterr)
{
	struct refused f = { .n = 0 };
	if (!params_has_rules(p))
		return 0;
	settle_numbers(a, p, q, &f);
	settle_tools(p, q, &f);
	int err = settle_texts(a, p, q, &f);
	if (!err)
		err = settle_others(a, p, q, &f);
	return err ? err : refuse(a, p, &f, provider, reterr);
}
