/* SPDX-License-Identifier: MIT
 * test_cache.c - answers in shared memory: found, too old, pushed out, forgotten, claimed, and
 * damaged by whoever can write there. */
#include "common/cache.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/clock.h"
#include "common/mem.h"

enum { SEC = 1000000000 };

static bool dead[8];

static bool lives(void *data, const struct cache_owner *o)
{
	(void)data;
	return o->slot < COUNT(dead) && !dead[o->slot];
}

static struct cache *make(uint64_t bytes, int *ret_fd)
{
	struct cache *c;
	int fd;
	assert_int_equal(cache_create(bytes, &c, &fd), 0);
	if (ret_fd)
		*ret_fd = fd;
	else
		close(fd);
	memset(dead, 0, sizeof dead);
	return c;
}

static struct sha256 key_of(unsigned n)
{
	return hash_sha256(str_of((const char *)&n, sizeof n));
}

static int put(struct cache *c, unsigned n, const char *head, struct str body, uint64_t life_s)
{
	struct sha256 k = key_of(n);
	uint64_t now = clock_ns();
	struct cache_info i = { .stored_ns = now, .expires_ns = now + life_s * SEC,
				.input = n, .output = 2 * n, .cost_nano = 3 };
	return cache_put(c, &k, cache_era(c), &i, str_z(head), body, NULL);
}

/* "head|body", or the error's number. */
static const char *found(struct cache *c, unsigned n, uint64_t max_age_ns)
{
	static char text[256];
	struct sha256 k = key_of(n);
	struct cache_info i = { 0 };
	struct buf b;
	buf_init(&b, 1 << 20);
	int err = cache_find(c, &k, clock_ns(), max_age_ns, &i, &b);
	if (err) {
		assert_int_equal(b.n, 0);
		snprintf(text, sizeof text, "%d", err);
	} else {
		assert_int_equal(i.input, n);
		assert_int_equal(b.n, i.text_n);
		snprintf(text, sizeof text, "%.*s|%.*s", (int)i.head_n, b.p,
			 (int)(i.text_n - i.head_n), b.p + i.head_n);
	}
	buf_done(&b);
	return text;
}

#define MISSING "-2"

static void test_kept_and_found(void **st)
{
	(void)st;
	int fd;
	struct cache *c = make(0, &fd), *other;
	assert_string_equal(found(c, 1, 0), MISSING);
	assert_int_equal(put(c, 1, "200", STR("one"), 60), 0);
	assert_int_equal(put(c, 2, "", STR(""), 60), 0);
	assert_string_equal(found(c, 1, 0), "200|one");
	assert_string_equal(found(c, 2, 0), "|");
	assert_string_equal(found(c, 3, 0), MISSING);
	assert_int_equal(put(c, 1, "200", STR("newer"), 60), 0);
	assert_int_equal(cache_map(fd, &other), 0);
	assert_string_equal(found(other, 1, 0), "200|newer");
	struct sha256 k = key_of(1);
	assert_int_equal(cache_delete(other, &k), 0);
	assert_int_equal(cache_delete(other, &k), -ENOENT);
	assert_string_equal(found(c, 1, 0), MISSING);
	struct cache_stats s;
	cache_read_stats(c, &s);
	assert_int_equal(s.entries, 1);
	assert_int_equal(s.stored, 3);
	assert_int_equal(s.max_bytes, CACHE_MIN_BYTES);
	cache_free(other);
	cache_free(c);
	close(fd);
}

static void test_ages(void **st)
{
	(void)st;
	struct cache *c = make(0, NULL);
	clock_set(100ull * SEC, 1);
	assert_int_equal(put(c, 1, "h", STR("b"), 10), 0);
	clock_set(105ull * SEC, 1);
	assert_string_equal(found(c, 1, 0), "h|b");
	assert_string_equal(found(c, 1, 5ull * SEC), "h|b");
	assert_string_equal(found(c, 1, 5ull * SEC - 1), MISSING);
	clock_set(110ull * SEC, 1);
	assert_string_equal(found(c, 1, 0), MISSING);
	clock_set(0, 0);
	cache_free(c);
}

