/* SPDX-License-Identifier: MIT
 * skim.c - see skim.h. One small reader a member; the tables say which member is whose. */
#include "tests/mock/skim.h"

#include "tests/mock/scan.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum { DIMENSIONS_MAX = 8192 };

static struct skim *skim_of(struct scan *c)
{
	return c->to;
}

/* A string is kept in *ret; anything else is skipped. */
static bool read_text(struct scan *c, struct span *ret)
{
	return scan_peek(c) == '"' ? scan_string(c, ret) : scan_value(c);
}

static bool read_truth(struct scan *c, bool *ret)
{
	struct span s = { 0 };
	char first = scan_peek(c);
	if (first == '{' || first == '[' || first == '"')
		return scan_value(c);
	if (!scan_bare(c, &s))
		return false;
	*ret = span_is(s, "true");
	return true;
}

static bool on_model(struct scan *c)
{
	struct span s = { 0 };
	if (!read_text(c, &s))
		return false;
	skim_of(c)->model.n = 0;
	if (s.p)
		scan_unescape(&skim_of(c)->model, s);
	return true;
}

static bool on_stream(struct scan *c)
{
	bool on = false;
	if (!read_truth(c, &on))
		return false;
	skim_of(c)->stream = on;
	return true;
}

static bool on_include_usage(struct scan *c)
{
	return read_truth(c, &skim_of(c)->include_usage);
}

static bool on_stream_options(struct scan *c)
{
	static const struct scan_member known[] = { { "include_usage", on_include_usage } };
	return scan_object(c, known, COUNT(known));
}

static bool on_format_type(struct scan *c)
{
	struct span s = { 0 };
	if (!read_text(c, &s))
		return false;
	skim_of(c)->wants_json = s.n >= 4 && memcmp(s.p, "json", 4) == 0;
	return true;
}

static bool on_response_format(struct scan *c)
{
	static const struct scan_member known[] = { { "type", on_format_type } };
	return scan_object(c, known, COUNT(known));
}

static bool on_choice_type(struct scan *c)
{
	struct span s = { 0 };
	if (!read_text(c, &s))
		return false;
	skim_of(c)->forces_tool = span_is(s, "tool");
	return true;
}

static bool on_tool_choice(struct scan *c)
{
	static const struct scan_member known[] = { { "type", on_choice_type } };
	return scan_peek(c) == '{' ? scan_object(c, known, COUNT(known)) : scan_value(c);
}

static bool on_ollama_format(struct scan *c)
{
	char first = scan_peek(c);
	skim_of(c)->wants_json = first == '"' || first == '{';
	return scan_value(c);
}

static bool on_output_config(struct scan *c)
{
	static const struct scan_member known[] = { { "format", on_response_format } };
	return scan_object(c, known, COUNT(known));
}

static bool on_encoding_format(struct scan *c)
{
	struct span s = { 0 };
	if (!read_text(c, &s))
		return false;
	skim_of(c)->wants_base64 = span_is(s, "base64");
	return true;
}

