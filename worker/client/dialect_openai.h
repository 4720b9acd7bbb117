/* SPDX-License-Identifier: MIT
 * dialect_openai.h - what the three OpenAI dialects share; for dialect_openai*.c alone. */
#ifndef DIALECT_OPENAI_H
#define DIALECT_OPENAI_H

#include "common/json_write.h"
#include "worker/client/collect.h"
#include "worker/client/dialect.h"
#include "worker/openai.h"

/* --- reading requests --- */

struct place {				/* where in the body; only a refusal prints it */
	const struct place *up;		/* NULL: the body itself */
	const char *name;		/* a member; NULL: an element */
	size_t index;
};
struct oai_reading {
	struct arena *mem;
	struct llm_request *q;
	struct dialect_error *err;
	struct llm_other **other_end;
	bool has_completion_max;	/* max_completion_tokens wins over max_tokens */
	struct str last_call_id;	/* of the function_call that comes next in old requests */
	unsigned n_old_calls;
};

/* Readers of a value that is there and not null. 0, -EINVAL (refused), -ENOMEM. */
typedef int oai_read_fn(struct oai_reading *r, const struct place *at, const struct json *j,
			void *to);
struct oai_param {
	const char *name;		/* NULL ends a table */
	oai_read_fn *read;
	size_t to;			/* offset in struct llm_request */
};
/* All members of the body: those in `own`, those common to all, our extras, and the others. */
int oai_read_members(struct oai_reading *r, const struct json *root, const struct oai_param *own);
/* That of a member which is the gateway's own in every dialect, or NULL. */
const struct oai_param *oai_find_gateways(struct str name);
/* What every read_request() begins with. */
void oai_begin(struct oai_reading *r, struct arena *a, struct str body, const struct json *root,
	       enum llm_kind kind, struct llm_request *ret, struct dialect_error *err);

/* Always -EINVAL. The place is put before the text: "messages[2].role" + " must be ...". */
int oai_refuse(struct oai_reading *r, const struct place *at, const char *fmt, ...) PRINTF(3, 4);
int oai_refuse_type(struct oai_reading *r, const struct place *at, const char *wanted,
		    const struct json *j);

/* A member of an object that may, or must, be there; one that is not leaves *to alone. */
int oai_optional(struct oai_reading *r, const struct place *up, const struct json *object,
		 const char *name, oai_read_fn *read, void *to);
int oai_required(struct oai_reading *r, const struct place *up, const struct json *object,
		 const char *name, oai_read_fn *read, void *to);
/* Keeps what the neutral form does not know, with something before its name. 0 or -ENOMEM. */
int oai_add_other(struct oai_reading *r, const char *before, struct str name, struct str json);

oai_read_fn oai_read_string;		/* to: struct str */
oai_read_fn oai_read_number;		/* to: struct str, the number's text */
oai_read_fn oai_read_count;		/* to: uint64_t */
/* Limits of an answer, to: uint64_t; a reservation goes by the largest that is given. The second is
 * the one that counts where there are both. */
oai_read_fn oai_read_most, oai_read_completion_max, oai_read_lesser_max;
oai_read_fn oai_read_flag;		/* to: bool */
oai_read_fn oai_read_names;		/* to: const struct json *, an array of strings */
oai_read_fn oai_read_any, oai_read_array, oai_read_object;	/* to: const struct json * */
oai_read_fn oai_read_seconds;		/* to: double */
oai_read_fn oai_read_retries;		/* to: int64_t */
oai_read_fn oai_read_stop;		/* a string or several: fills q->stop */
oai_read_fn oai_read_messages, oai_read_tools, oai_read_functions, oai_read_tool_choice;
oai_read_fn oai_read_function_choice, oai_read_format, oai_read_parallel;
oai_read_fn oai_read_inputs;		/* prompt or input: fills q->inputs */
/* All messages of a list, which holds at least one, put behind *end: raw is set, read() does the
 * rest. 0, -EINVAL, -ENOMEM. */
