/* SPDX-License-Identifier: MIT
 * export_slack.c - requests that failed as lines of a message for Slack, or who takes the same. */
#include "common/clock.h"
#include "master/alert_kinds.h"
#include "master/export_rows.h"

enum { LINE_MAX_BYTES = 4096 };

/* A client chose some of it: on one line, and calling nobody. */
static void put_word(struct buf *line, const char *before, struct str s)
{
	size_t at;
	if (!s.n)
		return;
	buf_put_z(line, before);
	at = line->n;
	alert_put_for_slack(line, s);
	for (; at < line->n; at++)
		if ((unsigned char)line->p[at] < ' ')
			line->p[at] = ' ';
}

void export_begin_slack(const struct export_target *t, struct buf *to)
{
	BUF_PUT_LIT(to, "{\"text\":\"Requests that failed");
	if (t->host[0]) {
		BUF_PUT_LIT(to, " at ");
		json_escape(to, str_z(t->host));
	}
	BUF_PUT_LIT(to, ":\\n");
}

void export_put_slack(const struct export_target *t, const struct export_view *v, struct buf *to)
{
	static const struct {
		const char *before;
		enum record_text text;
	} words[] = {
		{ ": ", RT_MODEL }, { " of ", RT_PROVIDER }, { ", deployment ", RT_DEPLOYMENT },
		{ ", key ", RT_ALIAS }, { ", user ", RT_USER }, { ", team ", RT_TEAM },
		{ ", ", RT_ERROR }, { ", call ", RT_CALL_ID },
	};
	const struct record *r = v->r;
	char when[25];
	struct buf line;
	(void)t;
	buf_init(&line, LINE_MAX_BYTES);
	clock_rfc3339(when, r->end_ns);
	buf_printf(&line, "%.19sZ ", when);
	put_word(&line, "", record_text(r, RT_OUTCOME));
	if (r->status)
		buf_printf(&line, " (%u)", r->status);
	for (size_t i = 0; i < COUNT(words); i++)
		put_word(&line, words[i].before, record_text(r, words[i].text));
	json_escape(to, buf_str(&line));
	to->failed |= line.failed;
	buf_done(&line);
}
