/* SPDX-License-Identifier: MIT
 * llm.h - the neutral form that stands between client dialects and providers.
 *
 * A superset in nobody's words: N dialects and M providers need N + M adapters. Adapters are
 * pure (bytes in, struct out, and back; no socket, clock or log). Everything lives in the
 * request's arena or points into the client's body. What the neutral form does not know travels
 * along in `other` as it came, and reaches a provider of the same family. */
#ifndef LLM_H
#define LLM_H

#include "common/json.h"
#include "common/price.h"
#include "worker/outcome.h"

struct params_rules;

enum llm_kind { LLM_CHAT, LLM_TEXT, LLM_EMBED, LLM_RERANK, LLM_KINDS };
enum llm_role { ROLE_SYSTEM, ROLE_DEVELOPER, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL };

enum llm_part_kind {
	PART_TEXT,
	PART_IMAGE,		/* media */
	PART_AUDIO,		/* media */
	PART_FILE,		/* media: documents */
	PART_TOOL_CALL,		/* id, name, text = arguments as JSON text */
	PART_TOOL_RESULT,	/* id of the call, name when known, text */
	PART_REASONING,		/* text, signature; or data: a thought that its maker has hidden */
	PART_REFUSAL,		/* text */
	PART_OTHER		/* text = its type; only raw knows the rest */
};
struct llm_part {
	struct llm_part *next;
	enum llm_part_kind kind;
	struct str text;
	struct str id, name;
	struct str mime, data, url, file_id, filename, detail;	/* media: data is base64 */
	struct str signature;	/* of reasoning; opaque */
	bool is_custom;		/* a call of a TOOL_CUSTOM: text is free text, not JSON */
	const struct json *raw;	/* the part as the client wrote it; NULL for a plain string */
	bool is_error;		/* a result that tells of a failure */
};
struct llm_message {
	struct llm_message *next;
	enum llm_role role;
	struct str name;
	struct llm_part *parts;
	const struct json *raw;
};
enum llm_tool_kind {
	TOOL_FUNCTION,
	TOOL_CUSTOM,		/* its input is free text; schema = JSON text of the format */
	TOOL_OTHER		/* a vendor's own: name = its type, schema = JSON text of it all */
};
struct llm_tool {
	struct llm_tool *next;
	enum llm_tool_kind kind;
	struct str name, description;
	struct str schema;	/* JSON text of the parameters; .p NULL: none */
	bool strict;
	const struct json *raw;	/* as the client wrote it; NULL: not kept */
};
enum llm_tool_choice { CHOICE_UNSET, CHOICE_AUTO, CHOICE_NONE, CHOICE_REQUIRED, CHOICE_NAMED };
enum llm_format { FORMAT_UNSET, FORMAT_TEXT, FORMAT_JSON, FORMAT_SCHEMA };

/* Why an adapter refuses embeddings of media. */
#define LLM_EMBEDS_TEXT "input must be text: this provider is asked for no embeddings of images"

struct llm_other {		/* a member that the neutral form does not know */
	struct llm_other *next;
	struct str name, json;
};
enum { LLM_STOP_MAX = 16 };

