/* SPDX-License-Identifier: MIT
 * test_snapshot.c - what was built is read back; what was damaged is refused or harmless.
 *
 * With a directory as its argument the program writes seeds for fuzz_snapshot there. */
#include "common/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/hash.h"
#include "common/mem.h"

static const struct snap_group plain = { .alias_of = SNAP_NONE };

static uint32_t add_deployment(struct snap_build *b, const char *group, const char *model)
{
	const struct snap_header h[] = {
		{ snap_build_text(b, STR("x-one")), snap_build_text(b, STR("1")) },
		{ snap_build_text(b, STR("x-two")), snap_build_text(b, STR("")) },
	};
	struct snap_deployment d = {
		.id_hash = hash_stable(str_z(model)), .id = snap_build_text(b, str_z(model)),
		.group = snap_build_text(b, str_z(group)),
		.provider = snap_build_text(b, STR("openai")),
		.model = snap_build_text(b, str_z(model)),
		.base = snap_build_text(b, STR("https://api.example.com/v1")),
		.api_key = snap_build_text(b, STR("sk-secret")),
		.headers = snap_build_headers(b, h, 2),
		.price = { .input = 150000, .output = 600000, .cache_read = PRICE_NONE,
			   .cache_write = PRICE_NONE, .reasoning = PRICE_NONE,
			   .input_above = PRICE_NONE, .output_above = PRICE_NONE,
			   .flags = PRICE_KNOWN },
		.cooldown_ms = UINT64_MAX, .num_retries = SNAP_NONE, .family = FAMILY_OPENAI,
		.auth = AUTH_BEARER, .mode = MODE_CHAT,
	};

	return snap_build_deployment(b, &d);
}

static void add_group(struct snap_build *b, const char *name, const char *model, const char *alias)
{
	struct snap_group g = plain;
	uint32_t members[3], n = 0;

	for (; model && n < 1 + strlen(name) % 3; n++)
		members[n] = add_deployment(b, name, model);
	g.name = snap_build_text(b, str_z(name));
	if (model)
		g.fallbacks = snap_build_names(b, (struct str[]){ STR("gpt-4o"), STR("b") }, 2);
	snap_build_group(b, &g, members, n, str_z(alias));
}

/* Groups, aliases in a chain, in a circle and of nothing, patterns of all ranks. */
static struct snap_build *build_all(void)
{
	struct snap_build *b = snap_build_new();

	if (!b)
		return NULL;
	add_group(b, "gpt-4o", "gpt-4o-2024", NULL);
	add_group(b, "openai/*", "*", NULL);
	add_group(b, "b", "model-b", NULL);
	add_group(b, "*", "*", NULL);
	add_group(b, "alias-1", NULL, "alias-2");
	add_group(b, "alias-2", NULL, "gpt-4o");
	add_group(b, "circle-1", NULL, "circle-2");
	add_group(b, "circle-2", NULL, "circle-1");
	add_group(b, "nowhere", NULL, "no-such-group");
	add_group(b, "to-a-pattern", NULL, "openai/*");
	add_group(b, "openai/gpt-*-mini", "fixed-name", NULL);
	add_group(b, "openai/gpt-*", "gpt-*", NULL);
	add_group(b, "*x*y*", "a-*-*-*-z", NULL);
	add_group(b, "**/one", "*", NULL);
	struct snap_settings *s = snap_build_settings(b);

	s->body_max = 1 << 20;
	s->num_retries = 2;
	s->version = snap_build_text(b, STR("1.0"));
	s->default_fallbacks = snap_build_names(b, (struct str[]){ STR("b") }, 1);
	s->cors_origins = snap_build_names(b, (struct str[]){ STR("*"), STR("https://a.b") }, 2);
	return b;
}

static int seal(struct snap_build *b, uint64_t generation)
{
	int fd = -1;

	assert_non_null(b);
	assert_int_equal(snap_build_seal(b, generation, &fd), 0);
	snap_build_free(b);
	return fd;
}

static struct snap *map_all(void)
{
	struct snap *s = NULL;

	assert_int_equal(snap_map(seal(build_all(), 42), &s), 0);
	return s;
}

static const char *resolve(const struct snap *s, const char *name)
{
	const struct snap_group *g = snap_resolve(s, str_z(name));

	return g ? snap_text(s, g->name).p : "(nobody)";
}

