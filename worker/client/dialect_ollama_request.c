/* SPDX-License-Identifier: MIT
 * dialect_ollama_request.c - the members of chat and generate bodies, by table.
 *
 * What only Ollama knows travels along under its own name, options behind "options.". A prompt is
 * a question to a model with a template, so generate is a chat for others, too, unless it says
 * that the text is to go on as it is (raw), or what stands behind it (suffix). */
#include <errno.h>

#include "worker/client/dialect_ollama.h"

#define TO(member) offsetof(struct llm_request, member)

static struct olm_reading *whole(struct oai_reading *r)
{
	return (struct olm_reading *)r;
}

/* --- options --- */

/* A negative number means "as many as it takes". */
static int read_predict(struct oai_reading *r, const struct place *at, const struct json *j,
			void *to)
{
	int64_t v = 0;
	if (json_read_i64(j, &v) == 0 && v < 0)
		return oai_add_other(r, "options.", j->key, j->raw);
	return oai_read_most(r, at, j, to);
}

static const struct oai_param options[] = {
	{ "temperature", oai_read_number, TO(temperature) },
	{ "top_p", oai_read_number, TO(top_p) },
	{ "top_k", oai_read_number, TO(top_k) },
	{ "seed", oai_read_number, TO(seed) },
	{ "presence_penalty", oai_read_number, TO(presence_penalty) },
	{ "frequency_penalty", oai_read_number, TO(frequency_penalty) },
	{ "num_predict", read_predict, TO(max_tokens) },
	{ "stop", oai_read_stop, 0 },
};

static int read_option(struct oai_reading *r, const struct place *up, const struct json *j)
{
	for (size_t i = 0; i < COUNT(options); i++) {
		struct place at = { .up = up, .name = options[i].name };
		if (str_eq_z(j->key, options[i].name))
			return options[i].read(r, &at, j, (char *)r->q + options[i].to);
	}
	return oai_add_other(r, "options.", j->key, j->raw);
}

int olm_read_options(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	int err = j->type == JSON_OBJECT ? 0 : oai_refuse_type(r, at, "an object", j);
	(void)to;
	for (j = err ? NULL : j->child; j && !err; j = j->next)
		err = json_is_given(j) ? read_option(r, at, j) : 0;
	return err;
}

/* --- the form of the answer, and thinking --- */

/* "" is what clients write that have a field for it and nothing in it. */
static int read_format(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	struct llm_request *q = r->q;
	struct str word = json_str(r->mem, j);
	(void)to;
	if (j->type == JSON_OBJECT) {
		q->format = FORMAT_SCHEMA;
		q->format_name = STR("answer");		/* OpenAI wants one */
		q->format_schema = j->raw;
		q->prompt_bytes += j->raw.n;
		return 0;
	}
	if (str_eq(word, STR("json")))
		q->format = FORMAT_JSON;
	else if (j->type != JSON_STRING || word.n)
		return oai_refuse(r, at, "must be \"json\" or a JSON schema");
	return 0;
}

/* Whether thinking is off others need not be told: many know no word for it. */
static int read_think(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	static const struct str levels[] = { STR("low"), STR("medium"), STR("high"), STR("max") };
	struct str *effort = to, word = json_str(r->mem, j);
	bool is_known = j->type == JSON_TRUE || j->type == JSON_FALSE;
	if (j->type == JSON_TRUE)
		*effort = STR("medium");
	for (size_t i = 0; i < COUNT(levels); i++)
		if (str_eq(word, levels[i])) {
			*effort = str_eq(word, STR("max")) ? STR("xhigh") : levels[i];
			is_known = true;
		}
	if (!is_known)
		return oai_refuse(r, at, "must be true, false, \"low\", \"medium\", \"high\" "
					 "or \"max\"");
	return oai_add_other(r, "", j->key, j->raw);
}

/* --- generate's own --- */

static int read_stream(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	bool *is_stream = to;
	int err = oai_read_flag(r, at, j, is_stream);
	whole(r)->refuses_stream = !err && !*is_stream;
	return err;
}

static int read_prompt(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	int err = oai_read_string(r, at, j, &whole(r)->prompt);
	(void)to;
	r->q->prompt_bytes += err ? 0 : whole(r)->prompt.n;
	return err;
}

static int read_system(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	int err = oai_read_string(r, at, j, &whole(r)->system);
	(void)to;
	r->q->prompt_bytes += err ? 0 : whole(r)->system.n;
	return err;
}

static int read_raw(struct oai_reading *r, const struct place *at, const struct json *j, void *to)
{
	int err = oai_read_flag(r, at, j, &whole(r)->is_raw);
	(void)to;
	return err ? err : oai_add_other(r, "", j->key, j->raw);
}

