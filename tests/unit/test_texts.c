/* SPDX-License-Identifier: MIT
 * test_texts.c - what was said: the ring loses nothing but what finds no room and leads its reader
 * nowhere; what is packed comes out again under its own key and name alone; secrets do not. */
#include "common/texts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/hash.h"
#include "master/texts_pack.h"
#include "master/texts_redact.h"

static struct text_ring *ring;
static char *room;
enum { ROOM = 2 * TEXT_MOST };

static int set_up(void **state)
{
	(void)state;
	ring = aligned_alloc(64, sizeof *ring);
	memset(ring, 0, sizeof *ring);
	room = malloc(ROOM);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(ring);
	free(room);
	return 0;
}

/* ---- cutting ---- */

static void test_cut_between_characters(void **state)
{
	(void)state;
	struct str s = STR("a\xc3\xa9\xe2\x82\xac");		/* 1, 2 and 3 bytes */
	const size_t want[] = { 0, 1, 1, 3, 3, 3, 6, 6 };
	for (size_t most = 0; most < COUNT(want); most++)
		assert_int_equal(text_cut(s, most).n, want[most]);
	assert_int_equal(text_cut(STR_NONE, 5).n, 0);
}

/* ---- the ring ---- */

static struct str filled(unsigned seed, size_t n)
{
	static char bytes[TEXT_MOST];
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(seed * 31 + i * 7);
	return str_of(bytes, n);
}

static bool put_one(unsigned seed, size_t prompt, size_t answer)
{
	static char copy[TEXT_MOST];
	struct text_head h = { .start_ns = seed, .cut = { seed, seed + 1 }, .flags = 0 };
	memcpy(h.request_id, &seed, sizeof seed);
	memcpy(copy, filled(seed + 1, answer).p, answer);
	struct str texts[TEXT_KINDS] = { filled(seed, prompt), str_of(copy, answer) };
	return text_put(ring, &h, texts);
}

static void take_one(unsigned seed, size_t prompt, size_t answer)
{
	struct text_head h;
	assert_int_equal(text_take(ring, &h, room, ROOM), 0);
	assert_int_equal(h.start_ns, seed);
	assert_int_equal(h.cut[TEXT_PROMPT], seed);
	assert_int_equal(h.cut[TEXT_ANSWER], seed + 1);
	assert_int_equal(h.n[TEXT_PROMPT], prompt);
	assert_int_equal(h.n[TEXT_ANSWER], answer);
	assert_memory_equal(room, filled(seed, prompt).p, prompt);
	assert_memory_equal(room + prompt, filled(seed + 1, answer).p, answer);
}

static void test_in_order_and_around_the_end(void **state)
{
	struct text_head h;
	(void)state;
	assert_int_equal(text_take(ring, &h, room, ROOM), -ENOENT);
	for (unsigned i = 0; i < 200; i++) {		/* several times around */
		size_t prompt = i * 7919 % 200000, answer = i * 104729 % 150000;
		assert_true(put_one(i, prompt, answer));
		assert_true(put_one(i + 1000, answer, 0));
		take_one(i, prompt, answer);
		take_one(i + 1000, answer, 0);
	}
	assert_int_equal(text_take(ring, &h, room, ROOM), -ENOENT);
	for (size_t i = 0; i < TEXT_RING; i++)		/* nothing is left to be read */
		assert_int_equal(ring->bytes[i], 0);
}

static void test_full_takes_nothing(void **state)
{
	(void)state;
	unsigned n = 0;
	while (put_one(n, TEXT_MOST / 2, 1000))
		n++;
	assert_int_equal(n, 7);
	assert_true(put_one(100, 1000, 0));	/* a shorter one finds room */
	for (unsigned i = 0; i < n; i++)
		take_one(i, TEXT_MOST / 2, 1000);
	take_one(100, 1000, 0);
	assert_true(put_one(1, TEXT_MOST, TEXT_MOST));
	take_one(1, TEXT_MOST, TEXT_MOST);
}

static void test_stays_where_the_reader_has_no_room(void **state)
{
	struct text_head h;
	(void)state;
	assert_true(put_one(5, 300, 200));
	assert_int_equal(text_take(ring, &h, room, 499), -ENOBUFS);
	take_one(5, 300, 200);
}

