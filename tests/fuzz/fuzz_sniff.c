/* SPDX-License-Identifier: MIT
 * fuzz_sniff.c - whatever a provider sends, what is found in it is within bounds, and the same
 * wherever the bytes are cut. The first byte says the form and the size of the pieces. */
#include "common/hash.h"
#include "worker/exchange/sniff.h"

enum { LINES_FROM = 192 };

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct llm_tally sniff_in(struct str type, struct str text, size_t piece)
{
	struct llm_tally t = { 0 };
	struct sniff s;
	if (sniff_begin(&s, type, 1 << 20, &t)) {
		while (text.n) {
			struct str one = str_of(text.p, text.n < piece ? text.n : piece);
			sniff_feed(&s, one);
			text = str_skip(text, one.n);
		}
		sniff_end(&s);
	}
	sniff_done(&s);
	return t;
}

static void check(const struct usage *u)
{
	MUST(u->input <= INT32_MAX && u->output <= INT32_MAX);
	MUST(u->cache_read + u->cache_write + u->media_input <= u->input);
	MUST(u->reasoning + u->media_output <= u->output);
	MUST(u->milliseconds <= UINT64_C(1000000000));
	MUST(u->tier < TIER_COUNT && u->search_size < SEARCH_SIZES);
	MUST(u->web_searches <= WEB_SEARCHES_MAX && u->file_searches <= WEB_SEARCHES_MAX);
	MUST(u->sessions <= WEB_SEARCHES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const types[] = { "application/json", "text/event-stream; charset=utf-8",
					     "audio/mpeg", "application/stream+json" };
	if (n == 0 || hash_init() != 0)
		return 0;
	struct str type = str_z(types[p[0] < LINES_FROM ? p[0] % 3 : 3]), text = str_of((const char *)p + 1, n - 1);
	struct llm_tally whole = sniff_in(type, text, n), cut = sniff_in(type, text, p[0] / 3 + 1);
	check(&whole.usage);
	check(&cut.usage);
	MUST(whole.has_usage == cut.has_usage && whole.events == cut.events);
	MUST(whole.usage.input == cut.usage.input && whole.usage.output == cut.usage.output);
	MUST(whole.usage.images == cut.usage.images);
	MUST(whole.usage.tier == cut.usage.tier);
	MUST(whole.usage.web_searches == cut.usage.web_searches);
	MUST(whole.usage.milliseconds == cut.usage.milliseconds);
	return 0;
}
