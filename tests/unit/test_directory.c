/* SPDX-License-Identifier: MIT
 * test_directory.c - rows come, are replaced and go, and no reader is ever led astray. */
#include "common/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/mem.h"

static struct sha256 hash_of(uint64_t n)
{
	return hash_sha256(str_of((const char *)&n, sizeof n));
}

/* The typical key of the memory figure: an alias of 12 bytes, three models. */
static struct dir_key key_of(uint64_t n, char alias[16])
{
	snprintf(alias, 16, "alias-%06u", (unsigned)(n % 1000000));
	return (struct dir_key){
		.hash = hash_of(n), .id = n, .entity = (uint32_t)n, .expires_wall_ns = n * 3,
		.max_budget_nano = DIR_NO_LIMIT, .rpm = 60, .tpm = 100000, .max_parallel = 4,
		.alias = str_of(alias, 12), .user_id = STR("user-01234567"),
		.last4 = STR("sk-...wxyz"),
		.models = STR("gpt-4o-mini\0claude-sonnet\0gemini/*\0"),
	};
}

static int put(struct dir *d, uint64_t n, uint64_t id, uint64_t now_ns)
{
	char alias[16];
	struct dir_key k = key_of(n, alias);

	k.id = id;
	return dir_put(d, &k, now_ns);
}

static int take_away(struct dir *d, uint64_t n, uint64_t now_ns)
{
	struct sha256 h = hash_of(n);

	return dir_remove(d, &h, now_ns);
}

static bool find(const struct dir *d, uint64_t n, struct dir_key *ret)
{
	struct sha256 h = hash_of(n);

	return dir_find(d, &h, ret);
}

static struct dir *make(uint64_t max_keys, int *ret_fd)
{
	struct dir *d = NULL;

	assert_int_equal(dir_create(max_keys, &d, ret_fd), 0);
	return d;
}

static void test_all_of_a_row(void **state)
{
	int fd = -1;
	struct dir *d = make(10, &fd), *r = NULL;
	char alias[16];
	struct dir_key k = key_of(7, alias), got;

	(void)state;
	k.flags = KEY_ADMIN | KEY_BLOCKED;
	k.team_id = STR("team");
	assert_int_equal(dir_map(dup(fd), &r), 0);
	assert_false(dir_find(r, &k.hash, &got));
	assert_int_equal(dir_put(d, &k, 1), 0);
	assert_true(dir_find(r, &k.hash, &got));
	assert_memory_equal(&got.hash, &k.hash, 32);
	assert_int_equal(got.id, 7);
	assert_int_equal(got.flags, k.flags);
	assert_int_equal(got.entity, 7);
	assert_int_equal(got.expires_wall_ns, 21);
	assert_true(got.max_budget_nano == DIR_NO_LIMIT);
	assert_int_equal(got.rpm, 60);
	assert_int_equal(got.tpm, 100000);
	assert_int_equal(got.max_parallel, 4);
	assert_true(str_eq(got.alias, k.alias));
	assert_true(str_eq(got.user_id, k.user_id));
	assert_true(str_eq(got.team_id, STR("team")));
	assert_true(str_eq(got.last4, k.last4));
	assert_true(str_eq(got.models, k.models));
	assert_int_equal(dir_count(r), 1);
	assert_int_equal(dir_room(r), 12);	/* whole fours */
	assert_int_equal(dir_remove(d, &k.hash, 2), 0);
	assert_int_equal(dir_remove(d, &k.hash, 2), -ENOENT);
	assert_false(dir_find(r, &k.hash, &got));
	assert_int_equal(dir_count(r), 0);
	/* nobody but the master's own mapping can write */
	assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	dir_free(r);
	dir_free(d);
	assert_null(dir_free(NULL));
	close(fd);
}

