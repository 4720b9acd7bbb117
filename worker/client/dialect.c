/* SPDX-License-Identifier: MIT
 * dialect.c - the list of the dialects. */
#include "worker/client/dialect.h"

const struct dialect *const dialects[] = {
	&dialect_openai_chat,
	&dialect_openai_text,
	&dialect_openai_embed,
	NULL,
};
