/* SPDX-License-Identifier: MIT
 * keys_fixture.h - key and team commands against a real database, directory and board. Who
 * includes this defines the command table. */
#ifndef KEYS_FIXTURE_H
#define KEYS_FIXTURE_H

#include "money_fixture.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "master/commands.h"
#include "master/keys.h"
#include "master/keys_private.h"
#include "master/master.h"
#include "master/stored.h"

#define MASTER "sk-master-of-all"

/* A row of the command table, and what stands in it for an argument that must be given. */
#define CALL(words, method, path, role, run, args) \
	{ words, method, path, role, 0, run, args, NULL, NULL, "", "" }
#define NEEDS(name) (const struct command_arg[]){ { name, ARG_STRING, ARG_REQUIRED, "" }, { 0 } }

struct world {
	struct place p;
	struct master m;
	uint64_t max_keys;
	const char *salt, *salt_before;	/* what secrets are sealed with; NULL: one for all */
	struct arena *mem;		/* of the last answer */
	struct str text;
	const struct json *answer;
	int status;
};
static struct world w;

static inline void open_world(void)
{
	place_open(&w.p);
	w.m.loop = &w.p.loop;
	w.m.store = w.p.store;
	if (w.m.board_fd < 0)
		assert_int_equal(board_create(&w.m.board, &w.m.board_fd), 0);
	assert_int_equal(stored_open(w.m.store, str_z(w.salt ? w.salt : "salt"),
				     str_z(w.salt_before), &w.m.stored), 0);
	assert_int_equal(dir_create(w.max_keys, &w.m.dir, &w.m.dir_fd), 0);
	assert_int_equal(keys_start(w.m.store, w.m.dir, &w.m.board, STR(MASTER), &w.m.keys), 0);
}

static inline void close_world(void)
{
	store_drain(w.p.store);
	keys_stop(w.m.keys);
	w.m.stored = stored_free(w.m.stored);
	place_close(&w.p);
	w.m.dir = dir_free(w.m.dir);
	close(w.m.dir_fd);
}

static inline void drop_board(void)
{
	board_unmap(&w.m.board);
	close(w.m.board_fd);
	w.m.board_fd = -1;
}

static inline int setup_with(uint64_t max_keys)
{
	assert_int_equal(hash_init(), 0);
	log_start(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_TEXT, LOG_ERROR, "test", false);
	memset(&w, 0, sizeof w);
	w.max_keys = max_keys;
	w.m.board_fd = -1;
	w.mem = arena_new(64 << 20);
	place_make(&w.p);
	open_world();
	return 0;
}

static inline int setup(void **st)
{
	(void)st;
	return setup_with(1000);
}

static inline int teardown(void **st)
{
	(void)st;
	close_world();
	drop_board();
	place_remove(&w.p);
	w.mem = arena_free(w.mem);
	clock_set(0, 0);
	return 0;
}

/* ---- calling ---- */

static inline void on_answer(struct command_call *c)
{
	struct json_error e;
	mem_fail_at(0);
	arena_reset(w.mem);
	w.status = c->status;
	w.text = arena_dup(w.mem, buf_str(&c->out));
	w.answer = json_parse(w.mem, w.text, JSON_ONE_KEY, &e);
	if (!w.answer)
		fail_msg("%s at %zu: " STR_FMT, e.what, e.at, STR_ARG(w.text));
	*(int *)c->answer_data += 1;
}

static inline struct command_call *begin(int command, const char *args, int *answers)
{
	struct command_call *c = command_new(&w.m, &commands[command], str_z(args), on_answer,
					     answers);
	assert_non_null(c);
	c->kind = CALLER_HTTP;
	return c;
}

static inline void finish(struct command_call *c, int *answers)
{
	*answers = 0;
	command_run(c);
	store_drain(w.p.store);
	assert_int_equal(*answers, 1);
}

static inline int call(int command, const char *args)
{
	int answers;
	struct command_call *c = begin(command, args, &answers);
	c->is_admin = c->is_viewer = true;
	finish(c, &answers);
	return w.status;
}

static inline int call_by_key(int command, const char *args, uint64_t id, struct sha256 hash)
{
	int answers;
	struct command_call *c = begin(command, args, &answers);
	c->caller_key = id;
	c->caller_hash = &hash;
	finish(c, &answers);
	return w.status;
}

static inline void need(int command, const char *args)
{
	if (call(command, args) != 200)
		fail_msg("%s: " STR_FMT, args, STR_ARG(w.text));
}

static inline void refused(int command, const char *args, int status, const char *words)
{
	if (call(command, args) != status || str_find(w.text, str_z(words)) == SIZE_MAX)
		fail_msg("%s: %d " STR_FMT, args, w.status, STR_ARG(w.text));
}

static inline const struct json *at(const char *path)
{
	const struct json *j = json_get_path(w.answer, path);
	if (!j)
		fail_msg("no %s in " STR_FMT, path, STR_ARG(w.text));
	return j;
}

static inline void expect(const char *path, const char *raw)
{
	const struct json *j = at(path);
	if (!str_eq_z(j->raw, raw))
		fail_msg("%s is " STR_FMT ", not %s", path, STR_ARG(j->raw), raw);
}

static char kept[1200];

static inline const char *keep(const char *path)
{
	snprintf(kept, sizeof kept, STR_FMT, STR_ARG(json_str(w.mem, at(path))));
	return kept;
}

static inline const char *args_of(const char *fmt, const char *a)
{
	static char text[4096];
	snprintf(text, sizeof text, fmt, a);
	return text;
}

static inline bool published(const char *text, struct dir_key *ret)
{
	struct sha256 h = hash_sha256(str_z(text));
	return dir_find(w.m.dir, &h, ret);
}

struct call_row {
	int command;
	const char *args;
};

/* Each allocation of each call fails once: one answer each, and the directory has as many rows as
 * the number that `sql` asks the database for. */
static inline void fail_everywhere(const struct call_row *calls, size_t n, const char *sql)
{
	int answers;
	for (size_t i = 0; i < n; i++) {
		w.status = 0;
		for (uint64_t nth = 1; w.status != 200; nth++) {
			answers = 0;
			mem_fail_at(nth);
			struct command_call *c = command_new(&w.m, &commands[calls[i].command],
							     str_z(calls[i].args), on_answer, &answers);
			if (!c)
				continue;
			c->is_admin = c->is_viewer = true;
			command_run(c);
			store_drain(w.p.store);
			mem_fail_at(0);
			assert_int_equal(answers, 1);
			assert_true(w.status == 200 || w.status >= 500 || w.status == 400 ||
				    w.status == 413);
			assert_true(nth < 100);
		}
		assert_int_equal(dir_count(w.m.dir), (uint64_t)place_number(&w.p, sql));
	}
}

#endif
