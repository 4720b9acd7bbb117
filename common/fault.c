/* SPDX-License-Identifier: MIT
 * fault.c - see fault.h. Empty in every build that is not for tests.
 *
 * A violation of RULE ZERO: a process has one board, and keeps it here, so that a place costs a
 * line and no argument. */
#include "common/fault.h"

#ifdef LLMGW_FAULTS

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

const struct fault_point fault_points[] = {
#define X(name, doc) { name, doc },
	FAULT_POINTS(X)
#undef X
};
const unsigned fault_points_count = COUNT(fault_points);
_Static_assert(COUNT(fault_points) <= BOARD_FAULTS, "a word each");

static _Atomic uint64_t *words;		/* NULL before fault_watch() */

static const struct {
	const char *name;
	int number;
} errors[] = {
	{ "EIO", EIO },       { "ENOSPC", ENOSPC }, { "ENOMEM", ENOMEM },
	{ "EAGAIN", EAGAIN }, { "EPIPE", EPIPE },   { "EBADMSG", EBADMSG },
};

void fault_watch(struct board *b)
{
	words = b->head->faults;
}

int fault_find(struct str name)
{
	for (unsigned i = 0; i < fault_points_count; i++)
		if (str_eq_z(name, fault_points[i].name))
			return (int)i;
	return -ENOENT;
}

_Atomic uint64_t *fault_word(struct board *b, unsigned point)
{
	MUST(point < fault_points_count);
	return &b->head->faults[point];
}

static uint64_t word_of(enum fault_kind kind, uint64_t value)
{
	return (uint64_t)kind << 60 | value << 24;
}

static int read_errno(struct str name, uint64_t *word)
{
	for (size_t i = 0; i < COUNT(errors); i++)
		if (str_eq_z(name, errors[i].name)) {
			*word |= word_of(FAULT_ERRNO, (uint64_t)errors[i].number);
			return 0;
		}
	return -EINVAL;
}

int fault_read(struct str text, uint64_t *word)
{
	struct str name = str_cut(&text, '=');
	uint64_t n = 0;
	if (str_eq(name, STR("errno")))
		return read_errno(text, word);
	if (text.n && (str_read_u64(text, &n) != 0 || n > FAULT_VALUE_MAX))
		return -EINVAL;
	if (str_eq(name, STR("kill")))
		*word |= word_of(FAULT_KILL, 0);
	else if (str_eq(name, STR("abort")))
		*word |= word_of(FAULT_ABORT, 0);
	else if (str_eq(name, STR("sleep")))
		*word |= word_of(FAULT_SLEEP, n);
	else if (str_eq(name, STR("after")))
		*word |= n;
	else if (str_eq(name, STR("times")) && n && n <= FAULT_TIMES_MAX)
		*word |= n << 48;
	else
		return str_eq(name, STR("off")) ? 0 : -EINVAL;
	return 0;
}

/* What is left of a word when one has come by; 0 when that was the last shot. */
static uint64_t spent(uint64_t word)
{
	uint64_t times = word >> 48 & FAULT_TIMES_MAX;
	if (word & FAULT_VALUE_MAX)
		return word - 1;
	return times > 1 ? word - (UINT64_C(1) << 48) : 0;
}

static int shoot(uint64_t word)
{
	uint64_t value = word >> 24 & FAULT_VALUE_MAX;
	struct timespec pause = { .tv_sec = (time_t)(value / 1000),
				  .tv_nsec = (long)(value % 1000 * NS_PER_MS) };
	switch ((enum fault_kind)(word >> 60)) {
	case FAULT_KILL:
		kill(getpid(), SIGKILL);
		pause.tv_sec = 60;	/* the signal may come a moment later */
		nanosleep(&pause, NULL);
		return 0;
	case FAULT_ABORT:
		abort();
	case FAULT_SLEEP:
		nanosleep(&pause, NULL);
		return 0;
	case FAULT_ERRNO:
		return -(int)value;
	default:
		return 0;
	}
}

int fault_hit(const char *point)
{
	int at = words ? fault_find(str_z(point)) : -1;
	if (at < 0)
		return 0;
	uint64_t word = atomic_load(&words[at]);
	while (word && !atomic_compare_exchange_weak(&words[at], &word, spent(word)))
		;
	return word && !(word & FAULT_VALUE_MAX) ? shoot(word) : 0;
}

int fault_hit_in(const char *point, struct str text)
{
	struct str name = str_z(point);
	return text.n && memmem(text.p, text.n, name.p, name.n) ? fault_hit(point) : 0;
}

#endif