static void test_what_was_built_is_read(void **state)
{
	struct snap *s = map_all(), *again = snap_ref(s);
	const struct snap_group *g = snap_find_group(s, STR("b"));
	const struct snap_deployment *d;

	(void)state;
	assert_ptr_equal(s, again);
	assert_null(snap_unref(again));
	assert_int_equal(snap_head(s)->generation, 42);
	assert_int_equal(snap_settings(s)->body_max, 1 << 20);
	assert_true(str_eq(snap_text(s, snap_settings(s)->version), STR("1.0")));
	assert_null(snap_text(s, snap_settings(s)->key_header).p);
	assert_int_equal(snap_settings(s)->cors_origins.count, 2);
	assert_true(str_eq(snap_name(s, snap_settings(s)->cors_origins, 1), STR("https://a.b")));
	assert_non_null(g);
	assert_int_equal(g->members.count, 2);
	assert_int_equal(g->fallbacks.count, 2);
	assert_int_equal(g->policy_fallbacks.count, 0);
	assert_true(str_eq(snap_name(s, g->fallbacks, 0), STR("gpt-4o")));
	d = snap_deployment(s, snap_member(s, g, 1));
	assert_int_equal(d->id_hash, hash_stable(STR("model-b")));
	assert_string_equal(snap_text(s, d->group).p, "b");
	assert_string_equal(snap_text(s, d->api_key).p, "sk-secret");
	assert_int_equal(d->headers.count, 2);
	assert_string_equal(snap_text(s, snap_headers(s, d)[1].name).p, "x-two");
	assert_int_equal(snap_text(s, snap_headers(s, d)[1].value).n, 0);
	assert_non_null(snap_text(s, snap_headers(s, d)[1].value).p);
	assert_null(snap_text(s, d->region).p);
	assert_int_equal(d->price.output, 600000);
	assert_null(snap_unref(s));
	assert_null(snap_unref(NULL));
	assert_int_equal(mem_live(), 0);
}

static void test_order_and_indices(void **state)
{
	static const char *const patterns[] = { "openai/gpt-*-mini", "openai/gpt-*", "*x*y*",
						"**/one", "openai/*", "*" };
	struct snap *s = map_all();
	const struct snap_head *h = snap_head(s);

	(void)state;
	assert_int_equal(h->groups.count, 8);
	assert_int_equal(h->patterns.count, COUNT(patterns));
	for (uint32_t i = 0; i < h->groups.count + h->patterns.count; i++) {
		const struct snap_group *g = snap_group(s, i);
		struct str name = snap_text(s, g->name);

		assert_ptr_equal(snap_find_group(s, name), g);
		assert_int_equal((g->flags & GROUP_PATTERN) != 0, i >= h->groups.count);
		if (i >= h->groups.count)
			assert_string_equal(name.p, patterns[i - h->groups.count]);
		else if (i)
			assert_true(str_cmp(snap_text(s, snap_group(s, i - 1)->name), name) < 0);
	}
	assert_null(snap_find_group(s, STR("no-such-group")));
	assert_null(snap_find_group(s, STR_NONE));
	snap_unref(s);
}

static void test_resolve(void **state)
{
	struct snap *s = map_all();
	struct snap_build *b = snap_build_new();

	(void)state;
	assert_string_equal(resolve(s, "gpt-4o"), "gpt-4o");
	assert_string_equal(resolve(s, "alias-1"), "gpt-4o");
	assert_string_equal(resolve(s, "alias-2"), "gpt-4o");
	assert_string_equal(resolve(s, "circle-1"), "*");
	assert_string_equal(resolve(s, "nowhere"), "*");
	assert_string_equal(resolve(s, "to-a-pattern"), "openai/*");
	assert_string_equal(resolve(s, "openai/gpt-5-mini"), "openai/gpt-*-mini");
	assert_string_equal(resolve(s, "openai/gpt-5-mini-2"), "openai/gpt-*");
	assert_string_equal(resolve(s, "openai/o3"), "openai/*");
	assert_string_equal(resolve(s, "axbyc"), "*x*y*");
	assert_string_equal(resolve(s, "gpt-4o "), "*");
	assert_string_equal(resolve(s, ""), "*");
	snap_unref(s);
	add_group(b, "only", "only", NULL);
	assert_int_equal(snap_map(seal(b, 1), &s), 0);
	assert_string_equal(resolve(s, "only"), "only");
	assert_string_equal(resolve(s, "other"), "(nobody)");
	snap_unref(s);
}

static void expect_model(const char *group, const char *model, const char *asked, const char *want)
{
	struct arena *a = arena_new(10000);
	struct snap_build *b = snap_build_new();
	struct snap *s = NULL;
	const struct snap_group *g;
	struct str got;

	add_group(b, group, model, NULL);
	assert_int_equal(snap_map(seal(b, 1), &s), 0);
	g = snap_find_group(s, str_z(group));
	got = snap_upstream_model(s, g, snap_deployment(s, 0), str_z(asked), a);
	assert_true(str_eq_z(got, want));
	snap_unref(s);
	a = arena_free(a);
}

