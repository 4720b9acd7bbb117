/* SPDX-License-Identifier: MIT
 * provider_gemini_contents.c - what is said, as Gemini wants it: turns of user and model that take
 * part in each other, all that the system says beside them, results of calls in the order of the
 * calls and by their functions' names. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/hash.h"
#include "worker/exchange/provider_gemini.h"

enum {
	OBJECT_DEPTH_MAX = 48,		/* deeper arguments travel as text */
	NOT_CALLED = UINT32_MAX
};

/* The first call of a turn must have a signature since the third generation; these words say that
 * there is none to be had. */
#define NO_SIGNATURE "skip_thought_signature_validator"

/* --- calls by their ids --- */

struct gemini_call {
	struct str id;			/* .p NULL: a free slot */
	const struct llm_part *call;
	unsigned order;
};

static int make_table(struct gemini_writing *w)
{
	size_t n = 0, room = 16;
	for (const struct llm_message *m = w->q->messages; m; m = m->next)
		for (const struct llm_part *p = m->parts; p; p = p->next)
			n += p->kind == PART_TOOL_CALL;
	if (!n)
		return 0;
	while (room < 2 * n)
		room *= 2;
	w->calls = arena_array(w->mem, room, sizeof *w->calls);
	w->calls_room = room;
	return w->calls ? 0 : -ENOMEM;
}

/* The slot of an id, or the free one where it belongs. Half of them are free. */
static struct gemini_call *find_slot(const struct gemini_writing *w, struct str id)
{
	size_t i = hash_table(id) & (w->calls_room - 1);
	while (w->calls[i].id.p && !str_eq(w->calls[i].id, id))
		i = (i + 1) & (w->calls_room - 1);
	return &w->calls[i];
}

/* The last call before with that id, or NULL. */
static const struct gemini_call *find_call(const struct gemini_writing *w, struct str id)
{
	const struct gemini_call *c = w->calls && id.p ? find_slot(w, id) : NULL;
	return c && c->call ? c : NULL;
}

static void note_call(struct gemini_writing *w, const struct llm_part *p)
{
	struct str id = p->id.p ? p->id : STR("");
	struct gemini_call *c = find_slot(w, id);
	*c = (struct gemini_call){ .id = id, .call = p, .order = w->n_calls++ };
}

/* --- turns --- */

static void close_turn(struct gemini_writing *w)
{
	if (!w->role)
		return;
	json_close_array(&w->o);
	json_close(&w->o);
	w->role = NULL;
}

static void open_role(struct gemini_writing *w, const char *role)
{
	json_open(&w->o, NULL);
	json_put_z(&w->o, "role", role);
	json_open_array(&w->o, "parts");
	w->role = role;
	w->has_turns = true;
}

static void put_text_part(struct json_out *o, struct str text)
{
	json_open(o, NULL);
	json_put_str(o, "text", text);
	json_close(o);
}

/* A turn is opened with its first part, and goes on while the role is the same. The user speaks
 * first. */
static void open_turn(struct gemini_writing *w, const char *role)
{
	if (w->role && strcmp(w->role, role) == 0)
		return;
	close_turn(w);
	if (!w->has_turns && strcmp(role, "model") == 0) {
		open_role(w, "user");
		put_text_part(&w->o, STR(" "));
		close_turn(w);
	}
	open_role(w, role);
}

static const char *role_of(const struct llm_message *m)
{
	return m->role == ROLE_ASSISTANT ? "model" : "user";
}

static bool is_system(const struct llm_message *m)
{
	return m->role == ROLE_SYSTEM || m->role == ROLE_DEVELOPER;
}

/* --- media --- */

