/* SPDX-License-Identifier: MIT
 * fuzz_tunnel_head.c - what a provider answers to an upgrade is taken only when it can be written
 * into another head: no line of it ends early, and an upgrade has all that belongs to one. */
#include "worker/exchange/tunnel.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check(struct str s, struct str head)
{
	MUST(!s.p || (s.p >= head.p && s.p + s.n <= head.p + head.n));
	for (size_t i = 0; i < s.n; i++)
		MUST((unsigned char)s.p[i] >= 0x20 || s.p[i] == '\t');
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str head = { (const char *)p, n };
	struct tunnel_answer a;
	if (tunnel_read_head(head, &a) < 0)
		return 0;
	MUST(a.status >= 100 && a.status <= 999);
	MUST(a.is_upgrade == (a.status == 101) || a.status >= 200);
	MUST(!a.is_upgrade || a.accept.n == 28);
	check(a.accept, head);
	check(a.protocol, head);
	return 0;
}
