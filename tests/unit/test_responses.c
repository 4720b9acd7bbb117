/* SPDX-License-Identifier: MIT
 * test_responses.c - conversations in the database: whose they are, how long they stay, what goes
 * when there is no room, and what a worker that talks nonsense is told. */
#include "money_fixture.h"

#include "common/clock.h"
#include "common/link_proto.h"
#include "common/parcel.h"
#include "master/responses.h"

enum { ANSWERS_MAX = 256, HOUR_MS = 3600000 };

struct bench {
	struct place p;
	struct responses *r;
	struct responses_line line;
	struct frame_out frame;
	struct responses_answer answers[ANSWERS_MAX];
	char text[ANSWERS_MAX][64];		/* of what came: "response|items" */
	unsigned n;
};
static struct bench b;

static void on_answer(void *data, const struct responses_answer *a)
{
	assert_ptr_equal(data, &b);
	assert_true(b.n < ANSWERS_MAX);
	b.answers[b.n] = *a;
	if (a->fd >= 0) {
		char got[64] = "";
		size_t n = (size_t)a->response_bytes + a->items_bytes;
		assert_true(n < sizeof got);
		assert_int_equal(parcel_check(a->fd, n), 0);
		assert_int_equal(parcel_read(a->fd, got, n), 0);
		snprintf(b.text[b.n], sizeof b.text[b.n], "%.*s|%.*s", (int)a->response_bytes, got,
			 (int)a->items_bytes, got + a->response_bytes);
	}
	b.n++;
}

static int setup(void **st)
{
	(void)st;
	assert_int_equal(hash_init(), 0);
	b = (struct bench){ .line = { .answer = on_answer, .data = &b } };
	place_make(&b.p);
	place_open(&b.p);
	assert_int_equal(responses_new(b.p.store, &b.p.loop, &b.r), 0);
	responses_configure(b.r, HOUR_MS, 1 << 20);
	return 0;
}

static int teardown(void **st)
{
	(void)st;
	clock_set(0, 0);
	responses_stop(b.r);
	place_remove(&b.p);
	return 0;
}

/* ---- calls ---- */

static int take(uint8_t what, uint64_t owner, const char *id, uint32_t response, uint32_t items, int fd)
{
	struct frame_in in;
	frame_begin(&b.frame, LINK_KEEP);
	frame_put_u64(&b.frame, 7);
	frame_put_u8(&b.frame, what);
	frame_put_u64(&b.frame, owner);
	frame_put_str(&b.frame, str_z(id));
	frame_put_u32(&b.frame, response);
	frame_put_u32(&b.frame, items);
	struct str bytes = frame_finish(&b.frame);
	assert_int_equal(frame_open(&in, bytes.p, bytes.n), 0);
	return responses_take(b.r, &b.line, &in, fd);
}

static int parcel_of(const char *response, const char *items)
{
	const struct str parts[] = { str_z(response), str_z(items) };
	int fd = -1;
	assert_int_equal(parcel_make(parts, COUNT(parts), &fd), 0);
	return fd;
}

static int last_error(void)
{
	unsigned before = b.n;
	store_drain(b.p.store);
	assert_int_equal(b.n, before + 1);
	assert_int_equal(b.answers[before].call, 7);
	return b.answers[before].err;
}

static int put(uint64_t owner, const char *id, const char *response, const char *items)
{
	assert_int_equal(take(LINK_KEEP_PUT, owner, id, (uint32_t)strlen(response), (uint32_t)strlen(items),
			      parcel_of(response, items)), 0);
	return last_error();
}

/* What is kept, or NULL where nothing is. */
static const char *get(enum link_keep what, uint64_t owner, const char *id)
{
	assert_int_equal(take((uint8_t)what, owner, id, 0, 0, -1), 0);
	int err = last_error();
	assert_true(err == 0 || err == -ENOENT);
	assert_int_equal(b.answers[b.n - 1].fd >= 0, err == 0);
	return err ? NULL : b.text[b.n - 1];
}

static int delete(uint64_t owner, const char *id)
{
	assert_int_equal(take(LINK_KEEP_DELETE, owner, id, 0, 0, -1), 0);
	return last_error();
}

/* The sum that the triggers keep is the true one. */
static int64_t rows(void)
{
	assert_int_equal(place_number(&b.p, "SELECT bytes FROM responses_total"),
			 place_number(&b.p, "SELECT coalesce(sum(length(response) + length(items)), 0) "
					    "FROM response_texts"));
	return place_number(&b.p, "SELECT count(*) FROM responses");
}

/* ---- tests ---- */

