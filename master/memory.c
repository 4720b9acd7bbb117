/* SPDX-License-Identifier: MIT
 * memory.c - see memory.h. In a container the group's own path may not be there: then the top of
 * what is mounted is its own group. */
#include "master/memory.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/small_file.h"

enum { TEXT_ROOM = 8192 };
#define SHARE_LEAST (UINT64_C(16) << 20)

/* "max", and what the first version writes in its place, which is no memory's size. */
static uint64_t limit_in(const char *folder, const char *file)
{
	char path[PATH_MAX], text[TEXT_ROOM], *end;
	int n = snprintf(path, sizeof path, "%s/%s", folder, file);
	if (n < 0 || (size_t)n >= sizeof path || !small_file_read(path, text, sizeof text))
		return UINT64_MAX;
	unsigned long long v = strtoull(text, &end, 10);
	return end == text || v == 0 || v >= UINT64_C(1) << 60 ? UINT64_MAX : v;
}

/* Of the group at `path` below the mount, and of all above it. */
static uint64_t least_above(const char *mount, const char *path, const char *file)
{
	char folder[PATH_MAX];
	uint64_t least = limit_in(mount, file);
	int n = snprintf(folder, sizeof folder, "%s%s", mount, path);
	size_t top = strlen(mount);
	if (n < 0 || (size_t)n >= sizeof folder)
		return least;
	while (strlen(folder) > top) {
		uint64_t v = limit_in(folder, file);
		least = v < least ? v : least;
		*strrchr(folder, '/') = 0;
	}
	return least;
}

/* One line of /proc/self/cgroup: "0::/path", or "9:memory:/path" among those of version 1. */
static uint64_t of_line(char *line, const char *root)
{
	char mount[PATH_MAX];
	char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
	if (!path || path[1] != '/')
		return UINT64_MAX;
	*path++ = 0;
	names++;
	bool is_second = !*names;
	if (!is_second && strcmp(names, "memory") != 0)
		return UINT64_MAX;
	int n = snprintf(mount, sizeof mount, "%s%s", root, is_second ? "" : "/memory");
	if (n < 0 || (size_t)n >= sizeof mount)
		return UINT64_MAX;
	return least_above(mount, path, is_second ? "memory.max" : "memory.limit_in_bytes");
}

uint64_t memory_of_groups(const char *proc_cgroup, const char *root)
{
	char text[TEXT_ROOM], *rest = NULL;
	uint64_t least = UINT64_MAX;
	snprintf(text, sizeof text, "%s", proc_cgroup);
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		uint64_t v = of_line(line, root);
		least = v < least ? v : least;
	}
	return least;
}

uint64_t memory_there_is(void)
{
	char text[TEXT_ROOM];
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	uint64_t all = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
	uint64_t ours = small_file_read("/proc/self/cgroup", text, sizeof text)
				? memory_of_groups(text, "/sys/fs/cgroup")
				: UINT64_MAX;
	return ours < all ? ours : all;
}

uint64_t memory_share(uint64_t there_is, unsigned workers)
{
	uint64_t share = there_is / 2 / (workers ? workers : 1);
	return share > SHARE_LEAST ? share : SHARE_LEAST;
}