static void test_named_rows(void **state)
{
	int fd = -1;
	struct dir *d = make(10, &fd), *r = NULL;
	char alias[16];
	struct dir_key k = key_of(7, alias), got;
	char long_id[DIR_ID_MAX + 2];
	struct sha256 as_key = hash_sha256(STR("team:t")), hash = k.hash;

	(void)state;
	memset(long_id, 'x', sizeof long_id);
	assert_int_equal(dir_map(dup(fd), &r), 0);
	k.team_id = STR("t");
	assert_int_equal(dir_put(d, &k, 1), 0);
	assert_true(dir_has(r, DIR_KEY) && !dir_has(r, DIR_TEAM));
	k.kind = DIR_TEAM;
	assert_false(dir_find_named(r, DIR_TEAM, STR("t"), &got));
	k.id = 9;
	assert_int_equal(dir_put_named(d, k.team_id, &k, 1), 0);
	assert_true(dir_find_named(r, DIR_TEAM, STR("t"), &got));
	assert_true(got.id == 9 && str_eq(got.team_id, STR("t")) && got.rpm == 60);
	assert_true(dir_find(r, &hash, &got) && got.id == 7);
	assert_false(dir_find(r, &as_key, &got));	/* whoever knows the id has no key by that */
	assert_false(dir_find_named(r, DIR_TEAM, STR("T"), &got) || dir_find_named(r, DIR_TEAM, STR(""), &got));
	k.rpm = 61;
	assert_int_equal(dir_put_named(d, k.team_id, &k, 2), 0);
	assert_true(dir_find_named(r, DIR_TEAM, STR("t"), &got) && got.rpm == 61);
	assert_int_equal(dir_count(r), 2);
	k.team_id = str_of(long_id, DIR_ID_MAX + 1);
	assert_int_equal(dir_put_named(d, k.team_id, &k, 2), -E2BIG);
	k.team_id.n = DIR_ID_MAX;
	assert_int_equal(dir_put_named(d, k.team_id, &k, 2), 0);
	assert_true(dir_find_named(r, DIR_TEAM, k.team_id, &got));
	assert_false(dir_find_named(r, DIR_TEAM, str_of(long_id, DIR_ID_MAX + 1), &got));
	assert_int_equal(dir_remove_named(d, DIR_TEAM, STR("t"), 3), 0);
	assert_int_equal(dir_remove_named(d, DIR_TEAM, STR("t"), 3), -ENOENT);
	assert_false(dir_find_named(r, DIR_TEAM, STR("t"), &got));
	assert_true(dir_find(r, &hash, &got));
	/* one name, many kinds */
	for (int kind = DIR_TEAM; kind <= DIR_ORGANIZATION_MEMBER; kind++) {
		k = (struct dir_key){ .kind = (enum dir_kind)kind, .id = 100u + (unsigned)kind,
				      .organization_id = STR("org"), .budget_id = STR("b"),
				      .router = STR("{\"num_retries\":1}") };
		assert_int_equal(dir_put_named(d, STR("same"), &k, 3), 0);
	}
	for (int kind = DIR_TEAM; kind <= DIR_ORGANIZATION_MEMBER; kind++) {
		enum dir_kind which = (enum dir_kind)kind;
		assert_true(dir_has(r, which) && dir_find_named(r, which, STR("same"), &got));
		assert_true(got.kind == which && got.id == 100u + (unsigned)kind);
		assert_true(str_eq(got.organization_id, STR("org")) && str_eq(got.budget_id, STR("b")));
		assert_true(str_eq(got.router, k.router));
		assert_true(dir_entity_id(&got) == (((uint64_t)kind + 1) << 56 | got.id));
		assert_int_equal(dir_remove_named(d, which, STR("same"), 3), 0);
		assert_false(dir_find_named(r, which, STR("same"), &got));
		assert_true(dir_has(r, which) == (which == DIR_TEAM));
	}
	dir_free(r);
	dir_free(d);
	close(fd);
}