static void test_upstream_model(void **state)
{
	(void)state;
	expect_model("gpt", "gpt-4o", "gpt", "gpt-4o");
	expect_model("gpt", "weird-*", "gpt", "weird-*");
	expect_model("openai/*", "*", "openai/gpt-4o", "gpt-4o");
	expect_model("openai/*", "fixed", "openai/gpt-4o", "fixed");
	expect_model("*", "*", "anything/at-all", "anything/at-all");
	expect_model("*", "prefix-*", "m", "prefix-m");
	expect_model("*-azure", "*", "gpt-4o-azure", "gpt-4o");
	expect_model("a/*/b/*", "*:*", "a/1/b/2", "1:2");
	expect_model("a/*/b/*", "*:*", "a//b/", ":");
	/* as greedy expressions do: the first star takes what it can */
	expect_model("*-*", "*|*", "a-b-c", "a-b|c");
	expect_model("x*y*z", "<*,*>", "xyyzz", "<y,z>");
	expect_model("**", "[*][*]", "abc", "[abc][]");
	/* more segments than stars: the client's own name; fewer: stars stay */
	expect_model("a/*/b/*", "only-*", "a/1/b/2", "a/1/b/2");
	expect_model("a/*", "*-*", "a/1", "1-*");
	expect_model("openai/*", "*", "not-matching", "not-matching");
	expect_model("*****************", "*", "abc", "abc");
}

static int64_t input_price(const struct snap *s, const char *group, const char *asked)
{
	const struct snap_group *g = snap_find_group(s, str_z(group));
	struct snap_price room;
	const struct snap_deployment *d = snap_deployment(s, snap_member(s, g, 0));

	if (!snap_model_price(s, g, d, str_z(asked), &room))
		return -1;
	return room.price.input;
}

static void add_prices(struct snap_build *b, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct snap_price p = { .max_output_tokens = 7, .price = price_none() };
		p.price.flags = PRICE_KNOWN;
		p.price.input = 100 + (int64_t)i * 100;
		snap_build_price(b, str_z(names[i]), &p);
	}
}

static void test_prices_by_name(void **state)
{
	static const char *const names[] = { "a", "gpt-4o", "gpt-4o-mini", "openai/gpt-5", "x/y" };
	static const char *const mixed[] = { "b", "a" }, *const twice[] = { "a", "a" };
	struct snap_build *b = build_all(), *bad;
	char asked[600] = "openai/";
	struct snap *s = NULL;
	int fd;

	(void)state;
	add_prices(b, names, COUNT(names));
	assert_int_equal(snap_map(seal(b, 1), &s), 0);
	assert_int_equal(snap_head(s)->prices.count, COUNT(names));
	assert_int_equal(input_price(s, "openai/*", "openai/gpt-4o"), 200);
	assert_int_equal(input_price(s, "openai/*", "openai/gpt-4o-mini"), 300);
	assert_int_equal(input_price(s, "openai/*", "openai/gpt-5"), 400);	/* with its provider */
	assert_int_equal(input_price(s, "openai/gpt-*", "openai/gpt-5"), 400);
	assert_int_equal(input_price(s, "*", "anything/a"), 100);	/* without */
	assert_int_equal(input_price(s, "*", "x/y"), 500);
	assert_int_equal(input_price(s, "*", "x/z"), -1);
	assert_int_equal(input_price(s, "openai/*", "openai/"), -1);
	assert_int_equal(input_price(s, "openai/*", ""), -1);
	memset(asked + 7, 'a', sizeof asked - 8);		/* longer than any name */
	assert_int_equal(input_price(s, "openai/*", asked), -1);
	snap_unref(s);
	/* Only what is in order is taken. */
	for (int i = 0; i < 2; i++) {
		bad = build_all();
		add_prices(bad, i ? mixed : twice, 2);
		assert_int_equal(snap_build_seal(bad, 1, &fd), -EBADMSG);
		snap_build_free(bad);
	}
	assert_int_equal(mem_live(), 0);
}

static void test_a_full_arena(void **state)
{
	struct arena *a = arena_new(300);
	struct snap_build *b = snap_build_new();
	struct snap *s = NULL;
	char asked[600];

	(void)state;
	memset(asked, 'x', sizeof asked);
	memcpy(asked, "o/", 2);
	add_group(b, "o/*", "p/*", NULL);
	assert_int_equal(snap_map(seal(b, 1), &s), 0);
	assert_null(snap_upstream_model(s, snap_find_group(s, STR("o/*")), snap_deployment(s, 0),
					str_of(asked, sizeof asked), a).p);
	snap_unref(s);
	a = arena_free(a);
}

