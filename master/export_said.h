/* SPDX-License-Identifier: MIT
 * export_said.h - what a model said, read from an answer in any dialect that we speak, for
 * callbacks that want it in OpenAI's words, or in OpenTelemetry's. Pure. */
#ifndef EXPORT_SAID_H
#define EXPORT_SAID_H

#include "common/json.h"
#include "common/json_write.h"

enum { SAID_CALLS = 32 /* of tools; what is beyond is left out */ };

struct said_call {
	struct str id, name;		/* .p NULL: it has none */
	const struct json *arguments;	/* an object, or a text of JSON; NULL: none */
};
struct said {
	struct str text, thinking;	/* .p NULL: it has none */
	struct said_call calls[SAID_CALLS];
	unsigned n_calls;
};

/* The i-th answer of a body: one choice, one candidate; of most dialects there is but one. False:
 * there is none, or no memory. */
bool said_read(struct arena *a, const struct json *root, size_t i, struct said *ret);
/* One message of a chat, its content a text or a list of parts. False: no memory. */
bool said_read_message(struct arena *a, const struct json *message, struct said *ret);
/* The same of a list of parts, as Anthropic, Gemini and Cohere have them in messages. */
bool said_read_parts(struct arena *a, const struct json *parts, struct said *ret);
/* Members of OpenAI's message, but for its role. */
void said_put_message(struct json_out *o, const struct said *s);

#endif
