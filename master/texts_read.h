/* SPDX-License-Identifier: MIT
 * texts_read.h - prompts and answers as rows of /spend/logs show them, under LiteLLM's names.
 *
 * Administrators alone are shown any: who may see a row need not see what was said in it. */
#ifndef TEXTS_READ_H
#define TEXTS_READ_H

#include "common/json_write.h"
#include "master/commands.h"
#include "master/store_sql.h"

struct texts_reader;			/* SECRET; in a call's arena */

/* The argument `texts`, which an administrator alone may give; without it texts are shown where
 * by_default is true and the caller is one. *ret NULL: none are. false: answered. */
bool texts_wanted(struct command_call *c, bool by_default, struct texts_reader **ret) MUST_USE;
/* In a job of the reading thread: messages, response and what else there is of that request, as
 * members; empty ones where nothing is kept, or `t` is NULL. Texts that would make the answer
 * too long are left out, and that is said. */
void texts_put(struct texts_reader *t, struct store_db *db, struct str request_id,
	       struct json_out *o);
/* Wipes what it had; NULL is fine. When the job has been done. */
void texts_reader_done(struct texts_reader *t);

/* `spend purge`: deletes what was said before a day, a slice at a time. */
void texts_purge(struct command_call *c);

#endif
