/* SPDX-License-Identifier: MIT
 * vertex.h - in whose format a model on Vertex AI is called: Gemini's, Anthropic's or OpenAI's. */
#ifndef VERTEX_H
#define VERTEX_H

#include "common/snapshot.h"

enum provider_family vertex_family(struct str model);
/* Digits alone: an endpoint of one's own, whose name tells nothing. */
bool vertex_is_endpoint(struct str model);

#endif