static struct str mime_of_link(struct str link)
{
	static const struct {
		struct str ending, mime;
	} known[] = {
		{ STR(".png"), STR("image/png") },	 { STR(".jpg"), STR("image/jpeg") },
		{ STR(".jpeg"), STR("image/jpeg") },	 { STR(".webp"), STR("image/webp") },
		{ STR(".gif"), STR("image/gif") },	 { STR(".heic"), STR("image/heic") },
		{ STR(".heif"), STR("image/heif") },	 { STR(".pdf"), STR("application/pdf") },
		{ STR(".txt"), STR("text/plain") },	 { STR(".mp4"), STR("video/mp4") },
		{ STR(".mov"), STR("video/quicktime") }, { STR(".webm"), STR("video/webm") },
		{ STR(".mp3"), STR("audio/mp3") },	 { STR(".wav"), STR("audio/wav") },
	};
	struct str path = str_cut(&link, '?');
	for (size_t i = 0; i < COUNT(known); i++)
		if (path.n > known[i].ending.n &&
		    str_eq_nocase(str_skip(path, path.n - known[i].ending.n), known[i].ending))
			return known[i].mime;
	return STR_NONE;
}

static void put_medium(struct json_out *o, const struct llm_part *p)
{
	struct str link = p->url.p ? p->url : p->file_id;
	struct str mime = p->mime.n ? p->mime : mime_of_link(link);
	json_open(o, NULL);
	json_open(o, p->data.p ? "inlineData" : "fileData");
	if (mime.n)
		json_put_str(o, "mimeType", mime);
	if (p->data.p)
		json_put_str(o, "data", p->data);
	else
		json_put_str(o, "fileUri", link);
	json_close(o);
	json_close(o);
}

static bool is_medium(const struct llm_part *p)
{
	return p->kind == PART_IMAGE || p->kind == PART_AUDIO || p->kind == PART_FILE;
}

/* A part of another vendor's own kind that says nothing here is not left out in silence, unless it
 * comes from a dialect whose own provider would have taken it. */
static int check_part(struct gemini_writing *w, const struct llm_part *p, unsigned message,
		      unsigned part)
{
	struct str link = p->url.p ? p->url : p->file_id;
	char at[64];
	snprintf(at, sizeof at, "messages[%u].content[%u]", message, part);
	if (p->is_custom || (p->kind == PART_OTHER && w->q->family == FAMILY_OPENAI))
		return gemini_refuse(w, OUTCOME_BAD_REQUEST, at,
				     "%s is of a type that gemini does not know", at);
	if (is_medium(p) && !p->data.p && (!link.n || str_starts_nocase(link, STR("data:"))))
		return gemini_refuse(w, OUTCOME_BAD_REQUEST, at,
				     "%s must be a link or a data URI in base64", at);
	if (is_medium(p) && !p->data.p && str_find(link, STR(":")) == SIZE_MAX)
		return gemini_refuse(w, OUTCOME_BAD_REQUEST, at,
				     "%s: gemini knows files by their URIs only", at);
	return 0;
}

static int check_parts(struct gemini_writing *w)
{
	unsigned message = 0;
	for (const struct llm_message *m = w->q->messages; m; m = m->next, message++) {
		unsigned part = 0;
		for (const struct llm_part *p = m->parts; p; p = p->next, part++) {
			int err = check_part(w, p, message, part);
			if (err)
				return err;
		}
	}
	return 0;
}

/* --- calls and their results --- */

static bool is_shallow(const struct json *j, unsigned depth)
{
	for (const struct json *c = j->child; c; c = c->next)
		if (depth == 0 || !is_shallow(c, depth - 1))
			return false;
	return true;
}

static const struct json *parse_object(struct gemini_writing *w, struct str text)
{
	const struct json *j;
	int err = gemini_parse(w->mem, text, &j);
	w->failed = err ? err : w->failed;
	return json_is(j, JSON_OBJECT) && is_shallow(j, OBJECT_DEPTH_MAX) ? j : NULL;
}

/* An object as it is; any other text under a name. */
static void put_object(struct gemini_writing *w, const char *key, struct str text, const char *name)
{
	const struct json *j = parse_object(w, text);
	if (j) {
		json_put_raw(&w->o, key, j->raw);
		return;
	}
	json_open(&w->o, key);
	if (text.n || name[0] != '_')
		json_put_str(&w->o, name, text.p ? text : STR(""));
	json_close(&w->o);
}

