/* SPDX-License-Identifier: MIT
 * dialect_responses.h - what the files of POST /v1/responses share, and what the gateway calls
 * beside the dialect's row (see responses_store.h for conversations).
 *
 * Requests are read by the means of the other OpenAI dialects. Answers are kept as output items;
 * a stream's events are written while the items grow, so both forms say the same. */
#ifndef DIALECT_RESPONSES_H
#define DIALECT_RESPONSES_H

#include "worker/client/dialect_openai.h"

/* The end of a stream that broke, where the answer's state is still there: an error event and
 * response.failed, both counted. Nothing if the stream has ended. 0 or -ENOMEM. */
int responses_fail_stream(struct dialect_answer *an, const struct llm_error *e, enum outcome o,
			  struct buf *out) MUST_USE;

/* --- reading requests --- */

int rsp_read_request(struct arena *a, struct str body, const struct json *root,
		     struct llm_request *ret, struct dialect_error *reterr);

/* Items to messages, one for each that says something, behind *end. */
int rsp_read_items(struct oai_reading *r, const struct place *at, const struct json *list,
		   struct llm_message ***end);
int rsp_read_item(struct oai_reading *r, const struct place *at, const struct json *item,
		  struct llm_message ***end);
/* A message of one text. */
int rsp_add_text(struct oai_reading *r, enum llm_role role, struct str text,
		 struct llm_message ***end);
/* What the assistant says between two others becomes one message. */
void rsp_join_messages(struct llm_request *q);
/* A message that stands for a referenced item until that is found. */
bool rsp_is_reference(const struct llm_message *msg);

oai_read_fn rsp_read_tools, rsp_read_text;
int rsp_read_tool_choice(struct oai_reading *r, const struct json *choice);

/* The response in which an item of this id was made; .p NULL: none of ours, or no memory. */
struct str rsp_id_of_item(struct arena *a, struct str item_id);
/* Whether an id has the form of those that are made here: a request's UUID and a number. */
bool rsp_is_own_item(struct str item_id);

/* --- answers --- */

enum rsp_item_kind { RSP_MESSAGE, RSP_REASONING, RSP_CALL, RSP_CUSTOM_CALL, RSP_ITEM_KINDS };
enum rsp_part_kind { RSP_TEXT, RSP_REFUSAL, RSP_SUMMARY, RSP_THOUGHT, RSP_PART_KINDS };
enum rsp_status { RSP_OPEN, RSP_COMPLETED, RSP_INCOMPLETE };
enum { RSP_ITEMS_MAX = 4096, RSP_TAIL_MAX = 48, RSP_ID_MAX = 128 };

struct rsp_part {
	struct rsp_part *next;
	enum rsp_part_kind kind;
	unsigned index;
	struct rope text;
};
struct rsp_item {
	struct rsp_item *next;
	enum rsp_item_kind kind;
	enum rsp_status status;
	unsigned index;
	struct str id;
	struct rsp_part *parts, *last_part;	/* message, reasoning; open: the last one is, too */
	struct str signature;			/* reasoning; .p NULL: none */
	unsigned tool;				/* calls */
	struct str call_id, name;
	struct rope input;
	unsigned depth;				/* brackets open in input, a text of JSON */
	bool in_string, is_escaped, is_whole;
};
struct rsp_answer {
	struct str id, tail;			/* "resp_" and tail */
	struct rsp_item *items, *last;
	struct rsp_item *open;			/* the message or reasoning under way */
	unsigned n_items, n_open_calls;
	enum llm_finish finish;
	bool shows_summary;			/* reasoning goes out as a summary */
	bool is_begun, is_finished;
	struct buf *out;			/* where events go; NULL: nobody wants them */
	uint64_t sequence;
	/* short way */
	bool is_forwarded, is_renamed;	/* is_renamed: the provider's id is none to be kept */
	struct str forwarded_id, forwarded_output, forwarded_response;	/* JSON, to be kept */
};

/* Made when it is first asked for. NULL: out of memory. */
struct rsp_answer *rsp_answer(struct dialect_answer *an);
/* Takes an event into the items. 0, -ENOMEM, -E2BIG. */
int rsp_take(struct dialect_answer *an, struct rsp_answer *s, const struct llm_event *ev);
/* Begins the stream if it has not; closes what is open. */
void rsp_begin(struct dialect_answer *an, struct rsp_answer *s);
int rsp_finish(struct dialect_answer *an, struct rsp_answer *s, enum llm_finish finish);
/* Of a finished answer: "completed", "incomplete". */
const char *rsp_status_word(const struct rsp_answer *s);
bool rsp_is_incomplete(const struct rsp_answer *s);

/* error: JSON of the response's error; .p NULL: none. */
void rsp_put_response(const struct dialect_answer *an, const struct rsp_answer *s,
		      struct json_out *o, const char *key, const char *status, struct str error);
void rsp_put_item(struct json_out *o, const char *key, const struct rsp_item *item);
void rsp_put_part(struct json_out *o, const char *key, const struct rsp_part *part);

struct rsp_part_row {
	const char *type, *text;	/* "output_text"; the member that holds the text */
	const char *added, *delta, *said, *done;	/* names of events */
	const char *index;		/* the member that says which part it is */
};
struct rsp_item_row {
	const char *type, *prefix;	/* "message"; of its id */
	const char *input, *delta, *said;	/* calls: the member, and names of events */
};
extern const struct rsp_part_row rsp_part_rows[RSP_PART_KINDS];
extern const struct rsp_item_row rsp_item_rows[RSP_ITEM_KINDS];

/* An event's beginning, up to its own members, and its end. */
struct json_out rsp_open_event(struct rsp_answer *s, const char *type);
void rsp_close_event(struct json_out *o);
void rsp_put_response_event(const struct dialect_answer *an, struct rsp_answer *s, const char *type,
			    const char *status, struct str error);

/* The items of the conversation so far, without the answer, into an open array; for a provider
 * without what it could make nothing of. 0 or -ENOMEM. */
int rsp_put_conversation(struct arena *a, const struct llm_request *q, bool is_for_provider,
			 struct json_out *o);

int rsp_forward_request(struct arena *a, const struct llm_request *q, struct str model,
			struct str params, struct str extra_body, struct buf *out);
int rsp_forward_event(struct dialect_answer *an, struct arena *scratch, const struct sse_event *ev,
		      struct buf *out);
int rsp_forward_answer(struct dialect_answer *an, struct str body, struct buf *out);

#endif
