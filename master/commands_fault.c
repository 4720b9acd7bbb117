/* SPDX-License-Identifier: MIT
 * commands_fault.c - `fault set` and `fault list`, in builds for tests; see common/fault.h. */
#include "common/fault.h"

#ifdef LLMGW_FAULTS

#include <errno.h>

#include "common/json_write.h"
#include "master/commands_ops.h"
#include "master/master.h"

/* "kill", or ["sleep=20", "after=3"]. */
static int read_how(struct command_call *c, uint64_t *word)
{
	const struct json *how = json_get(c->args, "how");
	if (!json_is(how, JSON_ARRAY))
		return how ? fault_read(json_str(c->mem, how), word) : -EINVAL;
	for (uint32_t i = 0; i < how->count; i++)
		if (fault_read(json_str(c->mem, json_at(how, i)), word) < 0)
			return -EINVAL;
	return how->count ? 0 : -EINVAL;
}

void ops_fault_set(struct command_call *c)
{
	struct str name = STR_NONE;
	uint64_t word = 0;
	if (command_str(c, "point", &name) < 0)
		return;
	int point = fault_find(name);
	if (point < 0) {
		command_fail(c, 404, "not_found_error", "point",
			     "no fault point is called " STR_FMT, STR_ARG(name));
		return;
	}
	if (read_how(c, &word) < 0) {
		command_fail(c, 400, "invalid_request_error", "how",
			     "kill, abort, sleep=MS, errno=NAME or off; after=N, times=N");
		return;
	}
	atomic_store(fault_word(&c->master->board, (unsigned)point), word);
	ops_fault_list(c);
}

void ops_fault_list(struct command_call *c)
{
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_open_array(&o, "faults");
	for (unsigned i = 0; i < fault_points_count; i++) {
		json_open(&o, NULL);
		json_put_z(&o, "point", fault_points[i].name);
		json_put_bool(&o, "armed", atomic_load(fault_word(&c->master->board, i)) != 0);
		json_put_z(&o, "where", fault_points[i].doc);
		json_close(&o);
	}
	json_close_array(&o);
	json_close(&o);
	command_finish(c);
}

#endif
