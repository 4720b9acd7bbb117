/* SPDX-License-Identifier: MIT
 * fuzz_pgdump.c - any text as a dump: every value lies in the text or the arena, a row has as many
 * as its table has columns, lines only grow, and arrays end. */
#include <errno.h>

#include "common/pgdump.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void read_array(struct arena *a, struct str v)
{
	struct str one, before = v;
	int r = pg_array_open(&v);
	while (r >= 0 && (r = pg_array_next(&v, a, &one)) > 0) {
		MUST(v.n < before.n && one.n <= before.n);
		before = v;
	}
	MUST(r == 0 || r == -EINVAL || r == -ENOMEM);
	MUST(r != 0 || v.n == 0 || before.n > v.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct pg_block b;
	static struct str values[PG_COLUMNS_MAX];
	struct str text = { (const char *)p, n };
	struct pg_dump d = pg_dump(text);
	const char *why;
	uint64_t ns;
	int got;
	if (n > 65536)
		return 0;
	struct arena *a = arena_new(16 << 20);
	while (a && (got = pg_dump_next(&d, &b)) > 0) {
		size_t line = b.line;
		MUST(b.table.n && b.n_columns >= 1 && b.n_columns <= PG_COLUMNS_MAX);
		while ((got = pg_row_next(&b, a, values, &why)) > 0) {
			MUST(b.line == ++line);
			for (size_t i = 0; i < b.n_columns; i++) {
				MUST(!values[i].p || str_is_utf8(values[i]));
				if (values[i].p)
					read_array(a, values[i]);
				if (values[i].p && pg_read_time(values[i], &ns) == 0)
					MUST(values[i].n >= 19);
			}
		}
		MUST(got == 0 || got == -ENOMEM || (got == -EINVAL && why));
	}
	if (a && got == -EINVAL)
		MUST(d.what && d.line >= 1);
	arena_free(a);
	return 0;
}
