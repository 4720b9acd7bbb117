/* SPDX-License-Identifier: MIT
 * fuzz_tokenizer.c - the input as a file of ranks: it is refused with a reason, or is an image that
 * opens. The input as a text: its pieces cover it, the tokens of a small encoding are its bytes,
 * and none of its two halves has more tokens than bytes. */
#include <errno.h>

#include "common/hash.h"
#include "common/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { TEXT_MAX = 20000 };

static const char *const merges[] = { "ab", "bc", "abc", "th", "the", " the", "  ", "\r\n", "12", "aa" };

/* All bytes, and some that are merged; rank by rank the bytes of a token. */
static struct str token_of(uint32_t rank)
{
	static char bytes[256];
	if (rank >= 256)
		return str_z(merges[rank - 256]);
	bytes[rank] = (char)rank;
	return str_of(&bytes[rank], 1);
}

static struct tokenizer *small_one(void)
{
	static struct tokenizer *t;
	static struct buf image;
	struct tokenizer_fault f;
	struct buf text;
	char coded[16];
	if (t)
		return t;
	buf_init(&text, 1 << 16);
	buf_init(&image, 1 << 20);
	for (uint32_t i = 0; i < 256 + COUNT(merges); i++) {
		MUST(hash_base64(coded, sizeof coded, token_of(i)));
		buf_printf(&text, "%s %u\n", coded, i);
	}
	MUST(tokenizer_build(buf_str(&text), ENCODING_O200K, &image, &f) == 0);
	MUST(tokenizer_open(buf_str(&image), &t) == 0);
	buf_done(&text);
	return t;
}

static void check_build(struct str text)
{
	struct tokenizer_fault f = { 0 };
	struct tokenizer *t;
	struct buf image;
	buf_init(&image, TOKENIZER_IMAGE_MAX);
	int err = tokenizer_build(text, ENCODING_CL100K, &image, &f);
	MUST(err == 0 || (err == -EINVAL && f.what));
	if (err == 0) {
		MUST(tokenizer_open(buf_str(&image), &t) == 0);
		MUST(tokenizer_count(t, text) <= text.n);
		tokenizer_free(t);
	}
	buf_done(&image);
}

static void check_pieces(enum encoding e, struct str text)
{
	while (text.n) {
		size_t n = tokenizer_split(e, text);
		MUST(n > 0 && n <= text.n);
		text = str_skip(text, n);
	}
}

static void check_tokens(struct str text)
{
	static uint32_t ranks[TEXT_MAX];
	uint64_t n = tokenizer_encode(small_one(), text, ranks, TEXT_MAX);
	MUST(n <= text.n && n == tokenizer_count(small_one(), text));
	for (uint64_t i = 0; i < n; i++) {
		MUST(ranks[i] < 256 + COUNT(merges));
		struct str token = token_of(ranks[i]);
		MUST(str_starts(text, token));
		text = str_skip(text, token.n);
	}
	MUST(text.n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str text = str_of((const char *)p, n);
	if (hash_init() != 0 || n > TEXT_MAX)
		return 0;
	check_build(text);
	for (unsigned e = 0; e < ENCODINGS; e++)
		check_pieces((enum encoding)e, text);
	check_tokens(text);
	return 0;
}
