/* SPDX-License-Identifier: MIT
 * dialect.c - the list of the dialects. */
#include "worker/client/dialect.h"

const struct dialect *const dialects[] = {
	&dialect_openai_chat,
	&dialect_openai_text,
	&dialect_openai_embed,
	&dialect_anthropic_messages,
	&dialect_responses,
	&dialect_gemini_chat,
	&dialect_gemini_stream,
	&dialect_gemini_array,
	&dialect_gemini_embed,
	&dialect_gemini_batch,
	&dialect_ollama_chat,
	&dialect_ollama_generate,
	&dialect_ollama_embed,
	&dialect_ollama_embeddings,
	&dialect_cohere_chat,
	&dialect_cohere_embed,
	&dialect_rerank,
	NULL,
};
