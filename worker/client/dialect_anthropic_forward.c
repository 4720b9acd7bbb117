/* SPDX-License-Identifier: MIT
 * dialect_anthropic_forward.c - the short way: client and provider both speak Anthropic.
 *
 * Bytes go on as they came but for the model's name; each event is read for the tally. Of what a
 * deployment adds, params count only where they have a name that the vendor knows: they are shared
 * with the long way, and may be in OpenAI's words. */
#include <errno.h>

#include "worker/client/dialect_anthropic.h"
#include "worker/params.h"

/* --- requests --- */

static const struct str known_params[] = {
	STR("max_tokens"), STR("temperature"), STR("top_p"), STR("top_k"), STR("stop_sequences"),
	STR("system"), STR("tools"), STR("tool_choice"), STR("thinking"), STR("output_config"),
	STR("metadata"), STR("service_tier"), STR("cache_control"), STR("container"),
	STR("context_management"), STR("inference_geo"), STR("mcp_servers"), STR("speed"),
};

struct editing {
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

/* What the gateway decides, no deployment. */
static bool is_fixed(struct str name)
{
	return str_eq(name, STR("model")) || str_eq(name, STR("messages")) ||
	       str_eq(name, STR("stream"));
}

static bool is_known(struct str name)
{
	for (size_t i = 0; i < COUNT(known_params); i++)
		if (str_eq(name, known_params[i]))
			return true;
	return false;
}

static size_t end_of(const struct editing *e, const struct json *j)
{
	return (size_t)(j->raw.p - e->text.p) + j->raw.n;
}

static void replace(struct editing *e, const struct json *j, struct str with)
{
	e->edits[e->n++] = (struct json_edit){ (size_t)(j->raw.p - e->text.p), j->raw.n, with };
}

/* Names are OpenAI's in the rules: only what goes unsaid is so in Anthropic's words, too. */
static bool is_dropped(const struct editing *e, const struct json *j)
{
	return params_has_rules(e->rules) &&
	       params_judge(e->rules, j->key, j->raw).act == PARAMS_DROP;
}

static void edit_member(struct editing *e, const struct json *j)
{
	const struct json *other = is_fixed(j->key) ? NULL : find(e->extra, j->key);
	if (ant_is_ours(j->key) || is_dropped(e, j)) {
		struct json_edit one = openai_without(e->text, j, e->from, !e->has_kept);
		e->edits[e->n++] = one;
		e->from = one.at + one.n;
		return;
	}
	if (!other && j->type == JSON_NULL && is_known(j->key))
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
		if (is_known(j->key) && !find(e->root, j->key) && !find(e->extra, j->key))
			add(e, j->key, j->raw);
	for (const struct json *j = e->extra ? e->extra->child : NULL; j; j = j->next)
		if (!is_fixed(j->key) && (!find(e->root, j->key) || ant_is_ours(j->key)))
			add(e, j->key, j->raw);
}

int ant_forward_request(struct arena *a, const struct llm_request *q, struct str model,
			struct str params, struct str extra_body, struct buf *out)
{
	struct editing e = { .text = q->body, .root = q->root, .rules = q->rules };
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

static bool is_blank(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\n')
			return false;
	return true;
}

static int on_event(void *data, const struct llm_event *ev)
{
	struct dialect_answer *an = data;
	llm_tally_event(&an->tally, ev);
	return 0;
}

static bool ends_with_empty_line(struct str raw)
{
	return str_ends(raw, STR("\n\n")) || str_ends(raw, STR("\n\r\n")) ||
	       str_ends(raw, STR("\r\r"));
}

static void put_as_it_is(struct str raw, struct buf *out)
{
	if (str_starts(raw, STR("\xef\xbb\xbf")))
		raw = str_skip(raw, 3);		/* our heartbeats may have gone out before it */
	buf_put(out, raw);
	if (!ends_with_empty_line(raw))
		BUF_PUT_LIT(out, "\n\n");
}

/* Another model's name in the data. Data of several lines, which JSON allows to stand on one, is
 * written on one. */
static void put_edited(const struct sse_event *ev, const struct json_edit *edit, struct buf *out)
{
	struct str raw = ev->raw, data = ev->data;
	if (data.p >= raw.p && data.p + data.n <= raw.p + raw.n) {
		size_t at = (size_t)(data.p - raw.p) + edit->at;
		size_t bom = str_starts(raw, STR("\xef\xbb\xbf")) ? 3 : 0;
		buf_put(out, str_of(raw.p + bom, at - bom));
		buf_put(out, edit->with);
		put_as_it_is(str_skip(raw, at + edit->n), out);
		return;
	}
	BUF_PUT_LIT(out, "event: message_start\ndata: ");
	size_t from = out->n;
	json_splice(out, data, edit, 1);
	for (size_t i = from; i < out->n; i++)
		if (out->p[i] == '\n')
			out->p[i] = ' ';
	BUF_PUT_LIT(out, "\n\n");
}

/* Which block is open, for who may have to go on behind it. */
static void follow_blocks(struct ant_answer *s, const struct json *root)
{
	struct str type = json_is(json_get(root, "type"), JSON_STRING)
				  ? json_get(root, "type")->raw : STR_NONE;
	const struct json *kind = json_get_path(root, "content_block.type");
	if (str_eq(type, STR("\"content_block_stop\""))) {
		s->n_blocks++;
		s->open = ANT_NONE;
	} else if (str_eq(type, STR("\"content_block_start\"")) && kind) {
		s->open = str_eq(kind->raw, STR("\"text\""))	   ? ANT_TEXT
			  : str_eq(kind->raw, STR("\"thinking\"")) ? ANT_THINKING
								    : ANT_CALL;
	}
}

static int put_event(struct dialect_answer *an, struct arena *scratch, const struct sse_event *ev,
		     const struct json *root, struct buf *out)
{
	const struct json *model = json_get_path(root, "message.model");
	if (!json_is(model, JSON_STRING)) {
		put_as_it_is(ev->raw, out);
		return 0;
	}
	struct json_edit edit = { (size_t)(model->raw.p - ev->data.p), model->raw.n,
				  openai_quote(scratch, an->model) };
	if (!edit.with.p)
		return -ENOMEM;
	put_edited(ev, &edit, out);
	return 0;
}

int ant_forward_event(struct dialect_answer *an, struct arena *scratch, const struct sse_event *ev,
		      struct buf *out)
{
	struct ant_answer *s = ant_answer(an);
	const struct json *root;
	if (!s)
		return -ENOMEM;
	s->is_forwarded = true;
	if (ev->oversize) {
		an->tally.has_content = true;
		buf_put(out, ev->raw);
		return 0;
	}
	if (an->is_ended || is_blank(ev->data))
		return 0;
	int err = anthropic_read_event(&s->reader, scratch, ev->data, &root, on_event, an);
	if (err || an->tally.has_error)
		return err;
	if (!root)			/* "[DONE]" is no word of this dialect */
		return ant_write_event(an, &(struct llm_event){ .kind = EV_END }, out);
	an->is_ended = an->tally.is_done;
	if (an->tally.text)
		follow_blocks(s, root);
	return put_event(an, scratch, ev, root, out);
}

/* --- plain answers --- */

int ant_forward_answer(struct dialect_answer *an, struct str body, struct buf *out)
{
	struct ant_answer *s = ant_answer(an);
	struct json_error error;
	if (!s)
		return -ENOMEM;
	const struct json *root = json_parse(an->mem, body, 0, &error);
	if (!root)
		return -EBADMSG;
	int err = anthropic_read_answer(&s->reader, root, on_event, an);
	if (err || an->tally.has_error)
		return err;
	const struct json *model = json_get(root, "model");
	if (!json_is(model, JSON_STRING)) {
		buf_put(out, body);
		return 0;
	}
	struct json_edit edit = { (size_t)(model->raw.p - body.p), model->raw.n,
				  openai_quote(an->mem, an->model) };
	if (!edit.with.p)
		return -ENOMEM;
	json_splice(out, body, &edit, 1);
	return 0;
}
