/* SPDX-License-Identifier: MIT
 * keys_windows.h - limits of keys, teams and tenants in windows (common/window.h): limit_windows,
 * tpm_input_limit, tpm_output_limit; and rpm_burst, which is given beside them. */
#ifndef KEYS_WINDOWS_H
#define KEYS_WINDOWS_H

#include "common/window.h"
#include "master/keys_private.h"
#include "master/zone.h"

enum { KEY_WINDOWS_TEXT_MAX = 32768 };	/* of a row of the directory */

struct key_window_rule {
	uint64_t factor_milli;
	struct str model;		/* .n 0: any */
	bool has_hours;
	struct zone_window hours;
};
struct key_window {
	struct snap_gate gate;		/* its row, once it is placed */
	struct str name;
	struct key_window_rule *rules;
	uint32_t n_rules;
	uint64_t id_hash;		/* on the board */
	bool is_new;			/* there, in this publication */
};

/* Whether its row may name any: who finds none here need not look further. */
bool key_windows_has(enum dir_kind kind, const struct key_row *row);
/* What is wrong with an argument that may name some; NULL: nothing. */
const char *key_windows_fault(struct arena *a, const struct json *arg);
/* 0, or answered (-EINVAL). */
int key_windows_check(struct command_call *c, const struct json *arg) MUST_USE;
/* Those of the row, which has its id; nothing but an arena's memory is in them. 0 or -ENOMEM. */
int key_windows_of(struct arena *a, enum dir_kind kind, const struct key_row *row,
		   struct key_window **ret, size_t *ret_n) MUST_USE;
uint32_t key_burst_of(struct arena *a, const struct key_row *row);
/* Gives them rows of the board, and writes them as the directory has them. 0, -ENOSPC, -ENOMEM,
 * -E2BIG; then they are to be taken back. */
int key_windows_place(struct keys *k, struct key_window *v, size_t n, struct buf *text) MUST_USE;
void key_windows_take_back(struct keys *k, const struct key_window *v, size_t n);
/* Of a row that is about to be replaced: those that are in the old one alone. */
void key_windows_leave(struct keys *k, struct str before, struct str now);
/* At start, on the writer's thread: places them; those that the board does not know begin with
 * what the database says. */
int key_windows_load(struct keys *k, struct store_db *db, enum dir_kind kind,
		     const struct key_row *row, struct arena *a) MUST_USE;
void key_windows_tick(struct keys *k, uint64_t wall_ns);
/* "limit_windows_used", where there are any. */
void key_windows_put_used(struct json_out *o, struct keys *k, enum dir_kind kind,
			  const struct key_row *row);

#endif
