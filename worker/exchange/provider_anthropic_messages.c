/* SPDX-License-Identifier: MIT
 * provider_anthropic_messages.c - what is said, as Anthropic wants it: turns of user and assistant
 * that alternate, the system's words apart.
 *
 * Results of tools begin the user's turn that follows the calls. A turn is made when its first
 * block comes; so blank texts, which the vendor refuses, leave no empty turn behind. */
#include <errno.h>
#include <stdio.h>

#include "common/hash.h"
#include "worker/exchange/provider_anthropic.h"

static const char filler[] = ".";	/* where a turn must be and nobody said anything */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct str ant_trim_end(struct str s)
{
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

static bool is_our_words(const struct ant_writing *w)
{
	return w->q->family == FAMILY_ANTHROPIC;
}

static bool has_type(struct ant_writing *w, const struct json *raw, const struct str *types,
		     size_t n)
{
	struct str type = json_get_str(w->mem, raw, "type");
	for (size_t i = 0; i < n; i++)
		if (str_eq(type, types[i]))
			return true;
	return false;
}

/* A block that says more than its text. */
static bool is_rich_text(struct ant_writing *w, const struct llm_part *p)
{
	static const struct str types[] = { STR("document"), STR("search_result") };
	return p->raw && has_type(w, p->raw, types, COUNT(types));
}

/* --- parts that cannot be said --- */

static int refuse_part(struct ant_writing *w, const char *what, unsigned message, unsigned part)
{
	char at[64];
	int n = snprintf(at, sizeof at, "messages[%u].content[%u]", message, part);
	return ant_refuse(w, OUTCOME_BAD_REQUEST, str_of(at, (size_t)n), "%s %s", at, what);
}

/* Blocks of the vendor's that clients of other dialects write, too. */
static bool is_known_other(struct ant_writing *w, const struct llm_part *p)
{
	static const struct str types[] = {
		STR("document"), STR("search_result"), STR("image"), STR("container_upload"),
	};
	return p->raw && (is_our_words(w) || has_type(w, p->raw, types, COUNT(types)));
}

static bool is_text_mime(struct str mime)
{
	return str_starts_nocase(mime, STR("text/")) ||
	       str_eq_nocase(mime, STR("application/json"));
}

static const char *complaint_about(struct ant_writing *w, const struct llm_part *p)
{
	bool has_place = p->url.p || p->file_id.p;
	if (p->kind == PART_AUDIO)
		return "is sound, which anthropic does not take";
	if (p->kind == PART_OTHER && !is_known_other(w, p))
		return "is of a type that anthropic does not know";
	if ((p->kind == PART_IMAGE || p->kind == PART_FILE) && !p->data.p && !has_place)
		return "must have data, a link or an id";
	if (p->kind == PART_FILE && p->data.p && !is_text_mime(p->mime) &&
	    !str_starts_nocase(p->mime, STR("image/")) &&
	    !str_eq_nocase(p->mime, STR("application/pdf")))
		return "must be a PDF, a text or an image: anthropic takes no other files";
	return NULL;
}

int ant_check_parts(struct ant_writing *w, ant_complaint_fn *complaint_about_part)
{
	unsigned message = 0;
	for (const struct llm_message *m = w->q->messages; m; m = m->next, message++) {
		unsigned part = 0;
		for (const struct llm_part *p = m->parts; p; p = p->next, part++) {
			const char *complaint = complaint_about_part(w, p);
			if (complaint)
				return refuse_part(w, complaint, message, part);
		}
	}
	return 0;
}

/* --- from messages to turns --- */

static bool is_sayable(struct ant_writing *w, const struct llm_part *p)
{
	switch (p->kind) {
	case PART_TEXT:
	case PART_REFUSAL:
		return ant_trim_end(p->text).n || is_rich_text(w, p);
	case PART_REASONING:
		return p->signature.n || p->data.n || json_get(p->raw, "data");
	default:
		return true;
	}
}

static int add_block(struct ant_script *s, struct ant_blocks *to, const struct llm_part *p)
{
	struct ant_block *b = arena_alloc(s->w->mem, sizeof *b);
	if (!b)
		return -ENOMEM;
	b->part = p;
	b->text = p->text;
	*(to->last ? &to->last->next : &to->first) = b;
	to->last = s->latest = b;
	return 0;
}

static int add_turn(struct ant_script *s, bool is_assistant)
{
	if (s->last && s->last->is_assistant == is_assistant)
		return 0;
	struct ant_turn *t = arena_alloc(s->w->mem, sizeof *t);
	if (!t)
		return -ENOMEM;
	t->is_assistant = is_assistant;
	*(s->last ? &s->last->next : &s->first) = t;
	s->last = t;
	return 0;
}

static int say(struct ant_script *s, const struct llm_message *m, const struct llm_part *p)
{
	bool is_result = p->kind == PART_TOOL_RESULT;
	int err = add_turn(s, m->role == ROLE_ASSISTANT);
	if (!err)
		err = add_block(s, is_result ? &s->last->results : &s->last->said, p);
	if (!err && is_result)
		s->latest->has_inner = m->role == ROLE_TOOL;
	return err;
}

/* The mark that a message carries as a whole goes to its last block. */
static void mark_latest(struct ant_script *s, const struct llm_message *m)
{
	const struct json *mark = is_our_words(s->w) ? NULL : json_get(m->raw, "cache_control");
	if (s->latest && json_is(mark, JSON_OBJECT))
		s->latest->cache = mark->raw;
}

static bool is_system(const struct llm_message *m)
{
	return m->role == ROLE_SYSTEM || m->role == ROLE_DEVELOPER;
}

/* What the system says first stands apart; what it says later, the user says. */
static int add_message(struct ant_script *s, const struct llm_message *m)
{
	bool is_apart = is_system(m) && !s->first;
	bool is_within = false;			/* behind a result that it belongs to */
	s->latest = NULL;
	for (const struct llm_part *p = m->parts; p; p = p->next) {
		int err = 0;
		if (m->role == ROLE_TOOL)
			is_within = p->kind != PART_TOOL_RESULT && s->latest;
		if (is_within || !is_sayable(s->w, p))
			continue;
		if (!is_apart)
			err = say(s, m, p);
		else if (p->kind == PART_TEXT)
			err = add_block(s, &s->system, p);
		if (err)
			return err;
	}
	mark_latest(s, m);
	return 0;
}

static int add_filler(struct ant_script *s, bool is_first)
{
	struct ant_turn *t = arena_alloc(s->w->mem, sizeof *t);
	struct llm_part *p = arena_alloc(s->w->mem, sizeof *p);
	if (!t || !p)
		return -ENOMEM;
	p->text = str_z(filler);
	t->next = is_first ? s->first : NULL;
	s->first = t;
	if (!s->last)
		s->last = t;
	return add_block(s, &t->said, p);
}

static void drop_last_block(struct ant_turn *t)
{
	struct ant_block **at = &t->said.first;
	t->said.last = NULL;
	for (; (*at)->next; at = &(*at)->next)
		t->said.last = *at;
	*at = NULL;
}

static void drop_last_turn(struct ant_script *s)
{
	struct ant_turn **at = &s->first;
	s->last = NULL;
	for (; (*at)->next; at = &(*at)->next)
		s->last = *at;
	*at = NULL;
}

/* An answer that is begun for the model must not end with white space. */
static void trim_last_turn(struct ant_script *s)
{
	struct ant_turn *t = s->last;
	while (t && t->is_assistant && t->said.last && t->said.last->part->kind == PART_TEXT) {
		t->said.last->text = ant_trim_end(t->said.last->text);
		if (t->said.last->text.n)
			return;
		drop_last_block(t);
	}
	if (t && !t->said.first && !t->results.first)
		drop_last_turn(s);
}

int ant_make_script(struct ant_script *s)
{
	static const struct llm_message user = { .role = ROLE_USER };
	const struct llm_request *q = s->w->q;
	int err = 0;
	if (q->kind == LLM_TEXT) {
		struct llm_part *p = arena_alloc(s->w->mem, sizeof *p);
		if (!p)
			return -ENOMEM;
		p->text = q->inputs[0];
		err = ant_trim_end(p->text).n ? say(s, &user, p) : 0;
	}
	for (const struct llm_message *m = q->messages; m && !err; m = m->next)
		err = add_message(s, m);
	if (err)
		return err;
	trim_last_turn(s);
	return !s->first || s->first->is_assistant ? add_filler(s, true) : 0;
}

/* --- blocks --- */

void ant_put_extras(struct json_out *o, const struct json *raw, const struct str *names, size_t n)
{
	for (size_t i = 0; i < n && json_is(raw, JSON_OBJECT); i++)
		for (const struct json *j = raw->child; j; j = j->next)
			if (json_is_given(j) && str_eq(j->key, names[i])) {
				json_key(o, j->key);
				json_put_raw(o, NULL, j->raw);
			}
}

static void put_cache(struct json_out *o, const struct ant_block *b)
{
	static const struct str names[] = { STR("cache_control") };
	if (b->cache.p && !json_is_given(json_get(b->part->raw, "cache_control")))
		json_put_raw(o, "cache_control", b->cache);
	else
		ant_put_extras(o, b->part->raw, names, COUNT(names));
}

static bool is_id(struct str id)
{
	for (size_t i = 0; i < id.n; i++) {
		char c = id.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_' || c == '-'))
			return false;
	}
	return id.n > 0;
}

struct str ant_call_id(struct arena *a, struct str id)
{
	if (is_id(id))
		return id;
	return arena_printf(a, "toolu_%016llx", (unsigned long long)hash_stable(id));
}

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

/* A text that came as base64; what is no base64 in it is passed over. */
static struct str decode(struct arena *a, struct str data)
{
	char *out = arena_alloc(a, data.n / 4 * 3 + 4);
	size_t n = 0;
	uint32_t bits = 0;
	unsigned have = 0;
	for (size_t i = 0; out && i < data.n; i++) {
		int digit = base64_digit(data.p[i]);
		if (digit < 0)
			continue;
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		out[n++] = (char)(bits >> have & 0xff);
	}
	return out ? str_of(out, n) : STR_NONE;
}

/* Anthropic's own spelling of what many write. */
static struct str image_mime(struct str mime)
{
	if (!mime.n || str_eq_nocase(mime, STR("image/jpg")))
		return STR("image/jpeg");
	return mime;
}

static int put_source(struct ant_writing *w, const struct llm_part *p, bool is_image)
{
	struct json_out *o = &w->o;
	struct str text = STR_NONE;
	bool is_text = !is_image && p->data.p && is_text_mime(p->mime);
	if (is_text) {
		text = decode(w->mem, p->data);
		if (!text.p)
			return -ENOMEM;
	}
	json_open(o, "source");
	if (is_text) {
		json_put_z(o, "type", "text");
		json_put_z(o, "media_type", "text/plain");
		json_put_str(o, "data", text);
	} else if (p->data.p) {
		json_put_z(o, "type", "base64");
		json_put_str(o, "media_type", is_image ? image_mime(p->mime) : p->mime);
		json_put_str(o, "data", p->data);
	} else if (p->url.p) {
		json_put_z(o, "type", "url");
		json_put_str(o, "url", p->url);
	} else {
		json_put_z(o, "type", "file");
		json_put_str(o, "file_id", p->file_id);
	}
	json_close(o);
	return 0;
}

static int put_medium(struct ant_writing *w, const struct ant_block *b)
{
	static const struct str names[] = { STR("title"), STR("context"), STR("citations") };
	const struct llm_part *p = b->part;
	bool is_image = p->kind == PART_IMAGE || str_starts_nocase(p->mime, STR("image/"));
	json_put_z(&w->o, "type", is_image ? "image" : "document");
	int err = put_source(w, p, is_image);
	if (is_our_words(w))
		ant_put_extras(&w->o, p->raw, names, COUNT(names));
	else if (!is_image && p->filename.n)
		json_put_str(&w->o, "title", p->filename);
	return err;
}

static void put_thought(struct ant_writing *w, const struct llm_part *p)
{
	struct str data = p->data.p ? p->data : json_get_str(w->mem, p->raw, "data");
	if (!p->signature.n && data.p) {
		json_put_z(&w->o, "type", "redacted_thinking");
		json_put_str(&w->o, "data", data);
		return;
	}
	json_put_z(&w->o, "type", "thinking");
	json_put_str(&w->o, "thinking", p->text.p ? p->text : STR(""));
	json_put_str(&w->o, "signature", p->signature);
}

/* A model can write what is no JSON; the call is kept all the same, for its result follows. */
void ant_put_input(struct ant_writing *w, const struct llm_part *p)
{
	struct json_error error;
	const struct json *j = p->text.n && !p->is_custom ? json_parse(w->mem, p->text, 0, &error)
							  : NULL;
	if (json_is(j, JSON_OBJECT)) {
		json_put_raw(&w->o, "input", j->raw);
		return;
	}
	json_open(&w->o, "input");
	if (p->text.n)
		json_put_str(&w->o, p->is_custom ? "input" : "_raw", p->text);
	json_close(&w->o);
}

static int put_call(struct ant_writing *w, const struct llm_part *p)
{
	struct str id = ant_call_id(w->mem, p->id);
	if (!id.p)
		return -ENOMEM;
	json_put_z(&w->o, "type", "tool_use");
	json_put_str(&w->o, "id", id);
	json_put_str(&w->o, "name", p->name.p ? p->name : STR(""));
	ant_put_input(w, p);
	return 0;
}

static int put_block(struct ant_writing *w, const struct ant_block *b);

/* Texts within a result are one already. */
static int put_inner(struct ant_writing *w, const struct llm_part *p)
{
	int err = 0;
	for (; p && p->kind != PART_TOOL_RESULT && !err; p = p->next) {
		struct ant_block b = { .part = p, .text = p->text };
		if (p->kind != PART_TOOL_CALL && p->kind != PART_REASONING && is_sayable(w, p))
			err = put_block(w, &b);
	}
	return err;
}

static int put_result(struct ant_writing *w, const struct ant_block *b)
{
	const struct llm_part *p = b->part, *inner = b->has_inner ? p->next : NULL;
	struct json_out *o = &w->o;
	struct str id = ant_call_id(w->mem, p->id);
	int err = 0;
	if (!id.p)
		return -ENOMEM;
	json_put_z(o, "type", "tool_result");
	json_put_str(o, "tool_use_id", id);
	if (!inner || inner->kind == PART_TOOL_RESULT) {
		json_put_str(o, "content", p->text.p ? p->text : STR(""));
	} else {
		json_open_array(o, "content");
		if (ant_trim_end(p->text).n) {
			json_open(o, NULL);
			json_put_z(o, "type", "text");
			json_put_str(o, "text", p->text);
			json_close(o);
		}
		err = put_inner(w, inner);
		json_close_array(o);
	}
	if (p->is_error)
		json_put_bool(o, "is_error", true);
	return err;
}

static int put_members_of(struct ant_writing *w, const struct ant_block *b)
{
	switch (b->part->kind) {
	case PART_IMAGE:
	case PART_FILE:
		return put_medium(w, b);
	case PART_TOOL_CALL:
		return put_call(w, b->part);
	case PART_TOOL_RESULT:
		return put_result(w, b);
	case PART_REASONING:
		put_thought(w, b->part);
		return 0;
	default:
		json_put_z(&w->o, "type", "text");
		json_put_str(&w->o, "text", b->text);
		return 0;
	}
}

static int put_block(struct ant_writing *w, const struct ant_block *b)
{
	const struct llm_part *p = b->part;
	if (p->kind == PART_OTHER || is_rich_text(w, p)) {
		if (p->raw)
			json_put_raw(&w->o, NULL, p->raw->raw);
		return 0;
	}
	json_open(&w->o, NULL);
	int err = put_members_of(w, b);
	if (p->kind != PART_REASONING)
		put_cache(&w->o, b);
	json_close(&w->o);
	return err;
}

static int put_blocks(struct ant_writing *w, const struct ant_blocks *l)
{
	int err = 0;
	for (const struct ant_block *b = l->first; b && !err; b = b->next)
		err = put_block(w, b);
	return err;
}

static int put_turn(struct ant_writing *w, const struct ant_turn *t)
{
	json_open(&w->o, NULL);
	json_put_z(&w->o, "role", t->is_assistant ? "assistant" : "user");
	json_open_array(&w->o, "content");
	int err = put_blocks(w, &t->results);
	if (!err)
		err = put_blocks(w, &t->said);
	json_close_array(&w->o);
	json_close(&w->o);
	return err;
}

static int put_system(struct ant_script *s)
{
	struct ant_writing *w = s->w;
	struct str given = ant_find(w, STR("system"));
	if (!s->system.first && given.p)
		json_put_raw(&w->o, "system", given);
	if (!s->system.first)
		return 0;
	json_open_array(&w->o, "system");
	int err = put_blocks(w, &s->system);
	json_close_array(&w->o);
	return err;
}

int ant_put_messages(struct ant_writing *w)
{
	struct ant_script s = { .w = w };
	int err = ant_check_parts(w, complaint_about);
	if (!err)
		err = ant_make_script(&s);
	if (!err)
		err = put_system(&s);
	if (err)
		return err;
	json_open_array(&w->o, "messages");
	for (const struct ant_turn *t = s.first; t && !err; t = t->next)
		err = put_turn(w, t);
	json_close_array(&w->o);
	return err;
}
