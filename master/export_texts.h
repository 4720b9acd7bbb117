/* SPDX-License-Identifier: MIT
 * export_texts.h - what a finished request asked and was answered, in the words of those that are
 * told: LiteLLM's standard logging payload, which has it as OpenAI's clients would, Langfuse and
 * OpenTelemetry. Pure. What is cut is a text that says so, and whatever it is, it is JSON. */
#ifndef EXPORT_TEXTS_H
#define EXPORT_TEXTS_H

#include "common/json.h"
#include "common/texts.h"
#include "master/export_rows.h"

struct export_texts {
	bool is_hidden, is_lost;	/* somebody wants it so; there was no room: then no text is
					 * there */
	struct str text[TEXT_KINDS];
	uint32_t cut[TEXT_KINDS];	/* bytes that each had beyond those */
	const struct json *root[TEXT_KINDS];	/* NULL: it is no JSON, or not whole */
	struct arena *mem;		/* for who reads further in it */
};

/* What of it that callback is told, by the configuration: it, NULL, or what *room becomes. */
const struct export_texts *export_texts_for(const struct config *c, unsigned kind,
					    const struct export_texts *t,
					    struct export_texts *room);
/* Without texts in the view these are null, and without an answer that is an empty object. */
void export_put_messages(struct json_out *o, const char *key, const struct export_view *v);
void export_put_response(struct json_out *o, const char *key, const struct export_view *v);
/* The members of the same. False: it is no object, or there is none; nothing was written. */
bool export_put_response_members(struct json_out *o, const struct export_view *v);
/* What Langfuse shows: the messages with the tools that were offered; the answer's message. */
void export_put_input(struct json_out *o, const char *key, const struct export_view *v);
void export_put_output(struct json_out *o, const char *key, const struct export_view *v);
/* The model that answered, as its provider calls it, or else as it was asked for; and what it used,
 * in OpenAI's words. */
struct str export_model_of(const struct record *r);
void export_put_usage(struct json_out *o, const struct record *r);
/* How much is not there: `texts_cut`; or why nothing is: `texts_missing`. */
void export_put_texts_note(struct json_out *o, const struct export_view *v);
/* What stands where a message is hidden: LiteLLM's words for it. */
struct said;
extern const struct said export_hidden;
/* What stands for the prompt in a body of any dialect; NULL: nothing does. */
const struct json *export_prompt_of(const struct json *root);
/* How many bytes of a text are left out. */
uint64_t export_text_cut(const struct export_view *v, enum text_kind which);
/* As OpenTelemetry has both: texts of JSON; nothing where there is nothing. */
void export_put_otlp_texts(struct json_out *o, const struct export_view *v);

#endif
