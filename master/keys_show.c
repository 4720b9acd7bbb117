/* SPDX-License-Identifier: MIT
 * keys_show.c - showing one key; lists of them are in keys_list.c. */
#include <errno.h>

#include "common/log.h"
#include "master/command_job.h"
#include "master/keys_private.h"
#include "master/keys_windows.h"
#include "master/master.h"
#include "master/roles.h"

struct info_call {
	struct command_call *c;
	struct keys *keys;
	struct str given;
	struct key_ref ref;
	struct key_row row;
};

static int info_job(struct store_db *db, void *data)
{
	struct info_call *ic = data;
	int err = key_row_find(db, &ic->ref, ic->c->mem, &ic->row);
	bool is_organizations;
	return err ? err : role_check_key(ic->c, db, &ic->row, &is_organizations);
}

static void on_info(void *data, int err)
{
	struct info_call *ic = data;
	struct command_call *c = ic->c;
	if (err == -ENOENT) {
		command_fail(c, 404, "not_found_error", "key", "No key found");
		return;
	}
	if (err) {
		command_fail_store(c, err);
		return;
	}
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_str(&o, "key", ic->given.p ? ic->given : key_hash_hex(c->mem, &ic->row.hash));
	json_open(&o, "info");
	/* llmgwctl has no other place to learn the hash from */
	key_put(&o, &ic->row, keys_spend_of(ic->keys, &ic->row), c->kind == CALLER_SOCKET);
	key_models_put_spend(&o, ic->keys, DIR_KEY, &ic->row);
	key_windows_put_used(&o, ic->keys, DIR_KEY, &ic->row);
	json_close(&o);
	json_close(&o);
	command_finish(c);
}

static bool may_see_all(const struct command_call *c)
{
	return c->is_admin || c->is_viewer || c->own_user.n;	/* the job looks whose it is */
}

/* Which key is meant, and whether the caller may see it. A stranger's key and one that is not
 * there are answered alike. false: answered. */
static bool take_ref(struct info_call *ic)
{
	struct command_call *c = ic->c;
	int err = command_str(c, "key", &ic->given);
	if (err == -EINVAL)
		return false;
	if (err == -ENOENT || !ic->given.n) {
		ic->given = STR_NONE;
		ic->ref = (struct key_ref){ .kind = REF_ID, .id = c->caller_key };
		if (c->kind == CALLER_HTTP)
			return true;
		command_fail(c, 400, "invalid_request_error", "key", "key is missing");
		return false;
	}
	ic->ref = key_ref_of(ic->given);
	if (may_see_all(c))
		return true;
	if (ic->ref.kind == REF_HASH && c->caller_hash &&
	    hash_sha256_eq(&ic->ref.hash, c->caller_hash))
		return true;
	command_fail(c, 403, "auth_error", "key", "this key may only ask about itself");
	return false;
}

void keys_info(struct command_call *c)
{
	struct info_call *ic = command_state(c, sizeof *ic);
	if (!ic)
		return;
	ic->keys = c->master->keys;
	if (!take_ref(ic))
		return;
	command_read(ic, info_job, on_info);
}