static void test_models(void **state)
{
	struct dir_key k = { .models = STR("gpt-4o\0claude-*\0") };

	(void)state;
	assert_true(dir_key_may_use(&k, STR("gpt-4o")));
	assert_true(dir_key_may_use(&k, STR("claude-3")));
	assert_false(dir_key_may_use(&k, STR("gpt-4o-mini")));
	assert_false(dir_key_may_use(&k, STR("xclaude-3")));
	assert_false(dir_key_may_use(&k, STR("")));
	k.flags = KEY_ALL_MODELS;
	assert_true(dir_key_may_use(&k, STR("any")));
	k = (struct dir_key){ .models = STR_NONE };
	assert_true(dir_key_may_use(&k, STR("any")));
	k.models = STR("last-without-nul");
	assert_true(dir_key_may_use(&k, STR("last-without-nul")));
	assert_false(dir_key_has_exclusions(&k));
	k.models = str_of("!gpt-4*\0!x\0", 11);
	assert_true(dir_key_has_exclusions(&k));
	assert_true(dir_key_excludes(&k, STR("gpt-4-turbo")) && dir_key_excludes(&k, STR("x")));
	assert_false(dir_key_excludes(&k, STR("gpt-3.5")) || dir_key_excludes(&k, STR("!x")));
	assert_true(dir_key_may_use(&k, STR("gpt-3.5")));	/* nothing but exclusions: all others */
	k.models = str_of("!gpt-4-turbo\0gpt-4*\0", 20);
	assert_true(dir_key_excludes(&k, STR("gpt-4-turbo")));
	assert_true(dir_key_may_use(&k, STR("gpt-4o")) && !dir_key_may_use(&k, STR("claude")));
	k.models = str_of("!a\0all-team-models\0", 19);
	assert_true(dir_key_may_use(&k, STR("b")) && dir_key_excludes(&k, STR("a")));
	k.flags = KEY_ALL_MODELS;
	assert_false(dir_key_has_exclusions(&k));
}

/* What stands behind the names is no name, whatever a client asks for. */
static void test_access_groups(void **state)
{
	struct dir_key k = { .models = str_of("a\0b*\0\1g\0\1*\0", 11) };
	(void)state;
	assert_true(dir_key_may_use(&k, STR("a")) && dir_key_may_use(&k, STR("bc")));
	assert_false(dir_key_may_use(&k, STR("\1g")) || dir_key_may_use(&k, STR("\1x")));
	assert_false(dir_key_may_use(&k, STR("g")) || dir_key_may_use(&k, STR("")));
	assert_true(str_eq(dir_models_named(k.models), str_of("a\0b*\0", 5)));
	assert_true(str_eq(dir_models_groups(k.models), str_of("\1g\0\1*\0", 6)));
	k.models = str_of("a\0", 2);
	assert_true(!dir_models_groups(k.models).n && dir_models_named(k.models).n == 2);
	assert_true(!dir_models_groups(STR_NONE).n && !dir_models_named(STR_NONE).n);
	k = (struct dir_key){ .kind = DIR_ACCESS_GROUP, .id = 7, .models = STR("m\0") };
	int fd;
	struct dir *d = NULL;
	assert_int_equal(dir_create(100, &d, &fd), 0);
	assert_false(dir_has(d, DIR_ACCESS_GROUP));
	assert_int_equal(dir_put_named(d, STR("g"), &k, 1), 0);
	assert_true(dir_has(d, DIR_ACCESS_GROUP) &&
		    dir_find_named(d, DIR_ACCESS_GROUP, STR("g"), &k) && k.id == 7);
	assert_false(dir_find_named(d, DIR_BUDGET, STR("g"), &k));
	assert_int_equal(dir_remove_named(d, DIR_ACCESS_GROUP, STR("g"), 2), 0);
	dir_free(d);
	close(fd);
}

