/* SPDX-License-Identifier: MIT
 * state.h - the state directory: where it is, who has it, and how its database is replaced.
 *
 * A database is replaced while nobody uses the directory, in two moves, so that a kill or a power
 * cut at any moment leaves the old one or the new one, whole, with the log and the journals that
 * are its own. All of the new one is in restore.part/ first; renaming that to restore.ready/
 * decides; from then on whoever takes the lock, llmgwctl or the next master, finishes: the old
 * files go into that folder, the new one comes out of it, and it becomes replaced-TIME/. */
#ifndef STATE_H
#define STATE_H

#include "common/str.h"

#define STATE_DB "llmgw.db"
#define STATE_PART "restore.part"	/* a folder with STATE_NEW, perhaps half written */
#define STATE_NEW "new.db"
enum { STATE_NAME = 64 };

void state_say(char reterr[256], const char *fmt, ...) PRINTF(2, 3);

/* given, what an option says (or NULL); else of the environment; else the system's, when it may be
 * written to; else the home directory's. */
void state_find(char out[4096], const char *given, const char *env, const char *system);

/* One process a directory. A descriptor to keep open, or -EBUSY or another -errno. */
int state_lock(const char *dir, char reterr[256]) MUST_USE;

/* Who still writes that journal: a pid; 0: nobody; -1: somebody, but not of our PID namespace. */
int state_writer(int journal_dirfd, const char *name);
/* The same of any journal of a state directory. */
int state_any_writer(int dirfd);

/* With the lock held, all three. Removes what a restore that was broken off has left. */
int state_clear_part(int dirfd) MUST_USE;
/* STATE_PART/STATE_NEW is complete and synced, and shall be the database. 0 or -errno. */
int state_commit(int dirfd) MUST_USE;
/* Finishes what was decided. 1: there was something, and the old files are in *ret_kept ("" when
 * there were none); 0: there was nothing; -errno: call it again before anything else is done. */
int state_finish(int dirfd, char ret_kept[STATE_NAME]) MUST_USE;

#endif
