/* SPDX-License-Identifier: MIT
 * dialect_ollama.h - what the dialects of Ollama's own API share; for dialect_ollama*.c alone.
 *
 * Streams are a JSON object a line, and asked for unless they are refused. Which of the two paths
 * a deployment has is the provider's matter, so there is no short way. */
#ifndef DIALECT_OLLAMA_H
#define DIALECT_OLLAMA_H

#include "common/json_write.h"
#include "worker/client/collect.h"
#include "worker/client/dialect.h"
#include "worker/client/dialect_openai.h"	/* readers of single values, and refusals */
#include "worker/client/pending.h"

/* --- reading requests --- */

struct olm_reading {
	struct oai_reading r;		/* first: readers get a pointer to it */
	struct pending_calls pending;
	bool refuses_stream, is_raw;
	struct str prompt, system;
	struct llm_part *images, **images_end;	/* of generate */
};
/* What every read_request() begins with. */
void olm_begin(struct olm_reading *o, struct arena *a, struct str body, const struct json *root,
	       enum llm_kind kind, struct llm_request *ret, struct dialect_error *err);
oai_read_fn olm_read_messages, olm_read_options;
/* Appends the images of a list to the parts that end at *end. 0, -EINVAL, -ENOMEM. */
int olm_read_images(struct oai_reading *r, const struct place *at, const struct json *j,
		    struct llm_part ***end);
int olm_read_chat(struct arena *a, struct str body, const struct json *root,
		  struct llm_request *ret, struct dialect_error *reterr);
int olm_read_generate(struct arena *a, struct str body, const struct json *root,
		      struct llm_request *ret, struct dialect_error *reterr);

/* --- writing answers --- */

/* The durations; then the counts, but for the answer's where nothing was said. */
void olm_put_figures(const struct dialect_answer *an, struct json_out *o);
void olm_write_error(struct buf *out, const struct llm_error *e, enum outcome o, int status,
		     struct str call_id, bool in_stream);

#endif
