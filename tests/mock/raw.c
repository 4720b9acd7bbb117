/* SPDX-License-Identifier: MIT
 * raw.c - what OpenAI's API has beside text: moderations, images, speech, files and the like; and
 * an echo for everything that is passed through.
 *
 * Files are kept while the program runs. An image or a sound is bytes that a test can make
 * itself: byte i is (i * 2654435761 >> 13) & 255. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/mock/answer.h"
#include "tests/mock/log.h"

enum { FILES_MAX = 64, NAME_MAX_BYTES = 128, MANY = 1000 };

struct file {
	char *p;
	size_t n;
	char name[NAME_MAX_BYTES];
	int is_there;
};
static struct file files[FILES_MAX];
static unsigned n_files;

/* ---- requests ------------------------------------------------------------------------------ */

static struct span find(struct span s, const char *text)
{
	const char *at = s.n ? memmem(s.p, s.n, text, strlen(text)) : NULL;
	return at ? (struct span){ at, s.n - (size_t)(at - s.p) } : (struct span){ 0 };
}

/* A form's field: what stands between its empty line and the next boundary. */
static struct span form_field(struct span body, const char *mark)
{
	struct span at = find(find(body, mark), "\r\n\r\n");
	if (!at.p)
		return at;
	struct span value = { at.p + 4, at.n - 4 };
	const char *eol = body.n ? memchr(body.p, '\r', body.n) : NULL;
	char boundary[200];
	snprintf(boundary, sizeof boundary, "\r\n%.*s", eol ? (int)(eol - body.p) : 0, body.p);
	struct span end = find(value, boundary);
	value.n = end.p ? (size_t)(end.p - value.p) : value.n;
	return value;
}

struct span raw_form_model(struct span body)
{
	return form_field(body, "name=\"model\"");
}

