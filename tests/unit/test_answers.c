/* SPDX-License-Identifier: MIT
 * test_answers.c - claims over workers and the answers that are kept: one makes it, the others
 * hear when that is over, a worker that dies lets go, and time and room come to an end. */
#include "money_fixture.h"

#include "common/clock.h"
#include "common/link_proto.h"
#include "common/parcel.h"
#include "master/answers.h"

enum { WORKERS = 3, HOUR_MS = 3600000 };

struct worker_end {			/* what one worker has heard */
	struct answers_line line;
	unsigned n, released;
	int err;
	char text[64];			/* of what came last: "head|body" */
};
struct bench {
	struct place p;
	struct answers *a;
	struct frame_out frame;
	struct worker_end w[WORKERS];
	uint64_t calls;
};
static struct bench b;

static void on_answer(void *data, const struct responses_answer *a)
{
	struct worker_end *w = data;
	char got[64] = "";
	w->n++;
	w->err = a->err;
	w->text[0] = '\0';
	if (a->fd < 0)
		return;
	size_t n = (size_t)a->response_bytes + a->items_bytes;
	assert_true(n < sizeof got);
	assert_int_equal(parcel_check(a->fd, n), 0);
	assert_int_equal(parcel_read(a->fd, got, n), 0);
	snprintf(w->text, sizeof w->text, "%.*s|%.*s", (int)a->response_bytes, got,
		 (int)a->items_bytes, got + a->response_bytes);
}

static void on_released(void *data, const struct sha256 *name)
{
	struct worker_end *w = data;
	assert_int_equal(name->b[0], name->b[31]);
	w->released++;
}

static void born(unsigned i)
{
	b.w[i] = (struct worker_end){ .line = { .answer = on_answer, .released = on_released,
						.data = &b.w[i], .slot = 10 * i } };
}

static int setup(void **st)
{
	(void)st;
	assert_int_equal(hash_init(), 0);
	place_make(&b.p);
	place_open(&b.p);
	for (unsigned i = 0; i < WORKERS; i++)
		born(i);
	assert_int_equal(answers_new(b.p.store, &b.p.loop, &b.a), 0);
	answers_configure(b.a, HOUR_MS, 1 << 20);
	return 0;
}

static int teardown(void **st)
{
	(void)st;
	clock_set(0, 0);
	for (unsigned i = 0; i < WORKERS; i++)
		answers_cut(b.a, &b.w[i].line);
	answers_stop(b.a);
	place_remove(&b.p);
	return 0;
}

/* ---- calls ---- */

static int take(unsigned worker, uint8_t what, const char *id, uint32_t head, uint32_t body, int fd)
{
	struct frame_in in;
	frame_begin(&b.frame, LINK_KEEP);
	frame_put_u64(&b.frame, ++b.calls);
	frame_put_u8(&b.frame, what);
	frame_put_u64(&b.frame, 1);
	frame_put_str(&b.frame, str_z(id));
	frame_put_u32(&b.frame, head);
	frame_put_u32(&b.frame, body);
	struct str bytes = frame_finish(&b.frame);
	assert_int_equal(frame_open(&in, bytes.p, bytes.n), 0);
	return answers_take(b.a, &b.w[worker].line, &in, fd);
}

/* A name of one repeated digit pair, and a print of another. */
static const char *id_of(unsigned name, unsigned print)
{
	static char id[LINK_KEEP_ID_MAX + 1];
	for (unsigned i = 0; i < 64; i++)
		snprintf(id + 2 * i, 3, "%02x", i < 32 ? name : print);
	return id;
}

static int claim_of(unsigned worker, unsigned name, unsigned print)
{
	unsigned before = b.w[worker].n;
	assert_int_equal(take(worker, LINK_KEEP_CLAIM, id_of(name, print), 0, 0, -1), 0);
	store_drain(b.p.store);
	assert_int_equal(b.w[worker].n, before + 1);
	return b.w[worker].err;
}

static int claim(unsigned worker, unsigned name)
{
	return claim_of(worker, name, 1);
}

static int parcel_of(const char *head, const char *body)
{
	const struct str parts[] = { str_z(head), str_z(body) };
	int fd = -1;
	assert_int_equal(parcel_make(parts, COUNT(parts), &fd), 0);
	return fd;
}

static void send_put(unsigned worker, unsigned name, const char *head, const char *body)
{
	assert_int_equal(take(worker, LINK_KEEP_ANSWER, id_of(name, 1), (uint32_t)strlen(head),
			      (uint32_t)strlen(body), parcel_of(head, body)), 0);
}

static int put(unsigned worker, unsigned name, const char *head, const char *body)
{
	send_put(worker, name, head, body);
	store_drain(b.p.store);
	return b.w[worker].err;
}

static void let_go(unsigned worker, unsigned name)
{
	unsigned before = b.w[worker].n;
	assert_int_equal(take(worker, LINK_KEEP_RELEASE, id_of(name, 1), 0, 0, -1), 0);
	assert_int_equal(b.w[worker].n, before);
}