/* Whatever a worker scribbles: an error, never a byte from elsewhere, and the next one is found. */
static void test_strangers(void **state)
{
	static const uint64_t heads[] = { 1, 8, 47, 48, 56, TEXT_RING, TEXT_RING + 8, UINT64_MAX,
					  UINT64_C(1) << 40 };
	struct text_head h, before = { .start_ns = 77 };
	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		struct text_head lie;
		hash_random(&lie, sizeof lie);
		if (i % 3 == 0)
			lie.n[TEXT_PROMPT] = lie.n[TEXT_ANSWER] = 0;
		if (i % 3 == 1)
			lie.n[TEXT_PROMPT] %= TEXT_MOST + 2, lie.n[TEXT_ANSWER] %= TEXT_MOST;
		if (i % 2)
			lie.size = (uint32_t)(sizeof lie + (uint64_t)lie.n[0] + lie.n[1] + 7) / 8 * 8;
		uint64_t tail = atomic_load(&ring->tail), at = tail % TEXT_RING;
		if (at + sizeof lie <= TEXT_RING)
			memcpy(ring->bytes + at, &lie, sizeof lie);
		atomic_store(&ring->head, tail + heads[i % COUNT(heads)]);
		h = before;
		int err = text_take(ring, &h, room, ROOM);
		assert_true(err == 0 || err == -EBADMSG);
		if (err)
			assert_int_equal(h.start_ns, 77);
		assert_true(err || h.n[0] + h.n[1] <= ROOM);
		atomic_store(&ring->head, atomic_load(&ring->tail));
		assert_true(put_one(i, 10, 20));
		take_one(i, 10, 20);
	}
}

/* ---- packing ---- */

static void make_key(struct seal *s, uint8_t with)
{
	uint8_t root[SEAL_KEY];
	memset(root, with, sizeof root);
	seal_from(s, root);
}

static struct text_head head_of(struct str prompt, struct str answer)
{
	struct text_head h = { .n = { (uint32_t)prompt.n, (uint32_t)answer.n }, .cut = { 0, 12 } };
	memset(h.request_id, 9, sizeof h.request_id);
	return h;
}

static struct str id_of(const struct text_head *h)
{
	return str_of((const char *)h->request_id, sizeof h->request_id);
}

static void test_what_is_packed_comes_out(void **state)
{
	static char texts[2 * TEXT_MOST];
	static const size_t sizes[][2] = { { 0, 0 }, { 1, 0 }, { 0, 5 }, { 3000, 200 },
					   { TEXT_MOST, TEXT_MOST } };
	struct texts_packer *p = texts_packer_new();
	struct seal key;
	struct buf out, plain;
	(void)state;
	make_key(&key, 1);
	buf_init(&out, 8 << 20);
	buf_init(&plain, 2 * TEXT_MOST + 1024);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		for (unsigned is_random = 0; is_random < 2; is_random++) {
			struct str prompt = str_of(texts, sizes[i][0]),
				   answer = str_of(texts + prompt.n, sizes[i][1]);
			memset(texts, 'x', prompt.n + answer.n);
			if (is_random)
				hash_random(texts, prompt.n + answer.n);
			struct text_head h = head_of(prompt, answer);
			struct texts_plain got;
			buf_reset(&out);
			texts_pack(p, &key, &h, texts, &out);
			assert_false(out.failed);
			assert_true(is_random || prompt.n < 100 || out.n < (prompt.n + answer.n) / 10);
			assert_int_equal(texts_unpack(&key, id_of(&h), buf_str(&out), &plain, &got), 0);
			assert_int_equal(got.cut[TEXT_PROMPT], 0);
			assert_int_equal(got.cut[TEXT_ANSWER], 12);
			assert_true(str_eq(got.text[TEXT_PROMPT], prompt));
			assert_true(str_eq(got.text[TEXT_ANSWER], answer));
		}
	}
	buf_done(&out);
	buf_done(&plain);
	assert_null(texts_packer_free(p));
}

