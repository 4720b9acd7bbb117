/* SPDX-License-Identifier: MIT
 * parcel.h - bytes too long for a frame: a sealed memfd that travels beside it.
 *
 * Whoever gets one checks it first: without its seals the other side could change or shorten it
 * while it is read. */
#ifndef PARCEL_H
#define PARCEL_H

#include "common/str.h"

/* The parts one behind the other. 0 and a descriptor that is the caller's, or -errno. */
int parcel_make(const struct str *parts, unsigned n, int *ret_fd) MUST_USE;
/* 0, or -EPROTO: not sealed, or not of exactly that size. Borrows fd. */
int parcel_check(int fd, size_t size) MUST_USE;
/* All of s to a descriptor of any kind, which is borrowed. 0 or -errno. */
int parcel_write(int fd, struct str s) MUST_USE;
/* Its size. 0, or -EPROTO: not sealed. Borrows fd. */
int parcel_size(int fd, size_t *ret) MUST_USE;
/* All of it. 0, -EPROTO (it is shorter) or -errno. Borrows fd. */
int parcel_read(int fd, char *to, size_t size) MUST_USE;

#endif
