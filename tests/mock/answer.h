/* SPDX-License-Identifier: MIT
 * answer.h - what an answer says, apart from when and how whole it gets to the client.
 *
 * An endpoint is a row: how its path ends, and the functions that write its answer whole, as
 * the pieces of a stream, or as an error. They only append to a buffer; play.c owns the clock
 * and the misbehaviour. */
#ifndef MOCK_ANSWER_H
#define MOCK_ANSWER_H

#include "tests/mock/script.h"
#include "tests/mock/skim.h"

/* The parts of a stream, in the order in which they come. */
enum piece {
	PIECE_ROLE,
	PIECE_THINK,
	PIECE_TOKEN,
	PIECE_TOOL,
	PIECE_FINISH,
	PIECE_USAGE,
	PIECE_END,
	PIECE_COUNT
};

struct answer {
	const struct endpoint *endpoint;
	struct script script;
	const struct skim *ask;
	uint64_t seq;			/* of the request in the log */
	unsigned status;
	uint64_t prompt_tokens, out_tokens;
	size_t quoted;			/* bytes of an echoed text that went out */
	bool role_told;
	bool is_amid_stream;		/* what is written as an error is an event */
	const char *complaint;		/* about the signature, in AWS's words; NULL: none */
	uint64_t sequence;		/* events of a stream, where they are counted */
	struct span method, path, headers, body;	/* of the request */
};

struct endpoint {
	const char *method;
	const char *path;		/* how the request's path ends */
	const char *stream_type;	/* content type of its streams; NULL: it never streams */
	bool is_ndjson;			/* and streams unless it is told not to */
	unsigned pieces_per_tool;
	void (*write_whole)(struct buf *out, struct answer *a);
	void (*write_piece)(struct buf *out, struct answer *a, enum piece piece, uint64_t i);
	void (*write_error)(struct buf *out, const struct answer *a, struct span message);
};

extern const struct endpoint openai_endpoints[];	/* ends with a row without a method */
extern const struct endpoint ollama_endpoints[];
extern const struct endpoint anthropic_endpoints[];
extern const struct endpoint gemini_endpoints[];
extern const struct endpoint bedrock_endpoints[];
extern const struct endpoint responses_endpoints[];
extern const struct endpoint cohere_endpoints[];
extern const struct endpoint rerank_endpoints[];
extern const struct endpoint tgi_endpoints[];
extern const struct endpoint replicate_endpoints[];
extern const struct endpoint token_endpoints[];
extern const struct endpoint raw_endpoints[];
/* What is echoed, and files: where no path ends like one of those above. NULL: neither. */
const struct endpoint *raw_find(const char *method, struct span path);
bool raw_has(const struct endpoint *ep);	/* whose bodies need not be JSON */
const char *raw_type(const struct endpoint *ep);	/* of its whole answers */
struct span raw_form_model(struct span body);	/* a form's field `model` */

static inline bool answer_is_error(const struct answer *a)
{
	return a->status >= 300;
}

/* The row for a path (without its query), or NULL. *ret_known: the path exists at least. */
const struct endpoint *endpoint_find(const char *method, struct span path, bool *ret_known);
uint64_t answer_piece_count(const struct answer *a, enum piece piece);

/* Text as it stands inside of a JSON string: "t0 t1 t2 ...", or what `echo` and `json` ask for. */
void say_token(struct buf *out, struct answer *a, uint64_t i);
void say_all(struct buf *out, struct answer *a);
void say_thought(struct buf *out, uint64_t i);
void say_all_thoughts(struct buf *out, const struct answer *a);
void say_tool_name(struct buf *out, const struct answer *a);
void say_city(struct buf *out, uint64_t call);	/* the argument of a call: each has another */
void say_model(struct buf *out, const struct answer *a);	/* with its quotes */
void say_tier(struct buf *out, const struct answer *a);	/* a member and its ',', or nothing */

/* A stream whose last piece has the reason and the usage, and nothing behind it. */
bool answer_ends_at_once(const struct endpoint *ep);
/* Gemini's: model and verb stand in the path, and nothing marks a stream's end. */
bool gemini_has(const struct endpoint *ep);
bool gemini_streams(const struct endpoint *ep);
bool tgi_has(const struct endpoint *ep);	/* the path says whether it streams */
bool replicate_has(const struct endpoint *ep);

/* Bedrock's: the model stands in the path, too, and a stream comes in AWS's framing. */
bool bedrock_has(const struct endpoint *ep);
bool bedrock_streams(const struct endpoint *ep);
void bedrock_write_exception(struct buf *out, const struct answer *a, struct span message);
const char *bedrock_error_type(const struct answer *a);	/* of the header x-amzn-errortype */

/* Anthropic's answers, which others wrap. */
void anthropic_write_whole(struct buf *out, struct answer *a);
void anthropic_write_piece(struct buf *out, struct answer *a, enum piece piece, uint64_t i);
/* Who gives tokens: fills ask->model, the script. False: the form is none that gets one. */
bool token_has(const struct endpoint *ep);
bool token_read(struct skim *ask, struct span url, struct span form);

void openai_write_error(struct buf *out, const struct answer *a, struct span message);

#endif
