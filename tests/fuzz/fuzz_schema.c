/* SPDX-License-Identifier: MIT
 * fuzz_schema.c - schemas and values from strangers, one a line: both always come to an end, and
 * what a value is makes it fit itself as a constant, as an enum, and not as what it must not be. */
#include <errno.h>

#include "common/hash.h"
#include "worker/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int fit(struct arena *a, const char *form, struct str value_text, const struct json *value)
{
	struct schema_fault f = { 0 };
	struct json_error e;
	struct buf b;
	buf_init(&b, value_text.n + 64);
	buf_printf(&b, "%s", form);
	buf_put(&b, value_text);
	for (size_t i = strlen(form); i--;)
		if (form[i] == '{' || form[i] == '[')
			buf_put_char(&b, form[i] == '{' ? '}' : ']');
	struct str text = arena_dup(a, buf_str(&b));
	const struct json *schema = text.p ? json_parse(a, text, 0, &e) : NULL;
	int err = schema ? schema_validate(a, schema, value, &f) : -ELOOP;
	buf_done(&b);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str value_text = { (const char *)p, n }, schema_text = str_cut(&value_text, '\n');
	struct schema_fault f = { 0 };
	struct json_error e;
	if (hash_init() != 0 || n > 65536)
		return 0;
	struct arena *a = arena_new(64 << 20);
	const struct json *schema = json_parse(a, schema_text, 0, &e);
	const struct json *value = value_text.p ? json_parse(a, value_text, 0, &e) : NULL;
	if (schema) {
		int err = schema_check(a, schema, &f);
		MUST(err == 0 || err == -ENOMEM || (err == -EINVAL && f.what.n && f.at.p));
	}
	if (schema && value) {
		f = (struct schema_fault){ 0 };
		int err = schema_validate(a, schema, value, &f);
		MUST(err == 0 || err == -ENOMEM || err == -ELOOP || (err == -EINVAL && f.what.n && f.at.p));
	}
	/* With a member twice it is another one by each of them, and not even the same as itself. */
	if (value && json_parse(a, value_text, JSON_ONE_KEY, &e)) {
		int err = fit(a, "{\"const\":", value_text, value);
		MUST(err == 0 || err == -ELOOP || err == -ENOMEM);
		err = fit(a, "{\"enum\":[", value_text, value);
		MUST(err == 0 || err == -ELOOP || err == -ENOMEM);
		err = fit(a, "{\"not\":{\"const\":", value_text, value);
		MUST(err == -EINVAL || err == -ELOOP || err == -ENOMEM);
	}
	arena_free(a);
	return 0;
}