static void test_the_oldest_go_and_the_size_holds(void **st)
{
	(void)st;
	struct cache *c = make(0, NULL);
	struct cache_stats s;
	static char body[9000];
	unsigned kept = 0, last = 0;
	memset(body, 'x', sizeof body);
	for (unsigned n = 0; n < 5000; n++) {
		assert_int_equal(put(c, n, "head", str_of(body, n * 7919 % sizeof body), 600), 0);
		cache_read_stats(c, &s);
		assert_true(s.used_bytes <= s.max_bytes);
	}
	for (unsigned n = 0; n < 5000; n++)
		if (strcmp(found(c, n, 0), MISSING) != 0) {
			kept++;
			last = n;
		}
	assert_int_equal(kept, s.entries);
	assert_int_equal(s.stored, 5000);
	assert_int_equal(s.evicted, 5000 - kept);
	assert_true(kept > 100);
	assert_int_equal(last, 4999);
	assert_string_equal(found(c, 0, 0), MISSING);
	cache_free(c);
}

static void test_too_long(void **st)
{
	(void)st;
	struct cache *c = make(0, NULL);
	size_t most = cache_entry_max(c);
	char *p = calloc(1, most + 1);
	assert_non_null(p);
	assert_int_equal(put(c, 1, "", str_of(p, most), 60), 0);
	assert_int_equal(put(c, 2, "", str_of(p, most + 1), 60), -EFBIG);
	assert_int_equal(put(c, 2, "h", str_of(p, most), 60), -EFBIG);
	assert_string_not_equal(found(c, 1, 0), MISSING);
	free(p);
	cache_free(c);
}

static void test_flush_forgets_what_is_on_its_way(void **st)
{
	(void)st;
	struct cache *c = make(0, NULL);
	struct sha256 k = key_of(9);
	struct cache_info i = { .stored_ns = 1, .expires_ns = UINT64_MAX };
	uint64_t era = cache_era(c);
	for (unsigned n = 0; n < 40; n++)
		assert_int_equal(put(c, n, "h", STR("b"), 60), 0);
	assert_int_equal(cache_flush(c), 40);
	for (unsigned n = 0; n < 40; n++)
		assert_string_equal(found(c, n, 0), MISSING);
	assert_int_equal(cache_put(c, &k, era, &i, STR("h"), STR("b"), NULL), -ESTALE);
	assert_int_equal(put(c, 5, "h", STR("again"), 60), 0);
	assert_string_equal(found(c, 5, 0), "h|again");
	cache_free(c);
}

static int claim(struct cache *c, unsigned n, uint32_t slot)
{
	struct sha256 k = key_of(n);
	struct cache_owner me = { slot, 7 };
	struct cache_info i;
	struct buf b;
	buf_init(&b, 4096);
	int err = cache_claim(c, &k, clock_ns(), 0, &me, lives, NULL, &i, &b);
	buf_done(&b);
	return err;
}

static void test_one_makes_it(void **st)
{
	(void)st;
	struct cache *c = make(0, NULL);
	struct sha256 k = key_of(1);
	struct cache_owner first = { 1, 7 }, second = { 2, 7 };
	struct cache_info i = { .expires_ns = UINT64_MAX };
	assert_int_equal(claim(c, 1, 1), -ENOENT);
	assert_int_equal(claim(c, 1, 2), -EINPROGRESS);
	assert_int_equal(claim(c, 2, 2), -ENOENT);
	cache_drop(c, &k, &second);		/* it is not his */
	assert_int_equal(claim(c, 1, 2), -EINPROGRESS);
	cache_drop(c, &k, &first);
	assert_int_equal(claim(c, 1, 2), -ENOENT);
	dead[2] = true;				/* the next one takes over */
	assert_int_equal(claim(c, 1, 3), -ENOENT);
	dead[2] = false;
	assert_int_equal(claim(c, 1, 2), -EINPROGRESS);
	struct cache_owner third = { 3, 7 };
	assert_int_equal(cache_put(c, &k, cache_era(c), &i, STR("h"), STR("b"), &third), 0);
	assert_int_equal(claim(c, 1, 2), 0);
	struct cache_stats s;
	cache_read_stats(c, &s);
	assert_int_equal(s.marks, 1);		/* of answer 2 */
	cache_drop_all(c, 1);
	cache_read_stats(c, &s);
	assert_int_equal(s.marks, 1);
	cache_drop_all(c, 2);
	cache_read_stats(c, &s);
	assert_int_equal(s.marks, 0);
	cache_free(c);
}

