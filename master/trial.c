/* SPDX-License-Identifier: MIT
 * trial.c - see trial.h. Only counts and keeps; publish.c does what follows. */
#include "master/trial.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/mem.h"
#include "master/publish.h"

enum { TRIAL_MS = 30000, CALM_MS = 10000, CRASHES_MAX = 3 };

struct trial {
	struct master *m;
	struct config *good;		/* NULL: nothing is on trial, or nothing to go back to */
	uint64_t until_ns, crashed_ns;	/* crashed_ns: the last crash of any worker; 0: none */
	unsigned crashes;
	uint64_t from, wall_ns;		/* what was given up, and when; 0: nothing was */
	char why[128];
};

struct trial *trial_new(struct master *m)
{
	struct trial *t = mem_alloc(sizeof *t);
	if (t)
		t->m = m;
	return t;
}

void trial_begin(struct trial *t, struct config *old)
{
	uint64_t now = clock_ns();
	bool was_calm = !t->crashed_ns || now - t->crashed_ns > CALM_MS * NS_PER_MS;
	if (!t->good && t->m->is_ready && was_calm)
		t->good = old;
	else
		config_free(old);	/* it was on trial itself, or workers crashed with it */
	t->crashes = 0;
	t->until_ns = now + TRIAL_MS * NS_PER_MS;
}

struct config *trial_take_good(struct trial *t)
{
	struct config *c = t->good;
	t->good = NULL;
	return c;
}

void trial_crashed(struct trial *t, uint64_t generation, const char *how)
{
	t->crashed_ns = clock_ns();
	if (!t->good || generation != t->m->generation || ++t->crashes < CRASHES_MAX)
		return;
	publish_go_back(t->m, how);
}

void trial_note(struct trial *t, const char *why, uint64_t from)
{
	t->from = why ? from : 0;
	t->wall_ns = clock_wall_ns();
	snprintf(t->why, sizeof t->why, "%s", why ? why : "");
}

bool trial_has_gone_back(const struct trial *t)
{
	return t->from != 0;
}

void trial_show(const struct trial *t, struct json_out *o)
{
	if (!t->from)
		return;
	json_open(o, "rolled_back");
	json_put_u64(o, "generation", t->from);
	json_put_time(o, "at", t->wall_ns);
	json_put_z(o, "why", t->why);
	json_close(o);
}

void trial_tick(struct trial *t)
{
	if (t->good && clock_ns() > t->until_ns)
		config_free(trial_take_good(t));
}
