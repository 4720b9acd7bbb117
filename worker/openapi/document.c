/* SPDX-License-Identifier: MIT
 * document.c - the OpenAPI document: each row of the table of endpoints is an operation, and what
 * a management call takes stands in the table of commands. */
#include "worker/openapi/openapi.h"

#include <stdio.h>

#include "worker/client/dialect.h"
#include "worker/raw.h"

#ifndef LLMGW_VERSION
#define LLMGW_VERSION "0.1.0"
#endif

enum { PATH_MAX_BYTES = 256 };

/* Where a key may stand; the first that is there counts. */
static const struct {
	const char *name, *header, *doc;	/* header NULL: authorization: Bearer */
} places_of_key[] = {
	{ "bearer", NULL, "a virtual key or the master key" },
	{ "litellm_key", "x-litellm-api-key", "the same, where authorization is taken" },
	{ "azure_key", "api-key", "the same, as clients of Azure send it" },
	{ "anthropic_key", "x-api-key", "the same, as clients of Anthropic send it" },
	{ "gemini_key", "x-goog-api-key", "the same, as clients of Gemini send it" },
};
static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

const struct command *openapi_command(const struct endpoint *e)
{
	for (size_t i = 0; i < commands_count; i++) {
		const struct command *c = &commands[i];
		if (c->path && str_eq(str_z(c->path), str_z(e->path)) &&
		    str_eq(str_z(c->method), str_z(e->method)))
			return c;
	}
	return NULL;
}

static bool has_mark(const struct endpoint *e, struct str mark)
{
	return str_find(str_z(e->path), mark) != SIZE_MAX;
}

/* {id} or {name} */
static bool has_id(const struct endpoint *e)
{
	return has_mark(e, STR("{id}")) || has_mark(e, STR("{name}"));
}

static bool has_rest(const struct endpoint *e)
{
	return str_ends(str_z(e->path), STR("{path}"));
}

const char *openapi_tag(const struct endpoint *e)
{
	static char word[32];
	if (e->raw)
		return has_rest(e) && e->raw->source == RAW_PREFIX ? "passed through" : "models";
	if (e->dialect)
		return "models";
	if (!(e->flags & EP_RELAY))
		return e->flags & EP_KEY ? "gateway" : "open to all";
	const struct command *c = openapi_command(e);
	struct str words = str_z(c ? c->words : "management"), first = str_cut(&words, ' ');
	size_t n = first.n < sizeof word ? first.n : sizeof word - 1;
	memcpy(word, first.p, n);
	word[n] = '\0';
	return word;
}

const char *openapi_type(enum command_arg_type type)
{
	static const char *const words[] = {
		[ARG_STRING] = "string",   [ARG_INT] = "integer", [ARG_MONEY] = "number",
		[ARG_BOOL] = "boolean",	   [ARG_LIST] = "array",  [ARG_JSON] = NULL,
		[ARG_DURATION] = "string",
	};
	return words[type];
}

const char *openapi_field_type(enum field_type type)
{
	static const char *const words[] = {
		[FIELD_STRING] = "string", [FIELD_NUMBER] = "number", [FIELD_INTEGER] = "integer",
		[FIELD_FLAG] = "boolean",  [FIELD_OBJECT] = "object", [FIELD_LIST] = "array",
		[FIELD_ANY] = NULL,	   [FIELD_FILE] = "string",
	};
	return words[type];
}

/* ---- schemas ---- */

static void put_ref(struct json_out *o, const char *key, const char *to)
{
	json_open(o, key);
	json_put_z(o, "$ref", to);
	json_close(o);
}

static void put_schema(struct json_out *o, const char *key, const char *type, bool is_text_list,
		       const char *doc)
{
	json_open(o, key);
	if (type)
		json_put_z(o, "type", type);
	if (is_text_list) {
		json_open(o, "items");
		json_put_z(o, "type", "string");
		json_close(o);
	}
	if (doc)
		json_put_z(o, "description", doc);
	json_close(o);
}

static void put_arg_schema(struct json_out *o, const char *key, const struct command_arg *a,
			   const char *doc)
{
	put_schema(o, key, openapi_type(a->type), a->type == ARG_LIST, doc);
}