static int read_own_images(struct oai_reading *r, const struct place *at, const struct json *j,
			   void *to)
{
	(void)to;
	return olm_read_images(r, at, j, &whole(r)->images_end);
}

/* Kept, but nothing to say for others. */
static int read_suffix(struct oai_reading *r, const struct place *at, const struct json *j,
		       void *to)
{
	struct str s = STR_NONE;
	int err = oai_read_string(r, at, j, &s);
	if (!err && s.n)
		*(struct str *)to = s;
	return err;
}

#define SHARED                                                \
	{ "stream", read_stream, TO(is_stream) },             \
	{ "options", olm_read_options, 0 },                   \
	{ "format", read_format, 0 },                     \
	{ "think", read_think, TO(reasoning_effort) },    \
	{ "truncate", oai_other_flag, 0 },                    \
	{ "shift", oai_other_flag, 0 },                       \
	{ "logprobs", oai_other_flag, 0 },                    \
	{ "top_logprobs", oai_other_number, 0 }

static const struct oai_param chat_params[] = {
	{ "messages", olm_read_messages, TO(messages) },
	{ "tools", oai_read_tools, TO(tools) },
	SHARED,
	{ NULL, NULL, 0 },
};

static const struct oai_param generate_params[] = {
	{ "prompt", read_prompt, 0 },
	{ "system", read_system, 0 },
	{ "suffix", read_suffix, TO(prompt_suffix) },
	{ "images", read_own_images, 0 },
	{ "raw", read_raw, 0 },
	{ "template", oai_other_string, 0 },
	SHARED,
	{ NULL, NULL, 0 },
};

/* --- bodies --- */

void olm_begin(struct olm_reading *o, struct arena *a, struct str body, const struct json *root,
	       enum llm_kind kind, struct llm_request *ret, struct dialect_error *err)
{
	*o = (struct olm_reading){ 0 };
	o->images_end = &o->images;
	oai_begin(&o->r, a, body, root, kind, ret, err);
	ret->family = FAMILY_OLLAMA_CHAT;
}

static void decide_stream(struct olm_reading *o)
{
	o->r.q->is_stream = o->r.q->wants_usage = !o->refuses_stream;
}

int olm_read_chat(struct arena *a, struct str body, const struct json *root,
		  struct llm_request *ret, struct dialect_error *reterr)
{
	static const struct place messages = { .name = "messages" };
	struct olm_reading o;
	olm_begin(&o, a, body, root, LLM_CHAT, ret, reterr);
	int err = oai_read_members(&o.r, root, chat_params);
	decide_stream(&o);
	if (!err && !ret->messages)
		return oai_refuse(&o.r, &messages, "is missing");
	return err;
}

static struct llm_part *new_text(struct arena *a, struct str text)
{
	struct llm_part *p = arena_alloc(a, sizeof *p);
	if (p)
		*p = (struct llm_part){ .kind = PART_TEXT, .text = text };
	return p;
}

static int add_turn(struct olm_reading *o, struct llm_message ***end, enum llm_role role,
		    struct str text, struct llm_part *images)
{
	struct llm_message *m = arena_alloc(o->r.mem, sizeof *m);
	struct llm_part *p = m ? new_text(o->r.mem, text) : NULL;
	if (!p)
		return -ENOMEM;
	p->next = images;
	*m = (struct llm_message){ .role = role, .parts = p };
	**end = m;
	*end = &m->next;
	o->r.q->n_messages++;
	return 0;
}

static int make_chat(struct olm_reading *o)
{
	struct llm_message **end = &o->r.q->messages;
	int err = o->system.n ? add_turn(o, &end, ROLE_SYSTEM, o->system, NULL) : 0;
	return err ? err : add_turn(o, &end, ROLE_USER, o->prompt, o->images);
}

static int make_text(struct olm_reading *o)
{
	struct llm_request *q = o->r.q;
	q->kind = LLM_TEXT;
	q->inputs = arena_array(o->r.mem, 1, sizeof *q->inputs);
	if (!q->inputs)
		return -ENOMEM;
	q->inputs[0] = o->prompt;
	q->n_inputs = 1;
	return 0;
}

int olm_read_generate(struct arena *a, struct str body, const struct json *root,
		      struct llm_request *ret, struct dialect_error *reterr)
{
	static const struct place prompt = { .name = "prompt" };
	struct olm_reading o;
	olm_begin(&o, a, body, root, LLM_CHAT, ret, reterr);
	int err = oai_read_members(&o.r, root, generate_params);
	decide_stream(&o);
	if (err)
		return err;
	if (!o.prompt.p)
		return oai_refuse(&o.r, &prompt, "is missing");
	return ret->prompt_suffix.n || o.is_raw ? make_text(&o) : make_chat(&o);
}
