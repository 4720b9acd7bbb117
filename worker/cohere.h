/* SPDX-License-Identifier: MIT
 * cohere.h - the wire format of Cohere's second API, for whoever speaks it: the dialect, which
 * stands before the client, and the provider family, which stands before the model. Pure. */
#ifndef COHERE_H
#define COHERE_H

#include "worker/llm.h"

struct cohere_reader {			/* the state of reading one answer; begin with zeros */
	struct arena *mem;		/* lives as long as the answer */
	bool is_started, is_ended;
	unsigned n_calls;
	bool is_bare;			/* the last call has no arguments yet */
};
/* What one stream event's data says, as neutral events; name: the event's, where the data does not
 * tell its type. An error gives EV_ERROR, and nothing else; the "[DONE]" of some versions gives
 * nothing. scratch: for decoded text. *ret_root: the parsed event, or NULL. 0, -EBADMSG, -ENOMEM,
 * or what emit returned. */
int cohere_read_event(struct cohere_reader *rd, struct arena *scratch, struct str data,
		      struct str name, const struct json **ret_root, llm_emit_fn *emit,
		      void *emit_data) MUST_USE;
/* A whole chat, with EV_END. */
int cohere_read_answer(struct cohere_reader *rd, struct str body, llm_emit_fn *emit,
		       void *emit_data) MUST_USE;
/* Each vector of the first kind that a client can be given, usage where it is told, and the end. */
int cohere_read_vectors(struct cohere_reader *rd, struct str body, llm_emit_fn *emit,
			void *emit_data) MUST_USE;
/* What was billed for embeddings; false: nothing is said of it. */
bool cohere_read_embed_usage(struct str body, struct usage *ret);

#endif
