/* SPDX-License-Identifier: MIT
 * provider_bedrock_messages.c - what is said, as Converse wants it: each block is an object whose
 * one member names its kind. Who speaks when is the Anthropic adapter's matter. */
#include <errno.h>
#include <stdio.h>

#include "common/hash.h"
#include "worker/exchange/provider_bedrock.h"

enum { ID_MAX = 64, NAME_MAX_BYTES = 200 };

/* --- marks of the cache --- */

struct str bedrock_cache_mark(const struct json *raw)
{
	const struct json *mark = json_is(raw, JSON_OBJECT) ? json_get(raw, "cache_control") : NULL;
	return json_is(mark, JSON_OBJECT) ? mark->raw : STR_NONE;
}

void bedrock_put_cache_point(struct bedrock_writing *w, struct str mark)
{
	struct json_out *o = &w->ant.o;
	const struct json *j = ant_parse(&w->ant, mark);
	struct str ttl = json_get_str(w->ant.mem, j, "ttl");
	if (!json_is(j, JSON_OBJECT) || !w->model.caches)
		return;
	json_open(o, NULL);
	json_open(o, "cachePoint");
	json_put_z(o, "type", "default");
	if (ttl.n)
		json_put_str(o, "ttl", ttl);
	json_close(o);
	json_close(o);
}

/* --- parts that cannot be said --- */

