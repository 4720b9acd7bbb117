/* SPDX-License-Identifier: MIT
 * dialect_gemini_forward.c - the short way: client and provider both speak Gemini.
 *
 * Requests are edited by splicing, as far as a deployment or our own extras ask for it; events are
 * read for the tally and go on as they came, but for the model's name. Towards a client that wants
 * an array the frame of events is taken off and commas stand between. */
#include <errno.h>

#include "worker/client/dialect_gemini.h"
#include "worker/client/forward.h"
#include "worker/skim.h"

#define IS(j, name) str_eq((j)->key, STR(name))

/* --- requests --- */

struct editing {
	struct arena *mem;
	struct str text;
	const struct json *root;
	struct gemini_sorting extra, params;	/* what wins over the client, what gives way */
	struct json_edit *edits;
	size_t n, from;			/* from: where the member looked at begins, its comma too */
	bool has_kept;			/* a member stands before it */
	struct buf added;		/* members for the end, each with a comma before it */
};

static size_t end_of(const struct editing *e, const struct json *j)
{
	return (size_t)(j->raw.p - e->text.p) + j->raw.n;
}

static void edit(struct editing *e, size_t at, size_t n, struct str with)
{
	e->edits[e->n++] = (struct json_edit){ at, n, with };
}

static void replace(struct editing *e, const struct json *j, struct str with)
{
	edit(e, (size_t)(j->raw.p - e->text.p), j->raw.n, with);
}

static void take_out(struct editing *e, const struct json *j)
{
	e->edits[e->n] = openai_without(e->text, j, e->from, !e->has_kept);
	e->from = e->edits[e->n].at + e->edits[e->n].n;
	e->n++;
}

static void put_member(struct buf *b, struct str name, struct str json)
{
	buf_put_z(b, b->n ? ",\"" : "\"");
	json_escape(b, name);
	BUF_PUT_LIT(b, "\":");
	buf_put(b, json);
}

static bool is_there(const struct json *object, struct str camel)
{
	const struct json *j = object ? object->child : NULL;
	while (j && !gemini_same(j->key, camel))
		j = j->next;
	return j;
}

/* What a deployment has for a member of the client's. */
static const struct llm_other *find_for(const struct llm_other *list, struct str name)
{
	while (list && !gemini_same(name, list->name))
		list = list->next;
	return list;
}

/* generationConfig with what the deployment has. .p NULL: nothing changes, or no memory. */
static int merge_config(struct editing *e, const struct json *config, struct str *ret)
{
	struct buf b;
	bool is_changed = e->extra.config;
	buf_init(&b, e->added.cap);
	for (const struct json *j = config ? config->child : NULL; j; j = j->next) {
		const struct llm_other *o = find_for(e->extra.config, j->key);
		put_member(&b, j->key, o ? o->json : j->raw);
	}
	for (const struct llm_other *o = e->extra.config; o; o = o->next)
		if (!is_there(config, o->name))
			put_member(&b, o->name, o->json);
	for (const struct llm_other *o = e->params.config; o; o = o->next) {
		if (is_there(config, o->name) || gemini_find(e->extra.config, o->name))
			continue;
		is_changed = true;
		put_member(&b, o->name, o->json);
	}
	*ret = STR_NONE;
	if (is_changed && !b.failed)
		*ret = arena_printf(e->mem, "{" STR_FMT "}", STR_ARG(buf_str(&b)));
	int err = is_changed && !ret->p ? -ENOMEM : 0;
	buf_done(&b);
	return err;
}

/* What the client asks, no deployment decides. */
static bool is_fixed(struct str name)
{
	return str_eq(name, STR("contents")) || str_eq(name, STR("model"));
}

static int edit_member(struct editing *e, const struct json *j)
{
	struct str with = STR_NONE;
	int err = 0;
	if (openai_is_ours(j->key)) {
		take_out(e, j);
		return 0;
	}
	if (gemini_is(j->key, "generationConfig"))
		err = merge_config(e, json_is(j, JSON_OBJECT) ? j : NULL, &with);
	const struct llm_other *o = is_fixed(j->key) ? NULL : find_for(e->extra.top, j->key);
	if (o)
		with = o->json;
	if (with.p)
		replace(e, j, with);
	e->from = end_of(e, j);
	e->has_kept = true;
	return err;
}

