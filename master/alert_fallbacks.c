/* SPDX-License-Identifier: MIT
 * alert_fallbacks.c - which models were answered for by others: counted request by request, told
 * with the daily reports. A pair more than there is room for is counted without its names. */
#include <stdio.h>

#include "master/alerts_private.h"

static struct alert_fallback *find(struct alerts *a, const char *model, const char *group)
{
	struct alert_fallback *f = a->fallbacks;
	for (; f->answered || f->failed; f++) {
		if (strcmp(f->model, model) == 0 && strcmp(f->group, group) == 0)
			return f;
		if (f == &a->fallbacks[FALLBACKS - 1])
			return f;	/* the last one stands for all others */
	}
	bool is_last = f == &a->fallbacks[FALLBACKS - 1];
	snprintf(f->model, sizeof f->model, "%s", is_last ? "others" : model);
	snprintf(f->group, sizeof f->group, "%s", is_last ? "any" : group);
	return f;
}

void alert_count_fallback(struct alerts *a, const struct record *r)
{
	char model[ALERT_FALLBACK_NAME], group[ALERT_FALLBACK_NAME];
	alert_name(model, sizeof model, record_text(r, RT_MODEL));
	alert_name(group, sizeof group, record_text(r, RT_GROUP));
	struct alert_fallback *f = find(a, model, group);
	if (r->flags & RF_FAILED)
		f->failed++;
	else
		f->answered++;
}

/* The busiest first; those that are told already are set to nothing. */
static struct alert_fallback *next(struct alerts *a)
{
	struct alert_fallback *best = NULL;
	for (size_t i = 0; i < FALLBACKS; i++) {
		struct alert_fallback *f = &a->fallbacks[i];
		uint64_t n = (uint64_t)f->answered + f->failed;
		if (n && (!best || n > (uint64_t)best->answered + best->failed))
			best = f;
	}
	return best;
}

void alert_report_fallbacks(struct alerts *a)
{
	enum { LINES = 10 };
	struct alert_fallback *f = next(a);
	struct alert_message m;
	struct buf text;
	if (!f)
		return;			/* no model needed another */
	buf_init(&text, 4096);
	buf_put_z(&text, "Requests that went to a fallback of their model:");
	for (unsigned i = 0; i < LINES && f; i++, f = next(a)) {
		buf_printf(&text, "\n%s to %s: %u answered, %u failed", f->model, f->group,
			   f->answered, f->failed);
		*f = (struct alert_fallback){ 0 };
	}
	memset(a->fallbacks, 0, sizeof a->fallbacks);
	alert_begin(&m, ALERT_fallback_reports);
	alert_say(&m, STR_FMT, STR_ARG(buf_str(&text)));
	buf_done(&text);
	alert_tell(a, &m, m.wall_ns);
}
