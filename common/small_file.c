/* SPDX-License-Identifier: MIT
 * small_file.c - see small_file.h. */
#include "common/small_file.h"

#include <fcntl.h>
#include <unistd.h>

size_t small_file_read(const char *path, char *to, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, to, room - 1);
	if (fd >= 0)
		close(fd);
	to[n > 0 ? n : 0] = 0;
	return n > 0 ? (size_t)n : 0;
}
