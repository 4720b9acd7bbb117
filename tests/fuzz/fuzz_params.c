/* SPDX-License-Identifier: MIT
 * fuzz_params.c - rules for parameters in the first line, a body in the second: what is made of a
 * body is a body again, without what the rules or the request leave out, and with the rest. */
#include <errno.h>

#include "common/hash.h"
#include "worker/openai.h"
#include "worker/params.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void compare(const struct params_rules *rules, const struct json *before,
		    const struct json *after)
{
	for (const struct json *j = before->child; j; j = j->next) {
		const struct json *k = after->child;
		while (k && !str_eq(k->key, j->key))
			k = k->next;
		struct params_verdict v = params_judge(rules, j->key, j->raw);
		if (openai_is_ours(j->key) || v.act == PARAMS_DROP)
			MUST(!k || params_is_replaced(rules, before, j->key) || rules->text.n);
		else if (v.act == PARAMS_KEEP && !params_is_replaced(rules, before, j->key) &&
			 !str_eq(j->key, STR("model")))
			MUST(k && k->type == j->type);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str body = { (const char *)p, n }, text = str_cut(&body, '\n');
	/* New names and values are the table's alone, so they are what they should be. */
	if (str_find_char(text, '>') != SIZE_MAX)
		text = STR("max_completion_tokens>max_tokens tool_choice:\"required\">\"any\" "
			   "[gpt-5*] max_tokens>max_completion_tokens a:1>null -x ~a[*].b");
	struct params_rules rules = { .text = text, .model = STR("gpt-5"), .drops = true };
	struct openai_edits how = { .model = STR("up"), .rules = &rules };
	struct llm_error error = { 0 };
	struct json_error e;
	struct buf out;
	if (hash_init() != 0 || n > 65536 || !body.p)
		return 0;
	struct arena *a = arena_new(64 << 20);
	const struct json *root = json_parse(a, body, JSON_ONE_KEY, &e);
	buf_init(&out, 16 << 20);
	if (json_is(root, JSON_OBJECT)) {
		const struct json *list = json_get(root, "additional_drop_params");
		rules.dropped = json_is(list, JSON_ARRAY) && list->count <= PARAMS_LISTED_MAX ? list : NULL;
		MUST(params_check_body(a, &rules, root, STR("x"), &error) == 0);
		int err = openai_edit_request(a, root, body, &how, &out);
		const struct json *after = err || out.failed ? NULL : json_parse(a, buf_str(&out), 0, &e);
		MUST(err || out.failed || json_is(after, JSON_OBJECT));
		if (after)
			compare(&rules, root, after);
		rules.drops = false;
		err = params_check_body(a, &rules, root, STR("x"), &error);
		MUST(err == 0 || (err == -EINVAL && error.message.n && error.param.n));
	}
	buf_done(&out);
	arena_free(a);
	return 0;
}
