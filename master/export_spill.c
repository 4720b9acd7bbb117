/* SPDX-License-Identifier: MIT
 * export_spill.c - see export_spill.h. A file is called NAME.NUMBER.RECORDS, with ".sealed" behind
 * it where it is; it is written under another name first, so that a kill leaves no half of one. */
#include "master/export_spill.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALED ".sealed"
enum { SEAL_MORE = 256 };		/* bytes that sealing adds, at most */

static bool path_of(const struct spill *s, const struct spill_file *f, char path[4400])
{
	int n = snprintf(path, 4400, "%s/%s.%016llx.%u%s", s->dir, s->name,
			 (unsigned long long)f->number, f->records, f->is_sealed ? SEALED : "");
	return n > 0 && n < 4400;
}

static int compare(const void *a, const void *b)
{
	const struct spill_file *x = a, *y = b;
	return (x->number > y->number) - (x->number < y->number);
}

static void found(struct spill *s, const char *file)
{
	struct spill_file f = { 0 };
	unsigned long long number;
	unsigned records;
	size_t n = strlen(s->name);
	char path[4400];
	struct stat st;
	if (strncmp(file, s->name, n) != 0 || s->n == SPILL_FILES ||
	    sscanf(file + n, ".%16llx.%u", &number, &records) != 2)
		return;
	f.number = number;
	f.records = records;
	f.is_sealed = str_ends(str_z(file), STR(SEALED));
	if (!path_of(s, &f, path) || stat(path, &st) < 0 || st.st_size > SPILL_BATCH + SEAL_MORE)
		return;
	f.bytes = (uint64_t)st.st_size;
	s->bytes += f.bytes;
	s->file[s->n++] = f;
}

void spill_open(struct spill *s, const char *dir, const char *name)
{
	const struct dirent *e;
	DIR *d = opendir(dir);
	*s = (struct spill){ .dir = dir, .name = name };
	while (d && (e = readdir(d)))
		found(s, e->d_name);
	if (d)
		closedir(d);
	qsort(s->file, s->n, sizeof s->file[0], compare);
	s->next = s->n ? s->file[s->n - 1].number + 1 : 1;
}

static int write_all(int fd, struct str text)
{
	while (text.n) {
		ssize_t n = write(fd, text.p, text.n);
		if (n < 0 && errno != EINTR)
			return -errno;
		text = str_skip(text, n > 0 ? (size_t)n : 0);
	}
	return 0;
}

/* What a sealed one is tied to. */
static void seal_name(const struct spill *s, const struct spill_file *f, struct buf *to)
{
	buf_init(to, 512);
	buf_printf(to, "export %s %llu", s->name, (unsigned long long)f->number);
}

static int write_file(struct spill *s, struct str text, const char *path)
{
	char temporary[4500];
	snprintf(temporary, sizeof temporary, "%s/.%s", s->dir, s->name);
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	int err = write_all(fd, text);
	if (close(fd) < 0 && err == 0)
		err = -errno;
	if (err == 0 && rename(temporary, path) < 0)
		err = -errno;
	if (err < 0)
		unlink(temporary);
	return err;
}

static int write_sealed(struct spill *s, const struct spill_file *f, struct str batch,
			const char *path, const struct seal *key, uint64_t *ret_bytes)
{
	struct buf sealed, name;
	seal_name(s, f, &name);
	buf_init(&sealed, SPILL_BATCH + SEAL_MORE);
	seal_close(key, batch, buf_str(&name), &sealed);
	int err = sealed.failed || name.failed ? -ENOMEM : write_file(s, buf_str(&sealed), path);
	*ret_bytes = sealed.n;
	buf_done(&sealed);
	buf_done(&name);
	return err;
}

int spill_put(struct spill *s, struct str batch, uint32_t records, const struct seal *key)
{
	struct spill_file f = { s->next, records, batch.n, key != NULL };
	char path[4400];
	if (s->n == SPILL_FILES || batch.n > SPILL_BATCH || s->bytes + batch.n > SPILL_BYTES)
		return -ENOSPC;
	if (!path_of(s, &f, path))
		return -ENAMETOOLONG;
	int err = key ? write_sealed(s, &f, batch, path, key, &f.bytes)
		      : write_file(s, batch, path);
	if (err < 0)
		return err;
	s->file[s->n++] = f;
	s->bytes += f.bytes;
	s->next++;
	return 0;
}

static int read_file(const struct spill *s, struct buf *to)
{
	char path[4400];
	if (!path_of(s, &s->file[0], path))
		return -ENOENT;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), err = 0;
	if (fd < 0)
		return -errno;
	size_t want = s->file[0].bytes;
	if (buf_reserve(to, want) < 0)
		err = -ENOMEM;
	while (err == 0 && want) {
		ssize_t n = read(fd, to->p + to->n, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			err = n < 0 ? -errno : -EIO;	/* shorter than it was */
			break;
		}
		to->n += (size_t)n;
		want -= (size_t)n;
	}
	close(fd);
	return err;
}

int spill_get(const struct spill *s, struct buf *to, const struct seal *key)
{
	struct buf sealed, name;
	if (!s->n)
		return -ENOENT;
	if (!s->file[0].is_sealed)
		return read_file(s, to);
	if (!key)
		return -ENOKEY;
	seal_name(s, &s->file[0], &name);
	buf_init(&sealed, SPILL_BATCH + SEAL_MORE);
	int err = read_file(s, &sealed);
	if (err == 0)
		err = seal_open(key, buf_str(&sealed), buf_str(&name), to);
	buf_done(&sealed);
	buf_done(&name);
	return err;
}

void spill_drop(struct spill *s)
{
	char path[4400];
	if (!s->n)
		return;
	if (path_of(s, &s->file[0], path))
		unlink(path);
	s->bytes -= s->file[0].bytes;
	memmove(s->file, s->file + 1, --s->n * sizeof s->file[0]);
}
