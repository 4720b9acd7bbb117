/* SPDX-License-Identifier: MIT
 * trial.h - a new configuration is on trial for a while.
 *
 * The last good one is kept meanwhile. When workers crash that have taken the new one, three of
 * them within 30 s, or when one of them refuses it, the good one is published again; the file is
 * left alone. One that was in force while workers crashed is not called good. A worker that
 * somebody killed has not crashed. */
#ifndef TRIAL_H
#define TRIAL_H

#include "common/json_write.h"
#include "master/master.h"

struct trial;
struct trial *trial_new(struct master *m) MUST_USE;	/* NULL: no memory */
/* m->config has taken the place of `old`, which is taken. */
void trial_begin(struct trial *t, struct config *old);
/* A worker that had this generation has crashed. */
void trial_crashed(struct trial *t, uint64_t generation, const char *how);
/* The configuration to go back to, which is the caller's then; NULL: there is none. */
struct config *trial_take_good(struct trial *t);
/* A reload was good, or went back: why (NULL: good), and from which generation. */
void trial_note(struct trial *t, const char *why, uint64_t from);
bool trial_has_gone_back(const struct trial *t);
void trial_show(const struct trial *t, struct json_out *o);	/* a member of `status` */
void trial_tick(struct trial *t);				/* each second: it may be over */

#endif
