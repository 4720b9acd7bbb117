/* SPDX-License-Identifier: MIT
 * llm_error.c - what a provider says when it fails, made into one of our outcomes.
 *
 * Providers agree on nothing here: the text may stand in a dozen places, and what went wrong is
 * often told by the text alone. The words looked for are those that LiteLLM's users know. */
#include "worker/llm.h"

#include <errno.h>

enum {
	TEXT_MAX = 500,
	LOOKED_AT_MAX = 4096,	/* of a message */
	DETAILS_MAX = 16
};

struct sign {
	const char *text;		/* in the message, the type or the code; any case */
	enum outcome outcome;
};

/* Looked for in this order, in bad requests only (400, 413, 422, 500 and errors within streams). */
static const struct sign signs[] = {
	{ "context_length_exceeded", OUTCOME_CONTEXT_LENGTH },
	{ "maximum context length", OUTCOME_CONTEXT_LENGTH },
	{ "prompt is too long", OUTCOME_CONTEXT_LENGTH },
	{ "input is too long", OUTCOME_CONTEXT_LENGTH },
	{ "exceeds the available context size", OUTCOME_CONTEXT_LENGTH },
	{ "too many tokens", OUTCOME_CONTEXT_LENGTH },
	{ "exceed context limit", OUTCOME_CONTEXT_LENGTH },
	{ "is longer than the model's context length", OUTCOME_CONTEXT_LENGTH },
	{ "model's maximum context limit", OUTCOME_CONTEXT_LENGTH },
	{ "input tokens exceed the configured limit", OUTCOME_CONTEXT_LENGTH },
	{ "max_new_tokens", OUTCOME_CONTEXT_LENGTH },
	{ "too many input tokens", OUTCOME_CONTEXT_LENGTH },
	{ "the maximum tokens you requested", OUTCOME_CONTEXT_LENGTH },
	{ "exceeds the maximum number of tokens allowed", OUTCOME_CONTEXT_LENGTH },
	{ "string too long. expected a string with maximum length", OUTCOME_CONTEXT_LENGTH },
	{ "input length exceeds the context length", OUTCOME_CONTEXT_LENGTH },
	{ "content_filter", OUTCOME_CONTENT_POLICY },
	{ "content_policy_violation", OUTCOME_CONTENT_POLICY },
	{ "responsibleaipolicyviolation", OUTCOME_CONTENT_POLICY },
	{ "content management policy", OUTCOME_CONTENT_POLICY },
	{ "our safety system", OUTCOME_CONTENT_POLICY },
	{ "api_key_invalid", OUTCOME_UP_AUTH },
	{ "model_not_found", OUTCOME_UP_NOT_FOUND },
};

/* What an error's type or code says where no status does. */
static const struct sign words[] = {
	{ "rate_limit", OUTCOME_UP_RATE_LIMITED },
	{ "insufficient_quota", OUTCOME_UP_RATE_LIMITED },
	{ "resource_exhausted", OUTCOME_UP_RATE_LIMITED },
	{ "too many requests", OUTCOME_UP_RATE_LIMITED },
	{ "throttling", OUTCOME_UP_RATE_LIMITED },
	{ "overloaded", OUTCOME_UP_UNAVAILABLE },
	{ "unavailable", OUTCOME_UP_UNAVAILABLE },
	{ "timeout", OUTCOME_UP_TIMEOUT },
	{ "authentication", OUTCOME_UP_AUTH },
	{ "permission", OUTCOME_UP_PERMISSION },
	{ "not_found", OUTCOME_UP_NOT_FOUND },
	{ "invalid_request", OUTCOME_UP_BAD_REQUEST },
	{ "invalid_argument", OUTCOME_UP_BAD_REQUEST },
	{ "validationexception", OUTCOME_UP_BAD_REQUEST },
	{ "accessdenied", OUTCOME_UP_PERMISSION },
	{ "resourcenotfound", OUTCOME_UP_NOT_FOUND },
};

/* What AWS calls a key or a signature that is no good: with 403, which elsewhere means that a good
 * key may not do this. */