/* Random changes against a plain array; a second mapping always agrees. */
static void test_against_a_model(void **state)
{
	enum { KEYS = 4000, STEPS = 150000 };
	static uint64_t ids[KEYS];
	int fd = -1;
	struct dir *d = make(KEYS, &fd), *r = NULL;
	uint64_t now = 1000000000, live = 0;
	struct dir_key got;

	(void)state;
	memset(ids, 0, sizeof ids);
	assert_int_equal(dir_map(dup(fd), &r), 0);
	for (uint64_t step = 1; step <= STEPS; step++) {
		uint64_t n = hash_random_below(hash_random_below(2) ? KEYS : KEYS / 50);
		bool add = hash_random_below(100) < (step / 20000 % 2 ? 30u : 70u);

		now += hash_random_below(20 * NS_PER_MS);
		if (add) {
			assert_int_equal(put(d, n, step, now), 0);
			live += !ids[n];
			ids[n] = step;
		} else {
			assert_int_equal(take_away(d, n, now), ids[n] ? 0 : -ENOENT);
			live -= ids[n] != 0;
			ids[n] = 0;
		}
		assert_int_equal(dir_count(r), live);
		n = hash_random_below(KEYS);
		assert_int_equal(find(r, n, &got), ids[n] != 0);
		if (ids[n])
			assert_int_equal(got.id, ids[n]);
	}
	for (uint64_t n = 0; n < KEYS; n++) {
		assert_int_equal(find(r, n, &got), ids[n] != 0);
		if (ids[n])
			assert_int_equal(got.id, ids[n]);
	}
	dir_free(r);
	dir_free(d);
	close(fd);
}

static uint64_t bytes_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void test_bytes_per_key(void **state)
{
	enum { KEYS = 100000 };
	int fd = -1;
	struct dir *d = make(KEYS, &fd);
	struct dir_key got;

	(void)state;
	for (uint64_t n = 0; n < KEYS; n++)
		assert_int_equal(put(d, n, n, n), 0);
	assert_in_range(bytes_of(fd) / KEYS, 1, 300);
	for (uint64_t n = 0; n < KEYS; n++)
		assert_true(find(d, n, &got) && got.id == n);
	dir_free(d);
	close(fd);
}

/* What a reader holds stays as it is for a minute; after that the place is used again. */
static void test_quarantine(void **state)
{
	const uint64_t start = 5 * DIR_QUARANTINE_NS;
	int fd = -1;
	struct dir *d = make(100, &fd);
	char alias[16];
	struct dir_key k = key_of(1, alias), old, got;
	uint64_t bytes;

	(void)state;
	k.alias = STR("the old name");
	assert_int_equal(dir_put(d, &k, start), 0);
	assert_true(dir_find(d, &k.hash, &old));
	k.alias = STR("THE NEW NAME");
	assert_int_equal(dir_put(d, &k, start), 0);
	for (uint64_t n = 2; n < 200; n++)
		assert_int_equal(put(d, n, n, start + DIR_QUARANTINE_NS - NS_PER_MS), 0);
	assert_true(str_eq(old.alias, STR("the old name")));
	assert_true(dir_find(d, &k.hash, &got));
	assert_true(str_eq(got.alias, STR("THE NEW NAME")));
	/* a caller's clock that goes back frees nothing early */
	assert_int_equal(put(d, 500, 1, 0), 0);
	assert_true(str_eq(old.alias, STR("the old name")));
	assert_int_equal(put(d, 501, 1, start + DIR_QUARANTINE_NS), 0);
	assert_false(str_eq(old.alias, STR("the old name")));
	/* one replacement a second for an hour: bounded by a minute's worth */
	for (uint64_t s = 0; s < 200; s++)
		assert_int_equal(put(d, 1, s, start + (200 + s) * NS_PER_S), 0);
	bytes = bytes_of(fd);
	for (uint64_t s = 200; s < 3600; s++)
		assert_int_equal(put(d, 1, s, start + (200 + s) * NS_PER_S), 0);
	assert_int_equal(bytes_of(fd), bytes);
	dir_free(d);
	close(fd);
}

