/* SPDX-License-Identifier: MIT
 * sandbox.h - what a worker gives up before it hears from anybody outside.
 *
 * Landlock takes files: it reads what names and certificates need and nothing else, writes
 * nothing by path, binds no TCP port and signals nobody (sandbox_paths.c). seccomp takes system
 * calls: those on a list are left (sandbox_calls.c). What a worker needs besides it holds open. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "common/check.h"
#include "common/str.h"

/* In the order of server.sandbox. */
enum sandbox_mode {
	SANDBOX_AUTO,		/* what the kernel offers; a call that is refused fails */
	SANDBOX_ENFORCE,	/* all, or do not begin; a call that is refused ends the process */
	SANDBOX_LOG,		/* the kernel logs what would be refused; no Landlock */
	SANDBOX_OFF,
	SANDBOX_MODES
};
/* The name of a mode: to the master, what server.sandbox is by default; to a worker, what it is. */
#define SANDBOX_VARIABLE "LLMGW_SANDBOX"

struct sandbox {
	int landlock;		/* its ABI; 0: not in force */
	bool has_filter;	/* of system calls */
};

const char *sandbox_mode_name(enum sandbox_mode mode);
/* Of a name; of anything else, as of NULL, SANDBOX_AUTO. */
enum sandbox_mode sandbox_mode_of(const char *name);

/* For good, for this thread and all that it starts: to be called while there is one thread.
 * 0, or in SANDBOX_ENFORCE a negative errno when something is not to be had. A process that was
 * built with a sanitizer, which needs what is taken away, is left alone in SANDBOX_AUTO. */
int sandbox_enter(enum sandbox_mode mode, struct sandbox *ret) MUST_USE;

/* Other processes of this user may look into this one from now on, as they could before it was
 * entered: the next master takes the board from an orphan that way (master/legacy.c). */
void sandbox_show_descriptors(void);

/* The two halves of it. */
int sandbox_enter_paths(struct sandbox *ret) MUST_USE;
int sandbox_enter_calls(enum sandbox_mode mode, struct sandbox *ret) MUST_USE;
/* What this kernel has: the ABI, or 0; whether filters are to be had. */
int sandbox_landlock_abi(void);
bool sandbox_has_filters(void);

/* Calls that were refused since it was asked last, and one of them: its number, and its name where
 * it is on the list of what must not be (else NULL: it is on no list). 0: none. */
unsigned sandbox_refused(int *ret_call, const char **ret_name);

/* Of files that are read by path and may be replaced by others of that name, which a process that
 * was confined before could not read: another number when they were. */
uint64_t sandbox_stamp(void);

#endif
