/* SPDX-License-Identifier: MIT
 * ctl_restore.c - `llmgwctl restore`: copies a backup into the state directory, checks the copy,
 * and lets it take the database's place. By llmgwctl, for a gateway that runs has the lock.
 *
 * What is checked is the very copy that is used later, so that a file which changes meanwhile does
 * no harm. Who runs this may be root: what is made belongs to whom the directory belongs to. */
#include "master/ctl_restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json_write.h"
#include "common/mem.h"
#include "master/state.h"
#include "master/store_check.h"

enum { COPY_BYTES = 1 << 20, PATH_ROOM = 4096 + 64 };

struct restore {
	struct arena *mem;
	struct ctl_error *reterr;
	struct ctl_progress progress;
	const char *file;
	char dir[4096];
	int dirfd, lock_fd;
	struct stat of_dir;
	bool is_dry;
	uint64_t done_bytes, all_bytes;
	char what[96];
	struct store_check check;
	char kept[STATE_NAME];
};

static enum ctl_exit fail(struct restore *r, enum ctl_exit exit, struct str what, const char *next)
{
	*r->reterr = (struct ctl_error){ exit, what, str_z(next) };
	return exit;
}

static enum ctl_exit fail_system(struct restore *r, const char *what, const char *path, int err)
{
	bool denied = err == -EACCES || err == -EPERM;
	return fail(r, denied ? CTL_NOT_ALLOWED : CTL_FAILED,
		    arena_printf(r->mem, "cannot %s %s: %s; the database is as it was", what, path,
				 strerrordesc_np(-err)),
		    denied ? "run it as root, or as the user that the gateway runs as" :
		    err == -ENOSPC ? "make room: a restore needs that of the backup, beside the "
				     "database that is there" : "");
}

static void tick(void *data)
{
	struct restore *r = data;
	ctl_progress_tick(&r->progress);
}

/* ---- may it be done? ---- */

static enum ctl_exit fail_busy(struct restore *r, struct str what)
{
	return fail(r, CTL_CONFLICT, what,
		    "stop the gateway first: systemctl stop llmgw; then restore, then start it");
}

/* The workers are asked for before the lock is touched: a gateway that is being upgraded in place
 * is without the lock for a moment, and must not find it taken. */
static enum ctl_exit check_unused(struct restore *r)
{
	int pid = state_any_writer(r->dirfd);
	if (!pid)
		return CTL_DONE;
	return fail_busy(r, arena_printf(r->mem, "a worker of the gateway (process %d) uses %s",
					 pid, r->dir));
}

static enum ctl_exit take_lock(struct restore *r)
{
	char why[256] = "";
	enum ctl_exit e = check_unused(r);
	if (e != CTL_DONE)
		return e;
	r->lock_fd = state_lock(r->dir, why);
	if (r->lock_fd == -EBUSY)
		return fail_busy(r, arena_printf(r->mem, "a gateway uses %s", r->dir));
	if (r->lock_fd < 0)
		return fail_system(r, "lock", r->dir, r->lock_fd);
	if (geteuid() == 0 && fchown(r->lock_fd, r->of_dir.st_uid, r->of_dir.st_gid) < 0)
		return fail_system(r, "lock", r->dir, -errno);
	return check_unused(r);
}

static enum ctl_exit open_state(struct restore *r, struct str given)
{
	const char *dir = given.n ? arena_dup_z(r->mem, given) : NULL;
	state_find(r->dir, dir, "STATE_DIRECTORY", "/var/lib/llmgw");
	r->dirfd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->dirfd < 0 || fstat(r->dirfd, &r->of_dir) < 0) {
		fail_system(r, "open the state directory", r->dir, -errno);
		if (!r->reterr->next.n)
			r->reterr->next = STR("--state-dir says where the gateway has it");
		return r->reterr->exit;
	}
	return CTL_DONE;
}

