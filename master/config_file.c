/* SPDX-License-Identifier: MIT
 * config_file.c - the bytes of llmgw.yaml and of the files that it includes, put together. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"
#include "master/config_read.h"
#include "master/refusal.h"

enum { INCLUDE_DEPTH = 8 };

/* Everything up to the end of file, at most CONFIG_FILE_MAX. 0 or -errno. */
static int read_all(struct reader *r, int fd, struct str *ret)
{
	size_t room = 64 * 1024, n = 0;
	char *p = mem_alloc(room);

	while (p) {
		ssize_t got = read(fd, p + n, room - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			int err = got < 0 ? -errno : 0;
			*ret = arena_dup(r->scratch, str_of(p, n));
			r->out_of_memory |= !ret->p;
			mem_free(p);
			return err;
		}
		n += (size_t)got;
		if (n > CONFIG_FILE_MAX) {
			mem_free(p);
			return -EFBIG;
		}
		if (n < room)
			continue;
		char *larger = mem_grow(p, room *= 2);
		if (!larger)
			mem_free(p);
		p = larger;
	}
	r->out_of_memory = true;
	return -ENOMEM;
}

static void check_mode(struct reader *r, struct config_file *f, const struct stat *st)
{
	const struct place at = {.file = f};

	f->world_readable = (st->st_mode & S_IROTH) != 0;
	if (S_ISREG(st->st_mode) && (st->st_mode & S_IWOTH))
		complain(r, COMPLAINT_ERROR, &at, "everybody may write this file; chmod o-w it");
}

/* Where the files are given, those are they: what changed on the disk waits for a reload. */
static bool is_given(struct reader *r, struct config_file *f)
{
	const struct config_stored *s = r->over->stored;

	for (size_t i = 0; s && i < s->n_files; i++)
		if (str_eq(s->files[i].path, f->path)) {
			f->text = s->files[i].text;
			return true;
		}
	return false;
}

int config_file_load(struct reader *r, struct config_file *f)
{
	if (is_given(r, f))
		return 0;
	const char *path = arena_dup_z(r->scratch, f->path);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1, err;
	struct stat st;

	if (fd < 0) {
		r->out_of_memory |= !path;
		return path ? -errno : -ENOMEM;
	}
	err = fstat(fd, &st) < 0 ? -errno : 0;
	if (!err && S_ISDIR(st.st_mode))
		err = -EISDIR;
	if (!err) {
		check_mode(r, f, &st);
		err = read_all(r, fd, &f->text);
	}
	close(fd);
	if (str_starts(f->text, STR("\xef\xbb\xbf")))
		f->text = str_skip(f->text, 3);
	return err;
}

void config_file_tell(struct reader *r, const struct config_file *f, const struct place *at,
		      int err)
{
	const char *z = arena_dup_z(r->scratch, f->path);
	char why[REFUSAL_ROOM];

	if (err == -EFBIG)
		complain(r, COMPLAINT_ERROR, at, STR_FMT " is larger than %d bytes",
			 STR_ARG(f->path), CONFIG_FILE_MAX);
	else if (err != -ENOMEM)
		complain(r, COMPLAINT_ERROR, at, "cannot read " STR_FMT ": %s", STR_ARG(f->path),
			 z ? refusal_text(err, z, why) : strerror(-err));
}

void config_needs_file(struct reader *r, struct str path)
{
	struct config *c = r->c;

	for (size_t i = 0; i < c->n_needed; i++)
		if (str_eq(c->needed[i], path))
			return;
	if (c->n_needed < COUNT(c->needed))
		c->needed[c->n_needed++] = keep(r, path);
}

struct config_file *config_file_new(struct reader *r, struct str path)
{
	struct config_file *f = arena_alloc(r->scratch, sizeof *f);

	r->out_of_memory |= !f || !path.p;
	if (f)
		f->path = path;
	return r->out_of_memory ? NULL : f;
}

/* ---- include ---- */

static struct yaml *read_file(struct reader *r, struct config_file *f, unsigned depth);

/* The path of an included file: relative to the one that includes it. */
static struct str beside(struct reader *r, struct str from, struct str name)
{
	size_t n = from.n;