/* The sum that the triggers keep is the true one. */
static int64_t rows(void)
{
	assert_int_equal(place_number(&b.p, "SELECT bytes FROM answers_total"),
			 place_number(&b.p, "SELECT coalesce(sum(length(head) + length(body) + 512), 0) "
					    "FROM answer_texts"));
	return place_number(&b.p, "SELECT count(*) FROM answers");
}

/* ---- tests ---- */

static void test_one_makes_it_for_all(void **st)
{
	(void)st;
	assert_int_equal(claim(0, 5), -ENOENT);
	assert_int_equal(claim(1, 5), -EINPROGRESS);
	assert_int_equal(claim(2, 5), -EINPROGRESS);
	assert_int_equal(claim(2, 6), -ENOENT);
	assert_int_equal(put(0, 5, "200", "said"), 0);
	assert_int_equal(b.w[0].released, 0);
	assert_int_equal(b.w[1].released, 1);
	assert_int_equal(b.w[2].released, 1);
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_int_equal(claim(i, 5), 0);
		assert_string_equal(b.w[i].text, "200|said");
	}
	assert_int_equal(claim(0, 6), -EINPROGRESS);
	assert_int_equal(rows(), 1);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(b.w[i].line.n_claims, i == 2);
}

static void test_another_request_under_the_same_name(void **st)
{
	(void)st;
	assert_int_equal(claim(0, 5), -ENOENT);
	assert_int_equal(claim_of(1, 5, 2), -EEXIST);
	assert_int_equal(put(0, 5, "200", "said"), 0);
	assert_int_equal(claim_of(1, 5, 2), -EEXIST);
	assert_int_equal(b.w[1].released, 0);
	assert_int_equal(claim(1, 5), 0);
}

static void test_who_lets_go_makes_room_for_the_next(void **st)
{
	(void)st;
	assert_int_equal(claim(0, 5), -ENOENT);
	assert_int_equal(claim(1, 5), -EINPROGRESS);
	let_go(2, 5);			/* it is not its own */
	assert_int_equal(b.w[1].released, 0);
	let_go(0, 5);
	assert_int_equal(b.w[1].released, 1);
	assert_int_equal(claim(1, 5), -ENOENT);
	assert_int_equal(claim(0, 5), -EINPROGRESS);
	assert_int_equal(claim(1, 5), -ENOENT);	/* it has lost count */
}

static void test_let_go_before_it_was_looked_up(void **st)
{
	(void)st;
	assert_int_equal(take(0, LINK_KEEP_CLAIM, id_of(5, 1), 0, 0, -1), 0);
	let_go(0, 5);
	assert_int_equal(take(0, LINK_KEEP_CLAIM, id_of(5, 1), 0, 0, -1), 0);
	store_drain(b.p.store);
	assert_int_equal(b.w[0].n, 2);
	assert_int_equal(b.w[0].err, -ENOENT);
	assert_int_equal(b.w[0].line.n_claims, 1);
}

static void test_a_worker_that_dies_lets_go(void **st)
{
	(void)st;
	assert_int_equal(claim(0, 5), -ENOENT);
	assert_int_equal(claim(0, 6), -ENOENT);
	assert_int_equal(claim(1, 5), -EINPROGRESS);
	assert_int_equal(take(0, LINK_KEEP_CLAIM, id_of(8, 1), 0, 0, -1), 0);
	send_put(0, 6, "200", "put");
	answers_cut(b.a, &b.w[0].line);
	unsigned heard = b.w[0].n;
	assert_int_equal(b.w[1].released, 1);
	store_drain(b.p.store);
	assert_int_equal(b.w[0].n, heard);
	assert_int_equal(claim(1, 5), -ENOENT);
	assert_int_equal(claim(1, 8), -ENOENT);
	assert_int_equal(claim(1, 6), 0);	/* what it had put is kept */
	born(0);
	assert_int_equal(claim(0, 5), -EINPROGRESS);
}

static void test_who_waits_may_die(void **st)
{
	(void)st;
	assert_int_equal(claim(0, 5), -ENOENT);
	assert_int_equal(claim(1, 5), -EINPROGRESS);
	answers_cut(b.a, &b.w[1].line);
	let_go(0, 5);
	assert_int_equal(b.w[1].released, 0);
}

static void test_without_texts_it_was_given_and_is_not_kept(void **st)
{
	(void)st;
	assert_int_equal(claim(0, 5), -ENOENT);
	assert_int_equal(put(0, 5, "", ""), 0);
	assert_int_equal(claim(1, 5), 0);
	assert_string_equal(b.w[1].text, "");
	assert_int_equal(claim_of(1, 5, 2), -EEXIST);
	assert_int_equal(rows(), 1);
}

static void test_the_time_is_over(void **st)
{
	(void)st;
	const uint64_t now = UINT64_C(1800000000000000000), hour = HOUR_MS * UINT64_C(1000000);
	clock_set(1, now);
	assert_int_equal(put(0, 5, "200", "said"), 0);	/* without a claim: after an upgrade */
	clock_set(1, now + hour - 1);
	assert_int_equal(claim(1, 5), 0);
	clock_set(1, now + hour);
	assert_int_equal(claim(1, 5), -ENOENT);
	assert_int_equal(put(1, 5, "200", "anew"), 0);
	assert_int_equal(claim(2, 5), 0);
	assert_string_equal(b.w[2].text, "200|anew");
	assert_int_equal(rows(), 1);
}