static void test_what_is_put_is_found(void **st)
{
	(void)st;
	assert_int_equal(put(1, "resp_a", "{\"r\":1}", "[1]"), 0);
	assert_string_equal(get(LINK_KEEP_ALL, 1, "resp_a"), "{\"r\":1}|[1]");
	assert_string_equal(get(LINK_KEEP_ITEMS, 1, "resp_a"), "|[1]");
	assert_null(get(LINK_KEEP_ALL, 1, "resp_b"));
	assert_int_equal(put(1, "resp_a", "{}", "[1,2]"), 0);
	assert_string_equal(get(LINK_KEEP_ALL, 1, "resp_a"), "{}|[1,2]");
	assert_int_equal(rows(), 1);
	assert_int_equal(delete(1, "resp_a"), 0);
	assert_int_equal(delete(1, "resp_a"), -ENOENT);
	assert_null(get(LINK_KEEP_ALL, 1, "resp_a"));
	assert_int_equal(rows(), 0);
}

static void test_it_is_its_owners_alone(void **st)
{
	(void)st;
	assert_int_equal(put(1, "resp_a", "{}", "[1]"), 0);
	assert_null(get(LINK_KEEP_ALL, 2, "resp_a"));
	assert_null(get(LINK_KEEP_ITEMS, 0, "resp_a"));
	assert_int_equal(delete(2, "resp_a"), -ENOENT);
	assert_int_equal(put(2, "resp_a", "{}", "[2]"), -EEXIST);
	assert_string_equal(get(LINK_KEEP_ALL, 1, "resp_a"), "{}|[1]");
	assert_int_equal(rows(), 1);
}

static void on_tick(uv_timer_t *t)
{
	(void)t;
}

static void test_the_time_is_over(void **st)
{
	(void)st;
	uint64_t now = clock_wall_ns();
	clock_set(1, now);
	assert_int_equal(put(1, "resp_a", "{}", "[1]"), 0);
	clock_set(1, now + (HOUR_MS - 1) * NS_PER_MS);
	assert_non_null(get(LINK_KEEP_ALL, 1, "resp_a"));
	clock_set(1, now + HOUR_MS * NS_PER_MS);
	assert_null(get(LINK_KEEP_ALL, 1, "resp_a"));
	uv_timer_t tick;			/* what runs besides in a master's loop */
	uv_timer_init(&b.p.loop, &tick);
	uv_timer_start(&tick, on_tick, 10, 10);
	for (int i = 0; i < 3000 && rows(); i++)
		uv_run(&b.p.loop, UV_RUN_ONCE);	/* pruning comes by itself */
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&b.p.loop, UV_RUN_NOWAIT);
	assert_int_equal(rows(), 0);
}

static void test_a_keys_conversations_go_with_it(void **st)
{
	(void)st;
	place_exec(&b.p, "INSERT INTO keys (id, token_hash, key_name, created_at, updated_at) "
			 "VALUES (1, zeroblob(32), 'k', 0, 0)");
	assert_int_equal(put(1, "resp_a", "{}", "[1]"), 0);
	assert_int_equal(put(0, "resp_b", "{}", "[1]"), 0);
	place_exec(&b.p, "DELETE FROM keys WHERE id = 1");
	assert_null(get(LINK_KEEP_ALL, 1, "resp_a"));
	assert_non_null(get(LINK_KEEP_ALL, 0, "resp_b"));
}

static void test_the_oldest_go_first(void **st)
{
	(void)st;
	responses_configure(b.r, HOUR_MS, 20);
	assert_int_equal(put(1, "resp_a", "{}", "[1]"), 0);	/* 5 bytes each */
	assert_int_equal(put(1, "resp_b", "{}", "[1]"), 0);
	assert_int_equal(put(1, "resp_c", "{}", "[1]"), 0);
	assert_int_equal(put(1, "resp_d", "{}", "[1]"), 0);
	assert_int_equal(rows(), 4);
	assert_int_equal(put(1, "resp_e", "{}", "[1234]"), 0);
	assert_null(get(LINK_KEEP_ALL, 1, "resp_a"));
	assert_null(get(LINK_KEEP_ALL, 1, "resp_b"));
	assert_non_null(get(LINK_KEEP_ALL, 1, "resp_c"));
	assert_int_equal(put(1, "resp_f", "{}", "[1234567890123456789]"), -EFBIG);
	assert_int_equal(rows(), 3);
	responses_configure(b.r, 0, 20);
	assert_int_equal(put(1, "resp_g", "{}", "[1]"), -EFBIG);
}

/* One put pushes out only so many; what it has pushed out stays out. */
static void test_one_put_does_not_empty_the_house(void **st)
{
	(void)st;
	char id[32];
	responses_configure(b.r, HOUR_MS, 1 << 20);
	place_exec(&b.p, "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
			 "INSERT INTO responses (id, owner, created, expires, size) "
			 "SELECT 'old_' || i, 1, 0, 9000000000000000000, 2 FROM n");
	place_exec(&b.p, "INSERT INTO response_texts SELECT number, x'31', x'31' FROM responses");
	responses_configure(b.r, HOUR_MS, 100);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(id, sizeof id, "resp_%u", i);
		assert_int_equal(put(1, id, "{}", "[1]"), -ENOBUFS);
		assert_true(rows() < 1000 - 200 * (int64_t)(i + 1));
	}
	assert_int_equal(put(1, "resp_x", "{}", "[1]"), 0);
	assert_true(rows() <= 49);
}

