/* SPDX-License-Identifier: MIT
 * vertex.c - see vertex.h. */
#include "common/vertex.h"

static const struct {
	const char *start;
	enum provider_family family;
} names[] = {
	{ "gemini", FAMILY_GEMINI },
	{ "google/gemini", FAMILY_GEMINI },
	{ "text-embedding", FAMILY_GEMINI },
	{ "textembedding", FAMILY_GEMINI },
	{ "text-multilingual-embedding", FAMILY_GEMINI },
	{ "claude", FAMILY_ANTHROPIC },
	{ "anthropic/claude", FAMILY_ANTHROPIC },
};

enum provider_family vertex_family(struct str model)
{
	for (size_t i = 0; i < COUNT(names); i++)
		if (str_starts(model, str_z(names[i].start)))
			return names[i].family;
	return FAMILY_OPENAI;
}

bool vertex_is_endpoint(struct str model)
{
	for (size_t i = 0; i < model.n; i++)
		if (model.p[i] < '0' || model.p[i] > '9')
			return false;
	return model.n > 0;
}
