/* SPDX-License-Identifier: MIT
 * test_journal.c - what was appended is read back, and nothing else ever is. */
#include "common/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/hash.h"
#include "common/mem.h"

enum { COUNT_SMALL = 64, BYTES_SMALL = JOURNAL_HEAD + COUNT_SMALL * 256 };
#define EPOCH UINT64_C(0xfedcba9876543210)
#define NAME "5-fedcba9876543210.j"

static char dir_name[] = "/tmp/llmgw-test-journal-XXXXXX";
static int dirfd_;

static int set_up(void **state)
{
	(void)state;
	memcpy(strrchr(dir_name, '-') + 1, "XXXXXX", 6);
	assert_non_null(mkdtemp(dir_name));
	dirfd_ = open(dir_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dirfd_ < 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlinkat(dirfd_, NAME, 0);
	close(dirfd_);
	assert_int_equal(rmdir(dir_name), 0);
	assert_int_equal(mem_live(), 0);
	return 0;
}

static struct journal *open_journal(bool writable)
{
	struct journal *j = NULL;
	int fd = openat(dirfd_, NAME, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(journal_map(fd, writable, &j), 0);
	return j;
}

static struct journal *make_journal(void)
{
	int fd = -1;
	struct journal *j = NULL;

	assert_int_equal(journal_create(dirfd_, 5, EPOCH, COUNT_SMALL, &fd), 0);
	assert_int_equal(journal_map(fd, true, &j), 0);
	return j;
}

static struct journal_record record_of(uint64_t n)
{
	struct journal_record r = { .kind = JOURNAL_SETTLE, .status = 200, .key_id = n,
				    .cost_nano = (int64_t)n * 3, .model = "a-model" };

	memcpy(r.request_id, &n, sizeof n);
	return r;
}

static void append(struct journal *j, uint64_t n)
{
	struct journal_record r = record_of(n);

	assert_int_equal(journal_append(j, &r), n);
	assert_int_equal(r.seq, n);
}

static void expect(const struct journal *j, uint64_t seq)
{
	struct journal_record r, want = record_of(seq);

	assert_int_equal(journal_read(j, seq, &r), 0);
	assert_int_equal(r.seq, seq);
	assert_memory_equal(&r.kind, &want.kind, sizeof r - offsetof(struct journal_record, kind));
}

static void poke(off_t at, const void *p, size_t n)
{
	int fd = openat(dirfd_, NAME, O_RDWR | O_CLOEXEC);

	assert_int_equal(pwrite(fd, p, n, at), n);
	close(fd);
}

static off_t place(uint64_t i)
{
	return JOURNAL_HEAD + (off_t)i * 256;
}

static void test_a_fresh_file(void **state)
{
	struct journal *j = make_journal();
	struct journal_record r;
	struct stat st;
	int fd = -1;

	(void)state;
	assert_int_equal(journal_epoch(j), EPOCH);
	assert_int_equal(journal_slot(j), 5);
	assert_int_equal(journal_count(j), COUNT_SMALL);
	assert_int_equal(journal_last(j), 0);
	assert_int_equal(journal_room(j, 0), COUNT_SMALL);
	assert_int_equal(journal_read(j, 0, &r), -ENOENT);
	assert_int_equal(journal_read(j, 1, &r), -ENOENT);
	assert_int_equal(fstatat(dirfd_, NAME, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, BYTES_SMALL);
	assert_true(st.st_blocks * 512 >= BYTES_SMALL);
	assert_int_equal(journal_create(dirfd_, 5, EPOCH, COUNT_SMALL, &fd), -EEXIST);
	assert_int_equal(journal_create(dirfd_, 6, EPOCH, 0, &fd), -EINVAL);
	assert_int_equal(fd, -1);
	journal_free(j);
	assert_null(journal_free(NULL));
}

static void test_round_and_round(void **state)
{
	struct journal *j = make_journal(), *reader = open_journal(false);
	struct journal_record r;

	(void)state;
	for (uint64_t n = 1; n <= 5 * COUNT_SMALL + 7; n++) {
		assert_int_equal(journal_read(reader, n, &r), -ENOENT);
		append(j, n);
		expect(reader, n);
		if (n > COUNT_SMALL)
			assert_int_equal(journal_read(reader, n - COUNT_SMALL, &r), -ENOENT);
	}
	assert_int_equal(journal_room(j, 5 * COUNT_SMALL), COUNT_SMALL - 7);
	assert_int_equal(journal_room(j, 0), 0);
	assert_int_equal(journal_room(j, UINT64_MAX), COUNT_SMALL);
	assert_int_equal(journal_flush(j), 0);
	journal_free(reader);
	journal_free(j);
	j = open_journal(true);		/* goes on where it was */
	assert_int_equal(journal_last(j), 5 * COUNT_SMALL + 7);
	append(j, 5 * COUNT_SMALL + 8);
	journal_free(j);
}

static void test_damaged_records(void **state)
{
	struct journal *j = make_journal();
	struct journal_record r;

	(void)state;
	for (uint64_t n = 1; n <= 9; n++)
		append(j, n);
	for (off_t at = 8; at < 256; at++) {
		char was, bad;
		int fd = openat(dirfd_, NAME, O_RDWR | O_CLOEXEC);

		assert_int_equal(pread(fd, &was, 1, place(4) + at), 1);
		bad = (char)(was ^ (1 << at % 8));
		assert_int_equal(pwrite(fd, &bad, 1, place(4) + at), 1);
		assert_int_equal(journal_read(j, 5, &r), -EBADMSG);
		assert_int_equal(pwrite(fd, &was, 1, place(4) + at), 1);
		close(fd);
		expect(j, 5);
	}
	expect(j, 4);
	expect(j, 6);
	/* a body of another number under this one's: the sum knows the number */
	r = record_of(2);
	memcpy(r.model, "other", 6);
	assert_int_equal(journal_read(j, 2, &r), 0);
	atomic_store(&r.seq, 7);
	poke(place(6), &r, sizeof r);
	assert_int_equal(journal_read(j, 7, &r), -EBADMSG);
	journal_free(j);
}

static void test_a_stale_record_of_another_epoch(void **state)
{
	struct journal *j = make_journal();
	struct journal_record all[8], r;
	int fd = -1;

	(void)state;
	for (uint64_t n = 1; n <= 8; n++) {
		append(j, n);
		assert_int_equal(journal_read(j, n, &all[n - 1]), 0);
	}
	journal_free(j);
	assert_int_equal(unlinkat(dirfd_, NAME, 0), 0);
	assert_int_equal(journal_create(dirfd_, 5, EPOCH, COUNT_SMALL, &fd), 0);
	close(fd);
	poke(place(0), all, sizeof all);	/* the same epoch: valid */
	j = open_journal(true);
	assert_int_equal(journal_last(j), 8);
	expect(j, 8);
	journal_free(j);
	assert_int_equal(unlinkat(dirfd_, NAME, 0), 0);
	assert_int_equal(journal_create(dirfd_, 5, EPOCH + 1, COUNT_SMALL, &fd), 0);
	assert_int_equal(renameat(dirfd_, "5-fedcba9876543211.j", dirfd_, NAME), 0);
	close(fd);
	poke(place(0), all, sizeof all);	/* another one: never */
	j = open_journal(true);
	assert_int_equal(journal_last(j), 0);
	for (uint64_t n = 1; n <= 8; n++)
		assert_int_equal(journal_read(j, n, &r), -EBADMSG);
	append(j, 1);
	expect(j, 1);
	journal_free(j);
}

static void expect_no_journal(int want)
{
	struct journal *j = NULL;

	assert_int_equal(journal_map(openat(dirfd_, NAME, O_RDWR | O_CLOEXEC), true, &j), want);
	assert_int_equal(journal_map(openat(dirfd_, NAME, O_RDWR | O_CLOEXEC), false, &j), want);
	assert_null(j);
}

static void test_what_is_no_journal(void **state)
{
	struct journal *j = make_journal();
	struct journal_record r;
	const char zero[32] = { 0 };
	int fd = openat(dirfd_, NAME, O_RDWR | O_CLOEXEC);

	(void)state;
	append(j, 1);
	journal_free(j);
	j = open_journal(false);
	for (off_t at = 0; at < 32; at++) {
		char was, bad;

		assert_int_equal(pread(fd, &was, 1, at), 1);
		bad = (char)(was + 1);
		poke(at, &bad, 1);
		expect_no_journal(-EBADMSG);
		poke(at, &was, 1);
	}
	assert_int_equal(ftruncate(fd, BYTES_SMALL + 1), 0);
	expect_no_journal(-EBADMSG);
	/* cut under the feet of a reader: an error, not a signal */
	assert_int_equal(ftruncate(fd, 5000 - 5000 % 4096), 0);
	assert_int_equal(journal_read(j, 1, &r), -EBADMSG);
	assert_int_equal(ftruncate(fd, 0), 0);
	expect_no_journal(-EBADMSG);
	poke(0, zero, sizeof zero);
	expect_no_journal(-EBADMSG);
	journal_free(j);
	close(fd);
}

static void test_no_room_on_disk(void **state)
{
	struct rlimit was, little = { JOURNAL_HEAD, RLIM_INFINITY };
	int fd = -1;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	little.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	assert_int_equal(journal_create(dirfd_, 5, EPOCH, COUNT_SMALL, &fd), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(fd, -1);
	assert_int_equal(faccessat(dirfd_, NAME, F_OK, 0), -1);
}

static void test_no_memory(void **state)
{
	struct journal *j = NULL;
	int fd = -1;

	(void)state;
	assert_int_equal(journal_create(dirfd_, 5, EPOCH, COUNT_SMALL, &fd), 0);
	mem_fail_at(1);
	assert_int_equal(journal_map(fd, true, &j), -ENOMEM);
	mem_fail_at(0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);	/* closed all the same */
}

/* Who reads many at a call sees what who reads one by one sees, also where it looked too early. */
static void test_one_after_the_other(void **state)
{
	struct journal *j = make_journal(), *reader = open_journal(false);
	struct journal_ahead ahead = { 0 };
	struct journal_record r, want;
	const uint64_t damaged = 3 * COUNT_SMALL + 10;
	uint64_t next = 1;

	(void)state;
	assert_int_equal(journal_read_on(reader, &ahead, 0, &r), -ENOENT);
	for (uint64_t n = 1; n <= 3 * COUNT_SMALL + 20; n++) {
		append(j, n);
		if (n % 7 && n < damaged)
			continue;
		for (; next <= n; next++) {
			want = record_of(next);
			if (next == damaged) {
				poke(place((damaged - 1) % COUNT_SMALL) + 100, "x", 1);
				ahead.n = 0;
				assert_int_equal(journal_read_on(reader, &ahead, next, &r), -EBADMSG);
				continue;
			}
			assert_int_equal(journal_read_on(reader, &ahead, next, &r), 0);
			assert_int_equal(r.seq, next);
			assert_memory_equal(&r.kind, &want.kind,
					    sizeof r - offsetof(struct journal_record, kind));
		}
		assert_int_equal(journal_read_on(reader, &ahead, next, &r), -ENOENT);
	}
	assert_int_equal(journal_read_on(reader, &ahead, 1, &r), -ENOENT);
	journal_free(reader);
	journal_free(j);
}

/* KiB of the journal that are in a mapping of this process. */
static unsigned long mapped_kib(void)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[4200];
	bool is_ours = false;
	unsigned long kib = 0, sum = 0, from, to;
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			is_ours = strstr(line, NAME) != NULL;
		if (is_ours && sscanf(line, "Rss: %lu", &kib) == 1)
			sum += kib;
	}
	fclose(f);
	return sum;
}

/* A flush takes full pages out of the mapping, wherever in the ring; no record is lost by that. */
static void test_flushing_lets_pages_go(void **state)
{
	struct journal *j = make_journal(), *reader = open_journal(false);
	const bool is_whole = JOURNAL_HEAD % sysconf(_SC_PAGESIZE) == 0;
	unsigned long most = 0;

	(void)state;
	for (uint64_t n = 1; n <= 5 * COUNT_SMALL; n++) {
		append(j, n);
		if (mapped_kib() > most)
			most = mapped_kib();
		if (n % 23 && n % COUNT_SMALL)
			continue;
		assert_int_equal(journal_flush(j), 0);
		if (n % COUNT_SMALL == 0 && is_whole)	/* elsewhere the kernel maps ahead */
			assert_int_equal(mapped_kib(), 0);
		for (uint64_t k = n > COUNT_SMALL ? n - COUNT_SMALL + 1 : 1; k <= n; k++)
			expect(reader, k);
	}
	assert_true(most > 0);
	journal_free(reader);
	journal_free(j);
}

static void assert_record(const struct journal_record *r, uint64_t seq)
{
	const size_t from = offsetof(struct journal_record, kind);
	struct journal_record want = record_of(seq);
	assert_int_equal(r->seq, seq);
	assert_memory_equal((const char *)r + from, (const char *)&want + from, sizeof *r - from);
}

/* As many as there are, also round the end of the ring; none behind a damaged or a missing one. */
static void test_many_at_once(void **state)
{
	struct journal *j = make_journal(), *reader = open_journal(false);
	struct journal_record many[2 * COUNT_SMALL];
	const uint64_t last = 3 * COUNT_SMALL + 5, first = last - COUNT_SMALL + 1;

	(void)state;
	assert_int_equal(journal_read_many(reader, 1, many, COUNT(many)), 0);
	for (uint64_t n = 1; n <= last; n++)
		append(j, n);
	assert_int_equal(journal_read_many(reader, 0, many, COUNT(many)), 0);
	assert_int_equal(journal_read_many(reader, first - 1, many, COUNT(many)), 0);
	assert_int_equal(journal_read_many(reader, last + 1, many, COUNT(many)), 0);
	assert_int_equal(journal_read_many(reader, first, many, 3), 3);
	assert_int_equal(journal_read_many(reader, first, many, COUNT(many)), COUNT_SMALL);
	for (uint64_t n = first; n <= last; n++)
		assert_record(&many[n - first], n);
	poke(place((first + 6) % COUNT_SMALL) + 100, "x", 1);
	assert_int_equal(journal_read_many(reader, first, many, COUNT(many)), 7);
	assert_int_equal(journal_read_many(reader, first + 7, many, COUNT(many)), 0);
	assert_int_equal(journal_read_many(reader, first + 8, many, COUNT(many)), COUNT_SMALL - 8);
	assert_record(&many[0], first + 8);
	journal_free(reader);
	journal_free(j);
}

int main(void)
{
#define CASE(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(test_a_fresh_file),
		CASE(test_round_and_round),
		CASE(test_one_after_the_other),
		CASE(test_many_at_once),
		CASE(test_flushing_lets_pages_go),
		CASE(test_damaged_records),
		CASE(test_a_stale_record_of_another_epoch),
		CASE(test_what_is_no_journal),
		CASE(test_no_room_on_disk),
		CASE(test_no_memory),
	};
#undef CASE

	return hash_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