static void add(struct editing *e, const struct llm_other *list)
{
	for (const struct llm_other *o = list; o; o = o->next)
		if (!is_fixed(o->name) && !is_there(e->root, o->name))
			put_member(&e->added, o->name, o->json);
}

static int edit_members(struct editing *e)
{
	struct str config = STR_NONE;
	int err = 0;
	for (const struct json *j = e->root->child; j && !err; j = j->next)
		err = edit_member(e, j);
	if (!err && !is_there(e->root, STR("generationConfig")))
		err = merge_config(e, NULL, &config);
	if (config.p)
		put_member(&e->added, STR("generationConfig"), config);
	add(e, e->extra.top);
	for (const struct llm_other *o = e->params.top; o; o = o->next)
		if (!gemini_find(e->extra.top, o->name))
			add(e, &(struct llm_other){ .name = o->name, .json = o->json });
	struct str added = buf_str(&e->added);
	if (!added.n || err)
		return err;
	if (e->has_kept)
		edit(e, end_of(e, e->root) - 1, 0, STR(","));
	edit(e, end_of(e, e->root) - 1, 0, added);
	return 0;
}

static int begin(struct editing *e, struct arena *a, const struct llm_request *q, size_t edits,
		 struct buf *out)
{
	*e = (struct editing){ .mem = a, .text = q->body, .root = q->root };
	MUST(json_is(q->root, JSON_OBJECT) && q->root->raw.p >= q->body.p);
	e->from = (size_t)(q->root->raw.p - q->body.p) + 1;
	e->edits = arena_array(a, edits, sizeof *e->edits);
	buf_init(&e->added, out->cap);
	return e->edits ? 0 : -ENOMEM;
}

int gem_forward_request(struct arena *a, const struct llm_request *q, struct str model,
			struct str params, struct str extra_body, struct buf *out)
{
	struct editing e;
	int err = begin(&e, a, q, (size_t)q->root->count + 2, out);
	if (err)
		return err;
	e.extra = e.params = (struct gemini_sorting){ .mem = a, .model = model };
	err = gemini_sort_own(&e.extra, extra_body);
	if (!err)
		err = gemini_sort_object(&e.params, params);
	if (!err)
		err = edit_members(&e);
	if (!err && e.added.failed)
		err = -ENOMEM;
	MUST(e.n <= (size_t)q->root->count + 2);
	if (!err)
		json_splice(out, q->body, e.edits, e.n);
	buf_done(&e.added);
	return err;
}

/* --- embeddings --- */

/* In a batch each text names its model. */
static void name_models(struct editing *e, const struct json *list, struct str model,
			struct str member)
{
	size_t n;
	const struct json *one = gemini_first(list, &n);
	for (; n; one = one->next, n--) {
		const struct json *j = gemini_get(one, "model");
		if (j)
			replace(e, j, model);
		else
			edit(e, (size_t)(one->raw.p - e->text.p) + 1, 0, member);
	}
}

static struct str quote_model(struct arena *a, struct str model, const char *before,
			      const char *behind)
{
	bool is_full = str_starts(model, STR("models/")) || str_starts(model, STR("tunedModels/"));
	struct str name = arena_printf(a, "%s" STR_FMT, is_full ? "" : "models/", STR_ARG(model));
	struct str quoted = name.p ? openai_quote(a, name) : STR_NONE;
	return quoted.p ? arena_printf(a, "%s" STR_FMT "%s", before, STR_ARG(quoted), behind) : quoted;
}

/* The deployment has nothing to say here but the model. */
int gem_forward_batch(struct arena *a, const struct llm_request *q, struct str model,
		      struct str params, struct str extra_body, struct buf *out)
{
	struct editing e;
	struct str name = quote_model(a, model, "", ""), member = quote_model(a, model, "\"model\":", ",");
	size_t n = 0;
	(void)params;
	(void)extra_body;
	gemini_first(gemini_get(q->root, "requests"), &n);
	int err = begin(&e, a, q, (size_t)q->root->count + n, out);
	if (!err && (!name.p || !member.p))
		err = -ENOMEM;
	for (const struct json *j = q->root->child; j && !err; j = j->next) {
		if (openai_is_ours(j->key)) {
			take_out(&e, j);
			continue;
		}
		if (gemini_is(j->key, "model"))
			replace(&e, j, name);
		if (gemini_is(j->key, "requests"))
			name_models(&e, j, name, member);
		e.from = end_of(&e, j);
		e.has_kept = true;
	}
	if (!err)
		json_splice(out, q->body, e.edits, e.n);
	buf_done(&e.added);
	return err;
}

