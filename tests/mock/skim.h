/* SPDX-License-Identifier: MIT
 * skim.h - what the mock needs to know of a request's body, without a JSON library.
 *
 * Walks the top level of the object and goes down only where it must, so that the word "model"
 * inside of a message fools nobody. Tolerant of what it skips: it is no validator. */
#ifndef MOCK_SKIM_H
#define MOCK_SKIM_H

#include <stdbool.h>

#include "tests/mock/buf.h"

struct skim {
	struct buf model;		/* decoded */
	struct buf script_text;		/* room for script_read() */
	int stream;			/* 1, 0, or -1: not said */
	bool include_usage;
	bool wants_json;		/* response_format, or Ollama's format */
	bool forces_tool;		/* Anthropic's tool_choice names one */
	bool wants_base64;		/* encoding_format of embeddings */
	struct span user;		/* last user message or prompt, as escaped in the body */
	struct span tool;		/* name of the first tool, as escaped */
	struct span role;		/* of the turn under way */
	size_t inputs;			/* of embeddings; documents to rank */
	bool has_texts;			/* they are called so */
	size_t dimensions;		/* 0: not said */
};

/* Fill *ret from a body; its buffers keep their memory from call to call. false: this is no JSON
 * object. The spans point into the body. */
bool skim_read(struct skim *ret, struct span body);
void skim_done(struct skim *s);

#endif