static bool is_any_needed(const struct command_arg *args)
{
	for (; args && args->name; args++)
		if (args->flags & ARG_REQUIRED)
			return true;
	return false;
}

/* The first argument without a flag is what stands in the path. */
static const struct command_arg *first_positional(const struct command_arg *args)
{
	while (args && args->name && !(args->flags & ARG_POSITIONAL))
		args++;
	return args && args->name ? args : NULL;
}

static bool is_in_path(const struct endpoint *e, const struct command_arg *args,
		       const struct command_arg *a)
{
	return has_id(e) && a == first_positional(args);
}

static void put_command_body(struct json_out *o, const struct endpoint *e,
			     const struct command_arg *args)
{
	json_put_z(o, "type", "object");
	json_open(o, "properties");
	for (const struct command_arg *a = args; a && a->name; a++)
		if (!is_in_path(e, args, a))
			put_arg_schema(o, a->name, a, a->doc);
	json_close(o);
	if (!is_any_needed(args))
		return;
	json_open_array(o, "required");
	for (const struct command_arg *a = args; a->name; a++)
		if ((a->flags & ARG_REQUIRED) && !is_in_path(e, args, a))
			json_put_z(o, NULL, a->name);
	json_close_array(o);
}

static void put_field(struct json_out *o, const struct field *f)
{
	json_open(o, f->name);
	if (openapi_field_type(f->type))
		json_put_z(o, "type", openapi_field_type(f->type));
	if (f->type == FIELD_FILE)
		json_put_z(o, "format", "binary");
	if (f->type == FIELD_LIST)
		json_put_raw(o, "items", STR("{}"));
	json_put_z(o, "description", f->doc);
	json_close(o);
}

static void put_fields(struct json_out *o, const struct body *b)
{
	json_put_z(o, "type", "object");
	json_open(o, "properties");
	for (const struct field *f = b->fields; f->name; f++)
		put_field(o, f);
	json_close(o);
	json_open_array(o, "required");
	for (const struct field *f = b->fields; f->name; f++)
		if (f->is_needed)
			json_put_z(o, NULL, f->name);
	json_close_array(o);
	json_put_bool(o, "additionalProperties", true);
}

/* A body's name as one of a component: "openai.chat", "image_edits". */
static const char *component_name(const struct body *b, char out[64])
{
	size_t n = 0;
	for (; n < 63 && b->name[n]; n++)
		out[n] = b->name[n] == ' ' ? '_' : b->name[n];
	out[n] = '\0';
	return out;
}

/* ---- one operation ---- */

static void put_content(struct json_out *o, const char *type, const char *ref)
{
	json_open(o, type);
	if (ref)
		put_ref(o, "schema", ref);
	else
		json_put_raw(o, "schema", STR("{}"));
	json_close(o);
}

static void put_request_body(struct json_out *o, const struct endpoint *e)
{
	const struct body *b = body_of(e);
	const struct command *c = openapi_command(e);
	char name[64], ref[128];
	json_open(o, "requestBody");
	json_put_bool(o, "required", b || (c && is_any_needed(c->args)));
	json_open(o, "content");
	if (b) {
		snprintf(ref, sizeof ref, "#/components/schemas/%s", component_name(b, name));
		put_content(o, b->content_type, ref);
	} else if (c) {
		json_open(o, "application/json");
		json_open(o, "schema");
		put_command_body(o, e, c->args);
		json_close(o);
		json_close(o);
	} else {
		put_content(o, e->raw ? "*/*" : "application/json", NULL);
	}
	json_close(o);
	json_close(o);
}

static void put_parameter(struct json_out *o, const char *name, const char *where, bool is_needed,
			  const char *doc)
{
	json_open(o, NULL);
	json_put_z(o, "name", name);
	json_put_z(o, "in", where);
	json_put_bool(o, "required", is_needed);
	json_put_z(o, "description", doc);
}

static void put_path_parameter(struct json_out *o, const char *name, const char *doc)
{
	put_parameter(o, name, "path", true, doc);
	put_schema(o, "schema", "string", false, NULL);
	json_close(o);
}

static const char *doc_of_id(const struct command *c)
{
	const struct command_arg *a = c ? first_positional(c->args) : NULL;
	return a ? a->doc : "its id";
}