static void test_nonsense_is_refused(void **st)
{
	(void)st;
	static const char *const ids[] = { "", "a b", "a'b", "a/b", "a.b", "\xc3\xa4" };
	char id[LINK_KEEP_ID_MAX + 2];
	for (size_t i = 0; i < COUNT(ids); i++)
		assert_int_equal(take(LINK_KEEP_ITEMS, 1, ids[i], 0, 0, -1), -EPROTO);
	memset(id, 'a', sizeof id);
	id[LINK_KEEP_ID_MAX + 1] = '\0';
	assert_int_equal(take(LINK_KEEP_ITEMS, 1, id, 0, 0, -1), -EPROTO);
	assert_int_equal(take(LINK_KEEP_COUNT, 1, "a", 0, 0, -1), -EPROTO);
	assert_int_equal(take(LINK_KEEP_ITEMS, UINT64_MAX, "a", 0, 0, -1), -EPROTO);
	assert_int_equal(take(LINK_KEEP_ITEMS, 1, "a", 0, 0, parcel_of("", "")), -EPROTO);
	assert_int_equal(take(LINK_KEEP_ITEMS, 1, "a", 1, 0, -1), -EPROTO);
	assert_int_equal(take(LINK_KEEP_PUT, 1, "a", 1, 1, -1), -EPROTO);
	assert_int_equal(take(LINK_KEEP_PUT, 1, "a", 1, 1, parcel_of("{}", "[]")), -EPROTO);
	assert_int_equal(take(LINK_KEEP_PUT, 1, "a", LINK_KEEP_MAX, 1, parcel_of("", "")), -EPROTO);
	assert_int_equal(take(LINK_KEEP_PUT, 1, "a", UINT32_MAX, 1, parcel_of("", "")), -EPROTO);
	assert_int_equal(b.line.n, 0);
	assert_null(b.line.calls);
	assert_int_equal(b.n, 0);
}

static void test_a_worker_has_so_many_calls(void **st)
{
	(void)st;
	for (unsigned i = 0; i < LINK_KEEPS + 3; i++)
		assert_int_equal(take(LINK_KEEP_ITEMS, 1, "resp_a", 0, 0, -1), 0);
	assert_int_equal(b.n, 3);
	for (unsigned i = 0; i < b.n; i++)
		assert_int_equal(b.answers[i].err, -EAGAIN);
	store_drain(b.p.store);
	assert_int_equal(b.n, LINK_KEEPS + 3);
	assert_int_equal(b.line.n, 0);
}

static void test_a_worker_has_so_many_bytes(void **st)
{
	(void)st;
	static char items[LINK_KEEP_MAX - 1];
	memset(items, '1', sizeof items - 1);
	responses_configure(b.r, HOUR_MS, UINT64_C(1) << 30);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(take(LINK_KEEP_PUT, 1, "resp_a", 2, sizeof items - 1, parcel_of("{}", items)), 0);
	assert_int_equal(b.n, 1);
	assert_int_equal(b.answers[0].err, -EAGAIN);
	store_drain(b.p.store);
	assert_int_equal(b.n, 3);
	assert_int_equal(b.line.bytes, 0);
	assert_int_equal(put(1, "resp_b", "{}", items), 0);
}

static void test_a_worker_that_dies_has_put_it_all_the_same(void **st)
{
	(void)st;
	assert_int_equal(take(LINK_KEEP_PUT, 1, "resp_a", 2, 3, parcel_of("{}", "[1]")), 0);
	assert_int_equal(take(LINK_KEEP_ALL, 1, "resp_a", 0, 0, -1), 0);
	responses_cut(&b.line);
	store_drain(b.p.store);
	assert_int_equal(b.n, 0);
	b.line = (struct responses_line){ .answer = on_answer, .data = &b };
	assert_string_equal(get(LINK_KEEP_ALL, 1, "resp_a"), "{}|[1]");
}

static void test_no_memory(void **st)
{
	(void)st;
	mem_fail_at(1);
	assert_int_equal(take(LINK_KEEP_ITEMS, 1, "resp_a", 0, 0, -1), 0);
	assert_int_equal(b.n, 1);
	assert_int_equal(b.answers[0].err, -ENOMEM);
	mem_fail_at(2);
	assert_int_equal(take(LINK_KEEP_ITEMS, 1, "resp_a", 0, 0, -1), 0);
	mem_fail_at(0);
	assert_int_equal(b.n, 2);
	assert_int_equal(b.answers[1].err, -ENOMEM);
	assert_int_equal(b.line.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_what_is_put_is_found),
		T(test_it_is_its_owners_alone),
		T(test_the_time_is_over),
		T(test_a_keys_conversations_go_with_it),
		T(test_the_oldest_go_first),
		T(test_one_put_does_not_empty_the_house),
		T(test_nonsense_is_refused),
		T(test_a_worker_has_so_many_calls),
		T(test_a_worker_has_so_many_bytes),
		T(test_a_worker_that_dies_has_put_it_all_the_same),
		T(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
