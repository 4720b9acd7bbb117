/* SPDX-License-Identifier: MIT
 * tokenizers.c - see tokenizers.h. A file of ranks is checked and written on a thread of the pool;
 * one at a time, so that file and workers never differ. */
#include "master/tokenizers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json_write.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/parcel.h"
#include "common/tokenizer.h"
#include "master/master.h"
#include "master/pool.h"
#include "master/supervise.h"
#include "master/worker_link.h"

enum { PATH_ROOM = 4096 };

struct installed {
	int fd;				/* a sealed parcel; -1: none */
	size_t bytes;
	uint32_t ranks;
};
struct tokenizers {
	struct master *m;
	struct installed of[ENCODINGS];
	bool is_busy;			/* an import is under way */
};

static bool path_of(const struct master *m, enum encoding e, const char *suffix,
		    char to[PATH_ROOM])
{
	int n = snprintf(to, PATH_ROOM, "%s/tokenizer.%s%s", m->opt.state_dir, encoding_name(e),
			 suffix);
	return n > 0 && n < PATH_ROOM;
}

/* ---- an image ---- */

/* Looks at it as a worker will, and seals a copy of it. */
static int seal_image(struct str image, enum encoding e, struct installed *ret)
{
	struct tokenizer *t;
	int fd, err = tokenizer_open(image, &t);
	if (err < 0)
		return err;
	bool is_same = tokenizer_encoding(t) == e;
	uint32_t ranks = tokenizer_ranks(t);
	tokenizer_free(t);
	if (!is_same)
		return -EBADMSG;
	err = parcel_make(&image, 1, &fd);
	if (err == 0)
		*ret = (struct installed){ .fd = fd, .bytes = image.n, .ranks = ranks };
	return err;
}

static int read_file(const char *path, struct buf *to)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > TOKENIZER_IMAGE_MAX)
		err = -EBADMSG;
	if (err == 0)
		err = buf_reserve(to, (size_t)st.st_size);
	if (err == 0)
		err = parcel_read(fd, to->p, (size_t)st.st_size);
	if (err == 0)
		to->n = (size_t)st.st_size;
	close(fd);
	return err;
}

/* The name changes over to it once it is on the disk. */
static int write_file(const struct master *m, enum encoding e, struct str image)
{
	char path[PATH_ROOM], fresh[PATH_ROOM];
	if (!path_of(m, e, "", path) || !path_of(m, e, ".new", fresh))
		return -ENAMETOOLONG;
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int err = fd < 0 ? -errno : parcel_write(fd, image);
	if (err == 0 && fsync(fd) < 0)
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (err == 0 && rename(fresh, path) < 0)
		err = -errno;
	int dir = err ? -1 : open(m->opt.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0 && fsync(dir) < 0)
		err = -errno;
	if (dir >= 0)
		close(dir);
	if (err)
		unlink(fresh);
	return err;
}

int tokenizers_open(struct master *m, struct tokenizers **ret)
{
	struct tokenizers *t = mem_alloc(sizeof *t);
	if (!t)
		return -ENOMEM;
	t->m = m;
	for (unsigned i = 0; i < ENCODINGS; i++) {
		char path[PATH_ROOM];
		struct buf image;
		int err = -ENAMETOOLONG;
		t->of[i].fd = -1;
		buf_init(&image, TOKENIZER_IMAGE_MAX);
		if (path_of(m, (enum encoding)i, "", path))
			err = read_file(path, &image);
		if (err == 0)
			err = seal_image(buf_str(&image), (enum encoding)i, &t->of[i]);
		buf_done(&image);
		if (err < 0 && err != -ENOENT)
			LOG(LOG_ERROR, "tokenizer.refused",
			    F_Z("encoding", encoding_name((enum encoding)i)),
			    F_Z("error", strerrordesc_np(-err)));
	}
	*ret = t;
	return 0;
}

/* ---- workers ---- */

static void give(const struct tokenizers *t, enum encoding e, struct worker_link *l)
{
	worker_link_tokenizer(l, (uint32_t)e, t->of[e].fd);
}

void tokenizers_give(const struct tokenizers *t, struct worker_link *l)
{
	for (unsigned i = 0; t && i < ENCODINGS; i++)
		if (t->of[i].fd >= 0)
			give(t, (enum encoding)i, l);
}

struct telling {
	const struct tokenizers *t;
	enum encoding e;
};

static void tell_one(void *data, struct worker_link *l)
{
	const struct telling *what = data;
	give(what->t, what->e, l);
}

static void replace(struct tokenizers *t, enum encoding e, struct installed by)
{
	struct telling what = { t, e };
	if (t->of[e].fd >= 0)
		close(t->of[e].fd);
	t->of[e] = by;
	supervise_each_link(t->m->supervise, tell_one, &what);
	LOG(LOG_INFO, "tokenizer.changed", F_Z("encoding", encoding_name(e)),
	    F_INT("tokens", by.ranks));
}