static uint64_t read_number(struct span s)
{
	uint64_t v = 0;
	for (size_t i = 0; i < s.n && i < 9 && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	return v;
}

static uint64_t number_behind(struct span s, const char *mark, uint64_t preset)
{
	struct span at = find(s, mark);
	size_t n = strlen(mark);
	uint64_t v = at.p ? read_number((struct span){ at.p + n, at.n - n }) : 0;
	return v ? v : preset;
}

static void put_bytes(struct buf *out, uint64_t n)
{
	buf_reserve(out, n);
	for (uint64_t i = 0; i < n; i++)
		out->p[out->n++] = (char)((i * 2654435761u >> 13) & 255);
}

static uint64_t size_of(const struct answer *a)
{
	return a->script.size >= 0 ? (uint64_t)a->script.size : MANY;
}

/* ---- answers -------------------------------------------------------------------------------- */

static void write_moderation(struct buf *out, struct answer *a)
{
	BUF_PUT_LIT(out, "{\"id\":\"modr-mock\",\"model\":");
	say_model(out, a);
	BUF_PUT_LIT(out, ",\"results\":[{\"flagged\":false,\"categories\":{\"hate\":false},"
			 "\"category_scores\":{\"hate\":0.01}}]}");
}

static void write_images(struct buf *out, struct answer *a)
{
	struct span field = form_field(a->body, "name=\"n\"");
	uint64_t n = field.p ? read_number(field) : number_behind(a->body, "\"n\": ", 1);
	BUF_PUT_LIT(out, "{\"created\":1700000000,\"data\":[");
	for (uint64_t i = 0; i < n; i++) {
		buf_put_z(out, i ? ",{\"b64_json\":\"" : "{\"b64_json\":\"");
		buf_fill(out, 'A', size_of(a) / 4 * 4);
		BUF_PUT_LIT(out, "\"}");
	}
	BUF_PUT_LIT(out, "]");
	if (!a->script.nousage) {
		BUF_PUT_LIT(out, ",\"usage\":{\"input_tokens\":");
		buf_put_u64(out, a->prompt_tokens);
		BUF_PUT_LIT(out, ",\"output_tokens\":");
		buf_put_u64(out, a->out_tokens);
		BUF_PUT_LIT(out, ",\"input_tokens_details\":{\"text_tokens\":");
		buf_put_u64(out, a->prompt_tokens);
		BUF_PUT_LIT(out, ",\"image_tokens\":0},\"output_tokens_details\":{\"image_tokens\":");
		buf_put_u64(out, a->out_tokens);
		BUF_PUT_LIT(out, "}}");
	}
	BUF_PUT_LIT(out, "}");
}

static void write_speech(struct buf *out, struct answer *a)
{
	put_bytes(out, size_of(a));
}

/* Echoes what came: how many bytes of sound, and the prompt. `out` is the seconds it tells. */
static void write_transcription(struct buf *out, struct answer *a)
{
	struct span sound = form_field(a->body, "filename=");
	BUF_PUT_LIT(out, "{\"text\":\"");
	buf_put_u64(out, sound.n);
	BUF_PUT_LIT(out, " bytes\"");
	if (!a->script.nousage) {
		BUF_PUT_LIT(out, ",\"usage\":{\"type\":\"duration\",\"seconds\":");
		buf_put_u64(out, a->out_tokens);
		BUF_PUT_LIT(out, "}");
	}
	BUF_PUT_LIT(out, "}");
}

static void put_echo(struct buf *out, const struct answer *a)
{
	struct span headers = a->headers;
	BUF_PUT_LIT(out, "{\"object\":\"echo\",\"method\":");
	buf_put_json(out, a->method);
	BUF_PUT_LIT(out, ",\"path\":");
	buf_put_json(out, a->path);
	BUF_PUT_LIT(out, ",\"body_bytes\":");
	buf_put_u64(out, a->body.n);
	if (memmem(a->path.p, a->path.n, "/batches/", 9))	/* one that is done */
		BUF_PUT_LIT(out, ",\"usage\":{\"input_tokens\":7000,\"output_tokens\":900}");
	BUF_PUT_LIT(out, ",\"headers\":{");
	for (unsigned i = 0; headers.n; i++) {
		size_t key = strnlen(headers.p, headers.n), from = out->n;
		const char *value = headers.p + key + 1;
		buf_put_z(out, i ? "," : "");
		buf_put_json(out, (struct span){ headers.p, key });
		for (; from < out->n; from++)
			if (out->p[from] >= 'A' && out->p[from] <= 'Z')
				out->p[from] = (char)(out->p[from] | 0x20);
		BUF_PUT_LIT(out, ":");
		buf_put_json(out, (struct span){ value, strlen(value) });
		size_t used = key + 1 + strlen(value) + 1;
		headers = (struct span){ headers.p + used, headers.n - used };
	}
	BUF_PUT_LIT(out, "}}");
}

/* ---- batches -------------------------------------------------------------------------------- */

/* One is done when it was looked at `looks` times; its metadata say what it tells then. */
static struct { uint64_t in, out, looks, seen; char model[64]; } batches[FILES_MAX];
static unsigned n_batches;

static void put_batch(struct buf *out, unsigned i)
{
	bool is_done = batches[i].seen > batches[i].looks;
	BUF_PUT_LIT(out, "{\"id\":\"batch_mock-");
	buf_put_u64(out, i + 1);
	BUF_PUT_LIT(out, "\",\"object\":\"batch\",\"endpoint\":\"/v1/chat/completions\",\"model\":");
	buf_put_json(out, (struct span){ batches[i].model, strlen(batches[i].model) });
	BUF_PUT_LIT(out, ",\"status\":\"");
	buf_put_z(out, is_done ? "completed" : batches[i].seen ? "in_progress" : "validating");
	BUF_PUT_LIT(out, "\",\"request_counts\":{\"total\":2,\"completed\":2,\"failed\":0},"
			 "\"usage\":{\"input_tokens\":");
	buf_put_u64(out, is_done ? batches[i].in : 0);
	BUF_PUT_LIT(out, ",\"output_tokens\":");
	buf_put_u64(out, is_done ? batches[i].out : 0);
	BUF_PUT_LIT(out, "}}");
}

static void make_batch(struct buf *out, const struct answer *a)
{
	unsigned i = n_batches++ % FILES_MAX;
	struct span model = find(a->body, "\"says\": \"");
	batches[i].in = number_behind(a->body, "\"tokens_in\": ", 0);
	batches[i].out = number_behind(a->body, "\"tokens_out\": ", 0);
	batches[i].looks = number_behind(a->body, "\"looks\": ", 0);
	batches[i].seen = 0;
	size_t n = model.n > 9 ? strcspn(model.p + 9, "\"") : 0;
	snprintf(batches[i].model, sizeof batches[i].model, "%.*s", (int)n, n ? model.p + 9 : "");
	put_batch(out, i);
}

static bool write_batch(struct buf *out, const struct answer *a)
{
	uint64_t i = number_behind(a->path, "/batches/batch_mock-", 0);
	if (find(a->body, "\"completion_window\"").p && find(a->path, "/batches").p) {
		make_batch(out, a);
		return true;
	}
	if (i >= 1 && i <= FILES_MAX && i <= n_batches) {
		batches[i - 1].seen++;
		put_batch(out, (unsigned)i - 1);
		return true;
	}
	return false;
}

static void write_echo(struct buf *out, struct answer *a)
{
	if (!write_batch(out, a))
		put_echo(out, a);
}

/* ---- files ---------------------------------------------------------------------------------- */

static void put_file(struct buf *out, unsigned i)
{
	const struct file *f = &files[i];
	BUF_PUT_LIT(out, "{\"id\":\"file-");
	buf_put_u64(out, i + 1);
	BUF_PUT_LIT(out, "\",\"object\":\"file\",\"bytes\":");
	buf_put_u64(out, f->n);
	BUF_PUT_LIT(out, ",\"filename\":");
	buf_put_json(out, (struct span){ f->name, strlen(f->name) });
	BUF_PUT_LIT(out, ",\"status\":\"processed\"}");
}

static void write_upload(struct buf *out, struct answer *a)
{
	struct span value = form_field(a->body, "filename=\"");
	struct span name = find(a->body, "filename=\"");
	struct file *f = &files[n_files % FILES_MAX];
	free(f->p);
	f->p = malloc(value.n + 1);
	f->n = f->p ? value.n : 0;
	if (f->n)
		memcpy(f->p, value.p, f->n);
	name = name.p ? (struct span){ name.p + 10, name.n - 10 } : name;
	snprintf(f->name, sizeof f->name, "%.*s", (int)(name.n ? strcspn(name.p, "\"") : 0),
		 name.n ? name.p : "");
	f->is_there = 1;
	put_file(out, n_files++ % FILES_MAX);
}

static struct file *file_of(struct span path)
{
	uint64_t i = number_behind(path, "/files/file-", 0);
	return i >= 1 && i <= FILES_MAX && files[i - 1].is_there ? &files[i - 1] : NULL;
}

static void write_file(struct buf *out, struct answer *a)
{
	const struct file *f = file_of(a->path);
	if (f)
		put_file(out, (unsigned)(f - files));
	else
		BUF_PUT_LIT(out, "{\"error\":{\"message\":\"no such file\"}}");
}

static void write_content(struct buf *out, struct answer *a)
{
	const struct file *f = file_of(a->path);
	if (f)
		buf_put(out, f->p, f->n);
}

static void write_deleted(struct buf *out, struct answer *a)
{
	struct file *f = file_of(a->path);
	if (f)
		f->is_there = 0;
	buf_put_z(out, f ? "{\"object\":\"file\",\"deleted\":true}" : "{\"deleted\":false}");
}

static void write_list(struct buf *out, struct answer *a)
{
	unsigned shown = 0;
	(void)a;
	BUF_PUT_LIT(out, "{\"object\":\"list\",\"data\":[");
	for (unsigned i = 0; i < FILES_MAX; i++) {
		if (!files[i].is_there)
			continue;
		buf_put_z(out, shown++ ? "," : "");
		put_file(out, i);
	}
	BUF_PUT_LIT(out, "],\"has_more\":false}");
}

/* ---- tables --------------------------------------------------------------------------------- */

#define ROW(method, path, write) { method, path, NULL, false, 0, write, NULL, openai_write_error }

const struct endpoint raw_endpoints[] = {
	ROW("POST", "/moderations", write_moderation),
	ROW("POST", "/images/generations", write_images),
	ROW("POST", "/images/edits", write_images),
	ROW("POST", "/images/variations", write_images),
	ROW("POST", "/audio/speech", write_speech),
	ROW("POST", "/audio/transcriptions", write_transcription),
	ROW("POST", "/audio/translations", write_transcription),
	ROW("POST", "/files", write_upload),
	ROW("GET", "/files", write_list),
	{ 0 },
};
static const struct endpoint one_file = ROW("GET", "", write_file);
static const struct endpoint one_content = ROW("GET", "", write_content);
static const struct endpoint one_deleted = ROW("DELETE", "", write_deleted);
static const struct endpoint echo = ROW("", "", write_echo);

bool raw_has(const struct endpoint *ep)
{
	return (ep >= raw_endpoints && ep < raw_endpoints + sizeof raw_endpoints / sizeof *ep) ||
	       ep == &one_file || ep == &one_content || ep == &one_deleted || ep == &echo;
}

const char *raw_type(const struct endpoint *ep)
{
	if (ep->write_whole == write_speech)
		return "audio/mpeg";
	return ep == &one_content ? "application/octet-stream" : "application/json";
}

const struct endpoint *raw_find(const char *method, struct span path)
{
	static const char *const marks[] = { "/echo", "/batches", "/vector_stores", "/uploads",
					     "/fine_tuning", "/assistants", "/threads",
					     "/containers" };
	if (find(path, "/files/file-").p) {
		if (strcmp(method, "DELETE") == 0)
			return &one_deleted;
		return find(path, "/content").p ? &one_content : &one_file;
	}
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
		if (find(path, marks[i]).p)
			return &echo;
	return NULL;
}
