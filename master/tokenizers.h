/* SPDX-License-Identifier: MIT
 * tokenizers.h - encodings of OpenAI's models that were installed: a file each in the state
 * directory, and the same image, sealed, in every worker. */
#ifndef TOKENIZERS_H
#define TOKENIZERS_H

#include "master/commands.h"

struct master;
struct worker_link;
struct tokenizers;

/* Takes what is in the state directory; what is damaged is logged and left out. 0 or -ENOMEM. */
int tokenizers_open(struct master *m, struct tokenizers **ret) MUST_USE;
/* Gives a worker that has just begun all that is there. */
void tokenizers_give(const struct tokenizers *t, struct worker_link *l);

/* Commands of the table in commands.c. */
void tokenizers_import(struct command_call *c);
void tokenizers_list(struct command_call *c);
void tokenizers_remove(struct command_call *c);

#endif
