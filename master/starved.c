/* SPDX-License-Identifier: MIT
 * starved.c - see starved.h. */
#include "master/starved.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/small_file.h"

enum { FIELD_UTIME = 11, FIELD_STIME = 12 };	/* counted from behind the state */

int starved_read(struct str stat, char *ret_state, uint64_t *ret_cpu_ns)
{
	uint64_t v[FIELD_STIME + 1] = { 0 };
	size_t end = stat.n;
	while (end && stat.p[end - 1] != ')')	/* its name may have blanks and brackets */
		end--;
	struct str rest = str_skip(stat, end);
	if (!end || rest.n < 3 || rest.p[0] != ' ' || rest.p[2] != ' ')
		return -EBADMSG;
	char state = rest.p[1];
	rest = str_skip(rest, 3);
	for (unsigned i = 1; i <= FIELD_STIME; i++) {
		struct str field = str_cut(&rest, ' ');
		if (i >= FIELD_UTIME && str_read_u64(field, &v[i]) != 0)
			return -EBADMSG;
	}
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
	if (v[FIELD_UTIME] > UINT32_MAX * hz || v[FIELD_STIME] > UINT32_MAX * hz)
		return -EBADMSG;
	*ret_state = state;
	*ret_cpu_ns = (v[FIELD_UTIME] + v[FIELD_STIME]) * (NS_PER_S / hz);
	return 0;
}

bool starved_would_run(char state, uint64_t cpu_ns, uint64_t time_ns)
{
	return (state == 'R' || state == 'D') && cpu_ns <= time_ns / 10;
}

static int look(int pid, char *ret_state, uint64_t *ret_cpu_ns)
{
	char path[64], text[1024];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	size_t n = small_file_read(path, text, sizeof text);
	return n ? starved_read(str_of(text, n), ret_state, ret_cpu_ns) : -ENOENT;
}

bool starved_look(struct starved *s, int pid, uint64_t beat_ns, uint64_t now_ns)
{
	uint64_t cpu_ns;
	char state;
	if (look(pid, &state, &cpu_ns) < 0)
		return false;
	if (!s->since_ns || s->beat_ns != beat_ns)
		*s = (struct starved){ beat_ns, now_ns, cpu_ns };
	return starved_would_run(state, cpu_ns - s->cpu_ns, now_ns - s->since_ns);
}
