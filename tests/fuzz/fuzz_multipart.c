/* SPDX-License-Identifier: MIT
 * fuzz_multipart.c - the parts of a form lie one behind the other without a gap; a form without
 * one of them, or with another value in it, is the same form but for that. The first line is the
 * content type. */
#include <errno.h>

#include "common/buf.h"
#include "common/hash.h"
#include "worker/client/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool lies_in(struct str inner, struct str outer)
{
	return inner.p >= outer.p && inner.p + inner.n <= outer.p + outer.n;
}

/* How many parts; -EBADMSG. *ret: the last one, *ret_n: the part number `at`. */
static int read_all(struct str type, struct str body, int at, struct multipart_part *ret)
{
	struct multipart m;
	struct multipart_part p = { 0 };
	size_t end = 0;
	int n = 0, more = -EBADMSG;
	if (!multipart_open(&m, type, body))
		return -EBADMSG;
	while ((more = multipart_next(&m, &p)) == 1) {
		MUST(lies_in(p.name, body) && lies_in(p.value, body) && p.name.p);
		MUST(!p.filename.p || lies_in(p.filename, body));
		MUST(p.from == end && p.to > p.from && p.to <= body.n);
		MUST(p.value.p > body.p + p.from && p.value.p + p.value.n <= body.p + p.to);
		end = p.to;
		if (n++ == at)
			*ret = p;
	}
	MUST(more == 0 || more == -EBADMSG);
	MUST(n <= MULTIPART_PARTS_MAX);
	return more == 0 ? n : more;
}

static void check_without(struct str type, struct str body, int n, const struct multipart_part *p)
{
	struct multipart_part other;
	struct buf b;
	buf_init(&b, body.n + 1);
	buf_put(&b, str_of(body.p, p->from));
	buf_put(&b, str_skip(body, p->to));
	int left = read_all(type, buf_str(&b), 0, &other);
	MUST(left == n - 1);
	buf_done(&b);
}

static void check_changed(struct str type, struct str body, int n, int at,
			  const struct multipart_part *p)
{
	struct multipart_part other = { 0 };
	const struct str value = STR("another value");
	struct buf b;
	size_t from = (size_t)(p->value.p - body.p);
	/* Where a value is empty because the empty line's end is the boundary's, too, there is no
	 * place for another. */
	if (p->to < from + p->value.n + 2)
		return;
	buf_init(&b, body.n + value.n + 1);
	buf_put(&b, str_of(body.p, from));
	buf_put(&b, value);
	buf_put(&b, str_skip(body, from + p->value.n));
	MUST(read_all(type, buf_str(&b), at, &other) == n);
	MUST(str_eq(other.value, value) && str_eq(other.name, p->name));
	buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str body = { (const char *)p, n };
	struct str type = str_cut(&body, '\n');
	struct multipart_part part = { 0 };
	if (!body.p)
		return 0;
	int count = read_all(type, body, -1, &part);
	for (int i = 0; i < count && i < 8; i++) {
		read_all(type, body, i, &part);
		check_without(type, body, count, &part);
		check_changed(type, body, count, i, &part);
	}
	return 0;
}
