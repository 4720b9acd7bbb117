/* SPDX-License-Identifier: MIT
 * fuzz_forwarded.c - X-Forwarded-For: a list in one line says the same as in several; nobody is
 * believed beyond the first that is no proxy; a peer that is none is never replaced. */
#include "common/cidr.h"
#include "common/mem.h"
#include "worker/client/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Those that begin with 10; ::ffff:10.0.0.0/104. */
static bool trusts(const void *data, const uint8_t *address)
{
	(void)data;
	return address[10] == 0xff && address[12] == 10;
}

static bool trusts_nobody(const void *data, const uint8_t *address)
{
	(void)data, (void)address;
	return false;
}

static const uint8_t peer[16] = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1 };

static void run(const struct http_request *h, uint8_t ret[16])
{
	memcpy(ret, peer, sizeof peer);
	forwarded_read(h, trusts, NULL, ret);
}

static void put_line(struct http_request *h, struct str value)
{
	h->headers[h->n_headers++] =
		(struct http_header){ .name = STR("x-forwarded-for"), .value = value };
}

/* What the last element is decides alone, when it is no proxy. */
static void check_last(struct str list, const uint8_t found[16])
{
	struct cidr last;
	size_t at = list.n;
	while (at && list.p[at - 1] != ',')
		at--;
	struct str s = str_trim(str_skip(list, at));
	if (str_find_char(s, '/') != SIZE_MAX || cidr_read(s, &last) != 0 ||
	    trusts(NULL, last.address))
		return;
	MUST(memcmp(found, last.address, sizeof last.address) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct http_header one_line[1], lines[HTTP_HEADERS_MAX];
	struct http_request one = { .headers = one_line }, many = { .headers = lines };
	uint8_t a[16], b[16];
	struct str list = str_of((const char *)p, n), rest = list;
	if (!n || n > 4096)
		return 0;
	put_line(&one, list);
	run(&one, a);
	check_last(list, a);
	memcpy(b, peer, sizeof peer);
	forwarded_read(&one, trusts_nobody, NULL, b);
	MUST(memcmp(b, peer, sizeof peer) == 0);
	/* An empty element stops the reading, an empty line is none: not the same by design. */
	bool has_empty = false;
	while (rest.n && many.n_headers < HTTP_HEADERS_MAX) {
		struct str element = str_cut(&rest, ',');
		has_empty |= !element.n;
		put_line(&many, element);
	}
	if (rest.n || has_empty || list.p[n - 1] == ',')
		return 0;
	run(&many, b);
	MUST(memcmp(a, b, sizeof a) == 0);
	return 0;
}
