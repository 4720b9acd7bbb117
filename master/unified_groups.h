/* SPDX-License-Identifier: MIT
 * unified_groups.h - LiteLLM's /v1/access_group: models that keys and teams may use beside those of
 * their own lists. Each is a row of the directory that theirs name by its id: who uses it sees a
 * change at once. */
#ifndef UNIFIED_GROUPS_H
#define UNIFIED_GROUPS_H

#include "master/keys_private.h"

void unified_groups_create(struct command_call *c);
void unified_groups_list(struct command_call *c);
void unified_groups_info(struct command_call *c);
void unified_groups_update(struct command_call *c);
void unified_groups_delete(struct command_call *c);

/* -- keys_groups.c -- */

/* At start, on the writer's thread, before any other row is placed. */
int keys_load_groups(struct keys *k, struct store_db *db) MUST_USE;
/* `flat` are its models. 0, or as dir_put_named(). */
int keys_publish_group(struct keys *k, uint64_t number, struct str id, struct str name,
		       struct str flat) MUST_USE;
void keys_withdraw_group(struct keys *k, uint64_t number, struct str id);

/* An argument that may name some: 0, or answered (-EINVAL). */
int key_groups_check(struct command_call *c, const struct json *arg) MUST_USE;
/* A list of models with those that a key or a team names behind it. .p NULL: no memory. */
struct str key_groups_add(struct arena *a, enum dir_kind kind, const struct key_row *row,
			  struct str flat);
/* Puts the id into the row's list, or takes it out. 0 or -ENOMEM; -EALREADY: it is so. */
int key_groups_edit(struct arena *a, struct key_row *row, struct str id, bool is_member) MUST_USE;

#endif
