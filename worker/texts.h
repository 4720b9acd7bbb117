/* SPDX-License-Identifier: MIT
 * texts.h - what a request asked and was answered, for the master (common/texts.h), which keeps it
 * where the configuration has it so and tells callbacks of it where one wants it. Without either
 * (switches_want_texts()) nobody gets in here.
 *
 * Prompt and answer are in the words of the client's dialect: the body as it came, and the answer
 * as it went out; a stream's is put together from its events and written as one. Where calls are
 * relayed it is the bytes, of JSON and of events alone. Who asks for none, or for redaction, is
 * heard: header, body, key and all that pay for it. Nothing here can make a request fail. */
#ifndef WORKER_TEXTS_H
#define WORKER_TEXTS_H

#include "worker/request.h"

/* Whether this request's are kept; asked while its headers are there, and remembered. */
void texts_decide(struct request *r);
/* For a stream's tally: puts its answer together. NULL: nobody wants it. */
struct llm_listener *texts_listen(struct request *r, const struct dialect_answer *an);
/* A call that is relayed gets these bytes for an answer. */
void texts_relayed(struct request *r, struct str content_type, struct str bytes);
/* It has been given this answer once more: header lines and body, as it went out before. */
void texts_replayed(struct request *r, struct str lines, struct str body);
/* The request ends, its record in the journal is written, and that for callbacks is not yet:
 * r->told_flags is what that shall say. */
void texts_keep(struct request *r);

#endif
