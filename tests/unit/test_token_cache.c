/* SPDX-License-Identifier: MIT
 * test_token_cache.c - what is known of a token is its own, and only as long as it is good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "common/mem.h"
#include "worker/decide/token_cache.h"

enum { NOW = 1000 };

static struct arena *mem;
static struct token_cache *cache;

static struct token_key key_of(unsigned n)
{
	char text[16];
	size_t len = (size_t)snprintf(text, sizeof text, "token-%u", n);
	return (struct token_key){ .digest = hash_sha256(str_of(text, len)), .generation = 1,
				   .version = 1 };
}

static struct who who_of(const char *user, uint64_t expires_s)
{
	return (struct who){ .expires_s = expires_s, .subject = STR("s"), .user = str_z(user),
			     .teams = STR("red\0blue\0"), .has_scopes = true, .models = STR("") };
}

static void put(unsigned n, const char *user, uint64_t expires_s)
{
	struct token_key k = key_of(n);
	struct who w = who_of(user, expires_s);
	token_cache_put(cache, &k, NOW, &w);
}

static bool knows(unsigned n, uint64_t now_s)
{
	struct token_key k = key_of(n);
	struct who w;
	return token_cache_find(cache, &k, now_s, mem, &w);
}

static void test_found_again(void **state)
{
	struct token_key k = key_of(1);
	struct who w = { 0 };
	(void)state;
	assert_false(knows(1, NOW));
	put(1, "ann", NOW + 10);
	assert_true(token_cache_find(cache, &k, NOW, mem, &w));
	assert_true(str_eq(w.user, STR("ann")));
	assert_true(str_eq(w.teams, STR("red\0blue\0")));
	assert_true(w.has_scopes && w.models.p && !w.models.n);
	assert_null(w.email.p);
	assert_int_equal(w.expires_s, NOW + 10);
	/* What a request has is its own: the place may be another's soon. */
	cache = token_cache_free(cache);
	assert_true(str_eq(w.user, STR("ann")));
	cache = token_cache_new();
}

static void test_not_beyond_its_time(void **state)
{
	(void)state;
	put(2, "ann", NOW + 10);
	assert_true(knows(2, NOW + 9));
	assert_false(knows(2, NOW + 10));
	put(3, "ann", NOW);
	assert_false(knows(3, NOW - 5));
}

static void test_for_one_configuration_and_its_keys(void **state)
{
	struct token_key k = key_of(4);
	struct who w;
	(void)state;
	put(4, "ann", NOW + 10);
	k.generation = 2;
	assert_false(token_cache_find(cache, &k, NOW, mem, &w));
	k.generation = 1;
	k.version = 2;
	assert_false(token_cache_find(cache, &k, NOW, mem, &w));
	/* Found good again, it is known by that alone. */
	w = who_of("ann again", NOW + 20);
	token_cache_put(cache, &k, NOW, &w);
	assert_true(token_cache_find(cache, &k, NOW, mem, &w));
	assert_true(str_eq(w.user, STR("ann again")));
	assert_false(knows(4, NOW));
}

/* Two digests that begin alike are two tokens. */
static void test_whole_digest(void **state)
{
	struct token_key k = key_of(5);
	struct who w;
	(void)state;
	put(5, "ann", NOW + 10);
	k.digest.b[31] ^= 1;
	assert_false(token_cache_find(cache, &k, NOW, mem, &w));
}

/* Many more than there are places: some are known, none is another's, memory has an end. */
static void test_bounded(void **state)
{
	uint64_t before = mem_live();
	unsigned known = 0;
	char user[16];
	(void)state;
	for (unsigned i = 100; i < 6100; i++) {
		snprintf(user, sizeof user, "u%u", i);
		put(i, user, NOW + 10 + i);
	}
	assert_true(mem_live() <= before + 1024);
	for (unsigned i = 100; i < 6100; i++) {
		struct token_key k = key_of(i);
		struct who w;
		arena_reset(mem);
		if (!token_cache_find(cache, &k, NOW, mem, &w))
			continue;
		known++;
		snprintf(user, sizeof user, "u%u", i);
		assert_true(str_eq(w.user, str_z(user)));
	}
	assert_int_equal(known, 1024);
	assert_true(knows(6099, NOW));	/* the one that is good for longest */
}

static void test_long_ones_are_not_kept(void **state)
{
	static char teams[5000];
	struct token_key k = key_of(6);
	struct who w = who_of("ann", NOW + 10);
	(void)state;
	memset(teams, 'x', sizeof teams);
	w.teams = str_of(teams, sizeof teams);
	token_cache_put(cache, &k, NOW, &w);
	assert_false(knows(6, NOW));
}

static void test_without_memory(void **state)
{
	struct token_key k = key_of(7);
	struct who w = who_of("ann", NOW + 10);
	(void)state;
	mem_fail_at(1);
	token_cache_put(cache, &k, NOW, &w);
	mem_fail_at(0);
	assert_false(knows(7, NOW));
	put(7, "ann", NOW + 10);
	struct arena *small = arena_new(64);
	bool found = small && token_cache_find(cache, &k, NOW, small, &w);
	assert_true(!found || str_eq(w.user, STR("ann")));
	arena_free(small);
}

/* A bad one is known for a minute, with the keys and the rules that it was found with. */
static void test_bad_ones(void **state)
{
	struct token_key k = key_of(7), other = key_of(7);
	(void)state;
	assert_int_equal(token_cache_fault(cache, &k, NOW), TOKEN_GOOD);
	token_cache_refuse(cache, &k, NOW, TOKEN_BAD_SIGNATURE);
	assert_int_equal(token_cache_fault(cache, &k, NOW), TOKEN_BAD_SIGNATURE);
	assert_int_equal(token_cache_fault(cache, &k, NOW + 59), TOKEN_BAD_SIGNATURE);
	assert_int_equal(token_cache_fault(cache, &k, NOW + 60), TOKEN_GOOD);
	assert_int_equal(token_cache_fault(cache, &k, NOW - 1), TOKEN_GOOD);	/* a clock set back */
	other.version++;
	assert_int_equal(token_cache_fault(cache, &other, NOW), TOKEN_GOOD);
	other.version--;
	other.generation++;
	assert_int_equal(token_cache_fault(cache, &other, NOW), TOKEN_GOOD);
	other.generation--;
	other.digest.b[31] ^= 1;		/* the same place, and not the same token */
	assert_int_equal(token_cache_fault(cache, &other, NOW), TOKEN_GOOD);
	token_cache_refuse(cache, &other, NOW, TOKEN_BAD_ROLE);
	assert_int_equal(token_cache_fault(cache, &k, NOW), TOKEN_GOOD);
	/* Good ones have places of their own. */
	put(8, "ann", NOW + 10);
	for (unsigned i = 100; i < 5000; i++) {
		struct token_key bad = key_of(i);
		token_cache_refuse(cache, &bad, NOW, TOKEN_BAD_EXPIRED);
	}
	assert_true(knows(8, NOW));
}

static int set_up(void **state)
{
	(void)state;
	mem = arena_new(1 << 20);
	cache = token_cache_new();
	return mem && cache ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	cache = token_cache_free(cache);
	mem = arena_free(mem);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_found_again), TEST(test_not_beyond_its_time),
		TEST(test_for_one_configuration_and_its_keys), TEST(test_whole_digest),
		TEST(test_bounded), TEST(test_bad_ones), TEST(test_long_ones_are_not_kept), TEST(test_without_memory),
	};
	if (hash_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