static bool on_dimensions(struct scan *c)
{
	struct span s;
	size_t v = 0;
	if (scan_peek(c) < '0' || scan_peek(c) > '9')
		return scan_value(c);
	if (!scan_bare(c, &s))
		return false;
	for (size_t i = 0; i < s.n && i < 5 && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		v = v * 10 + (size_t)(s.p[i] - '0');
	skim_of(c)->dimensions = v < DIMENSIONS_MAX ? v : DIMENSIONS_MAX;
	return true;
}

static bool on_tool_name(struct scan *c)
{
	return skim_of(c)->tool.p ? scan_value(c) : read_text(c, &skim_of(c)->tool);
}

static bool on_tool_function(struct scan *c)
{
	static const struct scan_member known[] = { { "name", on_tool_name } };
	return scan_object(c, known, COUNT(known));
}

static bool on_declarations(struct scan *c)
{
	size_t ignored;
	return scan_array(c, on_tool_function, &ignored);
}

static bool read_tool(struct scan *c)
{
	static const struct scan_member known[] = {
		{ "function", on_tool_function }, { "name", on_tool_name },
		{ "functionDeclarations", on_declarations }, { "toolSpec", on_tool_function },
	};
	return scan_object(c, known, COUNT(known));
}

static bool on_tools(struct scan *c)
{
	size_t ignored;
	return scan_array(c, read_tool, &ignored);
}

/* Bedrock's: an object whose only member says what is chosen. */
static bool on_named_choice(struct scan *c)
{
	skim_of(c)->forces_tool = true;
	return scan_value(c);
}

static bool on_own_choice(struct scan *c)
{
	static const struct scan_member known[] = { { "tool", on_named_choice } };
	return scan_object(c, known, COUNT(known));
}

static bool on_tool_config(struct scan *c)
{
	static const struct scan_member known[] = {
		{ "tools", on_tools }, { "toolChoice", on_own_choice },
	};
	return scan_object(c, known, COUNT(known));
}

static bool on_own_format(struct scan *c)
{
	skim_of(c)->wants_json = true;
	return scan_value(c);
}

static bool on_prompt(struct scan *c)
{
	return read_text(c, &skim_of(c)->user);
}

static bool on_input(struct scan *c)
{
	if (scan_peek(c) != '[')
		return scan_value(c);
	const char *first = c->p + 1;
	while (first < c->end && (*first == ' ' || *first == '\n'))
		first++;
	bool one = first < c->end && *first >= '0' && *first <= '9';	/* token numbers */
	if (!scan_array(c, scan_value, &skim_of(c)->inputs))
		return false;
	if (one)
		skim_of(c)->inputs = 1;
	return true;
}

static bool on_documents(struct scan *c)
{
	return scan_array(c, scan_value, &skim_of(c)->inputs);
}

static bool on_texts(struct scan *c)
{
	skim_of(c)->has_texts = true;
	return on_documents(c);
}

static bool read_part(struct scan *c)
{
	static const struct scan_member known[] = { { "text", on_prompt } };
	return scan_object(c, known, COUNT(known));
}

static bool on_role(struct scan *c)
{
	return read_text(c, &skim_of(c)->role);
}

static bool on_content(struct scan *c)
{
	size_t ignored;
	return scan_peek(c) == '[' ? scan_array(c, read_part, &ignored) : on_prompt(c);
}

/* A message is read twice: who speaks, and then what is said if that is the user. */
static bool read_message(struct scan *c)
{
	static const struct scan_member known[] = { { "content", on_content } };
	struct scan again = *c;
	struct span key, role = { 0 };
	if (scan_peek(c) != '{')
		return scan_value(c);
	c->p++;
	if (scan_peek(c) == '}')
		return scan_char(c, '}');
	do {
		if (!scan_string(c, &key) || !scan_char(c, ':'))
			return false;
		if (!(scan_key_is(key, "role") ? read_text(c, &role) : scan_value(c)))
			return false;
	} while (scan_char(c, ','));
	if (role.p && span_is(role, "user") && !scan_object(&again, known, COUNT(known)))
		return false;
	return scan_char(c, '}');
}

static bool on_messages(struct scan *c)
{
	size_t ignored;
	return scan_array(c, read_message, &ignored);
}

/* Gemini: a turn is its parts, and who says nothing of the role is the user. */
static bool read_turn(struct scan *c)
{
	static const struct scan_member roles[] = { { "role", on_role } };
	static const struct scan_member known[] = { { "parts", on_content } };
	struct scan again = *c;
	skim_of(c)->role = (struct span){ 0 };
	if (!scan_object(c, roles, COUNT(roles)))
		return false;
	struct span role = skim_of(c)->role;
	return (role.p && !span_is(role, "user")) || scan_object(&again, known, COUNT(known));
}

static bool on_contents(struct scan *c)
{
	size_t ignored;
	return scan_array(c, read_turn, &ignored);
}

static bool on_mime(struct scan *c)
{
	struct span s = { 0 };
	if (!read_text(c, &s))
		return false;
	skim_of(c)->wants_json = span_is(s, "application/json");
	return true;
}

static bool on_config(struct scan *c)
{
	static const struct scan_member known[] = { { "responseMimeType", on_mime } };
	return scan_object(c, known, COUNT(known));
}

static bool read_embedding(struct scan *c)
{
	static const struct scan_member known[] = { { "outputDimensionality", on_dimensions } };
	return scan_object(c, known, COUNT(known));
}

static bool on_requests(struct scan *c)
{
	return scan_array(c, read_embedding, &skim_of(c)->inputs);
}

static const struct scan_member top[] = {
	{ "model", on_model },
	{ "messages", on_messages },
	{ "stream", on_stream },
	{ "stream_options", on_stream_options },
	{ "response_format", on_response_format },
	{ "format", on_ollama_format },
	{ "output_config", on_output_config },
	{ "text", on_output_config },
	{ "tools", on_tools },
	{ "tool_choice", on_tool_choice },
	{ "prompt", on_prompt },
	{ "input", on_input },
	{ "inputs", on_prompt },
	{ "documents", on_documents },
	{ "passages", on_documents },
	{ "texts", on_texts },
	{ "output_dimension", on_dimensions },
	{ "encoding_format", on_encoding_format },
	{ "dimensions", on_dimensions },
	{ "contents", on_contents },
	{ "generationConfig", on_config },
	{ "requests", on_requests },
	{ "instances", on_requests },
	{ "parameters", read_embedding },
	{ "outputDimensionality", on_dimensions },
	{ "toolConfig", on_tool_config },
	{ "outputConfig", on_own_format },
	{ "texts", on_input },
	{ "output_dimension", on_dimensions },
};

bool skim_read(struct skim *ret, struct span body)
{
	struct buf model = ret->model, text = ret->script_text;
	*ret = (struct skim){ .model = model, .script_text = text, .stream = -1, .inputs = 1 };
	ret->model.n = 0;
	if (!body.n)
		return false;
	struct scan c = { body.p, body.p + body.n, ret };
	if (scan_peek(&c) != '{' || !scan_object(&c, top, COUNT(top)))
		return false;
	return scan_peek(&c) == '\0' && c.p == c.end;
}

void skim_done(struct skim *s)
{
	buf_done(&s->model);
	buf_done(&s->script_text);
}
