/* SPDX-License-Identifier: MIT
 * raw_read.c - a call that is relayed, made ready: its path checked, its model found, and what
 * the request itself says of its cost. The body stays as it is; see worker/raw.h. */
#include <errno.h>

#include "common/clock.h"
#include "worker/client/dialect.h"
#include "worker/client/intake.h"
#include "worker/client/multipart.h"
#include "worker/openai.h"

enum {
	IMAGES_MAX = 1000,
	IMAGE_TOKENS_MAX = 16384,	/* of one image, sent or made: above the dearest known */
	SLOWEST_SOUND = 1000,		/* bytes a second: speech at 8 kbit/s */
	LIKELY_SOUND = 16000,		/* MP3 at 128 kbit/s */
	SOUND_TOKENS_PER_S = 40,
	NAME_MAX_BYTES = 512
};

struct reading {
	struct request *r;
	struct raw_call *c;
	uint64_t text_bytes, file_bytes, files, wave_ms;
	const char *wrong;		/* what cannot be read; the parameter's name */
	bool is_out_of_memory;
};

/* ---- what a request names ------------------------------------------------------------------ */

static void keep_name(struct reading *x, struct str *at, struct str value, const char *param)
{
	if (value.n == 0 || value.n > NAME_MAX_BYTES || !str_is_utf8(value) || at->p) {
		x->wrong = param;
		return;
	}
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < 0x20)
			x->wrong = param;
	*at = value;
}

static void edit(struct reading *x, size_t at, size_t n, struct str with)
{
	struct raw_call *c = x->c;
	if (c->n_edits < COUNT(c->edits))
		c->edits[c->n_edits++] = (struct json_edit){ at, n, with };
	else
		x->wrong = "request_body";
}

static void edit_model(struct reading *x, size_t at, size_t n)
{
	x->c->model_edit = (int)x->c->n_edits;
	edit(x, at, n, STR_NONE);
}

static bool is_for_us(const struct reading *x, struct str name)
{
	return x->c->raw->source == RAW_PROVIDER && (str_eq(name, STR("custom_llm_provider")) ||
						     str_eq(name, STR("target_model_names")));
}

static void take_ours(struct reading *x, struct str name, struct str value)
{
	if (str_eq(name, STR("custom_llm_provider"))) {
		keep_name(x, &x->c->provider, value, "custom_llm_provider");
		return;
	}
	x->c->is_target = true;
	keep_name(x, &x->c->model, value, "target_model_names");
}

/* Who reads or deletes names what by the path: a provider does not look for a model in the body. */
static bool is_model(const struct reading *x, struct str name)
{
	return str_eq(name, STR("model")) && !(x->c->is_read && x->c->raw->source != RAW_MODEL);
}

