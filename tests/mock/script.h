/* SPDX-License-Identifier: MIT
 * script.h - the model name is the script: what stands behind its '?' says how to misbehave.
 *
 * Where a '?' may not stand, as in a path that is passed on, '~' does.
 *
 * "gpt?ttft=50&tokens=4&die=2" waits 50 ms, then streams four chunks and resets the connection
 * after the second. The words are one table, from which --help is printed. Pure. */
#ifndef MOCK_SCRIPT_H
#define MOCK_SCRIPT_H

#include <stdbool.h>
#include <stdio.h>

#include "tests/mock/buf.h"

enum { SCRIPT_HDR_MAX = 8 };

struct script {
	/* Numbers: -1 means that the word was not said. */
	int64_t status, retry, ttft, tokens, gap, jitter, die, fin, stall, garbage, errat;
	int64_t bigevent;
	int64_t slowhead, trickle, tools, think, size, prompt, out, cached, comment, failn, slowafter;
	int64_t exception;
	int64_t cap;
	int64_t expires;
	int64_t searches, filed, containers;
	bool nodone, dupusage, nousage, gzip, h1close, tool, refuse, length, echo, badlen, keyecho, shed;
	bool emptychoices, json, drop, role, stamp;
	struct span redirect, errbody, code, tier;
	struct span hdr[SCRIPT_HDR_MAX];	/* "name:value", each */
	unsigned hdr_count;
	struct span stranger;		/* first word that is unknown or ill-formed */
};

/* Read the script in a model's name. `text` has room for model.n bytes; the spans of *ret point
 * into it. Always fills *ret; a wrong word is told in .stranger. */
void script_read(struct script *ret, struct span model, char *text);

/* %XX undone; `text` has room for s.n bytes. Returns how many there are. */
size_t script_decode(struct span s, char *text);

/* Take back every word that makes an answer fail: what failn=K does after K requests. */
void script_forgive(struct script *s);

bool script_fails(const struct script *s);	/* is there a word that makes an answer fail? */
void script_help(FILE *to);			/* every word, a line each */

#endif
