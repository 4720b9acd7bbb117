/* SPDX-License-Identifier: MIT
 * sniff.h - what an answer that goes through untouched says of its cost. Pure.
 *
 * JSON answers are kept up to a cap and looked at when they end, streams event by event, or line by
 * line; the
 * usage is read wherever OpenAI, Anthropic, Gemini, Bedrock and Cohere have it. What is not
 * understood is no error: then nothing is known. */
#ifndef SNIFF_H
#define SNIFF_H

#include "common/sse.h"
#include "worker/llm.h"

enum { SNIFF_JSON_MAX = 16 << 20, SNIFF_EVENT_MAX = 1 << 20 };

enum sniff_form { SNIFF_NOTHING, SNIFF_JSON, SNIFF_LINES, SNIFF_EVENTS, SNIFF_AWS };
struct sniff {
	enum sniff_form form;
	struct buf whole;		/* a JSON answer, or a line of many that has no end yet */
	struct sse sse;
	struct arena *scratch;
	struct llm_tally *tally;	/* what is found goes there */
};

/* False: out of memory; then, too, sniff_done() is due. A sniff of zeros may be done, too. */
bool sniff_begin(struct sniff *s, struct str content_type, size_t cap,
		 struct llm_tally *tally) MUST_USE;
void sniff_feed(struct sniff *s, struct str bytes);
void sniff_end(struct sniff *s);
void sniff_done(struct sniff *s);
/* A JSON text, an answer or an event: takes what it says. */
void sniff_text(struct arena *scratch, struct str text, struct llm_tally *tally);

#endif