static void put_parameters(struct json_out *o, const struct endpoint *e, bool with_rest,
			   bool in_query)
{
	const struct command *c = openapi_command(e);
	json_open_array(o, "parameters");
	if (has_mark(e, STR("{model}")))
		put_path_parameter(o, "model", "a model's name");
	if (has_id(e))
		put_path_parameter(o, has_mark(e, STR("{id}")) ? "id" : "name", doc_of_id(c));
	if (with_rest)
		put_path_parameter(o, "path", "what the provider's path goes on with");
	for (const struct command_arg *a = c && in_query ? c->args : NULL; a && a->name; a++) {
		if (is_in_path(e, c->args, a))
			continue;
		put_parameter(o, a->name, "query", a->flags & ARG_REQUIRED, a->doc);
		put_arg_schema(o, "schema", a, NULL);
		json_close(o);
	}
	json_close_array(o);
}

static void put_security(struct json_out *o, const struct endpoint *e)
{
	json_open_array(o, "security");
	for (size_t i = 0; (e->flags & EP_KEY) && i < COUNT(places_of_key); i++) {
		json_open(o, NULL);
		json_put_raw(o, places_of_key[i].name, STR("[]"));
		json_close(o);
	}
	json_close_array(o);
}

static const char *answer_type(const struct endpoint *e)
{
	return e->raw ? "*/*" : str_starts(str_z(e->path), STR("/metrics")) ? "text/plain"
							     : "application/json";
}

static void put_responses(struct json_out *o, const struct endpoint *e)
{
	json_open(o, "responses");
	json_open(o, "200");
	json_put_z(o, "description", e->doc);
	json_open(o, "content");
	put_content(o, answer_type(e), NULL);
	if ((e->flags & EP_STREAM) && e->dialect)
		put_content(o, e->dialect->stream_type && !str_eq(str_z(e->dialect->stream_type),
			    STR("application/json")) ? e->dialect->stream_type :
			    "text/event-stream", NULL);
	json_close(o);
	json_close(o);
	put_ref(o, "default", "#/components/responses/Error");
	json_close(o);
}

static void put_operation_id(struct json_out *o, const char *method, const char *path)
{
	char id[PATH_MAX_BYTES + 16];
	size_t n = 0;
	for (const char *p = method; *p && n < sizeof id - 1; p++)
		id[n++] = (char)(*p | 0x20);
	for (const char *p = path; *p && n < sizeof id - 1; p++) {
		bool is_plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
				(*p >= '0' && *p <= '9') || *p == '.' || *p == '-';
		if (*p != '{' && *p != '}')
			id[n++] = is_plain ? *p : '_';
	}
	id[n] = '\0';
	json_put_z(o, "operationId", id);
}

static void put_operation(struct json_out *o, const struct endpoint *e, const char *method,
			  const char *path)
{
	char key[8] = "";
	const struct command *c = openapi_command(e);
	bool is_get = str_eq(str_z(method), STR("GET"));
	for (size_t i = 0; i < sizeof key - 1 && method[i]; i++)
		key[i] = (char)(method[i] | 0x20);
	json_open(o, key);
	put_operation_id(o, method, path);
	json_open_array(o, "tags");
	json_put_z(o, NULL, openapi_tag(e));
	json_close_array(o);
	json_put_z(o, "summary", e->doc);
	if (e->flags & EP_ADMIN)
		json_put_z(o, "description", "For the administrator's key.");
	put_security(o, e);
	put_parameters(o, e, str_ends(str_z(path), STR("{path}")), is_get);
	if ((e->flags & EP_BODY) && !is_get)
		put_request_body(o, e);
	put_responses(o, e);
	if (c)
		json_put_z(o, "x-llmgw-command", c->words);
	json_close(o);
}

/* ---- paths: rows with the same path are one item ---- */

static bool is_first_of_path(size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (str_eq(str_z(endpoints[i].path), str_z(endpoints[at].path)))
			return false;
	return true;
}

static void put_methods(struct json_out *o, const struct endpoint *e, const char *path)
{
	for (size_t i = 0; i < COUNT(methods) && e->method[0] == '*'; i++)
		put_operation(o, e, methods[i], path);
	if (e->method[0] != '*')
		put_operation(o, e, e->method, path);
}