struct llm_request {
	enum llm_kind kind;
	struct str model;		/* as the client asked */
	bool is_stream, wants_usage;	/* wants_usage: stream_options.include_usage */
	struct llm_message *messages;	/* chat */
	unsigned n_messages;
	struct llm_tool *tools;
	bool uses_functions;		/* tools came as OpenAI's old `functions`: so answer */
	enum llm_tool_choice tool_choice;
	struct str tool_choice_name;
	bool has_parallel_tool_calls, parallel_tool_calls;
	bool has_rich_results;		/* of OpenAI's words: results hold what chat's cannot */
	enum llm_format format;
	struct str format_name, format_description;
	struct str format_schema;	/* JSON text of the schema */
	bool format_strict;
	/* Numbers stay text: .p NULL = not given. */
	struct str temperature, top_p, top_k, seed, presence_penalty, frequency_penalty;
	struct str stop[LLM_STOP_MAX];
	unsigned n_stop;
	uint64_t max_tokens;		/* max_tokens or max_completion_tokens; 0 = not given */
	/* The larger of two limits, where there are both: which one holds, its provider says. */
	uint64_t most_tokens;
	uint64_t n;			/* choices; 1 */
	uint64_t best_of;		/* completions: answers that are made, and paid; 0 = n */
	struct str reasoning_effort, user;
	struct str prompt_suffix;	/* completions: suffix */
	/* completions: prompts; embeddings: inputs; reranking: texts of the documents. Strings, or
	 * token arrays as JSON text. */
	struct str *inputs;
	bool inputs_are_tokens;
	unsigned n_inputs;
	struct str encoding_format;	/* "float", "base64", or .p NULL */
	uint64_t dimensions;		/* 0 = not given */
	/* reranking */
	struct str query;
	const struct json *documents;	/* as the client wrote them: strings, objects */
	uint64_t top_n;			/* 0 = all */
	bool has_return_documents, return_documents;
	struct llm_other *other;
	/* What the gateway itself takes from the body (LiteLLM's extras), and strips. */
	const struct json *metadata, *fallbacks, *mock_response;
	const struct json *dropped_params, *allowed_params;	/* arrays of strings */
	const struct json *extra_body;	/* its members are in `other`, too */
	int64_t num_retries;		/* -1 = not given */
	double timeout_s, stream_timeout_s;	/* 0 = not given */
	bool disable_fallbacks, drop_params;
	/* The client's own bytes, for the short way. */
	struct str body;
	const struct json *root;
	uint64_t prompt_bytes;		/* bytes of text in the prompt, tools and schemas */
	uint64_t media_parts;
	/* What stays from one request to the next (client/responses_store.h). */
	struct str conversation_id;	/* the one kept that this request needs; .p NULL: none */
	const struct json *history;	/* it, an array of items; NULL: not asked for yet */
	bool wants_store;		/* keep this conversation, too */
	/* What the deployment asked takes of it (common/params.h); NULL: all. */
	const struct params_rules *rules;
	/* In whose words `other`, raw parts and TOOL_OTHER are: an enum provider_family, 0 is
	 * OpenAI's. A provider of another family leaves them out. */
	unsigned family;
};

enum llm_event_kind {
	EV_START,		/* id, model: once, first */
	EV_TEXT,		/* choice, text */
	EV_REASONING,		/* choice, text, signature */
	EV_REFUSAL,		/* choice, text */
	EV_TOOL_START,		/* choice, tool (index), name, id (empty: the dialect makes one) */
	EV_TOOL_ARGS,		/* choice, tool, text: a piece of the arguments */
	EV_FINISH,		/* choice, finish */
	EV_USAGE,		/* usage: the largest of each counter counts */
	EV_VECTOR,		/* embeddings: choice = index, text = JSON array or base64 */
	EV_RANK,		/* reranking: choice = index of the document, text = its score, a
				 * number; document */
	EV_ERROR,		/* error */
	EV_END			/* once, last: the provider said that it is done */
};
enum llm_finish { FINISH_NONE, FINISH_STOP, FINISH_LENGTH, FINISH_TOOL_CALLS, FINISH_FILTER,
		  FINISH_FUNCTION };

struct llm_error {
	enum outcome outcome;
	int status;			/* the provider's HTTP status; 0 = none */
	struct str message;		/* scrubbed: no key, printable */
	struct str type, code, param;	/* the provider's own, or .p NULL */
	uint64_t retry_after_ms;	/* 0 = not told */
	bool must_not_retry;		/* the provider said so */
	bool is_askers;			/* a limit that the client has asked for: nobody failed */
};
struct llm_event {
	enum llm_event_kind kind;
	unsigned choice, tool;
	enum llm_finish finish;
	struct str text, id, name, model, signature;
	struct str native;		/* finish reason in the provider's words */
	struct usage usage;
	const struct llm_error *error;
	int64_t created_s;		/* EV_START: 0 = unknown */
	struct str redacted;		/* EV_REASONING: a hidden thought, instead of text */
	struct str document;		/* EV_RANK: JSON text of an object; .p NULL: not given */
};
/* Return 0 to go on or a negative errno to stop. Slices are good until it returns. */
typedef int llm_emit_fn(void *data, const struct llm_event *ev);

/* Hands an event on. Nothing comes after the end, or after an error. */
static inline int llm_emit(bool *is_ended, const struct llm_event *ev, llm_emit_fn *emit,
			   void *data)
{
	if (*is_ended)
		return 0;
	*is_ended = ev->kind == EV_END || ev->kind == EV_ERROR;
	return emit(data, ev);
}

