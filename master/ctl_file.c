/* SPDX-License-Identifier: MIT
 * ctl_file.c - arguments that name a file: what is in it is sent in the name's place. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/json_write.h"
#include "common/mem.h"
#include "master/ctl.h"

enum { ARGS_ROOM = COMMAND_ARGS_LARGE + (1 << 20) };

struct reading {
	struct arena *mem;
	const struct ctl_request *q;
	struct ctl_error *reterr;
};

static enum ctl_exit fail(struct reading *r, const char *path, const char *why, struct str next)
{
	struct buf shown;
	buf_init(&shown, 8192);
	ctl_put_safe(&shown, str_z(path));
	*r->reterr = (struct ctl_error){
		CTL_FAILED,
		arena_printf(r->mem, "%s: cannot take " STR_FMT ": %s", r->q->command->words,
			     STR_ARG(buf_str(&shown)), why),
		next
	};
	buf_done(&shown);
	return CTL_FAILED;
}

static int read_all(int fd, struct buf *to)
{
	ssize_t got = 1;
	while (got > 0 && !to->failed) {
		if (buf_reserve(to, 65536) < 0)
			return to->n + 65536 > to->cap ? -EFBIG : -ENOMEM;
		got = read(fd, to->p + to->n, 65536);
		if (got < 0 && errno != EINTR)
			return -errno;
		to->n += got > 0 ? (size_t)got : 0;
	}
	return to->failed ? -ENOMEM : 0;
}

static enum ctl_exit read_file(struct reading *r, const char *path, struct buf *to)
{
	bool is_input = strcmp(path, "-") == 0;
	int fd = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int err = fd < 0 ? -errno : read_all(fd, to);
	if (fd >= 0 && !is_input)
		close(fd);
	if (err == -EFBIG)
		return fail(r, path, "it is larger than 16 MiB", STR(""));
	return err < 0 ? fail(r, path, strerrordesc_np(-err), STR("")) : CTL_DONE;
}

static enum ctl_exit put_content(struct reading *r, const struct command_arg *arg, const char *path,
				 struct str text, struct json_out *o)
{
	struct json_error e;
	if (arg->type != ARG_JSON) {
		if (!str_is_utf8(text))
			return fail(r, path, "it is not text in UTF-8", STR(""));
		json_put_str(o, arg->name, text);
		return CTL_DONE;
	}
	if (!json_parse(r->mem, text, JSON_ONE_KEY, &e))
		return fail(r, path, arena_printf(r->mem, "it is no JSON: %s at byte %zu", e.what,
						  e.at).p, STR(""));
	json_put_raw(o, arg->name, text);
	return CTL_DONE;
}

static enum ctl_exit put_argument(struct reading *r, const struct command_arg *arg,
				  const struct json *j, struct json_out *o)
{
	struct buf text;
	const char *path = arena_dup_z(r->mem, json_str(r->mem, j));
	if (!path)
		return fail(r, arg->name, "out of memory", STR(""));
	buf_init(&text, COMMAND_ARGS_LARGE + 65536);
	enum ctl_exit exit = read_file(r, path, &text);
	if (exit == CTL_DONE)
		exit = put_content(r, arg, path, buf_str(&text), o);
	buf_done(&text);
	return exit;
}

static const struct command_arg *file_named(const struct command *c, struct str name)
{
	for (const struct command_arg *a = c->args; a && a->name; a++)
		if (a->flags & ARG_FILE && str_eq_z(name, a->name))
			return a;
	return NULL;
}

static enum ctl_exit put_all(struct reading *r, const struct json *args, struct buf *to)
{
	enum ctl_exit exit = CTL_DONE;
	struct json_out o = json_out(to);
	json_open(&o, NULL);
	for (const struct json *j = args->child; j && exit == CTL_DONE; j = j->next) {
		const struct command_arg *arg = file_named(r->q->command, j->key);
		if (arg) {
			exit = put_argument(r, arg, j, &o);
			continue;
		}
		json_key(&o, j->key);
		json_put_raw(&o, NULL, j->raw);
	}
	json_close(&o);
	return exit;
}

enum ctl_exit ctl_read_files(struct arena *a, struct ctl_request *q, struct ctl_error *reterr)
{
	struct reading r = { .mem = a, .q = q, .reterr = reterr };
	struct json_error e;
	struct buf made;
	bool has_file = false;
	for (const struct command_arg *arg = q->command->args; arg && arg->name; arg++)
		has_file |= (arg->flags & ARG_FILE) != 0;
	if (!has_file)
		return CTL_DONE;
	const struct json *args = json_parse(a, q->args, JSON_ONE_KEY, &e);
	if (!args)
		return fail(&r, q->command->words, "out of memory", STR(""));
	buf_init(&made, ARGS_ROOM);
	enum ctl_exit exit = put_all(&r, args, &made);
	if (exit == CTL_DONE) {
		q->args = made.failed ? STR_NONE : arena_dup(a, buf_str(&made));
		if (!q->args.p)
			exit = fail(&r, q->command->words, "it is larger than 16 MiB", STR(""));
	}
	buf_done(&made);
	return exit;
}
