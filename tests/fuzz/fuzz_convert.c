/* SPDX-License-Identifier: MIT
 * fuzz_convert.c - whatever is in another gateway's configuration, it comes out as values and
 * comments: as many entries as were made, no byte that steers a terminal or ends a line, and the
 * same text twice. */
#include <stdlib.h>

#include "common/hash.h"
#include "common/mem.h"
#include "master/convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { MEMORY = 64 << 20 };

static void must(bool good)
{
	if (!good)
		abort();
}

static void check_text(const struct convert *c, struct str text)
{
	size_t entries = 0;
	bool in_head = true;
	while (text.n) {
		struct str line = str_cut(&text, '\n');
		in_head &= str_starts(line, STR("#"));
		must(in_head || !str_starts(line, STR("#")));
		entries += str_starts(line, STR("  - model_name: "));
		for (size_t i = 0; i < line.n; i++)
			must((unsigned char)line.p[i] >= ' ' && line.p[i] != 0x7f);
	}
	must(entries == c->n_models);
}

static int convert(enum convert_from from, struct str text, struct buf *out)
{
	struct convert *c = mem_alloc(sizeof *c);
	struct arena *a = arena_new(MEMORY);
	must(c && a);
	c->mem = a;
	int r = convert_text(c, from, "", text, out);
	if (r == 0)
		check_text(c, buf_str(out));
	convert_done(c);
	mem_free(c);
	arena_free(a);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct buf one, two;
	if (n == 0 || n > 65536 || hash_init() != 0)
		return 0;
	enum convert_from from = p[0] & 1 ? CONVERT_BIFROST : CONVERT_PORTKEY;
	struct str text = str_of((const char *)p + 1, n - 1);
	buf_init(&one, 2 * CONVERT_TEXT_MAX);
	buf_init(&two, 2 * CONVERT_TEXT_MAX);
	int r = convert(from, text, &one);
	must(convert(from, text, &two) == r);
	must(r != 0 || str_eq(buf_str(&one), buf_str(&two)));
	buf_done(&one);
	buf_done(&two);
	return 0;
}