static const char *const bad_keys[] = {
	"UnrecognizedClient", "InvalidSignature", "ExpiredToken", "InvalidClientTokenId",
	"IncompleteSignature", "MissingAuthenticationToken", "RequestExpired",
};

static bool has_text(struct str s, const char *text)
{
	struct str needle = str_z(text);
	for (size_t i = 0; i + needle.n <= s.n; i++)
		if (str_starts_nocase(str_skip(s, i), needle))
			return true;
	return false;
}

/* Whether one of the error's words, or one that lies deeper in its body, says so. */
static bool says(const struct llm_error *e, struct str hint, const char *text)
{
	return has_text(e->message, text) || has_text(e->type, text) || has_text(e->code, text) ||
	       has_text(hint, text);
}

/* --- where the parts stand --- */

/* detail[0] of a validation error: the place, joined by dots, before the message. */
static struct str located(struct arena *a, const struct json *detail)
{
	struct str msg = json_get_str(a, detail, "msg"), where = STR_NONE;
	const struct json *loc = json_get(detail, "loc");
	if (!msg.p || !json_is(loc, JSON_ARRAY))
		return msg;
	for (const struct json *j = loc->child; j; j = j->next) {
		struct str part = j->type == JSON_STRING ? json_str(a, j) : j->raw;
		if (where.n)
			part = arena_printf(a, STR_FMT "." STR_FMT, STR_ARG(where), STR_ARG(part));
		where = part;
	}
	return where.n ? arena_printf(a, STR_FMT ": " STR_FMT, STR_ARG(where), STR_ARG(msg)) : msg;
}

static struct str find_message(struct arena *a, const struct json *root)
{
	static const char *const places[] = {
		"error.message", "error", "message", "Message", "detail", "detail.message",
		"errors.0.message", "errors.0", "error_msg", "err_msg", "title", "reason",
	};
	if (json_is(root, JSON_STRING))
		return json_str(a, root);
	for (size_t i = 0; i < COUNT(places); i++) {
		struct str s = json_str(a, json_get_path(root, places[i]));
		if (s.n)
			return s;
		if (i == 4) {
			s = located(a, json_at(json_get(root, "detail"), 0));
			if (s.n)
				return s;
		}
	}
	return STR_NONE;
}

static struct str find_word(struct arena *a, const struct json *root, const char *const *places)
{
	for (; *places; places++) {
		const struct json *j = json_get_path(root, *places);
		if (json_is(j, JSON_NUMBER))
			return j->raw;
		struct str s = json_str(a, j);
		if (s.n)
			return s;
	}
	return STR_NONE;
}

/* The title of an HTML page, or the beginning of any other text. */
static struct str plain_text(struct str text)
{
	size_t from = str_find(text, STR("<title>"));
	struct str title = str_skip(text, from == SIZE_MAX ? text.n : from + 7);
	if (title.n)
		return str_cut(&title, '<');
	return str_of(text.p, text.n < TEXT_MAX ? text.n : TEXT_MAX);
}

/* "34s" in error.details[].retryDelay, or seconds under retry_after. */
static uint64_t find_retry_after(struct arena *a, const struct json *root)
{
	const struct json *details = json_get_path(root, "error.details");
	const struct json *given = json_get(root, "retry_after");
	uint64_t ms = 0;
	for (size_t i = 0; i < DETAILS_MAX && json_at(details, i); i++) {
		struct str s = json_get_str(a, json_at(details, i), "retryDelay");
		if (s.n && str_read_duration_ms(s, &ms) == 0)
			return ms;
	}
	if (!given)
		given = json_get_path(root, "error.retry_after");
	if (json_is(given, JSON_NUMBER) && str_read_duration_ms(given->raw, &ms) == 0)
		return ms;
	return 0;
}

/* --- what it means --- */

static bool is_bad_request(enum outcome o)
{
	return o == OUTCOME_UP_BAD_REQUEST || o == OUTCOME_UP_UNPROCESSABLE ||
	       o == OUTCOME_UP_ERROR;
}