/* --- events --- */

/* The model's name as the client knows it. 0 or 1 edit, or -ENOMEM. */
static int restamp(struct dialect_answer *an, struct arena *a, struct str text,
		   const struct json *root, struct json_edit *ret)
{
	const struct json *j = json_get(root, "modelVersion");
	if (!json_is(j, JSON_STRING))
		return 0;
	struct str model = openai_quote(a, an->model);
	*ret = (struct json_edit){ (size_t)(j->raw.p - text.p), j->raw.n, model };
	return model.p ? 1 : -ENOMEM;
}

/* Of an event that comes in pieces only the frame of the first one can be taken off: what stands
 * behind its data is white space. */
static void put_oversize(struct gem_stream *s, struct str raw, struct buf *out)
{
	if (s->is_array && !s->is_oversize) {
		size_t brace = str_find_char(raw, '{');
		gem_open_item(s, out);
		raw = str_skip(raw, brace == SIZE_MAX ? raw.n : brace);
	}
	s->is_oversize = !forward_is_closed(raw);
	buf_put(out, raw);
}

static int forward(struct dialect_answer *an, struct arena *scratch, const struct sse_event *ev,
		   struct buf *out, bool is_array)
{
	struct gem_stream *s = gem_stream(an, is_array);
	const struct json *root;
	struct json_edit change;
	if (!s)
		return -ENOMEM;
	s->is_forwarded = true;
	if (ev->oversize) {
		an->tally.has_content = true;
		put_oversize(s, ev->raw, out);
		return 0;
	}
	s->is_oversize = false;
	if (forward_is_blank(ev->data))
		return 0;
	int err = gemini_read_event(&s->reader, scratch, ev->data, &root, forward_tally, an);
	if (err || an->tally.has_error)
		return err;
	int n = restamp(an, scratch, ev->data, root, &change);
	if (n < 0)
		return n;
	if (is_array) {
		gem_open_item(s, out);
		json_splice(out, ev->data, &change, (size_t)n);
	} else {
		forward_edited(ev, STR_NONE, &change, (size_t)n, STR("\r\n\r\n"), out);
	}
	return 0;
}

int gem_forward_event(struct dialect_answer *an, struct arena *scratch, const struct sse_event *ev,
		      struct buf *out)
{
	return forward(an, scratch, ev, out, false);
}

int gem_forward_item(struct dialect_answer *an, struct arena *scratch, const struct sse_event *ev,
		     struct buf *out)
{
	return forward(an, scratch, ev, out, true);
}

/* --- plain answers --- */

/* The vectors themselves are not looked at: there may be millions of numbers. */
static int forward_vectors(struct dialect_answer *an, struct gemini_reader *rd, struct str body,
			   struct buf *out)
{
	struct usage usage = { .input = estimate_prompt(an->q), .estimated = true };
	struct str one = skim_get(body, STR("embedding")), many = skim_get(body, STR("embeddings"));
	if (skim_get(body, STR("error")).p)
		return gemini_read_vectors(rd, body, forward_tally, an);
	if (!one.p && !many.p)
		return -EBADMSG;
	llm_tally_usage(&an->tally, &usage);
	an->tally.has_content = true;
	an->tally.is_done = true;
	buf_put(out, body);
	return 0;
}

int gem_forward_answer(struct dialect_answer *an, struct str body, struct buf *out)
{
	struct gemini_reader rd = { .mem = an->mem, .q = an->q };
	const struct json *root;
	struct json_edit change;
	if (an->q->kind == LLM_EMBED)
		return forward_vectors(an, &rd, body, out);
	int err = gemini_read_answer(&rd, body, &root, forward_tally, an);
	if (err || an->tally.has_error)
		return err;
	int n = restamp(an, an->mem, body, root, &change);
	if (n < 0)
		return n;
	json_splice(out, body, &change, (size_t)n);
	return 0;
}