	while (n > 0 && from.p[n - 1] != '/')
		n--;
	if (n == 0 || (name.n > 0 && name.p[0] == '/'))
		return name;
	return arena_printf(r->scratch, STR_FMT STR_FMT, STR_ARG(str_of(from.p, n)), STR_ARG(name));
}

static struct yaml *include_one(struct reader *r, const struct config_file *from,
				const struct yaml *y, unsigned depth)
{
	struct str name = value_text(r, y, "include");
	struct config_file *f;
	int err;

	if (!name.p || r->out_of_memory)
		return NULL;
	f = config_file_new(r, beside(r, from->path, name));
	if (!f)
		return NULL;
	f->from = from;
	f->from_line = y->place.line;
	for (const struct config_file *up = from; up; up = up->from) {
		if (!str_eq(up->path, f->path))
			continue;
		complain(r, COMPLAINT_ERROR, &y->place, STR_FMT " includes itself",
			 STR_ARG(f->path));
		return NULL;
	}
	if (depth == INCLUDE_DEPTH || r->n_files++ >= CONFIG_INCLUDE_MAX) {
		complain(r, COMPLAINT_ERROR, &y->place, "too many includes (at most %d, %d deep)",
			 CONFIG_INCLUDE_MAX, INCLUDE_DEPTH);
		return NULL;
	}
	err = config_file_load(r, f);
	if (err) {
		config_file_tell(r, f, &y->place, err);
		return NULL;
	}
	return read_file(r, f, depth + 1);
}

/* A list of copies: what is appended must not show in another list that shares the nodes. */
static void append_copies(struct reader *r, struct yaml *list, const struct yaml *from)
{
	for (; from; from = from->next) {
		struct yaml *copy = yaml_copy(r, from);
		if (copy)
			yaml_append(list, copy);
	}
}

/* LiteLLM's rule: lists are appended to a list of that name, anything else takes its place. */
static void take_over(struct reader *r, struct yaml *main, const struct yaml *included)
{
	for (const struct yaml *y = included->child; y; y = y->next) {
		struct yaml *own = yaml_find(main, y->key);
		bool append = own && own->kind == YAML_LIST && y->kind == YAML_LIST;
		struct yaml *copy = yaml_copy(r, append ? own : y);
		if (!copy)
			return;
		if (str_eq(y->key, STR("include")))
			continue;
		if (append) {
			copy->child = NULL;
			copy->last = NULL;
			copy->count = 0;
			append_copies(r, copy, own->child);
			append_copies(r, copy, y->child);
		}
		if (own)
			yaml_replace(main, own, copy);
		else
			yaml_append(main, copy);
	}
}

static void follow_includes(struct reader *r, struct yaml *root, const struct config_file *f,
			    unsigned depth)
{
	const struct yaml *list = yaml_get(root, "include");
	bool alone = list && list->kind == YAML_SCALAR;

	if (!list || list->kind == YAML_NULL)
		return;
	if (list->kind == YAML_MAP) {
		complain(r, COMPLAINT_ERROR, &list->place,
			 "include wants a list of files, not a map");
		return;
	}
	for (const struct yaml *y = alone ? list : list->child; y; y = alone ? NULL : y->next) {
		const struct yaml *included = include_one(r, f, y, depth);
		if (included)
			take_over(r, root, included);
	}
}

static void remember(struct reader *r, const struct config_file *f)
{
	struct config *c = r->c;

	for (size_t i = 0; i < c->n_files; i++)
		if (str_eq(c->files[i].path, f->path))
			return;
	if (c->n_files < COUNT(c->files))
		c->files[c->n_files++] = (struct config_text){keep(r, f->path), keep(r, f->text)};
}

static struct yaml *read_file(struct reader *r, struct config_file *f, unsigned depth)
{
	struct yaml *root = yaml_read(r, f);

	remember(r, f);

	if (!root)
		return NULL;
	if (root->kind != YAML_MAP) {
		complain(r, COMPLAINT_ERROR, &root->place,
			 "this file must be a map of sections, not %s", yaml_kind_name(root));
		return NULL;
	}
	follow_includes(r, root, f, depth);
	return root;
}

struct yaml *config_file_read(struct reader *r, struct config_file *f)
{
	return read_file(r, f, 0);
}
