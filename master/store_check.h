/* SPDX-License-Identifier: MIT
 * store_check.h - whether a file is a whole database of ours, before it takes another's place. */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include "common/hash.h"

struct store_check {
	const char *name;		/* what messages call the file */
	void (*tick)(void *data);	/* now and then, on the same thread; or NULL */
	void *data;
	int64_t schema, newest_schema;	/* its own; what this program knows */
	int64_t keys, audit_rows;
	int64_t last_request_ns;	/* 0: there is none */
};
/* Reads all of it: is it ours, of a schema that we know, whole, with all that rows refer to, and
 * is its audit log unbroken? The file is not changed, and must not change meanwhile. 0 or -errno
 * with a sentence; the numbers are set as far as it came. */
int store_check_file(const char *path, struct store_check *c, char reterr[256]) MUST_USE;
/* The same for a copy that is the caller's alone: what stands in a -wal beside it becomes part of
 * it, the audit log gets a row that tells of the restore, and the file stands for itself. */
int store_check_copy(const char *path, struct store_check *c, char reterr[256]) MUST_USE;

#endif