/* ---- import ---- */

struct import {				/* in the call's arena */
	uv_work_t work;
	struct command_call *c;
	struct str ranks;
	enum encoding e;
	struct tokenizer_fault fault;
	struct installed made;
	int err;
};

static void on_thread(uv_work_t *w)
{
	struct import *im = w->data;
	struct buf image;
	buf_init(&image, TOKENIZER_IMAGE_MAX);
	im->err = tokenizer_build(im->ranks, im->e, &image, &im->fault);
	if (im->err == 0)
		im->err = seal_image(buf_str(&image), im->e, &im->made);
	if (im->err == 0) {
		im->err = write_file(im->c->master, im->e, buf_str(&image));
		if (im->err < 0)
			close(im->made.fd);
	}
	buf_done(&image);
}

static void put_row(struct json_out *o, enum encoding e, const struct installed *in)
{
	json_open(o, NULL);
	json_put_z(o, "encoding", encoding_name(e));
	json_put_bool(o, "installed", in->fd >= 0);
	json_put_u64(o, "tokens", in->ranks);
	json_put_u64(o, "bytes", in->bytes);
	json_close(o);
}

static void fail_import(const struct import *im)
{
	struct command_call *c = im->c;
	if (im->err == -EINVAL && im->fault.line)
		command_fail(c, 400, "invalid_request_error", "ranks", "line %zu: %s",
			     im->fault.line, im->fault.what);
	else if (im->err == -EINVAL)
		command_fail(c, 400, "invalid_request_error", "ranks", "%s", im->fault.what);
	else
		command_fail(c, 503, "service_unavailable_error", NULL,
			     "the encoding cannot be stored: %s", strerrordesc_np(-im->err));
}

static void on_built(uv_work_t *w, int status)
{
	struct import *im = w->data;
	struct command_call *c = im->c;
	struct tokenizers *t = c->master->tokenizers;
	t->is_busy = false;
	if (status < 0)
		im->err = -ECANCELED;
	if (im->err < 0) {
		fail_import(im);
		return;
	}
	replace(t, im->e, im->made);
	struct json_out o = json_out(&c->out);
	put_row(&o, im->e, &t->of[im->e]);
	command_finish(c);
}

static int take_encoding(struct command_call *c, enum encoding *ret)
{
	struct str name = STR("");
	int err = command_str(c, "encoding", &name);
	if (err == -EINVAL)
		return err;
	if (encoding_read(name, ret))
		return 0;
	command_fail(c, 400, "invalid_request_error", "encoding",
		     "encoding is cl100k_base or o200k_base");
	return -EINVAL;
}

void tokenizers_import(struct command_call *c)
{
	struct tokenizers *t = c->master->tokenizers;
	struct import *im = arena_alloc(c->mem, sizeof *im);
	if (!im) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	im->c = c;
	im->work.data = im;
	if (take_encoding(c, &im->e) < 0 || command_str(c, "ranks", &im->ranks) == -EINVAL)
		return;
	if (t->is_busy) {
		command_fail(c, 409, "conflict", NULL, "another import is under way");
		return;
	}
	if (pool_work(c->master->loop, &im->work, on_thread, on_built) < 0) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	t->is_busy = true;
}

/* ---- the others ---- */

void tokenizers_list(struct command_call *c)
{
	struct json_out o = json_out(&c->out);
	json_open_array(&o, NULL);
	for (unsigned i = 0; i < ENCODINGS; i++)
		put_row(&o, (enum encoding)i, &c->master->tokenizers->of[i]);
	json_close_array(&o);
	command_finish(c);
}

void tokenizers_remove(struct command_call *c)
{
	struct tokenizers *t = c->master->tokenizers;
	char path[PATH_ROOM];
	enum encoding e;
	if (take_encoding(c, &e) < 0)
		return;
	if (t->of[e].fd < 0 || t->is_busy) {
		command_fail(c, t->is_busy ? 409 : 404, t->is_busy ? "conflict" : "not_found_error",
			     "encoding", "%s", t->is_busy ? "an import is under way"
							  : "it is not installed");
		return;
	}
	if (path_of(c->master, e, "", path) && unlink(path) < 0 && errno != ENOENT) {
		command_fail(c, 503, "service_unavailable_error", NULL, "it cannot be removed: %s",
			     strerrordesc_np(errno));
		return;
	}
	replace(t, e, (struct installed){ .fd = -1 });
	struct json_out o = json_out(&c->out);
	put_row(&o, e, &t->of[e]);
	command_finish(c);
}