static void put_item(struct json_out *o, size_t at, const char *path)
{
	json_open(o, path);
	for (size_t i = at; i < endpoints_count; i++)
		if (str_eq(str_z(endpoints[i].path), str_z(endpoints[at].path)))
			put_methods(o, &endpoints[i], path);
	json_close(o);
}

/* "/v1/files{path}" is "/v1/files", and "/v1/files/{path}". */
static void put_paths_of(struct json_out *o, size_t at)
{
	char path[PATH_MAX_BYTES];
	struct str pattern = str_z(endpoints[at].path);
	if (!has_rest(&endpoints[at])) {
		put_item(o, at, pattern.p);
		return;
	}
	int n = (int)(pattern.n - STR("{path}").n);
	snprintf(path, sizeof path, "%.*s", n, pattern.p);
	put_item(o, at, path);
	snprintf(path, sizeof path, "%.*s/{path}", n, pattern.p);
	put_item(o, at, path);
}

static void put_paths(struct json_out *o)
{
	json_open(o, "paths");
	for (size_t i = 0; i < endpoints_count; i++)
		if (is_first_of_path(i))
			put_paths_of(o, i);
	json_close(o);
}

/* ---- the rest ---- */

static void put_error_schema(struct json_out *o)
{
	static const char *const members[] = { "message", "type", "param", "code" };
	json_open(o, "Error");
	json_put_z(o, "type", "object");
	json_open(o, "properties");
	json_open(o, "error");
	json_put_z(o, "type", "object");
	json_open(o, "properties");
	for (size_t i = 0; i < COUNT(members); i++)
		json_put_raw(o, members[i], STR("{\"type\":[\"string\",\"null\"]}"));
	json_close(o);
	json_close(o);
	json_close(o);
	json_close(o);
}

static void put_schemas(struct json_out *o)
{
	char name[64];
	json_open(o, "schemas");
	put_error_schema(o);
	for (size_t i = 0; i < bodies_count; i++) {
		json_open(o, component_name(&bodies[i], name));
		put_fields(o, &bodies[i]);
		if (bodies[i].example) {
			json_open_array(o, "examples");
			json_put_raw(o, NULL, str_z(bodies[i].example));
			json_close_array(o);
		}
		json_close(o);
	}
	json_close(o);
}

static void put_error_response(struct json_out *o)
{
	json_open(o, "responses");
	json_open(o, "Error");
	json_put_z(o, "description", "What went wrong. Anthropic's, Gemini's and Ollama's paths say "
				     "it in their own form.");
	json_open(o, "content");
	put_content(o, "application/json", "#/components/schemas/Error");
	json_close(o);
	json_close(o);
	json_close(o);
}

static void put_security_schemes(struct json_out *o)
{
	json_open(o, "securitySchemes");
	for (size_t i = 0; i < COUNT(places_of_key); i++) {
		json_open(o, places_of_key[i].name);
		json_put_z(o, "type", places_of_key[i].header ? "apiKey" : "http");
		if (places_of_key[i].header) {
			json_put_z(o, "in", "header");
			json_put_z(o, "name", places_of_key[i].header);
		} else {
			json_put_z(o, "scheme", "bearer");
		}
		json_put_z(o, "description", places_of_key[i].doc);
		json_close(o);
	}
	json_close(o);
}

void openapi_write_document(struct buf *out)
{
	struct json_out o = json_out(out);
	json_open(&o, NULL);
	json_put_z(&o, "openapi", "3.1.0");
	json_open(&o, "info");
	json_put_z(&o, "title", "llmgw");
	json_put_z(&o, "version", LLMGW_VERSION);
	json_put_z(&o, "description", "A gateway to models of any provider. The manual is "
				      "llmgw-api(7).");
	json_close(&o);
	json_open_array(&o, "servers");
	json_put_raw(&o, NULL, STR("{\"url\":\"/\"}"));
	json_close_array(&o);
	put_paths(&o);
	json_open(&o, "components");
	put_schemas(&o);
	put_error_response(&o);
	put_security_schemes(&o);
	json_close(&o);
	json_close(&o);
	BUF_PUT_LIT(out, "\n");
}