static void test_refusals_of_the_builder(void **state)
{
	struct snap_build *b = snap_build_new();
	struct snap_deployment bad = { .family = FAMILY_COUNT };
	int fd = -1;

	(void)state;
	add_group(b, "twin", "m", NULL);
	add_group(b, "twin", "m", NULL);
	assert_int_equal(snap_build_seal(b, 1, &fd), -EEXIST);
	snap_build_free(b);
	b = snap_build_new();
	snap_build_deployment(b, &bad);
	assert_int_equal(snap_build_seal(b, 1, &fd), -EBADMSG);
	snap_build_free(b);
	snap_build_free(NULL);
	assert_int_equal(fd, -1);
	fd = seal(snap_build_new(), 7);		/* nothing at all is fine */
	struct snap *s = NULL;

	assert_int_equal(snap_map(fd, &s), 0);
	assert_null(snap_resolve(s, STR("x")));
	snap_unref(s);
}

static char *image_of(int fd, size_t *ret_n)
{
	struct stat st;
	char *p;

	assert_int_equal(fstat(fd, &st), 0);
	*ret_n = (size_t)st.st_size;
	p = mem_alloc(*ret_n);
	assert_int_equal(pread(fd, p, *ret_n, 0), st.st_size);
	close(fd);
	return p;
}

static void test_seals_are_wanted(void **state)
{
	size_t n;
	char *p = image_of(seal(build_all(), 1), &n);
	int fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct snap *s = NULL;

	(void)state;
	assert_int_equal(write(fd, p, n), n);
	assert_int_equal(snap_map(dup(fd), &s), -EPERM);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	assert_int_equal(snap_map(dup(fd), &s), 0);
	snap_unref(s);
	assert_int_equal(snap_map(fd, &s), 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);	/* taken */
	snap_unref(s);
	s = NULL;
	fd = seal(build_all(), 1);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	mem_fail_at(1);
	assert_int_equal(snap_map(fd, &s), -ENOMEM);
	mem_fail_at(0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(snap_map(-1, &s), -EBADF);
	assert_null(s);
	mem_free(p);
}

/* Cut, or with one byte changed: refused, or every place is inside still (the sanitizer sees). */
static void test_damage(void **state)
{
	size_t n, refused = 0;
	char *p = image_of(seal(build_all(), 1), &n);

	(void)state;
	assert_int_equal(snap_check(p, n), 0);
	for (size_t cut = 0; cut < n; cut++) {
		char *q = mem_alloc(cut);

		memcpy(q, p, cut);
		assert_int_equal(snap_check(q, cut), -EBADMSG);
		mem_free(q);
	}
	for (size_t at = 0; at < n; at++) {
		static const unsigned char flips[] = { 0x01, 0x80, 0xff };

		for (size_t i = 0; i < COUNT(flips); i++) {
			p[at] = (char)(p[at] ^ flips[i]);
			refused += snap_check(p, n) != 0;
			p[at] = (char)(p[at] ^ flips[i]);
		}
	}
	assert_in_range(refused, n / 4, 3 * n);
	mem_free(p);
	assert_int_equal(mem_live(), 0);
}

static void test_no_memory(void **state)
{
	(void)state;
	for (uint64_t nth = 1;; nth++) {
		int fd = -1, err;

		mem_fail_at(nth);
		struct snap_build *b = build_all();

		err = b ? snap_build_seal(b, 1, &fd) : -ENOMEM;
		assert_true(err == 0 || err == -ENOMEM);
		snap_build_free(b);
		assert_int_equal(mem_live(), 0);
		if (fd >= 0)
			close(fd);
		if (!err)
			break;
	}
	mem_fail_at(0);
}

static void write_seed(const char *dir, const char *name, int fd)
{
	char path[4096];
	size_t n;
	char *p = image_of(fd, &n);
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "wb");
	if (!f || fwrite(p, 1, n, f) != n || fclose(f))
		abort();
	mem_free(p);
}

static int write_seeds(const char *dir)
{
	struct snap_build *b = snap_build_new();

	write_seed(dir, "all", seal(build_all(), 1));
	write_seed(dir, "empty", seal(snap_build_new(), 1));
	add_group(b, "a/*/b/*", "*:*", NULL);
	add_group(b, "alias", NULL, "a/*/b/*");
	write_seed(dir, "pattern", seal(b, 1));
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_built_is_read),
		cmocka_unit_test(test_order_and_indices),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_prices_by_name),
		cmocka_unit_test(test_upstream_model),
		cmocka_unit_test(test_a_full_arena),
		cmocka_unit_test(test_refusals_of_the_builder),
		cmocka_unit_test(test_seals_are_wanted),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_no_memory),
	};

	if (hash_init())
		return 1;
	if (argc > 1)
		return write_seeds(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