/* What a file's type is called here; NULL: it is not taken. */
static const char *format_of(struct str mime, bool is_image)
{
	static const struct {
		struct str mime;
		const char *format;
		bool is_image;
	} formats[] = {
		{ STR("image/png"), "png", true },
		{ STR("image/jpeg"), "jpeg", true },
		{ STR("image/jpg"), "jpeg", true },
		{ STR("image/gif"), "gif", true },
		{ STR("image/webp"), "webp", true },
		{ STR("application/pdf"), "pdf", false },
		{ STR("text/csv"), "csv", false },
		{ STR("application/msword"), "doc", false },
		{ STR("application/vnd.openxmlformats-officedocument.wordprocessingml.document"), "docx", false },
		{ STR("application/vnd.ms-excel"), "xls", false },
		{ STR("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), "xlsx", false },
		{ STR("text/html"), "html", false },
		{ STR("text/markdown"), "md", false },
		{ STR("text/plain"), "txt", false },
		{ STR("application/json"), "txt", false },
	};
	for (size_t i = 0; i < COUNT(formats); i++)
		if (formats[i].is_image == is_image && str_eq_nocase(mime, formats[i].mime))
			return formats[i].format;
	return !is_image && str_starts_nocase(mime, STR("text/")) ? "txt" : NULL;
}

static bool is_image(const struct llm_part *p)
{
	return p->kind == PART_IMAGE || str_starts_nocase(p->mime, STR("image/"));
}

static bool is_medium(const struct llm_part *p)
{
	return p->kind == PART_IMAGE || p->kind == PART_FILE;
}

static bool is_in_s3(const struct llm_part *p)
{
	return p->url.p && str_starts(p->url, STR("s3://"));
}

/* The type of what lies in S3 stands in its name, if anywhere. */
static struct str mime_of(const struct llm_part *p)
{
	static const struct {
		struct str ending, mime;
	} known[] = {
		{ STR(".png"), STR("image/png") },   { STR(".jpg"), STR("image/jpeg") },
		{ STR(".jpeg"), STR("image/jpeg") }, { STR(".gif"), STR("image/gif") },
		{ STR(".webp"), STR("image/webp") }, { STR(".pdf"), STR("application/pdf") },
		{ STR(".csv"), STR("text/csv") },    { STR(".html"), STR("text/html") },
		{ STR(".md"), STR("text/markdown") }, { STR(".txt"), STR("text/plain") },
	};
	if (p->mime.n)
		return p->mime;
	for (size_t i = 0; i < COUNT(known) && is_in_s3(p); i++)
		if (str_ends(p->url, known[i].ending))
			return known[i].mime;
	return is_image(p) ? STR("image/jpeg") : STR("application/pdf");
}

/* Blocks in Converse's own words, each known by its only member. */
static bool is_own_block(const struct llm_part *p)
{
	static const char *const kinds[] = { "guardContent", "cachePoint", "video", "audio",
					     "searchResult", "document", "image" };
	if (!json_is(p->raw, JSON_OBJECT) || p->raw->count != 1)
		return false;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (json_is(json_get(p->raw, kinds[i]), JSON_OBJECT))
			return true;
	return false;
}

static const char *complaint_about(struct ant_writing *w, const struct llm_part *p)
{
	(void)w;
	if (p->kind == PART_AUDIO)
		return "is sound, which bedrock does not take";
	if (p->kind == PART_OTHER && !is_own_block(p))
		return "is of a type that bedrock does not know";
	if (!is_medium(p))
		return NULL;
	if (!p->data.p && !is_in_s3(p))
		return "must have its data with it: bedrock follows no links but those to S3";
	if (!format_of(mime_of(p), is_image(p)))
		return "is of a type that bedrock does not take";
	return NULL;
}

/* --- blocks --- */

static void put_text(struct json_out *o, struct str text)
{
	json_open(o, NULL);
	json_put_str(o, "text", text);
	json_close(o);
}

static bool is_name_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-()[]", c));
}

/* A document's name may hold few characters, single blanks among them, and comes once. */
static void put_name(struct bedrock_writing *w, struct str filename)
{
	char name[NAME_MAX_BYTES + 32];
	size_t n = 0, dot = filename.n;
	for (size_t i = 0; i < filename.n; i++)
		if (filename.p[i] == '.')
			dot = i;
	for (size_t i = 0; i < dot && n < NAME_MAX_BYTES; i++) {
		if (is_name_character(filename.p[i]))
			name[n++] = filename.p[i];
		else if (n && name[n - 1] != ' ')
			name[n++] = ' ';
	}
	while (n && name[n - 1] == ' ')
		n--;
	if (!n) {
		memcpy(name, "document", 8);
		n = 8;
	}
	if (++w->n_documents > 1)
		n += (size_t)snprintf(name + n, 32, " (%u)", w->n_documents);
	json_put_str(&w->ant.o, "name", str_of(name, n));
}

static void put_medium(struct bedrock_writing *w, const struct llm_part *p)
{
	struct json_out *o = &w->ant.o;
	bool is_picture = is_image(p);
	json_open(o, NULL);
	json_open(o, is_picture ? "image" : "document");
	json_put_z(o, "format", format_of(mime_of(p), is_picture));
	if (!is_picture)
		put_name(w, p->filename);
	json_open(o, "source");
	if (p->data.p) {
		json_put_str(o, "bytes", p->data);
	} else {
		json_open(o, "s3Location");
		json_put_str(o, "uri", p->url);
		json_close(o);
	}
	json_close(o);
	json_close(o);
	json_close(o);
}

static void put_thought(struct ant_writing *w, const struct llm_part *p)
{
	struct json_out *o = &w->o;
	struct str data = p->data.p ? p->data : json_get_str(w->mem, p->raw, "data");
	json_open(o, NULL);
	json_open(o, "reasoningContent");
	if (!p->signature.n && data.p) {
		json_put_str(o, "redactedContent", data);
	} else {
		json_open(o, "reasoningText");
		json_put_str(o, "text", p->text.p ? p->text : STR(""));
		json_put_str(o, "signature", p->signature);
		json_close(o);
	}
	json_close(o);
	json_close(o);
}

/* An id that is taken here, too: not longer than 64 characters. */
static struct str call_id(struct arena *a, struct str id)
{
	struct str s = ant_call_id(a, id);
	if (s.n <= ID_MAX)
		return s;
	return arena_printf(a, "tooluse_%016llx", (unsigned long long)hash_stable(id));
}

static int put_call(struct ant_writing *w, const struct llm_part *p)
{
	struct json_out *o = &w->o;
	struct str id = call_id(w->mem, p->id);
	if (!id.p)
		return -ENOMEM;
	json_open(o, NULL);
	json_open(o, "toolUse");
	json_put_str(o, "toolUseId", id);
	json_put_str(o, "name", p->name.p ? p->name : STR(""));
	ant_put_input(w, p);
	json_close(o);
	json_close(o);
	return 0;
}

/* What may stand within a result. */
static void put_inner(struct bedrock_writing *w, const struct llm_part *p)
{
	for (; p && p->kind != PART_TOOL_RESULT; p = p->next) {
		if (is_medium(p))
			put_medium(w, p);
		else if (p->kind == PART_TEXT && ant_trim_end(p->text).n)
			put_text(&w->ant.o, p->text);
	}
}

static int put_result(struct bedrock_writing *w, const struct ant_block *b)
{
	const struct llm_part *p = b->part;
	struct json_out *o = &w->ant.o;
	struct str id = call_id(w->ant.mem, p->id);
	bool has_inner = b->has_inner && p->next && p->next->kind != PART_TOOL_RESULT;
	if (!id.p)
		return -ENOMEM;
	json_open(o, NULL);
	json_open(o, "toolResult");
	json_put_str(o, "toolUseId", id);
	json_open_array(o, "content");
	if (ant_trim_end(p->text).n || !has_inner)
		put_text(o, ant_trim_end(p->text).n ? p->text : STR("."));
	if (has_inner)
		put_inner(w, p->next);
	json_close_array(o);
	if (p->is_error && w->model.caches)	/* Claude and Nova alone know it */
		json_put_z(o, "status", "error");
	json_close(o);
	json_close(o);
	return 0;
}

static int put_block(struct bedrock_writing *w, const struct ant_block *b)
{
	const struct llm_part *p = b->part;
	struct str mark = bedrock_cache_mark(p->raw);
	int err = 0;
	switch (p->kind) {
	case PART_IMAGE:
	case PART_FILE:
		put_medium(w, p);
		break;
	case PART_TOOL_CALL:
		err = put_call(&w->ant, p);
		break;
	case PART_TOOL_RESULT:
		err = put_result(w, b);
		break;
	case PART_REASONING:
		put_thought(&w->ant, p);
		return 0;
	case PART_OTHER:
		json_put_raw(&w->ant.o, NULL, p->raw->raw);
		return 0;
	default:
		put_text(&w->ant.o, b->text.n ? b->text : STR("."));
	}
	bedrock_put_cache_point(w, mark.p ? mark : b->cache);
	return err;
}

static int put_blocks(struct bedrock_writing *w, const struct ant_blocks *l)
{
	int err = 0;
	for (const struct ant_block *b = l->first; b && !err; b = b->next)
		err = put_block(w, b);
	return err;
}

/* --- turns --- */

/* A document wants a text beside it. */
static bool wants_text(const struct ant_blocks *l)
{
	bool has_document = false, has_text = false;
	for (const struct ant_block *b = l->first; b; b = b->next) {
		has_document = has_document || (b->part->kind == PART_FILE && !is_image(b->part));
		has_text = has_text || b->part->kind == PART_TEXT;
	}
	return has_document && !has_text;
}

static int put_turn(struct bedrock_writing *w, const struct ant_turn *t)
{
	struct json_out *o = &w->ant.o;
	json_open(o, NULL);
	json_put_z(o, "role", t->is_assistant ? "assistant" : "user");
	json_open_array(o, "content");
	int err = put_blocks(w, &t->results);
	if (!err)
		err = put_blocks(w, &t->said);
	if (!err && wants_text(&t->said))
		put_text(o, STR("."));
	json_close_array(o);
	json_close(o);
	return err;
}

static int put_system(struct bedrock_writing *w, const struct ant_blocks *l)
{
	if (!l->first)
		return 0;
	json_open_array(&w->ant.o, "system");
	int err = put_blocks(w, l);
	json_close_array(&w->ant.o);
	return err;
}

int bedrock_put_messages(struct bedrock_writing *w)
{
	struct ant_script s = { .w = &w->ant };
	int err = ant_check_parts(&w->ant, complaint_about);
	if (!err)
		err = ant_make_script(&s);
	if (!err)
		err = put_system(w, &s.system);
	if (err)
		return err;
	json_open_array(&w->ant.o, "messages");
	for (const struct ant_turn *t = s.first; t && !err; t = t->next)
		err = put_turn(w, t);
	json_close_array(&w->ant.o);
	return err;
}