static uint64_t count_characters(struct str s)
{
	uint64_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static void take_count(struct reading *x, struct str text)
{
	uint64_t n;
	if (str_read_u64(str_trim(text), &n) == 0 && n > 1)
		x->c->known.images = n < IMAGES_MAX ? n : IMAGES_MAX;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void read_member(struct reading *x, const struct json *j, size_t from, bool is_first)
{
	struct request *r = x->r;
	struct raw_call *c = x->c;
	size_t at = (size_t)(j->raw.p - c->body.p);
	int64_t n;
	if (is_for_us(x, j->key)) {
		struct json_edit e = openai_without(c->body, j, from, is_first);
		take_ours(x, j->key, json_str(r->mem, j));
		edit(x, e.at, e.n, e.with);
	} else if (is_model(x, j->key) && j->type != JSON_NULL) {
		keep_name(x, &c->model, json_str(r->mem, j), "model");
		edit_model(x, at, j->raw.n);
	} else if (str_eq(j->key, STR("input"))) {
		c->known.characters = count_characters(json_str(r->mem, j));
	} else if (str_eq(j->key, STR("n"))) {
		if (json_read_i64(j, &n) == 0 && n > 1)
			c->known.images = n < IMAGES_MAX ? (uint64_t)n : IMAGES_MAX;
		r->q.n = c->known.images;
	} else if (str_eq(j->key, STR("stream"))) {
		r->q.is_stream = json_is_true(j);
	} else if (str_eq(j->key, STR("user")) && j->type == JSON_STRING) {
		r->q.user = json_str(r->mem, j);
	} else if (str_eq(j->key, STR("max_tokens")) ||
		   str_eq(j->key, STR("max_completion_tokens")) ||
		   str_eq(j->key, STR("max_output_tokens"))) {
		if (json_read_i64(j, &n) == 0 && n > 0 && (uint64_t)n > r->q.max_tokens)
			r->q.max_tokens = (uint64_t)n;
	} else if (str_eq(j->key, STR("size")) || str_eq(j->key, STR("quality"))) {
		c->is_sized = true;
	}
}

static void read_members(struct reading *x)
{
	struct raw_call *c = x->c;
	size_t from = (size_t)(c->root->raw.p - c->body.p) + 1;
	bool has_kept = false;
	for (const struct json *j = c->root->child; j && !x->wrong; j = j->next) {
		unsigned before = c->n_edits;
		bool ours = is_for_us(x, j->key);
		read_member(x, j, from, !has_kept);
		if (ours && c->n_edits > before) {
			from = c->edits[before].at + c->edits[before].n;
		} else {
			from = (size_t)(j->raw.p - c->body.p) + j->raw.n;
			has_kept = true;
		}
	}
	x->text_bytes = c->body.n;
}

static bool says_json(struct str type)
{
	type = str_trim(str_cut(&type, ';'));
	return !type.n || str_eq_nocase(type, STR("application/json")) ||
	       (type.n > 5 && str_eq_nocase(str_skip(type, type.n - 5), STR("+json")));
}

static bool has_model_in_another_case(const struct json *root)
{
	for (const struct json *j = root->child; j; j = j->next)
		if (str_eq_nocase(j->key, STR("model")) && !str_eq(j->key, STR("model")))
			return true;
	return false;
}

/* Whether a provider may see a model there that was not seen here: in JSON with a member twice, or
 * under a name in another case, in another encoding, or that is none by the letter. What does not
 * say that it is JSON may be lines of it. */
static bool is_doubtful(struct request *r, const struct raw_call *c)
{
	struct json_error e;
	if (!c->body.n || c->is_read)
		return false;
	if (c->root)
		return has_model_in_another_case(c->root);
	return says_json(c->content_type) ||
	       json_is(json_parse(r->mem, c->body, 0, &e), JSON_OBJECT);
}

/* An object, or anything that may be looked at by nobody: a list is no request to a model. */
static bool read_loose(struct reading *x)
{
	struct request *r = x->r;
	struct raw_call *c = x->c;
	struct json_error e;
	const struct json *root = c->body.n ? json_parse(r->mem, c->body, JSON_ONE_KEY, &e) : NULL;
	if (root && root->type != JSON_OBJECT)
		return true;
	c->root = root;
	if (c->raw->source != RAW_TARGET && is_doubtful(r, c)) {
		request_fail(r, OUTCOME_BAD_REQUEST, "request_body",
			     "The body is no JSON, or JSON that two readers could understand "
			     "differently");
		return false;
	}
	return true;
}

/* JSON that must be an object, or that may be anything: then what is none is not looked at. */
static bool read_json(struct reading *x)
{
	struct request *r = x->r;
	const char *disguised;
	if (x->c->raw->source != RAW_MODEL) {
		if (!read_loose(x))
			return false;
	} else {
		if (!intake_json(r, &x->c->root))
			return false;
		disguised = intake_disguised(x->c->root);
		if (disguised) {
			request_fail(r, OUTCOME_BAD_REQUEST, disguised,
				     "%s must be written in lower case", disguised);
			return false;
		}
	}
	if (x->c->root)
		read_members(x);
	else
		x->text_bytes = x->c->body.n;
	return true;
}

/* ---- forms --------------------------------------------------------------------------------- */

static uint32_t little_32(struct str s, size_t at)
{
	const unsigned char *p = (const unsigned char *)s.p + at;
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* How long a sound lasts: a WAV file says how many bytes a second takes. */
static uint64_t sound_ms(struct str file)
{
	uint64_t rate = LIKELY_SOUND;
	if (file.n > 44 && str_starts(file, STR("RIFF")) &&
	    str_starts(str_skip(file, 8), STR("WAVEfmt "))) {
		uint64_t told = little_32(file, 28);
		rate = told >= SLOWEST_SOUND && told <= 3000000 ? told : LIKELY_SOUND;
	}
	return (uint64_t)file.n * 1000 / rate + 1;
}

static void read_part(struct reading *x, const struct multipart_part *p)
{
	struct raw_call *c = x->c;
	size_t at = (size_t)(p->value.p - c->body.p);
	if (is_for_us(x, p->name)) {
		take_ours(x, p->name, p->value);
		edit(x, p->from, p->to - p->from, STR(""));
	} else if (is_model(x, p->name)) {
		keep_name(x, &c->model, p->value, "model");
		edit_model(x, at, p->value.n);
	} else if (str_eq_nocase(p->name, STR("model"))) {
		x->wrong = "model";
	} else if (p->filename.p) {
		x->files++;
		x->file_bytes += p->value.n;
		x->wave_ms += sound_ms(p->value);
		return;
	} else if (str_eq(p->name, STR("n"))) {
		take_count(x, p->value);
	} else if (str_eq(p->name, STR("stream"))) {
		x->r->q.is_stream = str_eq_nocase(p->value, STR("true"));
	} else if (str_eq(p->name, STR("user"))) {
		x->r->q.user = p->value;
	} else if (str_eq(p->name, STR("size")) || str_eq(p->name, STR("quality"))) {
		c->is_sized = true;
	}
	x->text_bytes += p->value.n;
}

static bool read_form(struct reading *x)
{
	struct multipart m;
	struct multipart_part p;
	int more = -EBADMSG;
	x->c->is_form = true;
	if (multipart_open(&m, x->c->content_type, x->c->body))
		while ((more = multipart_next(&m, &p)) == 1 && !x->wrong)
			read_part(x, &p);
	if (more >= 0)
		return true;
	if (x->c->raw->source != RAW_TARGET && !x->c->is_read) {
		request_fail(x->r, OUTCOME_BAD_REQUEST, "request_body",
			     "The body is not a well-formed multipart/form-data");
		return false;
	}
	x->c->model = STR_NONE;		/* nobody here knows what a provider makes of it */
	x->text_bytes = x->c->body.n;
	return true;
}

/* ---- what it can cost ---------------------------------------------------------------------- */

static void measure(struct reading *x)
{
	struct raw_call *c = x->c;
	uint64_t images = c->known.images ? c->known.images : 1;
	c->known.input = (x->text_bytes + 3) / 4;
	c->most = (struct usage){ .input = x->text_bytes };
	if (c->raw->measure != RAW_SPEECH)
		c->known.characters = 0;
	if (c->raw->measure != RAW_IMAGES)
		c->known.images = 0;
	switch (c->raw->measure) {
	case RAW_IMAGES:
		c->known.images = c->most.images = images;
		c->most.input += x->files * IMAGE_TOKENS_MAX;
		c->most.output = images * IMAGE_TOKENS_MAX;
		break;
	case RAW_SOUND:
		c->known.milliseconds = x->wave_ms;
		c->known.estimated = true;
		c->most.milliseconds = x->file_bytes * 1000 / SLOWEST_SOUND + 1000;
		c->most.input += c->most.milliseconds / 1000 * SOUND_TOKENS_PER_S;
		break;
	case RAW_SPEECH:
		c->most.characters = c->known.characters;
		c->most.output = 1 + c->known.characters * 8;
		break;
	case RAW_TOKENS:
		break;
	}
	usage_clamp(&c->most);
}

/* ---- all of it ----------------------------------------------------------------------------- */

static const char *method_of(struct str method)
{
	static const char *const names[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq_z(method, names[i]))
			return names[i];
	return str_eq(method, STR("HEAD")) ? "GET" : NULL;
}

static bool take_path(struct request *r, struct raw_call *c)
{
	c->path = c->raw->path ? str_z(c->raw->path)
		  : c->raw->source == RAW_PROVIDER ? r->http->path
						   : r->path_rest;
	c->query = r->http->query;
	if (raw_path_ok(c->path) && raw_query_ok(c->query))
		return true;
	request_fail(r, OUTCOME_BAD_REQUEST, "path",
		     "The path or query holds what may not be passed on");
	return false;
}

/* Headers and query name the provider, too; where the path names a model, it counts. */
static void take_names(struct reading *x)
{
	struct raw_call *c = x->c;
	struct request *r = x->r;
	struct str in_path = c->raw->path ? r->path_model : raw_path_model(c->path);
	struct str provider = http_header(r->http, "custom-llm-provider");
	if (c->raw->source == RAW_PROVIDER) {
		in_path = STR_NONE;
		if (!provider.n)
			provider = raw_query_get(c->query, STR("custom_llm_provider"));
		if (!c->provider.p && provider.n)
			keep_name(x, &c->provider, provider, "custom_llm_provider");
	}
	if (!in_path.n)
		return;
	struct str second = c->model;
	c->model = STR_NONE;
	keep_name(x, &c->model, raw_decode(r->mem, in_path), "model");
	if (second.p && !str_eq(c->model, second))
		c->second_model = second;
}

static bool has_word(struct str list, struct str word)
{
	while (list.n)
		if (str_eq_nocase(str_trim(str_cut(&list, ',')), word))
			return true;
	return false;
}

/* 16 bytes in base64 (RFC 6455, 4.1). */
static bool is_websocket_key(struct str s)
{
	static const char others[] = "+/";
	if (s.n != 24 || !str_ends(s, STR("==")))
		return false;
	for (size_t i = 0; i < 22; i++) {
		char c = s.p[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c && strchr(others, c))))
			return false;
	}
	return true;
}

static bool is_upgrade(const struct http_request *h)
{
	return str_eq(h->method, STR("GET")) && h->version_minor == 1 && !h->has_body &&
	       has_word(http_header(h, "upgrade"), STR("websocket")) &&
	       has_word(http_header(h, "connection"), STR("upgrade")) &&
	       str_eq(http_header(h, "sec-websocket-version"), STR("13")) &&
	       is_websocket_key(http_header(h, "sec-websocket-key"));
}

/* "?model=", or Azure's "?deployment=": only what needs no decoding is a name. */
static enum step read_upgrade(struct reading *x)
{
	struct request *r = x->r;
	struct raw_call *c = x->c;
	struct str model = raw_query_get(c->query, STR("model"));
	if (!is_upgrade(r->http))
		return request_fail(r, OUTCOME_BAD_REQUEST, "upgrade",
				    "This path wants a WebSocket handshake of version 13");
	if (!model.p)
		model = raw_query_get(c->query, STR("deployment"));
	if (model.n && str_find_char(model, '%') == SIZE_MAX &&
	    str_find_char(model, '+') == SIZE_MAX)
		keep_name(x, &c->model, model, "model");
	c->is_tunnel = true;
	c->is_read = false;
	return STEP_NEXT;
}

static enum step finish(struct reading *x)
{
	struct request *r = x->r;
	struct raw_call *c = x->c;
	take_names(x);
	if (x->wrong)
		return request_fail(r, OUTCOME_BAD_REQUEST, x->wrong, "%s cannot be read",
				    x->wrong);
	measure(x);
	r->q.model = c->model;
	r->q.prompt_bytes = x->text_bytes;
	if (c->raw->source == RAW_MODEL) {
		r->requested_model = c->model.p ? c->model : str_z(c->raw->preset);
		if (!r->requested_model.n)
			return request_fail(r, OUTCOME_BAD_REQUEST, "model",
					    "model: a model name is required");
	}
	if (!intake_headers(r))
		return request_fail(r, OUTCOME_TOO_LARGE, NULL,
				    "the request needs too much memory");
	if (c->raw->source != RAW_MODEL) {
		r->q.num_retries = 0;	/* what it does at the provider, nobody here can know */
		r->q.disable_fallbacks = true;
	}
	return STEP_NEXT;
}

/* What a provider only counts it does not bill: Gemini, Vertex AI, Bedrock, Anthropic, Cohere. */
static bool counts_tokens(struct str path)
{
	static const char *const ends[] = { ":countTokens", "/count_tokens", "/count-tokens",
					    "/count-tokens:rawPredict", "/tokenize",
					    "/detokenize" };
	for (size_t i = 0; i < COUNT(ends); i++)
		if (str_ends(path, str_z(ends[i])))
			return true;
	return false;
}

enum step raw_read(struct request *r)
{
	struct raw_call *c = arena_alloc(r->mem, sizeof *c);
	struct reading x = { .r = r, .c = c };
	bool ok;
	if (!c)
		return request_fail(r, OUTCOME_TOO_LARGE, NULL,
				    "the request needs too much memory");
	c->raw = r->endpoint->raw;
	c->model_edit = -1;
	c->method = method_of(r->http->method);
	if (!c->method)
		return request_fail(r, OUTCOME_METHOD, NULL, "Method Not Allowed: " STR_FMT,
				    STR_ARG(r->http->method));
	c->is_read = str_eq_z(STR("GET"), c->method) || str_eq_z(STR("DELETE"), c->method) ||
		     counts_tokens(r->path_rest);
	r->dialect = r->endpoint->dialect;
	if (!take_path(r, c))
		return STEP_DONE;
	c->body = r->http->has_body ? conn_body(r->conn) : STR("");
	c->content_type = http_header(r->http, "content-type");
	r->raw = c;
	if (c->raw == &raw_realtime)
		return read_upgrade(&x) == STEP_NEXT ? finish(&x) : STEP_DONE;
	if (str_starts_nocase(c->content_type, STR("multipart/form-data")))
		ok = read_form(&x);
	else
		ok = read_json(&x);
	return ok ? finish(&x) : STEP_DONE;
}