static void test_nothing_else_opens_it(void **state)
{
	struct texts_packer *p = texts_packer_new();
	struct seal key, other;
	struct buf out, plain;
	struct texts_plain got;
	(void)state;
	make_key(&key, 1);
	make_key(&other, 2);
	buf_init(&out, 8 << 20);
	buf_init(&plain, 2 * TEXT_MOST + 1024);
	struct text_head h = head_of(STR("a prompt"), STR(" of mine"));
	texts_pack(p, &key, &h, "a prompt of mine", &out);
	assert_int_equal(texts_unpack(&other, id_of(&h), buf_str(&out), &plain, &got), -ENOKEY);
	assert_int_equal(texts_unpack(&key, STR("0123456789abcdef"), buf_str(&out), &plain, &got),
			 -EBADMSG);
	for (size_t i = 0; i < out.n; i++) {
		out.p[i] = (char)(out.p[i] ^ 1);
		assert_true(texts_unpack(&key, id_of(&h), buf_str(&out), &plain, &got) < 0);
		out.p[i] = (char)(out.p[i] ^ 1);
		assert_true(texts_unpack(&key, id_of(&h), str_of(out.p, i), &plain, &got) < 0);
	}
	assert_int_equal(texts_unpack(&key, id_of(&h), buf_str(&out), &plain, &got), 0);
	/* Sealed well, and not what we pack. */
	static const char *const wrong[] = { "", "no zlib", "x\x9c" };
	for (size_t i = 0; i < COUNT(wrong); i++) {
		buf_reset(&out);
		seal_close(&key, str_z(wrong[i]), id_of(&h), &out);
		assert_int_equal(texts_unpack(&key, id_of(&h), buf_str(&out), &plain, &got),
				 -EBADMSG);
	}
	buf_done(&out);
	buf_done(&plain);
	texts_packer_free(p);
}

/* ---- secrets ---- */

static void check_hidden(const struct redactor *r, const char *text, size_t found, const char *want)
{
	char copy[512];
	size_t n = strlen(text);
	memcpy(copy, text, n + 1);
	assert_int_equal(redactor_hide(r, copy, n), found);
	assert_string_equal(copy, want);
}

static void test_secrets_are_hidden(void **state)
{
	struct config_pair headers[] = { { STR("X-Vendor-Secret"), STR("hdr-Uy3Ge5Hj8") },
					 { STR("anthropic-version"), STR("2023-06-01") } };
	struct config_model models[] = {
		{ .api_key = STR("AIzaSyExample"), .headers = { headers, 2 } },
		{ .api_key = STR("AIzaSyExample-and-more") },
		{ .api_key = STR("short") },
		{ .aws_secret_access_key = STR("wJalr\"XUtn/FEMI") },
	};
	struct config c = { .master_key = STR("sk-1234"), .models = models, .n_models = 4 };
	struct redactor *r = redactor_new(&c);
	(void)state;
	assert_non_null(r);
	check_hidden(r, "nothing", 0, "nothing");
	check_hidden(r, "", 0, "");
	check_hidden(r, "key AIzaSyExample.", 1, "key *************.");
	check_hidden(r, "AIzaSyExample-and-more", 1, "**********************");
	check_hidden(r, "AIzaSyExample-and-mor", 1, "*************-and-mor");
	check_hidden(r, "AIzaSyExampl", 0, "AIzaSyExampl");
	check_hidden(r, "short hdr-Uy3Ge5Hj8 2023-06-01", 1, "short ************* 2023-06-01");
	check_hidden(r, "\"wJalr\\\"XUtn/FEMI\"", 1, "\"****************\"");
	/* What looks like a key is one, wherever it stands but amid a word. */
	check_hidden(r, "use sk-abcdefghijklmnop1 now", 1, "use ******************** now");
	check_hidden(r, "\\nsk-abcdefghijklmnop1\"", 1, "\\n********************\"");
	check_hidden(r, "risk-averse-and-much-more sk-short", 0, "risk-averse-and-much-more sk-short");
	check_hidden(r, "sk-abcdefghijklmnop", 1, "*******************");
	assert_null(redactor_free(r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_between_characters),
		cmocka_unit_test_setup_teardown(test_in_order_and_around_the_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full_takes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stays_where_the_reader_has_no_room, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_strangers, set_up, tear_down),
		cmocka_unit_test(test_what_is_packed_comes_out),
		cmocka_unit_test(test_nothing_else_opens_it),
		cmocka_unit_test(test_secrets_are_hidden),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
