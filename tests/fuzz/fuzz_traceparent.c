/* SPDX-License-Identifier: MIT
 * fuzz_traceparent.c - a traceparent is taken exactly where a second reader, which walks it letter
 * by letter, takes it; what is taken is written again as the same ids; what is not changes nothing. */
#include "common/hash.h"
#include "worker/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* "vv-<32>-<16>-ff", small letters; behind it nothing, or from version 1 on "-" and anything. */
static bool is_parent(struct str s)
{
	static const unsigned lengths[] = { 2, 32, 16, 2 };
	size_t at = 0;
	for (unsigned part = 0; part < 4; part++) {
		bool any = false, all_f = true;
		for (unsigned i = 0; i < lengths[part]; i++, at++) {
			if (at >= s.n || !strchr("0123456789abcdef", s.p[at]) || !s.p[at])
				return false;
			any |= s.p[at] != '0';
			all_f &= s.p[at] == 'f';
		}
		if ((part == 0 && all_f) || ((part == 1 || part == 2) && !any))
			return false;
		if (part < 3 && (at >= s.n || s.p[at++] != '-'))
			return false;
	}
	if (at == s.n)
		return true;
	return !str_starts(s, STR("00")) && s.p[at] == '-';
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str s = str_of((const char *)p, n);
	uint8_t id[16] = { 0 }, span[8] = { 0 }, id2[16], span2[8];
	static const uint8_t none[16];
	bool sampled = false, sampled2;
	char again[56] = "00-", *at = again + 3;
	bool taken = trace_read_parent(s, id, span, &sampled);
	MUST(taken == is_parent(s));
	if (!taken) {
		MUST(!sampled && memcmp(id, none, 16) == 0 && memcmp(span, none, 8) == 0);
		return 0;
	}
	hash_hex(at, id, sizeof id);
	at[32] = '-';
	hash_hex(at + 33, span, sizeof span);
	memcpy(at + 49, sampled ? "-01" : "-00", 4);
	MUST(memcmp(again + 2, p + 2, 51) == 0);
	MUST(trace_read_parent(str_z(again), id2, span2, &sampled2));
	MUST(memcmp(id, id2, 16) == 0 && memcmp(span, span2, 8) == 0 && sampled == sampled2);
	return 0;
}
