/* SPDX-License-Identifier: MIT
 * test_tokenizer.c - where pieces end, how they merge, which files of ranks and which images are
 * refused, and that long runs cost no more than they must. The encoding is a small one, made here;
 * with LLMGW_RANKS naming a folder with OpenAI's files, those are counted with, too. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/hash.h"
#include "common/mem.h"
#include "common/parcel.h"
#include "common/tokenizer.h"

static const char *const merges[] = {	/* from 256 on */
	"ab", "abc", "bc", "he", "ll", "hell", "hello", " hello", "aa", "  ", "\xe6\x97",
	"\xe6\x97\xa5", "aaaa",
};
enum { AB = 256, ABC, BC, HE, LL, HELL, HELLO, SPACE_HELLO, AA, SPACES, SUN_2, SUN, AAAA };

static struct buf ranks, image;
static struct tokenizer *small;

static void put_rank(struct buf *to, const char *p, size_t n, unsigned rank)
{
	char coded[64];
	assert_true(hash_base64(coded, sizeof coded, str_of(p, n)));
	buf_printf(to, "%s %u\n", coded, rank);
}

static void put_ranks(struct buf *to)
{
	for (unsigned i = 0; i < 256; i++) {
		char c = (char)i;
		put_rank(to, &c, 1, i);
	}
	for (unsigned i = 0; i < COUNT(merges); i++)
		put_rank(to, merges[i], strlen(merges[i]), 256 + i);
}

