/* SPDX-License-Identifier: MIT
 * prompt.c - see prompt.h. */
#include "worker/exchange/prompt.h"

bool prompt_put_texts(struct buf *out, const struct llm_part *p, bool has_before)
{
	for (; p && p->kind != PART_TOOL_RESULT; p = p->next) {
		if (p->kind != PART_TEXT && p->kind != PART_REFUSAL)
			continue;
		if (has_before)
			BUF_PUT_LIT(out, "\\n");
		json_escape(out, p->text);
		has_before = true;
	}
	return has_before;
}

bool prompt_is_system(const struct llm_message *m)
{
	return m->role == ROLE_SYSTEM || m->role == ROLE_DEVELOPER;
}

void prompt_put_system(struct json_out *o, const char *key, const struct llm_request *q)
{
	bool has_before = false;
	for (const struct llm_message *m = q->messages; m; m = m->next) {
		if (!prompt_is_system(m))
			continue;
		if (!has_before)
			json_put_raw(o, key, STR("\""));
		else
			BUF_PUT_LIT(o->to, "\\n");
		has_before = true;
		prompt_put_texts(o->to, m->parts, false);
	}
	if (has_before)
		buf_put_char(o->to, '"');
}

static unsigned count_turns(const struct llm_request *q)
{
	unsigned n = 0;
	for (const struct llm_message *m = q->messages; m; m = m->next)
		n += !prompt_is_system(m);
	return n;
}

void prompt_put_turns(struct json_out *o, const char *key, const struct llm_request *q)
{
	unsigned turns = count_turns(q);
	json_put_raw(o, key, STR("\""));
	for (const struct llm_message *m = q->messages; m; m = m->next) {
		if (prompt_is_system(m))
			continue;
		if (turns > 1)
			buf_printf(o->to, "### %s:\\n",
				   m->role == ROLE_ASSISTANT ? "Assistant" : "User");
		prompt_put_texts(o->to, m->parts, false);
		if (turns > 1)
			BUF_PUT_LIT(o->to, "\\n\\n");
	}
	buf_put_char(o->to, '"');
}
