/* SPDX-License-Identifier: MIT
 * dialect_cohere.h - what the dialects of Cohere's second API share; for dialect_cohere*.c alone.
 *
 * Chat and embeddings. Reranking has a dialect of its own (dialect_rerank.c), which other vendors'
 * clients speak, too. */
#ifndef DIALECT_COHERE_H
#define DIALECT_COHERE_H

#include "common/json_write.h"
#include "worker/client/collect.h"
#include "worker/client/dialect.h"
#include "worker/client/dialect_openai.h"	/* readers of single values, and refusals */
#include "worker/client/whole.h"
#include "worker/cohere.h"

/* --- reading requests --- */

struct coh_reading {
	struct oai_reading r;		/* first: readers get a pointer to it */
	bool is_strict;			/* strict_tools: it holds for all of them */
	const struct json *documents;
};
/* What every read_request() begins with. */
void coh_begin(struct coh_reading *c, struct arena *a, struct str body, const struct json *root,
	       enum llm_kind kind, struct llm_request *ret, struct dialect_error *err);
int coh_read_chat(struct arena *a, struct str body, const struct json *root,
		  struct llm_request *ret, struct dialect_error *reterr);
oai_read_fn coh_read_messages;

/* --- writing answers --- */

enum coh_kind { COH_NONE, COH_TEXT, COH_THINKING };

struct coh_stream {			/* the state of a stream, whichever way it takes */
	struct str id, native;
	enum coh_kind open;		/* the content block under way */
	unsigned n_blocks, n_calls;
	bool has_call;			/* one is under way: */
	unsigned tool;
	struct whole args;
	struct collected_call *waiting;	/* those that began before it was over */
	enum llm_finish finish;
	struct cohere_reader reader;	/* short way */
};
struct coh_stream *coh_stream(struct dialect_answer *an);	/* NULL: out of memory */
/* The id as the provider gave it, else ours. */
struct str coh_id(const struct dialect_answer *an, struct str given);

int coh_forward_chat(struct arena *a, const struct llm_request *q, struct str model,
		     struct str params, struct str extra_body, struct buf *out);
int coh_forward_embed(struct arena *a, const struct llm_request *q, struct str model,
		      struct str params, struct str extra_body, struct buf *out);
int coh_forward_event(struct dialect_answer *an, struct arena *scratch, const struct sse_event *ev,
		      struct buf *out);
int coh_forward_answer(struct dialect_answer *an, struct str body, struct buf *out);
void coh_write_error(struct buf *out, const struct llm_error *e, enum outcome o, int status,
		     struct str call_id, bool in_stream);

#endif