static void test_a_keys_answers_go_with_it(void **st)
{
	(void)st;
	assert_int_equal(put(0, 5, "200", "said"), 0);
	place_exec(&b.p, "INSERT INTO keys (id, token_hash, key_name, created_at, updated_at) "
			 "VALUES (1, zeroblob(32), 'k', 0, 0)");
	place_exec(&b.p, "DELETE FROM keys WHERE id = 1");
	assert_int_equal(claim(0, 5), -ENOENT);
}

static void test_the_oldest_make_room(void **st)
{
	(void)st;
	answers_configure(b.a, HOUR_MS, 3 * 520);
	for (unsigned i = 1; i <= 5; i++)
		assert_int_equal(put(0, i, "200", "said"), 0);
	assert_int_equal(rows(), 3);
	assert_int_equal(claim(0, 2), -ENOENT);
	assert_int_equal(claim(0, 3), 0);
	answers_configure(b.a, HOUR_MS, 500);
	assert_int_equal(put(0, 2, "200", "said"), -EFBIG);
	answers_configure(b.a, 0, 1 << 20);
	assert_int_equal(put(0, 7, "200", "said"), -EFBIG);
	assert_int_equal(claim(1, 2), -ENOENT);	/* what could not be kept is let go of */
}

static void test_nonsense_is_refused(void **st)
{
	(void)st;
	char id[LINK_KEEP_ID_MAX + 1];
	memcpy(id, id_of(5, 1), sizeof id);
	assert_int_equal(take(0, LINK_KEEP_CLAIM, "", 0, 0, -1), -EPROTO);
	assert_int_equal(take(0, LINK_KEEP_CLAIM, id + 1, 0, 0, -1), -EPROTO);
	assert_int_equal(take(0, LINK_KEEP_CLAIM, id, 1, 0, -1), -EPROTO);
	assert_int_equal(take(0, LINK_KEEP_CLAIM, id, 0, 0, parcel_of("", "")), -EPROTO);
	assert_int_equal(take(0, LINK_KEEP_RELEASE, id, 0, 1, -1), -EPROTO);
	assert_int_equal(take(0, LINK_KEEP_ANSWER, id, 1, 1, -1), -EPROTO);
	assert_int_equal(take(0, LINK_KEEP_ANSWER, id, 1, 1, parcel_of("a", "bc")), -EPROTO);
	assert_int_equal(take(0, LINK_KEEP_ANSWER, id, LINK_KEEP_MAX, 1, parcel_of("", "")), -EPROTO);
	assert_int_equal(take(0, LINK_KEEP_COUNT, id, 0, 0, -1), -EPROTO);
	assert_int_equal(take(0, LINK_KEEP_PUT, id, 0, 0, -1), -EPROTO);
	id[70] = 'x';
	assert_int_equal(take(0, LINK_KEEP_CLAIM, id, 0, 0, -1), -EPROTO);
	assert_int_equal(b.w[0].n, 0);
	assert_int_equal(b.w[0].line.n, 0);
}

static void test_a_worker_has_so_many_calls(void **st)
{
	(void)st;
	for (unsigned i = 0; i < LINK_KEEPS + 3; i++)
		assert_int_equal(take(0, LINK_KEEP_CLAIM, id_of(i, 1), 0, 0, -1), 0);
	assert_int_equal(b.w[0].n, 3);
	assert_int_equal(b.w[0].err, -EAGAIN);
	store_drain(b.p.store);
	assert_int_equal(b.w[0].n, LINK_KEEPS + 3);
	assert_int_equal(b.w[0].line.n, 0);
	assert_int_equal(b.w[0].line.n_claims, LINK_KEEPS);
	assert_int_equal(claim(1, LINK_KEEPS + 1), -ENOENT);
}

static void test_no_memory(void **st)
{
	(void)st;
	for (size_t at = 1; at <= 3; at++) {
		mem_fail_at(at);
		assert_int_equal(take(0, LINK_KEEP_CLAIM, id_of(5, 1), 0, 0, -1), 0);
		mem_fail_at(0);
		assert_int_equal(b.w[0].n, at);
		assert_int_equal(b.w[0].err, at == 2 ? -EAGAIN : -ENOMEM);
		assert_int_equal(b.w[0].line.n_claims, 0);
	}
	assert_int_equal(claim(0, 5), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_one_makes_it_for_all),
		T(test_another_request_under_the_same_name),
		T(test_who_lets_go_makes_room_for_the_next),
		T(test_let_go_before_it_was_looked_up),
		T(test_a_worker_that_dies_lets_go),
		T(test_who_waits_may_die),
		T(test_without_texts_it_was_given_and_is_not_kept),
		T(test_the_time_is_over),
		T(test_a_keys_answers_go_with_it),
		T(test_the_oldest_make_room),
		T(test_nonsense_is_refused),
		T(test_a_worker_has_so_many_calls),
		T(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