/* Where a signature may stand: with the call, in its id, or where the vendor's own dialect of
 * OpenAI's has it. */
static struct str signature_of(struct gemini_writing *w, const struct llm_part *p)
{
	const struct json *extra = json_get_path(p->raw, "extra_content.google.thought_signature");
	struct str s = p->signature;
	int err = s.n ? 0 : gemini_id_signature(w->mem, p->id, &s);
	if (err || s.n || !json_is(extra, JSON_STRING)) {
		w->failed = err ? err : w->failed;
		return s;
	}
	s = json_str(w->mem, extra);
	w->failed = s.p ? w->failed : -ENOMEM;
	return s;
}

static void put_call(struct gemini_writing *w, const struct llm_part *p, bool is_first)
{
	struct json_out *o = &w->o;
	struct str id = gemini_bare_id(p->id), signature = signature_of(w, p);
	note_call(w, p);
	if (!signature.n && is_first && gemini_is_third(w->target->model))
		signature = STR(NO_SIGNATURE);
	json_open(o, NULL);
	json_open(o, "functionCall");
	if (id.n)
		json_put_str(o, "id", id);
	json_put_str(o, "name", p->name.p ? p->name : STR(""));
	put_object(w, "args", p->text, "_raw");
	json_close(o);
	if (signature.n)
		json_put_str(o, "thoughtSignature", signature);
	json_close(o);
}

static void put_result(struct gemini_writing *w, const struct llm_part *p, struct str name)
{
	struct json_out *o = &w->o;
	struct str id = gemini_bare_id(p->id);
	json_open(o, NULL);
	json_open(o, "functionResponse");
	if (id.n)
		json_put_str(o, "id", id);
	json_put_str(o, "name", name);
	put_object(w, "response", p->text, p->is_error ? "error" : "output");
	json_close(o);
	json_close(o);
}

struct result {
	const struct llm_part *part;
	struct str name;
	unsigned order, position;
};

static int by_order(const void *a, const void *b)
{
	const struct result *x = a, *y = b;
	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->position < y->position ? -1 : x->position > y->position;
}

static int look_up(struct gemini_writing *w, struct result *r)
{
	const struct gemini_call *c = find_call(w, r->part->id);
	r->order = c ? c->order : NOT_CALLED;
	r->name = r->part->name.n ? r->part->name : c && c->call->name.p ? c->call->name : STR_NONE;
	if (r->name.p)
		return 0;
	return gemini_refuse(w, OUTCOME_BAD_REQUEST, "messages",
			     "the call %.64s, whose result is given, is not among the messages before",
			     r->part->id.n ? arena_dup_z(w->mem, r->part->id) : "without an id");
}

/* The messages from m up to the model's next one are one turn. */
static const struct llm_message *turn_end(const struct llm_message *m)
{
	while (m && m->role != ROLE_ASSISTANT)
		m = m->next;
	return m;
}

/* The results of a turn come first, as the calls came. */
static int put_results(struct gemini_writing *w, const struct llm_message *from,
		       const struct llm_message *end)
{
	unsigned n = 0;
	for (const struct llm_message *m = from; m != end; m = m->next)
		for (const struct llm_part *p = m->parts; p; p = p->next)
			n += p->kind == PART_TOOL_RESULT;
	struct result *list = n ? arena_array(w->mem, n, sizeof *list) : NULL;
	if (!n)
		return 0;
	if (!list)
		return -ENOMEM;
	n = 0;
	for (const struct llm_message *m = from; m != end; m = m->next)
		for (const struct llm_part *p = m->parts; p; p = p->next) {
			if (p->kind != PART_TOOL_RESULT)
				continue;
			list[n] = (struct result){ .part = p, .position = n };
			int err = look_up(w, &list[n++]);
			if (err)
				return err;
		}
	qsort(list, n, sizeof *list, by_order);
	open_turn(w, "user");
	for (unsigned i = 0; i < n; i++)
		put_result(w, list[i].part, list[i].name);
	return 0;
}