static enum ctl_exit check_source(struct restore *r)
{
	struct stat st, now;
	if (stat(r->file, &st) < 0)
		return fail(r, errno == ENOENT ? CTL_NO_SUCH : CTL_FAILED,
			    arena_printf(r->mem, "cannot read %s: %s", r->file,
					 strerrordesc_np(errno)), "");
	if (!S_ISREG(st.st_mode))
		return fail(r, CTL_FAILED, arena_printf(r->mem, "%s is no file", r->file), "");
	if (fstatat(r->dirfd, STATE_DB, &now, 0) == 0 && now.st_dev == st.st_dev &&
	    now.st_ino == st.st_ino)
		return fail(r, CTL_USAGE,
			    arena_printf(r->mem, "%s is the database that is in use", r->file),
			    "name a file that `llmgwctl backup` has made");
	if (stat(arena_printf(r->mem, "%s-journal", r->file).p, &now) == 0 && now.st_size > 0)
		return fail(r, CTL_FAILED,
			    arena_printf(r->mem, "%s was not finished: %s-journal lies beside it",
					 r->file, r->file), "take another backup");
	r->all_bytes = (uint64_t)st.st_size;
	return CTL_DONE;
}

/* ---- the copy ---- */

static int copy_bytes(struct restore *r, int from, int to, char *room)
{
	ssize_t n;
	while ((n = read(from, room, COPY_BYTES)) > 0) {
		for (ssize_t at = 0; at < n;) {
			ssize_t put = write(to, room + at, (size_t)(n - at));
			if (put < 0)
				return -errno;
			at += put;
		}
		r->done_bytes += (uint64_t)n;
		snprintf(r->what, sizeof r->what, "copying: %llu of %llu MiB,",
			 (unsigned long long)(r->done_bytes >> 20),
			 (unsigned long long)(r->all_bytes >> 20));
		ctl_progress_at(&r->progress, r->done_bytes, r->all_bytes);
	}
	return n < 0 || fsync(to) < 0 ? -errno : 0;
}

static int copy_file(struct restore *r, const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return -errno;
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), err = 0;
	char *room = mem_alloc(COPY_BYTES);
	if (out < 0 || !room)
		err = out < 0 ? -errno : -ENOMEM;
	if (!err && geteuid() == 0 && fchown(out, r->of_dir.st_uid, r->of_dir.st_gid) < 0)
		err = -errno;
	if (!err)
		err = copy_bytes(r, in, out, room);
	mem_free(room);
	if (out >= 0)
		close(out);
	close(in);
	return err;
}

static enum ctl_exit copy(struct restore *r, const char *to)
{
	char from[PATH_ROOM + 8], log[PATH_ROOM + 8];
	int err = state_clear_part(r->dirfd);
	if (!err && mkdirat(r->dirfd, STATE_PART, 0700) < 0)
		err = -errno;
	if (!err && geteuid() == 0 &&
	    fchownat(r->dirfd, STATE_PART, r->of_dir.st_uid, r->of_dir.st_gid, 0) < 0)
		err = -errno;
	r->progress.what = r->what;
	if (!err)
		err = copy_file(r, r->file, to);
	snprintf(from, sizeof from, "%s-wal", r->file);
	snprintf(log, sizeof log, "%s-wal", to);
	if (!err && access(from, F_OK) == 0)
		err = copy_file(r, from, log);
	return err ? fail_system(r, "copy", r->file, err) : CTL_DONE;
}

static int sync_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = fd < 0 || fsync(fd) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return err;
}

static enum ctl_exit refuse(struct restore *r, int err, const char *why)
{
	return fail(r, CTL_FAILED, arena_printf(r->mem, "%s", why),
		    err == -ENOSPC ? "make room in the state directory" :
				     "nothing was changed; `restore --dry-run` checks a file");
}

/* ---- all of it ---- */