static void expect(const char *text, const uint32_t *want, size_t n)
{
	uint32_t got[64];
	uint64_t n_got = tokenizer_encode(small, str_z(text), got, COUNT(got));
	if (n_got != n)
		fail_msg("'%s': %llu tokens and not %zu", text, (unsigned long long)n_got, n);
	for (size_t i = 0; i < n; i++)
		if (got[i] != want[i])
			fail_msg("'%s': token %zu is %u and not %u", text, i, got[i], want[i]);
	assert_int_equal(tokenizer_count(small, str_z(text)), n);
}
#define EXPECT(text, ...)                                                                         \
	expect(text, (const uint32_t[]){ __VA_ARGS__ },                                           \
	       sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static void test_merges(void **st)
{
	(void)st;
	assert_int_equal(tokenizer_count(small, STR("")), 0);
	EXPECT("abc", ABC);			/* a piece that is a token */
	EXPECT("abcd", ABC, 'd');		/* ab before bc, for its rank is lower */
	EXPECT("xbcab", 'x', BC, AB);
	EXPECT("xhello", 'x', HELLO);		/* he, ll, hell, hello */
	EXPECT("hell", HELL);
	EXPECT("aaa", AA, 'a');			/* of equals the leftmost */
	EXPECT("aaaaa", AAAA, 'a');
	EXPECT("hello hello", HELLO, SPACE_HELLO);
	EXPECT("hello  hello", HELLO, ' ', SPACE_HELLO);	/* a blank before a word is its own */
	EXPECT("   hello", SPACES, SPACE_HELLO);
	EXPECT("\xe6\x97\xa5", SUN);
	EXPECT("\xe6\x97\xa5\xe6", SUN, 0xe6);	/* no UTF-8: bytes */
	EXPECT("\xff\xfe", 0xff, 0xfe);
}

static const struct cut {
	enum encoding e;
	const char *text;			/* a '|' where a piece ends */
} cuts[] = {
	{ ENCODING_CL100K, "Hello| world|!" },
	{ ENCODING_CL100K, "it|'s| we|'LL| don|'t| I|'m| they|'re|'| ab|'d" },
	{ ENCODING_CL100K, "HelloWorld| camelCase" },
	{ ENCODING_CL100K, "123|456|7| |12" },
	{ ENCODING_CL100K, "a|  | b|\n\n|c" },
	{ ENCODING_CL100K, "a| \n|  | b" },
	{ ENCODING_CL100K, "a|  \n  " },	/* blanks to the end are one */
	{ ENCODING_CL100K, "x|();\n\n|y" },
	{ ENCODING_CL100K, "(foo|)| _|bar|_baz" },
	{ ENCODING_CL100K, "\u65e5\u672c|\u3002\u8a9e|\u3002\u3002" },
	{ ENCODING_CL100K, "e|\u0301a" },	/* a mark may lead a word */
	{ ENCODING_CL100K, "a|'\u017f|b" },	/* a long s is an s */
	{ ENCODING_O200K, "Hello| world|!" },
	{ ENCODING_O200K, "it's| we'LL| don't| they're|'| ab'd" },
	{ ENCODING_O200K, "Hello|World| camel|Case| HTTPServer| ABC" },
	{ ENCODING_O200K, "123|456|7| |12" },
	{ ENCODING_O200K, "a|  \n|  " },
	{ ENCODING_O200K, "x|();\n/\n|y" },
	{ ENCODING_O200K, "\u65e5\u672c|A" },
	{ ENCODING_O200K, "\u65e5\u672cab" },
	{ ENCODING_O200K, "e\u0301a\u0301|AB|1|\u0301|AB" },
};

static void expect_cut(enum encoding e, const char *marked)
{
	char text[256];
	size_t n = 0, ends[64], n_ends = 0;
	for (const char *p = marked; *p; p++) {
		if (*p == '|')
			ends[n_ends++] = n;
		else
			text[n++] = *p;
	}
	ends[n_ends++] = n;
	struct str rest = str_of(text, n);
	for (size_t i = 0; i < n_ends; i++) {
		size_t want = ends[i] - (i ? ends[i - 1] : 0);
		size_t got = rest.n ? tokenizer_split(e, rest) : 0;
		if (got != want)
			fail_msg("%s: piece %zu of '%s' has %zu bytes and not %zu", encoding_name(e), i,
				 marked, got, want);
		rest = str_skip(rest, got);
	}
	assert_int_equal(rest.n, 0);
}

static void test_pieces(void **st)
{
	(void)st;
	for (size_t i = 0; i < COUNT(cuts); i++)
		expect_cut(cuts[i].e, cuts[i].text);
}

static void expect_refusal(const char *what, size_t line)
{
	struct tokenizer_fault f = { 0 };
	struct buf out;
	buf_init(&out, TOKENIZER_IMAGE_MAX);
	assert_int_equal(tokenizer_build(buf_str(&ranks), ENCODING_CL100K, &out, &f), -EINVAL);
	if (!strstr(f.what, what))
		fail_msg("'%s' and not '%s'", f.what, what);
	assert_int_equal(f.line, line);
	buf_done(&out);
}

static void again(void)
{
	buf_reset(&ranks);
	put_ranks(&ranks);
}

static void test_files_that_are_refused(void **st)
{
	(void)st;
	buf_reset(&ranks);
	expect_refusal("fewer than 256", 0);
	again();
	BUF_PUT_LIT(&ranks, "!!! 269\n");
	expect_refusal("base64", 270);
	again();
	BUF_PUT_LIT(&ranks, "eno=\n");
	expect_refusal("no rank", 270);
	again();
	BUF_PUT_LIT(&ranks, "eno= 270\n");
	expect_refusal("not below", 270);
	again();
	BUF_PUT_LIT(&ranks, "eno= 268\n");
	expect_refusal("rank stands there twice", 270);
	again();
	put_rank(&ranks, "ab", 2, 269);
	expect_refusal("token stands there twice", 0);
	buf_reset(&ranks);
	for (unsigned i = 0; i < 256; i++)
		put_rank(&ranks, (const char[]){ (char)(i ? i : 'a'), (char)i }, i ? 1 : 2, i);
	expect_refusal("a byte is no token", 0);
	again();
}

/* Whatever one byte of it becomes, an image is refused, or every look stays within. */
static void test_images_that_are_damaged(void **st)
{
	struct tokenizer *t;
	(void)st;
	for (size_t i = 0; i < image.n; i += i < 64 ? 1 : 97) {
		image.p[i] = (char)(image.p[i] ^ 0x41);
		assert_int_equal(tokenizer_open(buf_str(&image), &t), -EBADMSG);
		image.p[i] = (char)(image.p[i] ^ 0x41);
	}
	for (size_t n = 0; n < image.n; n += 1 + n / 7)
		assert_int_equal(tokenizer_open(str_of(image.p, n), &t), -EBADMSG);
	assert_int_equal(tokenizer_map(open("/dev/null", O_RDONLY | O_CLOEXEC), &t), -EBADMSG);
}

static void test_a_mapped_image(void **st)
{
	struct tokenizer *t;
	struct str part = buf_str(&image);
	int fd;
	(void)st;
	assert_int_equal(parcel_make(&part, 1, &fd), 0);
	assert_int_equal(tokenizer_map(fd, &t), 0);
	assert_int_equal(tokenizer_encoding(t), ENCODING_O200K);
	assert_int_equal(tokenizer_ranks(t), 256 + COUNT(merges));
	assert_int_equal(tokenizer_count(t, STR("hello")), 1);
	tokenizer_free(t);
}

/* A run without a break: its pieces are cut, between characters, and nothing is lost. */
static void test_a_long_run(void **st)
{
	enum { N = 3 << 20 };
	char *text = mem_alloc(N);
	(void)st;
	assert_non_null(text);
	memset(text, 'a', N);
	assert_int_equal(tokenizer_count(small, str_of(text, TOKENIZER_PIECE)), TOKENIZER_PIECE / 4);
	assert_int_equal(tokenizer_count(small, str_of(text, N)), N / 4);
	for (size_t i = 0; i < N; i++)
		text[i] = "\xe6\x97\xa5"[i % 3];
	assert_int_equal(tokenizer_count(small, str_of(text, N - N % 3)), N / 3);
	mem_free(text);
}

static void test_models(void **st)
{
	static const struct {
		const char *model;
		int e;
	} rows[] = {
		{ "gpt-4o", ENCODING_O200K },		{ "gpt-4o-mini-2024-07-18", ENCODING_O200K },
		{ "openai/gpt-4.1-nano", ENCODING_O200K }, { "o1", ENCODING_O200K },
		{ "o3-mini", ENCODING_O200K },		{ "gpt-5", ENCODING_O200K },
		{ "ft:gpt-4o:acme::x", ENCODING_O200K }, { "gpt-4", ENCODING_CL100K },
		{ "gpt-4-turbo", ENCODING_CL100K },	{ "gpt-3.5-turbo-0125", ENCODING_CL100K },
		{ "ft:gpt-3.5-turbo:acme::x", ENCODING_CL100K },
		{ "text-embedding-3-small", ENCODING_CL100K }, { "claude-opus-4", -1 }, { "", -1 },
		{ "gpt-3", -1 },			{ "o", -1 },
	};
	(void)st;
	for (size_t i = 0; i < COUNT(rows); i++) {
		enum encoding e = ENCODINGS;
		bool known = encoding_of_model(str_z(rows[i].model), &e);
		if (known != (rows[i].e >= 0) || (known && e != (enum encoding)rows[i].e))
			fail_msg("%s", rows[i].model);
	}
}

static struct tokenizer *read_official(enum encoding e, struct buf *out)
{
	char path[512];
	struct tokenizer_fault f;
	struct tokenizer *t;
	struct buf text;
	const char *folder = getenv("LLMGW_RANKS");
	snprintf(path, sizeof path, "%s/%s.tiktoken", folder ? folder : "", encoding_name(e));
	int fd = folder ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return NULL;
	buf_init(&text, 16 << 20);
	assert_int_equal(buf_reserve(&text, 8 << 20), 0);
	ssize_t n = read(fd, text.p, 8 << 20);
	close(fd);
	assert_true(n > 0);
	assert_int_equal(tokenizer_build(str_of(text.p, (size_t)n), e, out, &f), 0);
	assert_int_equal(tokenizer_open(buf_str(out), &t), 0);
	buf_done(&text);
	return t;
}

static void test_official_encodings(void **st)
{
	static const struct {
		const char *text;
		unsigned n[ENCODINGS];
	} rows[] = {
		{ "hello world", { 2, 2 } },
		{ "tiktoken is great!", { 6, 6 } },
		{ "antidisestablishmentarianism", { 6, 6 } },
		{ "2 + 2 = 4", { 7, 7 } },
		{ "\u304a\u8a95\u751f\u65e5\u304a\u3081\u3067\u3068\u3046", { 9, 8 } },
	};
	(void)st;
	for (unsigned e = 0; e < ENCODINGS; e++) {
		struct buf out;
		buf_init(&out, TOKENIZER_IMAGE_MAX);
		struct tokenizer *t = read_official((enum encoding)e, &out);
		if (!t) {
			buf_done(&out);
			print_message("skipped: LLMGW_RANKS names no folder with %s.tiktoken\n",
				      encoding_name((enum encoding)e));
			skip();
		}
		for (size_t i = 0; i < COUNT(rows); i++)
			assert_int_equal(tokenizer_count(t, str_z(rows[i].text)), rows[i].n[e]);
		tokenizer_free(t);
		buf_done(&out);
	}
}

static int setup(void **st)
{
	struct tokenizer_fault f;
	(void)st;
	assert_int_equal(hash_init(), 0);
	buf_init(&ranks, 1 << 20);
	buf_init(&image, TOKENIZER_IMAGE_MAX);
	put_ranks(&ranks);
	assert_int_equal(tokenizer_build(buf_str(&ranks), ENCODING_O200K, &image, &f), 0);
	return tokenizer_open(buf_str(&image), &small);
}

static int teardown(void **st)
{
	(void)st;
	small = tokenizer_free(small);
	buf_done(&ranks);
	buf_done(&image);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merges),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_files_that_are_refused),
		cmocka_unit_test(test_images_that_are_damaged),
		cmocka_unit_test(test_a_mapped_image),
		cmocka_unit_test(test_a_long_run),
		cmocka_unit_test(test_models),
		cmocka_unit_test(test_official_encodings),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