/* A name that is too long is no prompt that is too long. */
static bool is_about_a_field(const struct llm_error *e)
{
	return has_text(e->code, "string_above_max_length") || str_eq(e->param, STR("user"));
}

static bool is_unknown_model(const struct llm_error *e)
{
	return has_text(e->message, "model") && (has_text(e->message, "not found") ||
						 has_text(e->message, "does not exist"));
}

static enum outcome outcome_by_words(const struct llm_error *e)
{
	uint64_t status;
	if (str_read_u64(e->code, &status) == 0 && status >= 400 && status < 600)
		return outcome_of_upstream((int)status);
	for (size_t i = 0; i < COUNT(words); i++)
		if (has_text(e->type, words[i].text) || has_text(e->code, words[i].text))
			return words[i].outcome;
	return OUTCOME_UP_ERROR;
}

static enum outcome outcome_by_status(int status)
{
	if (status == 424)
		return OUTCOME_UP_ERROR;
	if (status >= 520 && status <= 523)
		return OUTCOME_UP_UNAVAILABLE;
	return outcome_of_upstream(status);
}

static bool is_about_the_key(struct str type)
{
	for (size_t i = 0; i < COUNT(bad_keys); i++)
		if (has_text(type, bad_keys[i]))
			return true;
	return false;
}

static enum outcome decide(const struct llm_error *e, struct str hint)
{
	enum outcome o = e->status / 100 > 2 ? outcome_by_status(e->status) : outcome_by_words(e);
	if (o == OUTCOME_UP_PERMISSION && is_about_the_key(e->type))
		return OUTCOME_UP_AUTH;
	if (!is_bad_request(o) || is_about_a_field(e))
		return o;
	for (size_t i = 0; i < COUNT(signs); i++)
		if (says(e, hint, signs[i].text))
			return signs[i].outcome;
	if (has_text(e->message, "input token count") && has_text(e->message, "exceeds"))
		return OUTCOME_CONTEXT_LENGTH;
	if (has_text(e->message, "current length is") && has_text(e->message, "while limit is"))
		return OUTCOME_CONTEXT_LENGTH;
	return o == OUTCOME_UP_BAD_REQUEST && is_unknown_model(e) ? OUTCOME_UP_NOT_FOUND : o;
}

void llm_read_error(struct arena *a, int status, const struct json *root, struct str text,
		    struct str key, struct llm_error *ret)
{
	static const char *const types[] = { "error.type", "type", "__type", "error_type",
					     NULL };
	static const char *const codes[] = { "error.code", "code", "error_code",
					     "error.status", NULL };
	static const char *const params[] = { "error.param", "param", NULL };
	static const char *const hints[] = { "error.innererror.code", "error.inner_error.code",
					     "error.details.0.reason", NULL };
	struct llm_error e = { .status = status };
	if (json_is(root, JSON_ARRAY) && root->child)
		root = root->child;
	e.message = find_message(a, root);
	e.type = find_word(a, root, types);
	e.code = find_word(a, root, codes);
	e.param = find_word(a, root, params);
	if (!e.message.n)
		e.message = plain_text(text);
	if (e.message.n > LOOKED_AT_MAX)
		e.message.n = LOOKED_AT_MAX;
	e.must_not_retry = says(&e, STR_NONE, "insufficient_quota");
	e.outcome = decide(&e, find_word(a, root, hints));
	if (!e.status)
		e.status = outcome_rows[e.outcome].status;
	e.retry_after_ms = find_retry_after(a, root);
	e.message = llm_scrub(a, e.message, key);
	if (!e.message.n)
		e.message = status / 100 == 3
			? STR("the provider redirects elsewhere, which is not followed: is "
			      "api_base right?")
			: STR("the provider gave no reason");
	if (e.type.p)
		e.type = llm_scrub(a, e.type, key);
	if (e.code.p)
		e.code = llm_scrub(a, e.code, key);
	if (e.param.p)
		e.param = llm_scrub(a, e.param, key);
	*ret = e;
}

