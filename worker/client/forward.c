/* SPDX-License-Identifier: MIT
 * forward.c - see forward.h. */
#include "worker/client/forward.h"

#include <errno.h>

#include "common/json_write.h"
#include "worker/openai.h"
#include "worker/params.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"	/* our heartbeats may have gone out before it */

/* --- requests --- */

struct editing {
	const struct forward_words *words;
	struct str text, model;
	const struct json *root, *params, *extra;
	const struct params_rules *rules;
	struct json_edit *edits;
	size_t n, from;			/* from: where the member looked at begins, its comma too */
	bool has_kept;
	struct buf added;
};

static const struct json *find(const struct json *object, struct str name)
{
	const struct json *j = object ? object->child : NULL;
	while (j && !str_eq(j->key, name))
		j = j->next;
	return j;
}

static const struct json *parse_object(struct arena *a, struct str text)
{
	struct json_error error;
	const struct json *j = text.n ? json_parse(a, text, 0, &error) : NULL;
	return json_is(j, JSON_OBJECT) ? j : NULL;
}

static bool is_among(const struct str *names, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(name, names[i]))
			return true;
	return false;
}

static bool is_fixed(const struct editing *e, struct str name)
{
	return is_among(e->words->fixed, e->words->n_fixed, name);
}

static bool is_known(const struct editing *e, struct str name)
{
	return is_among(e->words->known, e->words->n_known, name);
}

static size_t end_of(const struct editing *e, const struct json *j)
{
	return (size_t)(j->raw.p - e->text.p) + j->raw.n;
}

static void replace(struct editing *e, const struct json *j, struct str with)
{
	e->edits[e->n++] = (struct json_edit){ (size_t)(j->raw.p - e->text.p), j->raw.n, with };
}

/* Names are OpenAI's in the rules: only what goes unsaid is so in another vendor's words, too. */
static bool is_dropped(const struct editing *e, const struct json *j)
{
	return params_has_rules(e->rules) &&
	       params_judge(e->rules, j->key, j->raw).act == PARAMS_DROP;
}

static void edit_member(struct editing *e, const struct json *j)
{
	const struct json *other = is_fixed(e, j->key) ? NULL : find(e->extra, j->key);
	if (e->words->is_ours(j->key) || is_dropped(e, j)) {
		struct json_edit one = openai_without(e->text, j, e->from, !e->has_kept);
		e->edits[e->n++] = one;
		e->from = one.at + one.n;
		return;
	}
	if (!other && j->type == JSON_NULL && is_known(e, j->key))
		other = find(e->params, j->key);
	if (str_eq(j->key, STR("model")))
		replace(e, j, e->model);
	else if (other)
		replace(e, j, other->raw);
	e->from = end_of(e, j);
	e->has_kept = true;
}

static void add(struct editing *e, struct str name, struct str json)
{
	BUF_PUT_LIT(&e->added, ",\"");
	json_escape(&e->added, name);
	BUF_PUT_LIT(&e->added, "\":");
	buf_put(&e->added, json);
}

static void add_missing(struct editing *e)
{
	if (!find(e->root, STR("model")))
		add(e, STR("model"), e->model);
	for (const struct json *j = e->params ? e->params->child : NULL; j; j = j->next)
		if (is_known(e, j->key) && !find(e->root, j->key) && !find(e->extra, j->key))
			add(e, j->key, j->raw);
	for (const struct json *j = e->extra ? e->extra->child : NULL; j; j = j->next)
		if (!is_fixed(e, j->key) && (!find(e->root, j->key) || e->words->is_ours(j->key)))
			add(e, j->key, j->raw);
}

int forward_body(struct arena *a, const struct llm_request *q, const struct forward_words *words,
		 struct str model, struct str params, struct str extra_body, struct buf *out)
{
	struct editing e = { words, .text = q->body, .root = q->root, .rules = q->rules };
	e.model = openai_quote(a, model);
	e.edits = arena_array(a, (size_t)q->root->count + 1, sizeof *e.edits);
	if (!e.edits || !e.model.p)
		return -ENOMEM;
	e.params = parse_object(a, params);
	e.extra = parse_object(a, extra_body);
	e.from = (size_t)(q->root->raw.p - q->body.p) + 1;
	buf_init(&e.added, out->cap);
	for (const struct json *j = q->root->child; j; j = j->next)
		edit_member(&e, j);
	add_missing(&e);
	struct str added = buf_str(&e.added);
	if (added.n)
		e.edits[e.n++] = (struct json_edit){ end_of(&e, q->root) - 1, 0,
						     e.has_kept ? added : str_skip(added, 1) };
	MUST(e.n <= (size_t)q->root->count + 1);
	json_splice(out, q->body, e.edits, e.n);
	int err = e.added.failed ? -ENOMEM : 0;
	buf_done(&e.added);
	return err;
}

/* --- events --- */

bool forward_is_blank(struct str data)
{
	for (size_t i = 0; i < data.n; i++)
		if (data.p[i] != ' ' && data.p[i] != '\t' && data.p[i] != '\n')
			return false;
	return true;
}

bool forward_is_closed(struct str raw)
{
	return str_ends(raw, STR("\n\n")) || str_ends(raw, STR("\n\r\n")) ||
	       str_ends(raw, STR("\r\r"));
}

void forward_raw(struct str raw, struct buf *out)
{
	buf_put(out, str_skip(raw, str_starts(raw, STR(BYTE_ORDER_MARK)) ? 3 : 0));
	if (!forward_is_closed(raw))
		BUF_PUT_LIT(out, "\n\n");
}

void forward_edited(const struct sse_event *ev, struct str name, const struct json_edit *edits,
		    size_t n, struct str end, struct buf *out)
{
	struct str raw = ev->raw;
	bool is_inside = ev->data.p >= raw.p && ev->data.p + ev->data.n <= raw.p + raw.n;
	if (is_inside) {
		raw = str_skip(raw, str_starts(raw, STR(BYTE_ORDER_MARK)) ? 3 : 0);
		size_t before = (size_t)(ev->data.p - raw.p);
		buf_put(out, str_of(raw.p, before));
		json_splice(out, ev->data, edits, n);
		buf_put(out, str_skip(raw, before + ev->data.n));
		if (!forward_is_closed(raw))
			buf_put(out, end);
		return;
	}
	if (name.p) {
		BUF_PUT_LIT(out, "event: ");
		buf_put(out, name);
		buf_put_char(out, '\n');
	}
	BUF_PUT_LIT(out, "data: ");
	size_t from = out->n;
	json_splice(out, ev->data, edits, n);
	for (size_t i = from; i < out->n; i++)
		if (out->p[i] == '\n')
			out->p[i] = ' ';
	buf_put(out, end);
}

int forward_tally(void *data, const struct llm_event *ev)
{
	struct dialect_answer *an = data;
	llm_tally_event(&an->tally, ev);
	return 0;
}