typedef int oai_message_fn(struct oai_reading *r, const struct place *at, const struct json *j,
			   struct llm_message *ret);
int oai_read_each_message(struct oai_reading *r, const struct place *at, const struct json *j,
			  oai_message_fn *read, struct llm_message **end);
/* Of messages, for formats that have the same: an image part; the calls of a message, put behind
 * *end; the text parts of a tool's message made one result, a line each, and what else there is
 * behind it. 0, -EINVAL, -ENOMEM. */
int oai_read_image(struct oai_reading *r, const struct place *at, const struct json *part,
		   struct llm_part *p);
int oai_read_calls(struct oai_reading *r, const struct place *up, const struct json *j,
		   struct llm_part ***end);
int oai_join_result(struct oai_reading *r, struct llm_message *msg, struct llm_part *result);
/* Checked, and kept among the others. */
oai_read_fn oai_other_flag, oai_other_string, oai_other_number, oai_other_object, oai_other_array;

/* --- writing answers --- */

enum { OAI_CHOICES_MAX = 2048 };	/* prompts x n */

struct oai_choices {			/* a bit for each */
	uint64_t bits[OAI_CHOICES_MAX / 64];
};
static inline bool oai_has(const struct oai_choices *c, unsigned choice)
{
	return c->bits[choice / 64] >> (choice % 64) & 1;
}
static inline void oai_note(struct oai_choices *c, unsigned choice)
{
	c->bits[choice / 64] |= UINT64_C(1) << (choice % 64);
}

/* The state of a stream, whichever way it takes. */
struct oai_stream {
	const char *object;		/* "chat.completion.chunk" */
	struct str head;		/* what all chunks begin with, up to the choices' "[" */
	struct oai_choices begun, finished, called;	/* called: a tool */
	bool is_forwarded;		/* the short way: the provider closes its choices */
	struct openai_reader reader;	/* short way */
};
/* The stream's state, made when it is first asked for. NULL: out of memory. */
struct oai_stream *oai_stream(struct dialect_answer *an, const char *object);
/* The head, from what EV_START tells, or without it (NULL). Made once. 0 or -ENOMEM. */
int oai_start(struct dialect_answer *an, struct oai_stream *s, const struct llm_event *start);
/* The resume() of both. */
int oai_resume(struct dialect_answer *an);
/* What stands around a choice's own members: delta or text. finish NULL: not yet. */
void oai_open_chunk(const struct oai_stream *s, struct buf *out, unsigned choice);
void oai_close_chunk(const struct dialect_answer *an, struct buf *out, const char *finish);
/* The end of a stream: usage where it is to be shown, and [DONE]. */
int oai_end_stream(struct dialect_answer *an, struct oai_stream *s, struct buf *out);

/* The beginning of a plain answer, up to its choices or data. */
void oai_open_answer(const struct dialect_answer *an, struct json_out *o, const char *object);
void oai_put_usage(const struct dialect_answer *an, struct json_out *o);
void oai_put_rope(struct json_out *o, const char *key, const struct rope *text);
/* What the provider told, or what we estimate. */
struct usage oai_usage(const struct dialect_answer *an);
const char *oai_finish(const struct dialect_answer *an, enum llm_finish f);
/* The call's id, or one made from the answer's. .p NULL: out of memory. */
struct str oai_call_id(const struct dialect_answer *an, struct str id, unsigned choice,
		       unsigned tool);

int oai_forward_request(struct arena *a, const struct llm_request *q, struct str model,
			struct str params, struct str extra_body, struct buf *out);
int oai_forward_event(struct dialect_answer *an, struct arena *scratch, const struct sse_event *ev,
		      struct buf *out);
int oai_forward_answer(struct dialect_answer *an, struct str body, struct buf *out);
void oai_write_error(struct buf *out, const struct llm_error *e, enum outcome o, int status,
		     struct str call_id, bool in_stream);

#endif
