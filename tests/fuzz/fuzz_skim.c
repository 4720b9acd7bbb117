/* SPDX-License-Identifier: MIT
 * fuzz_skim.c - skimming stays inside its text, and finds in every JSON object and array just what
 * a tree finds. */
#include "common/hash.h"
#include "common/json.h"
#include "worker/skim.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool is_plain(struct str key)
{
	return str_find_char(key, '\\') == SIZE_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str text = { (const char *)p, n }, key, value;
	struct json_error error;
	struct skim s;
	if (hash_init() != 0)
		return 0;
	struct arena *a = arena_new(8 << 20);
	const struct json *root = json_parse(a, text, 0, &error);
	bool has_members = json_is(root, JSON_OBJECT) || json_is(root, JSON_ARRAY);
	const struct json *j = has_members ? root->child : NULL;
	bool is_open = skim_open(&s, text);
	MUST(!has_members || is_open);
	while (is_open && skim_next(&s, &key, &value)) {
		MUST(value.n && value.p >= text.p && value.p + value.n <= text.p + text.n);
		MUST(!key.p || (key.p > text.p && key.p + key.n < value.p));
		if (!has_members)
			continue;
		MUST(j && str_eq(value, j->raw) && (!is_plain(key) || str_eq(key, j->key)));
		MUST(!skim_is_numbers(value) || j->type == JSON_ARRAY);
		MUST(!skim_is_base64(value) || (j->type == JSON_STRING && !j->escaped));
		j = j->next;
	}
	MUST(!has_members || (!s.is_broken && !j));
	arena_free(a);
	return 0;
}
