/* SPDX-License-Identifier: MIT
 * reading.c - see reading.h. */
#include "worker/exchange/reading.h"

#include <errno.h>

int reading_emit(const struct reading *r, const struct llm_event *ev)
{
	return llm_emit(&r->rd->is_ended, ev, r->emit, r->data);
}

int reading_start(const struct reading *r, struct str id, struct str model)
{
	struct llm_event ev = { .kind = EV_START, .id = id, .model = model };
	if (r->rd->is_started)
		return 0;
	r->rd->is_started = true;
	return reading_emit(r, &ev);
}

int reading_text(const struct reading *r, enum llm_event_kind kind, const struct json *j)
{
	struct llm_event ev = { .kind = kind };
	if (!json_is_given(j))
		return 0;
	if (j->type != JSON_STRING)
		return -EBADMSG;
	ev.text = json_str(r->scratch, j);
	if (!ev.text.p)
		return -ENOMEM;
	return ev.text.n ? reading_emit(r, &ev) : 0;
}

int reading_error(const struct reading *r, const struct json *root, int status)
{
	struct llm_event ev;
	int err = llm_read_error_event(r->rd->mem, status, root, &ev);
	return err ? err : reading_emit(r, &ev);
}