/* --- messages --- */

/* Thoughts go back to who thought them: only a Gemini client has them from a Gemini model. */
static void put_thought(struct gemini_writing *w, const struct llm_part *p)
{
	if (w->q->family != FAMILY_GEMINI)
		return;
	open_turn(w, "model");
	json_open(&w->o, NULL);
	json_put_str(&w->o, "text", p->text.p ? p->text : STR(""));
	json_put_bool(&w->o, "thought", true);
	if (p->signature.n)
		json_put_str(&w->o, "thoughtSignature", p->signature);
	json_close(&w->o);
}

static void put_said(struct gemini_writing *w, const char *role, const struct llm_part *p)
{
	bool is_signed = p->signature.n && w->q->family == FAMILY_GEMINI;
	if (!p->text.n && !is_signed)
		return;			/* empty parts are refused */
	open_turn(w, role);
	json_open(&w->o, NULL);
	json_put_str(&w->o, "text", p->text.p ? p->text : STR(""));
	if (is_signed)
		json_put_str(&w->o, "thoughtSignature", p->signature);
	json_close(&w->o);
}

static void put_part(struct gemini_writing *w, const char *role, const struct llm_part *p,
		     bool *has_called)
{
	switch (p->kind) {
	case PART_TEXT:
	case PART_REFUSAL:
		put_said(w, role, p);
		break;
	case PART_IMAGE:
	case PART_AUDIO:
	case PART_FILE:
		open_turn(w, role);
		put_medium(&w->o, p);
		break;
	case PART_TOOL_CALL:
		open_turn(w, role);
		put_call(w, p, !*has_called);
		*has_called = true;
		break;
	case PART_REASONING:
		put_thought(w, p);
		break;
	case PART_OTHER:
		if (w->q->family != FAMILY_GEMINI || !p->raw)
			break;
		open_turn(w, role);
		json_put_raw(&w->o, NULL, p->raw->raw);
		break;
	case PART_TOOL_RESULT:
		break;
	}
}

static int put_turns(struct gemini_writing *w)
{
	const struct llm_message *m = w->q->messages;
	bool is_in_turn = false;	/* the results of the user's turn have been written */
	for (; m; m = m->next) {
		bool has_called = false;
		if (is_system(m))
			continue;
		if (m->role != ROLE_ASSISTANT && !is_in_turn) {
			int err = put_results(w, m, turn_end(m));
			if (err)
				return err;
		}
		is_in_turn = m->role != ROLE_ASSISTANT;
		for (const struct llm_part *p = m->parts; p; p = p->next)
			put_part(w, role_of(m), p, &has_called);
	}
	if (!w->has_turns) {
		open_turn(w, "user");
		put_text_part(&w->o, STR(" "));
	}
	close_turn(w);
	return 0;
}

static void put_system(struct gemini_writing *w)
{
	struct json_out *o = &w->o;
	bool is_open = false;
	if (gemini_find(w->sorted.top, STR("systemInstruction")))
		return;			/* the operator's own */
	for (const struct llm_message *m = w->q->messages; m; m = m->next) {
		for (const struct llm_part *p = is_system(m) ? m->parts : NULL; p; p = p->next) {
			if (p->kind != PART_TEXT || !p->text.n)
				continue;
			if (!is_open) {
				json_open(o, "systemInstruction");
				json_open_array(o, "parts");
			}
			is_open = true;
			put_text_part(o, p->text);
		}
	}
	if (!is_open)
		return;
	json_close_array(o);
	json_close(o);
}

int gemini_put_contents(struct gemini_writing *w)
{
	int err = check_parts(w);
	if (!err)
		err = make_table(w);
	if (err)
		return err;
	put_system(w);
	json_open_array(&w->o, "contents");
	err = put_turns(w);
	if (!err)
		json_close_array(&w->o);
	return err ? err : w->failed;
}