static enum ctl_exit replace(struct restore *r)
{
	char copied[PATH_ROOM], why[256] = "";
	snprintf(copied, sizeof copied, "%s/" STATE_PART "/" STATE_NEW, r->dir);
	int err = state_finish(r->dirfd, r->kept);	/* what an earlier call had decided */
	if (err < 0)
		return fail_system(r, "finish the restore that was broken off in", r->dir, err);
	enum ctl_exit e = copy(r, copied);
	if (e != CTL_DONE)
		return e;
	r->progress.what = "checking the copy,";
	r->progress.all = 0;
	err = store_check_copy(copied, &r->check, why);
	if (err)
		return refuse(r, err, why);
	r->kept[0] = '\0';
	if ((err = sync_path(copied)) != 0 || (err = state_commit(r->dirfd)) != 0)
		return fail_system(r, "prepare the restore in", r->dir, err);
	err = state_finish(r->dirfd, r->kept);
	if (err < 0)
		return fail(r, CTL_FAILED,
			    arena_printf(r->mem, "the restore in %s is decided, and cannot be "
					 "finished: %s", r->dir, strerrordesc_np(-err)),
			    "the next start of the gateway finishes it, or says why it cannot");
	return CTL_DONE;
}

static void put_answer(struct restore *r, struct buf *out)
{
	char when[64];
	struct json_out o = json_out(out);
	struct buf text;
	buf_init(&text, sizeof when);
	if (r->check.last_request_ns > 0)
		ctl_put_time(&text, (uint64_t)r->check.last_request_ns, false);
	json_open(&o, NULL);
	json_put_bool(&o, "restored", !r->is_dry);
	json_put_z(&o, "file", r->file);
	json_put_z(&o, "state_dir", r->dir);
	json_put_i64(&o, "schema", r->check.schema);
	json_put_i64(&o, "newest_schema", r->check.newest_schema);
	json_put_i64(&o, "keys", r->check.keys);
	json_put_i64(&o, "audit_rows", r->check.audit_rows);
	json_put_str(&o, "last_request", buf_str(&text));
	if (r->kept[0])
		json_put_str(&o, "replaced", arena_printf(r->mem, "%s/%s", r->dir, r->kept));
	json_close(&o);
	buf_done(&text);
}

static enum ctl_exit run(struct restore *r, struct str dir, struct buf *out)
{
	char why[256] = "";
	enum ctl_exit e = open_state(r, dir);
	if (e == CTL_DONE)
		e = check_source(r);
	if (e == CTL_DONE && r->is_dry) {
		int err = store_check_file(r->file, &r->check, why);
		e = err ? refuse(r, err, why) : check_unused(r);
	} else if (e == CTL_DONE) {
		e = take_lock(r);
		if (e == CTL_DONE)
			e = replace(r);
		int err = e != CTL_DONE && r->lock_fd >= 0 ? state_clear_part(r->dirfd) : 0;
		(void)err;		/* the next one removes it */
	}
	if (e == CTL_DONE)
		put_answer(r, out);
	return e;
}

enum ctl_exit ctl_restore(struct arena *mem, const struct ctl_request *q, bool is_tty,
			  struct buf *out, struct ctl_error *reterr)
{
	struct restore r = { .mem = mem, .reterr = reterr, .dirfd = -1, .lock_fd = -1 };
	struct json_error e;
	const struct json *args = json_parse(mem, q->args, 0, &e);
	r.file = arena_dup_z(mem, json_get_str(mem, args, "file"));
	r.is_dry = json_is_true(json_get(args, "dry_run"));
	r.check = (struct store_check){ .name = r.file, .tick = tick, .data = &r };
	if (!r.file || strlen(r.file) >= 4096)
		return fail(&r, CTL_USAGE, STR("the file's name is too long"), "");
	ctl_progress_start(&r.progress, "checking the file,", is_tty);
	enum ctl_exit exit = run(&r, json_get_str(mem, args, "state_dir"), out);
	ctl_progress_end(&r.progress);
	if (r.lock_fd >= 0)
		close(r.lock_fd);
	if (r.dirfd >= 0)
		close(r.dirfd);
	return exit;
}
