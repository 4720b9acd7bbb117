/* SPDX-License-Identifier: MIT
 * check.h - what we do when the program itself is wrong.
 *
 * MUST() is for invariants only. Nothing that a client, a provider or a configuration file can
 * choose may reach one; in the master nor may anything that stands on the board. */
#ifndef CHECK_H
#define CHECK_H

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Writes one line to standard error and aborts, so that the master sees SIGABRT. */
_Noreturn void must_fail(const char *expr, const char *file, int line, const char *func);

#define MUST(x) ((x) ? (void)0 : must_fail(#x, __FILE__, __LINE__, __func__))

#endif
