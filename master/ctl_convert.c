/* SPDX-License-Identifier: MIT
 * ctl_convert.c - `llmgwctl config convert`: reads the file, has it converted, writes it or gives
 * it to be shown. No gateway is asked. */
#include "master/ctl_convert.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/json_write.h"
#include "common/mem.h"
#include "master/convert.h"

struct work {
	struct arena *mem;
	struct ctl_error *reterr;
	const char *file;
	struct buf source, made;
	struct convert *c;
	enum convert_from from;
};

static enum ctl_exit fail(struct work *w, enum ctl_exit exit, const char *what, const char *why,
			  const char *next)
{
	*w->reterr = (struct ctl_error){
		exit, arena_printf(w->mem, "config convert: %s%s%s", what, why[0] ? ": " : "", why),
		str_z(next)
	};
	return exit;
}

static enum ctl_exit read_source(struct work *w)
{
	ssize_t got = 1;
	int fd = open(w->file, O_RDONLY | O_CLOEXEC), err = fd < 0 ? errno : 0;
	while (!err && got > 0) {
		if (buf_reserve(&w->source, 65536) < 0) {
			err = EFBIG;
			break;
		}
		got = read(fd, w->source.p + w->source.n, 65536);
		err = got < 0 ? errno : 0;
		w->source.n += got > 0 ? (size_t)got : 0;
	}
	if (fd >= 0)
		close(fd);
	return err ? fail(w, err == ENOENT ? CTL_NO_SUCH : CTL_FAILED,
			  arena_printf(w->mem, "cannot read %s", w->file).p, strerrordesc_np(err), "")
		   : CTL_DONE;
}

static enum ctl_exit find_kind(struct work *w, struct str from)
{
	if (from.n && convert_find(from, &w->from) == 0)
		return CTL_DONE;
	if (from.n)
		return fail(w, CTL_USAGE, "--from is litellm, bifrost or portkey", "",
			    "llmgwctl config convert --help");
	if (convert_guess(w->mem, buf_str(&w->source), &w->from) == 0)
		return CTL_DONE;
	return fail(w, CTL_USAGE, arena_printf(w->mem, "what is in %s cannot be told", w->file).p,
		    "", "--from litellm, bifrost or portkey says it");
}

/* A secret may be in it: for its owner alone, and never over what is there. */
static enum ctl_exit write_file(struct work *w, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int err = fd < 0 ? errno : 0;
	for (size_t at = 0; !err && at < w->made.n;) {
		ssize_t n = write(fd, w->made.p + at, w->made.n - at);
		err = n < 0 ? errno : 0;
		at += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0 && (fsync(fd) < 0 || close(fd) < 0) && !err)
		err = errno;
	if (err && fd >= 0)
		unlink(path);
	return err ? fail(w, err == EEXIST ? CTL_CONFLICT : CTL_FAILED,
			  arena_printf(w->mem, "cannot write %s", path).p, strerrordesc_np(err),
			  err == EEXIST ? "name a file that is not there yet" : "")
		   : CTL_DONE;
}

static void put_answer(struct work *w, const char *path, struct buf *out)
{
	struct json_out o = json_out(out);
	json_open(&o, NULL);
	json_put_z(&o, "from", convert_name(w->from));
	json_put_u64(&o, "models", w->c->n_models);
	json_open_array(&o, "variables");
	for (size_t i = 0; i < w->c->n_secrets; i++)
		json_put_str(&o, NULL, w->c->secrets[i].name);
	json_close_array(&o);
	json_open_array(&o, "notes");
	for (size_t i = 0; i < w->c->n_notes; i++) {
		json_open(&o, NULL);
		json_put_str(&o, "where", w->c->notes[i].where);
		json_put_str(&o, "what", w->c->notes[i].what);
		json_close(&o);
	}
	json_close_array(&o);
	if (path)
		json_put_z(&o, "file", path);
	else
		json_put_str(&o, "config", buf_str(&w->made));
	json_close(&o);
}

static enum ctl_exit convert(struct work *w, const struct json *args, struct buf *out)
{
	struct str to = json_get_str(w->mem, args, "out");
	const char *path = to.n ? arena_dup_z(w->mem, to) : NULL;
	enum ctl_exit r = read_source(w);
	if (r == CTL_DONE)
		r = find_kind(w, json_get_str(w->mem, args, "from"));
	if (r != CTL_DONE)
		return r;
	w->c->mem = w->mem;
	w->c->with_secrets = json_is_true(json_get(args, "with_secrets"));
	w->c->model = json_get_str(w->mem, args, "model");
	int err = convert_text(w->c, w->from, w->file, buf_str(&w->source), &w->made);
	if (err)
		return fail(w, err == -EINVAL ? CTL_CONFIG_INVALID : CTL_FAILED,
			    arena_printf(w->mem, "%s as a configuration of %s", w->file,
					 convert_name(w->from)).p,
			    err != -EINVAL ? "it is too large" :
			    w->c->why.n ? w->c->why.p : "it cannot be read",
			    "--from says of which gateway it is");
	if (path)
		r = write_file(w, path);
	if (r == CTL_DONE)
		put_answer(w, path, out);
	return r;
}

enum ctl_exit ctl_convert(struct arena *mem, const struct ctl_request *q, struct buf *out,
			  struct ctl_error *reterr)
{
	struct json_error e;
	const struct json *args = json_parse(mem, q->args, 0, &e);
	struct work w = { .mem = mem, .reterr = reterr,
			  .file = arena_dup_z(mem, json_get_str(mem, args, "file")),
			  .c = arena_alloc(mem, sizeof *w.c) };
	if (!w.file || !w.c) {
		*reterr = (struct ctl_error){ CTL_FAILED, STR("not enough memory"), STR("") };
		return CTL_FAILED;
	}
	buf_init(&w.source, CONVERT_TEXT_MAX);
	buf_init(&w.made, 2 * CONVERT_TEXT_MAX);
	enum ctl_exit r = convert(&w, args, out);
	convert_done(w.c);
	if (w.source.p)
		mem_wipe(w.source.p, w.source.n);
	buf_done(&w.source);
	buf_done(&w.made);
	return r;
}
