/* SPDX-License-Identifier: MIT
 * fault.h - places where a test may make the program fail.
 *
 * They are there only in builds with -Dc_args=-DLLMGW_FAULTS; in all others FAULT() is the number
 * 0. Each place has a word on the board, so that one process can arm another: `llmgwctl fault
 * set`. Who comes first to an armed place takes the shot, and nobody else does. */
#ifndef FAULT_H
#define FAULT_H

#include "common/board.h"

/*        name                  who, and where */
#define FAULT_POINTS(X)                                                                           \
	X("accept.got",         "worker: a connection was accepted")                              \
	X("auth.after",         "worker: the key is known, nothing is taken yet")                 \
	X("parse.marked",       "worker: a body that names this place is about to be read")      \
	X("answer.marked",      "worker: an answer for a model that names this place has come")  \
	X("limits.after_take",  "worker: requests and tokens a minute are taken")                 \
	X("budget.unrecorded",  "worker: a budget step is planned under its lock")                \
	X("budget.recorded",    "worker: its redo record stands, nothing is applied")             \
	X("budget.half",        "worker: its levels are applied, its slot is not")                \
	X("budget.applied",     "worker: all is applied, the redo record still stands")           \
	X("journal.unnumbered", "worker: a record is in the journal, but for its number")         \
	X("journal.flush",      "worker: records are about to be made durable")                   \
	X("spend.before_push",  "worker: an answer is complete, SETTLE is not written")           \
	X("spend.after_push",   "worker: SETTLE is written, the reserve is still held")           \
	X("spend.given",        "worker: the end of an answer is with the kernel")                \
	X("drain.begin",        "worker: told to drain")                                          \
	X("snapshot.mapped",    "worker: a generation is mapped, and not in use yet")             \
	X("spend.before_commit", "master: a batch of records is about to be committed")           \
	X("spend.after_commit", "master: it is, and workers do not know yet")                     \
	X("spend.reset",        "master: a budget period began in the database alone")            \
	X("reap.settled",       "master: a slot of a dead worker was settled on the board")       \
	X("publish.half",       "master: half of the workers are told of a generation")           \
	X("supervise.after_exec", "master: a worker is started and has heard nothing")            \
	X("reload.parsed",      "master: a new configuration is read")                            \
	X("directory.unlinked", "master: a key's row is written, nobody can find it")             \
	X("board.placing",      "master: a deployment or key gets its row on the board")

/* The word: enum fault_kind << 60 | how many times << 48 | value << 24 | how many pass before. */
enum fault_kind { FAULT_OFF, FAULT_KILL, FAULT_ABORT, FAULT_SLEEP, FAULT_ERRNO };
enum { FAULT_TIMES_MAX = 0xfff, FAULT_VALUE_MAX = 0xffffff };

#ifdef LLMGW_FAULTS

struct fault_point {
	const char *name, *doc;
};
extern const struct fault_point fault_points[];
extern const unsigned fault_points_count;

/* From now on the places of this process look there. */
void fault_watch(struct board *b);
/* Number of a place, or -ENOENT. */
int fault_find(struct str name) MUST_USE;
/* "kill", "abort", "sleep=20" (ms), "errno=ENOSPC", "off"; "after=3", "times=2". Adds to *word,
 * which is 0 to begin with. 0 or -EINVAL. */
int fault_read(struct str text, uint64_t *word) MUST_USE;
_Atomic uint64_t *fault_word(struct board *b, unsigned point);
/* Ends or delays this process, or returns a negative errno, or 0. */
int fault_hit(const char *point);
#define FAULT(point) fault_hit(point)
/* The same, of a text that names the place: a test makes one request fatal, and no other. */
int fault_hit_in(const char *point, struct str text);
#define FAULT_IN(point, text) fault_hit_in(point, text)

#else
#define FAULT(point) 0
#define FAULT_IN(point, text) 0
#endif

#endif
