/* SPDX-License-Identifier: MIT
 * parcel.c - see parcel.h. Reading copies: a fault in a mapping would be a signal. */
#include "common/parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

int parcel_write(int fd, struct str s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		s = str_skip(s, (size_t)n);
	}
	return 0;
}

int parcel_make(const struct str *parts, unsigned n, int *ret_fd)
{
	int fd = memfd_create("llmgw-parcel", MFD_CLOEXEC | MFD_ALLOW_SEALING), err = 0;
	if (fd < 0)
		return -errno;
	for (unsigned i = 0; i < n && !err; i++)
		err = parcel_write(fd, parts[i]);
	if (!err && fcntl(fd, F_ADD_SEALS, SEALS))
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int parcel_size(int fd, size_t *ret)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 || st.st_size < 0)
		return -EPROTO;
	*ret = (size_t)st.st_size;
	return 0;
}

int parcel_check(int fd, size_t size)
{
	size_t is;
	return parcel_size(fd, &is) == 0 && is == size ? 0 : -EPROTO;
}

int parcel_read(int fd, char *to, size_t size)
{
	size_t at = 0;
	while (at < size) {
		ssize_t n = pread(fd, to + at, size - at, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPROTO;
		at += (size_t)n;
	}
	return 0;
}