struct snap;
struct llm_listener {			/* hears an answer's events as they are counted */
	void (*hear)(struct llm_listener *l, const struct llm_event *ev);
	/* The whole answer as text, where a stream has it at its end, besides. */
	void (*hear_whole)(struct llm_listener *l, struct str answer);
	const struct snap *snap;
	struct str whole;		/* its beginning, once it was heard; else .p NULL */
	uint64_t whole_cut;		/* and how many bytes it had more */
};

/* What the gateway must know of an answer, whichever way it takes. */
struct llm_tally {
	struct usage usage;		/* largest of each counter seen */
	bool has_usage;
	bool has_content;		/* text, reasoning, refusal or tool call was seen */
	bool has_calls;			/* a tool call was seen */
	bool is_done;			/* a clean end was seen */
	bool has_error;
	struct llm_error error;		/* when has_error; slices in the arena */
	enum llm_finish finish;
	uint64_t content_bytes;		/* of text, reasoning and arguments */
	uint64_t estimate_milli;	/* tokens x 1000, by estimate_tokens_milli() */
	uint64_t events;
	struct buf *text;		/* keeps the first choice's text; NULL: nobody wants it */
	struct llm_listener *listener;	/* NULL: nobody listens */
};
void llm_tally_event(struct llm_tally *t, const struct llm_event *ev);
void llm_tally_usage(struct llm_tally *t, const struct usage *u);
/* A string that names a tier or a size, as providers write it; UNTOLD: another, or none. */
enum price_tier llm_tier_of(const struct json *j);
enum search_size llm_search_size_of(const struct json *j);
/* A count of searches on the web, within bounds. */
uint32_t llm_searches_of(const struct json *j);

/* Tokens x 1000 of a text, without vocabulary: one pass over character classes. */
uint64_t estimate_tokens_milli(struct str text);
/* An upper bound for byte-level BPE: one token a byte, plus what the vendor's template adds
 * per message and tool; media by their own worst case. */
uint64_t estimate_prompt_worst(const struct llm_request *q);
/* The likely number. */
uint64_t estimate_prompt(const struct llm_request *q);
/* The same by a vocabulary, up to `most` bytes of text. *ret_exact: nothing had to be estimated. */
struct tokenizer;
uint64_t estimate_prompt_by(const struct llm_request *q, struct tokenizer *t, size_t most,
			    bool *ret_exact);
/* Search units of reranking, as Cohere counts them: a hundred documents of up to 500 tokens, the
 * query included; longer ones count as several. An upper bound, and what is likely. */
uint64_t estimate_searches_worst(const struct llm_request *q);
uint64_t estimate_searches(const struct llm_request *q);

const char *llm_finish_name(enum llm_finish f);	/* OpenAI's words: "stop", "tool_calls" ... */
/* Any vendor's word for it; an unknown one is FINISH_STOP. A word that means failure ("error",
 * "abort") is FINISH_NONE. */
enum llm_finish llm_finish_of(struct str native);

/* An error body or event, parsed (NULL: it is no JSON) and as text: finds message, type, code and
 * the time to wait wherever they stand, and decides the outcome. status 0: it came inside an
 * answer that began well; ret->status is then the one that it should have had. Everything in
 * *ret is scrubbed or a word. */
void llm_read_error(struct arena *a, int status, const struct json *root, struct str text,
		    struct str key, struct llm_error *ret);
/* Events that end an answer: the error that stands in it; the provider's word that it has failed.
 * 0 or -ENOMEM. */
int llm_read_error_event(struct arena *a, int status, const struct json *root,
			 struct llm_event *ret) MUST_USE;
int llm_failure_event(struct arena *a, struct str native, struct llm_event *ret) MUST_USE;
/* The error's type where only a header told it: it may decide the outcome, too. */
void llm_error_typed(struct arena *a, struct llm_error *e, struct str type);
/* "litellm.RateLimitError: OpenAIException - text", as clients of LiteLLM expect the errors of
 * providers; text as it is where the outcome is our own. */
struct str llm_error_message(struct arena *a, enum outcome o, struct str provider, struct str text);
/* LiteLLM's name of a provider's error; NULL: it is one of our own. */
const char *llm_error_class(enum outcome o);
/* The outcome that LiteLLM's name stands for: "RateLimitError". OUTCOME_OK: none. */
enum outcome llm_outcome_of_class(struct str name);

/* Replaces what looks like a key ("sk-...", "Bearer ...", the key given) by "***"; makes the
 * rest printable; cuts at 2 KiB. */
struct str llm_scrub(struct arena *a, struct str text, struct str key);

#endif