/* Keys come and go, never the same twice: neither tombstones nor old tables pile up. */
static void test_churn(void **state)
{
	int fd = -1;
	struct dir *d = make(1000, &fd);
	uint64_t now = 0, bytes = 0;
	struct dir_key got;

	(void)state;
	for (uint64_t n = 0; n < 100000; n++, now += 100 * NS_PER_MS) {
		assert_int_equal(put(d, n, n, now), 0);
		if (n >= 300)
			assert_int_equal(take_away(d, n - 300, now), 0);
		if (n >= 300)
			assert_false(find(d, n - 300, &got));
		if (n == 20000)
			bytes = bytes_of(fd);
	}
	assert_true(bytes_of(fd) <= bytes + bytes / 4);
	assert_int_equal(dir_count(d), 300);
	dir_free(d);
	close(fd);
}

static void test_large_rows_and_a_full_segment(void **state)
{
	static char text[70000];
	int fd = -1;
	struct dir *d = make(1, &fd);
	char alias[16];
	struct dir_key k = key_of(1, alias), got;
	uint64_t n = 0;
	int err;

	(void)state;
	memset(text, 'm', sizeof text);
	k.models = str_of(text, sizeof text);
	assert_int_equal(dir_put(d, &k, 1), -E2BIG);
	k.models.n = SIZE_MAX / 2;
	assert_int_equal(dir_put(d, &k, 1), -E2BIG);
	assert_int_equal(dir_count(d), 0);
	for (k.models.n = 0; k.models.n <= 65000; k.models.n += 13) {
		assert_int_equal(dir_put(d, &k, k.models.n * 100 * NS_PER_MS), 0);
		assert_true(dir_find(d, &k.hash, &got));
		assert_true(str_eq(got.models, k.models));
	}
	k.models.n = 60000;
	do {
		k.hash = hash_of(++n + 10);
		err = dir_put(d, &k, UINT64_C(1) << 40);
	} while (!err);
	assert_int_equal(err, -ENOSPC);
	assert_in_range(n, 900, 1100);
	assert_false(dir_find(d, &k.hash, &got));
	assert_int_equal(dir_count(d), n);
	/* The place of one is room for many that take three granules each. */
	struct sha256 gone = hash_of(11);
	uint64_t later = (UINT64_C(1) << 40) + DIR_QUARANTINE_NS + NS_PER_S;
	k.models.n = 40;
	assert_int_equal(dir_remove(d, &gone, UINT64_C(1) << 40), 0);
	for (uint64_t i = 0; i < 256; i++) {
		k.hash = hash_of(100000 + i);
		assert_int_equal(dir_put(d, &k, later), 0);
	}
	for (uint64_t i = 0; i < 256; i++) {
		struct sha256 there = hash_of(100000 + i);
		assert_true(dir_find(d, &there, &got) && str_eq(got.models, k.models));
	}
	for (uint64_t i = 2; i <= n - 1; i++) {		/* and nobody else was written over */
		struct sha256 other = hash_of(i + 10);
		assert_true(dir_find(d, &other, &got) && got.models.n == 60000);
	}
	assert_int_equal(dir_create(UINT64_C(1) << 40, &d, &fd), -EINVAL);
	dir_free(d);
	close(fd);
}

/* Hashes that all begin at one place: bounded, and told. */
static void test_collisions(void **state)
{
	int fd = -1;
	struct dir *d = make(10000, &fd);
	char alias[16];
	struct dir_key k = key_of(1, alias), got;
	uint64_t n = 0;
	int err;

	(void)state;
	memset(&k.hash, 0xff, sizeof k.hash);
	do {
		memcpy(k.hash.b + 24, &n, sizeof n);
		err = dir_put(d, &k, 1);
		n += !err;
	} while (!err);
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(n, 512);
	for (uint64_t i = 0; i <= n; i++) {
		memcpy(k.hash.b + 24, &i, sizeof i);
		assert_int_equal(dir_find(d, &k.hash, &got), i < n);
	}
	for (uint64_t i = 0; i < n; i++) {
		memcpy(k.hash.b + 24, &i, sizeof i);
		assert_int_equal(dir_remove(d, &k.hash, 1), 0);
	}
	assert_int_equal(dir_count(d), 0);
	dir_free(d);
	close(fd);
}

