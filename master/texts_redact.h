/* SPDX-License-Identifier: MIT
 * texts_redact.h - secrets of the gateway found in a text, and made unreadable there.
 *
 * Known are the master key, what providers want to see and what else of the configuration is
 * secret; and anything that looks like a key, "sk-" and sixteen characters more. A secret of fewer
 * than eight bytes is none. */
#ifndef TEXTS_REDACT_H
#define TEXTS_REDACT_H

#include "master/config.h"

struct redactor;			/* SECRET; copies what it needs */

struct redactor *redactor_new(const struct config *c) MUST_USE;	/* NULL: no memory */
struct redactor *redactor_free(struct redactor *r);	/* NULL is fine; returns NULL */
/* Overwrites each with as many '*'. How many there were. */
size_t redactor_hide(const struct redactor *r, char *text, size_t n);

#endif