/* More than there are places: they ask all the same, and nobody is turned away. */
static void test_marks_run_out(void **st)
{
	(void)st;
	struct cache *c = make(0, NULL);
	for (unsigned n = 0; n < 2 * CACHE_SHARDS * CACHE_MARKS; n++)
		assert_int_equal(claim(c, n, 1), -ENOENT);
	struct cache_stats s;
	cache_read_stats(c, &s);
	assert_int_equal(s.marks, CACHE_SHARDS * CACHE_MARKS);
	dead[1] = true;
	assert_int_equal(claim(c, 1000000, 2), -ENOENT);
	assert_int_equal(claim(c, 1000000, 3), -EINPROGRESS);
	cache_free(c);
}

/* Whatever stands there, nothing is read or written outside, and no wrong answer is given. */
static void test_damaged(void **st)
{
	(void)st;
	int fd;
	struct cache *c = make(0, &fd);
	char *p = mmap(NULL, CACHE_MIN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(p != MAP_FAILED);
	uint64_t state = 1;
	static char body[2000];
	memset(body, 'y', sizeof body);
	for (unsigned round = 0; round < 300; round++) {
		for (unsigned n = 0; n < 60; n++)
			(void)(put(c, n, "200", str_of(body, 1 + n * 33), 600) == 0);
		for (unsigned k = 0; k < 400; k++) {
			state = state * 6364136223846793005ull + 1442695040888963407ull;
			size_t at = 4096 + (state >> 20) % (CACHE_MIN_BYTES - 4096);
			/* Not the locks: those are the kernel's and libc's business. */
			if ((at - 4096) % ((CACHE_MIN_BYTES - 4096) / 16 / 4096 * 4096) < 64)
				continue;
			p[at] = (char)(state >> 56);
		}
		for (unsigned n = 0; n < 60; n++) {
			struct sha256 key = key_of(n);
			struct cache_info i;
			struct buf b;
			buf_init(&b, CACHE_MIN_BYTES);
			if (cache_find(c, &key, clock_ns(), 0, &i, &b) == 0) {
				assert_int_equal(b.n, 3 + 1 + n * 33);
				assert_memory_equal(b.p, "200", 3);
				assert_memory_equal(b.p + 3, body, b.n - 3);
			}
			buf_done(&b);
			(void)claim(c, n, 1);
		}
	}
	munmap(p, CACHE_MIN_BYTES);
	cache_free(c);
	close(fd);
}

/* A process that was stopped within keeps nobody: they go without. */
static void test_a_lock_that_cannot_be_had(void **st)
{
	(void)st;
	int fd, ready[2], status;
	struct cache *c = make(64 << 20, &fd);
	assert_int_equal(put(c, 1, "h", STR("b"), 600), 0);
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		static char long_body[900000];
		for (unsigned n = 0;; n++)
			if (put(c, 1, "h", str_of(long_body, sizeof long_body), 600) != 0)
				_exit(1);
			else if (n == 0 && write(ready[1], "x", 1) != 1)
				_exit(1);
	}
	char x;
	unsigned busy = 0;
	assert_int_equal(read(ready[0], &x, 1), 1);
	for (unsigned i = 0; i < 1000 && !busy; i++) {
		usleep(1000 + i % 7 * 100);
		kill(pid, SIGSTOP);
		waitpid(pid, &status, WUNTRACED);
		uint64_t before = clock_ns();
		const char *text = found(c, 1, 0);
		assert_true(clock_ns() - before < 20000000000ull);
		if (strcmp(text, "-16") == 0)
			busy++;
		kill(pid, SIGCONT);
	}
	assert_int_equal(busy, 1);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	for (unsigned i = 0; i < 100 && strcmp(found(c, 1, 0), "-16") == 0; i++)
		usleep(20000);
	assert_string_not_equal(found(c, 1, 0), "-16");
	cache_free(c);
	close(fd);
	close(ready[0]);
	close(ready[1]);
}

static void test_other_files(void **st)
{
	(void)st;
	struct cache *c = NULL;
	int fd = memfd_create("other", 0);
	assert_true(fd >= 0);
	assert_int_equal(cache_map(fd, &c), -EBADMSG);
	assert_int_equal(ftruncate(fd, CACHE_MIN_BYTES), 0);
	assert_int_equal(cache_map(fd, &c), -EBADMSG);
	assert_int_equal(cache_map(-1, &c), -EBADF);
	assert_null(c);
	assert_int_equal(mem_live(), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept_and_found),
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_the_oldest_go_and_the_size_holds),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_flush_forgets_what_is_on_its_way),
		cmocka_unit_test(test_one_makes_it),
		cmocka_unit_test(test_marks_run_out),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_a_lock_that_cannot_be_had),
		cmocka_unit_test(test_other_files),
	};
	if (hash_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