int llm_read_error_event(struct arena *a, int status, const struct json *root,
			 struct llm_event *ret)
{
	struct llm_error *e = arena_alloc(a, sizeof *e);
	if (!e)
		return -ENOMEM;
	llm_read_error(a, status, root, root->raw, STR_NONE, e);
	*ret = (struct llm_event){ .kind = EV_ERROR, .error = e };
	return 0;
}

int llm_failure_event(struct arena *a, struct str native, struct llm_event *ret)
{
	struct llm_error *e = arena_alloc(a, sizeof *e);
	if (!e)
		return -ENOMEM;
	e->outcome = OUTCOME_UP_ERROR;
	e->message = arena_printf(a, "the provider ended the answer with \"%.*s\"",
				  (int)(native.n < 64 ? native.n : 64), native.p);
	*ret = (struct llm_event){ .kind = EV_ERROR, .error = e };
	return e->message.p ? 0 : -ENOMEM;
}

void llm_error_typed(struct arena *a, struct llm_error *e, struct str type)
{
	type = str_cut(&type, ':');	/* "ValidationException:http://..." */
	if (e->type.n || !type.n)
		return;
	e->type = llm_scrub(a, type, STR_NONE);
	if (e->outcome == OUTCOME_UP_PERMISSION && is_about_the_key(type))
		e->outcome = OUTCOME_UP_AUTH;
}

/* --- LiteLLM's names --- */

static const struct {
	enum outcome outcome;
	const char *name;
} classes[] = {
	{ OUTCOME_UP_BAD_REQUEST, "BadRequestError" },
	{ OUTCOME_UNSUPPORTED_PARAM, "UnsupportedParamsError" },
	{ OUTCOME_CONTEXT_LENGTH, "ContextWindowExceededError" },
	{ OUTCOME_CONTENT_POLICY, "ContentPolicyViolationError" },
	{ OUTCOME_UP_AUTH, "AuthenticationError" },
	{ OUTCOME_UP_PERMISSION, "PermissionDeniedError" },
	{ OUTCOME_UP_NOT_FOUND, "NotFoundError" },
	{ OUTCOME_UP_TIMEOUT, "Timeout" },
	{ OUTCOME_UP_UNPROCESSABLE, "UnprocessableEntityError" },
	{ OUTCOME_UP_RATE_LIMITED, "RateLimitError" },
	{ OUTCOME_UP_ERROR, "InternalServerError" },
	{ OUTCOME_UP_MALFORMED, "BadGatewayError" },
	{ OUTCOME_UP_BROKEN, "APIConnectionError" },
	{ OUTCOME_UP_UNAVAILABLE, "ServiceUnavailableError" },
	{ OUTCOME_UP_CONNECT, "APIConnectionError" },
};

const char *llm_error_class(enum outcome o)
{
	for (size_t i = 0; i < COUNT(classes); i++)
		if (classes[i].outcome == o)
			return classes[i].name;
	return NULL;
}

enum outcome llm_outcome_of_class(struct str name)
{
	if (str_eq(name, STR("APIConnectionError")))
		return OUTCOME_UP_CONNECT;
	for (size_t i = 0; i < COUNT(classes); i++)
		if (str_eq_z(name, classes[i].name))
			return classes[i].outcome;
	return OUTCOME_OK;
}

/* "openai" is spelt as its owner does; others get a capital letter. */
static struct str exception_name(struct arena *a, struct str provider)
{
	if (str_eq(provider, STR("openai")) || !provider.n)
		return STR("OpenAI");
	struct str s = arena_dup(a, provider);
	if (!s.p || s.p[0] < 'a' || s.p[0] > 'z')
		return s;
	return arena_printf(a, "%c" STR_FMT, s.p[0] - 'a' + 'A', STR_ARG(str_skip(s, 1)));
}

struct str llm_error_message(struct arena *a, enum outcome o, struct str provider, struct str text)
{
	const char *class = llm_error_class(o);
	if (!class)
		return text;
	struct str name = exception_name(a, provider);
	struct str all = arena_printf(a, "litellm.%s: " STR_FMT "Exception - " STR_FMT, class,
				      STR_ARG(name), STR_ARG(text));
	return all.p ? all : text;
}
