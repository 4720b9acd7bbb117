/* SPDX-License-Identifier: MIT
 * small_file.h - a small text of the kernel's, as there are in /proc and /sys, read at once. */
#ifndef SMALL_FILE_H
#define SMALL_FILE_H

#include <stddef.h>

#include "common/check.h"

/* Its bytes, at most room - 1 of them, which a NUL ends in `to` whatever happens. 0: there is none
 * to be read, or nothing in it. */
size_t small_file_read(const char *path, char *to, size_t room) MUST_USE;

#endif