static int copy_of(const char *p, size_t n)
{
	int fd = memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(write(fd, p, n), n);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	return fd;
}

/* Rows, words and tables full of lies: a reader stays inside, whatever it is told. */
static void test_a_damaged_segment(void **state)
{
	enum { KEPT = 64 * 1024, KEYS = 100 };
	static char bytes[KEPT];
	int fd = -1;
	struct dir *d = make(KEYS, &fd), *r = NULL;
	uint64_t size = KEPT;
	struct dir_key got;

	(void)state;
	for (uint64_t n = 0; n < KEYS; n++)
		assert_int_equal(put(d, n, n, 1), 0);
	assert_int_equal(pread(fd, bytes, KEPT, 0), KEPT);
	memcpy(bytes + 16, &size, sizeof size);	/* a shorter segment that ends behind the rows */
	for (int round = 0; round < 3000; round++) {
		static char bad[KEPT];
		uint64_t sum = 0;

		memcpy(bad, bytes, KEPT);
		for (int i = 0; i < 200 && round; i++) {
			size_t at = 24 + hash_random_below(KEPT - 24);

			if (hash_random_below(2))
				bad[at] = (char)hash_random_below(256);
			else
				memset(bad + at / 4 * 4, 0xff, 4);
		}
		assert_int_equal(dir_map(copy_of(bad, KEPT), &r), 0);
		for (uint64_t n = 0; n < KEYS; n++) {
			if (!find(r, n, &got))
				continue;
			for (size_t i = 0; i < got.models.n; i++)
				sum += (unsigned char)got.models.p[i];
			sum += dir_key_may_use(&got, STR("gpt-4o"));
		}
		assert_true(round || sum);
		dir_free(r);
	}
	dir_free(d);
	close(fd);
}

static void test_what_is_no_directory(void **state)
{
	static char bytes[8192];
	struct dir *d = NULL;

	(void)state;
	assert_int_equal(dir_map(copy_of(bytes, sizeof bytes), &d), -EBADMSG);
	assert_int_equal(dir_map(copy_of(bytes, 100), &d), -EBADMSG);
	assert_int_equal(dir_map(memfd_create("x", MFD_CLOEXEC), &d), -EBADMSG);
	assert_int_equal(dir_map(-1, &d), -EBADF);
	assert_null(d);
}

static void test_no_memory(void **state)
{
	int fd = -1;
	struct dir *d = NULL;
	uint64_t live = mem_live();

	(void)state;
	for (uint64_t nth = 1;; nth++) {
		int err;

		mem_fail_at(nth);
		err = dir_create(1000, &d, &fd);
		for (uint64_t n = 0; n < 3000 && !err; n++) {
			struct dir_key got;

			err = put(d, n, n, n * NS_PER_S / 10);
			if (!err && n >= 1500)
				assert_int_equal(take_away(d, n - 1500, n * NS_PER_S / 10), 0);
			if (err) {
				assert_false(find(d, n, &got));
				assert_true(!n || find(d, n - 1, &got));
				assert_int_equal(put(d, n, n, n * NS_PER_S / 10), 0);
				assert_true(find(d, n, &got));
			}
		}
		assert_true(err == 0 || err == -ENOMEM);
		d = dir_free(d);
		if (fd >= 0)
			close(fd);
		fd = -1;
		assert_int_equal(mem_live(), live);
		if (!err)
			break;
	}
	mem_fail_at(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_a_row),
		cmocka_unit_test(test_named_rows),
		cmocka_unit_test(test_models),
		cmocka_unit_test(test_access_groups),
		cmocka_unit_test(test_against_a_model),
		cmocka_unit_test(test_bytes_per_key),
		cmocka_unit_test(test_quarantine),
		cmocka_unit_test(test_churn),
		cmocka_unit_test(test_large_rows_and_a_full_segment),
		cmocka_unit_test(test_collisions),
		cmocka_unit_test(test_a_damaged_segment),
		cmocka_unit_test(test_what_is_no_directory),
		cmocka_unit_test(test_no_memory),
	};

	return hash_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
