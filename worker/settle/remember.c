/* SPDX-License-Identifier: MIT
 * remember.c - see remember.h. */
#include "worker/settle/remember.h"

#include <errno.h>

#include "common/log.h"
#include "worker/keep.h"

bool remember_wants(const struct request *r)
{
	return r->dialect && r->dialect->write_kept && r->q.wants_store &&
	       !(snap_settings(r->snap)->flags & SET_NO_RESPONSES);
}

static void tell_lost(const struct request *r, int err)
{
	LOG(LOG_WARN, "response.not_kept", F_STR("call_id", r->call_id), F_STR("key", r->key.alias),
	    F_INT("errno", -err));
}

static void on_kept(struct request *r, int err, const struct kept *kept)
{
	(void)kept;
	if (err)
		tell_lost(r, err);
	r->remembered(r);
}

static int put(struct request *r)
{
	struct buf response, items;
	struct str id;
	buf_init(&response, LINK_KEEP_MAX);
	buf_init(&items, LINK_KEEP_MAX);
	int err = r->dialect->write_kept(&r->answer, &id, &response, &items);
	if (!err && (response.failed || items.failed))
		err = -EFBIG;
	if (!err)
		err = keep_call(r, LINK_KEEP_PUT, id,
				&(struct kept){ buf_str(&response), buf_str(&items) }, on_kept);
	buf_done(&response);
	buf_done(&items);
	return err;
}

bool remember_start(struct request *r, remember_done_fn *done)
{
	if (!remember_wants(r) || !r->answer.mem)
		return false;
	r->remembered = done;
	int err = put(r);
	if (err)
		tell_lost(r, err);
	return err == 0;
}
