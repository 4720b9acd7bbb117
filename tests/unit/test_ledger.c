/* SPDX-License-Identifier: MIT
 * test_ledger.c - every record once, whoever is killed when; nothing a stranger writes is
 * believed. */
#include "money_fixture.h"

#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>

#include "common/board.h"
#include "common/budget.h"
#include "common/clock.h"
#include "common/journal.h"
#include "common/log.h"
#include "common/price.h"
#include "master/ledger.h"

#define START_NS (UINT64_C(1790000000) * NS_PER_S)
enum { SLOT = 3, KEY = 7 };

struct world {
	struct place p;
	struct board board;
	int board_fd, dirfd;
	struct ledger *ledger;
	struct journal *writer;
	uint64_t epoch;
	uv_timer_t pulse;		/* keeps the loop turning */
};

static void on_pulse(uv_timer_t *t)
{
	(void)t;
}

static int setup(void **st)
{
	static struct world w;
	char path[128];
	assert_int_equal(hash_init(), 0);
	log_threshold = LOG_ERROR;
	log_start(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_TEXT, LOG_ERROR, "test", false);
	memset(&w, 0, sizeof w);
	place_make(&w.p);
	place_path(&w.p, "journal", path);
	assert_int_equal(mkdir(path, 0700), 0);
	w.dirfd = open(path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(board_create(&w.board, &w.board_fd), 0);
	place_open(&w.p);
	assert_int_equal(ledger_start(w.p.store, &w.board, &w.p.loop, &w.ledger), 0);
	uv_timer_init(&w.p.loop, &w.pulse);
	uv_timer_start(&w.pulse, on_pulse, 2, 2);
	*st = &w;
	return 0;
}

static void stop_all(struct world *w)
{
	ledger_stop(w->ledger);
	w->ledger = NULL;
	w->writer = journal_free(w->writer);
	if (!uv_is_closing((uv_handle_t *)&w->pulse))
		uv_close((uv_handle_t *)&w->pulse, NULL);
	if (w->p.store)
		place_close(&w->p);
}

static int teardown(void **st)
{
	struct world *w = *st;
	stop_all(w);
	place_remove(&w->p);
	close(w->dirfd);
	board_unmap(&w->board);
	close(w->board_fd);
	clock_set(0, 0);
	return 0;
}

/* ---- a worker ---- */

static struct journal *open_journal(struct world *w, unsigned slot, uint64_t epoch, uint32_t count,
				    struct journal **ret_reader)
{
	struct journal *writer;
	int fd, again;
	char path[128];
	assert_int_equal(journal_create(w->dirfd, slot, epoch, count, &fd), 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(again >= 0);
	assert_int_equal(journal_map(fd, true, &writer), 0);
	if (ret_reader)
		assert_int_equal(journal_map(again, false, ret_reader), 0);
	else
		close(again);
	return writer;
}

static void start_worker(struct world *w, uint32_t count)
{
	struct journal *reader;
	w->epoch = 0x1000;
	w->writer = open_journal(w, SLOT, w->epoch, count, &reader);
	ledger_attach(w->ledger, SLOT, reader);
}

static struct journal_record record(enum journal_kind kind, uint32_t number, int64_t cost)
{
	struct journal_record r;
	memset((void *)&r, 0, sizeof r);
	r.kind = (uint8_t)kind;
	r.status = 200;
	memcpy(r.request_id, &number, sizeof number);
	r.request_id[15] = 1;
	r.key_id = KEY;
	r.deployment = UINT64_C(0xfedcba9876543210);
	r.start_ns = START_NS + number * NS_PER_MS;
	r.end_ns = r.start_ns + 5 * NS_PER_MS;
	r.first_token_ns = r.start_ns + NS_PER_MS;
	r.reserve_nano = 1000;
	r.cost_nano = kind == JOURNAL_SETTLE ? cost : 0;
	r.input = 10;
	r.output = 20;
	memcpy(r.model, "gpt-4o", 6);
	return r;
}

static void append(struct world *w, struct journal_record r)
{
	journal_append(w->writer, &r);
}

static void intent(struct world *w, uint32_t number)
{
	append(w, record(JOURNAL_INTENT, number, 0));
}

static void settle(struct world *w, uint32_t number, int64_t cost)
{
	append(w, record(JOURNAL_SETTLE, number, cost));
}

static uint64_t committed(struct world *w)
{
	return atomic_load(&w->board.workers[SLOT].journal_committed);
}

static void turn_until_committed(struct world *w, uint64_t seq)
{
	uint64_t end = clock_ns() + 60 * NS_PER_S;
	while (committed(w) < seq) {
		uv_run(&w->p.loop, UV_RUN_ONCE);
		assert_true(clock_ns() < end);
	}
}

static void fold(struct world *w)
{
	turn_until_committed(w, journal_last(w->writer));
}

static int64_t number(struct world *w, const char *sql)
{
	return place_number(&w->p, sql);
}

static void tags(struct world *w, uint32_t number, const char *const *texts, size_t n)
{
	struct journal_record r[JOURNAL_TAG_RECORDS], like = record(JOURNAL_SETTLE, number, 0);
	struct str list[40];
	for (size_t i = 0; i < n; i++)
		list[i] = str_z(texts[i]);
	unsigned pieces = journal_put_tags(r, like.request_id, list, n);
	for (unsigned i = 0; i < pieces; i++)
		append(w, r[i]);
}

/* ---- the usual ---- */

static void add_key(struct world *w)
{
	place_exec(&w->p, "INSERT INTO keys (id, token_hash, key_name, created_at, updated_at) "
			  "VALUES (7, zeroblob(32), 'sk-...test', 1, 1)");
}

static const char *const two_tags[] = { "red", "blue" };

static void test_tags_of_requests(void **st)
{
	static char long_tag[JOURNAL_TAGS_ROOM + 1], half_tag[JOURNAL_TAGS_ROOM / 2 + 10];
	struct world *w = *st;
	memset(long_tag, 'x', sizeof long_tag - 1);
	memset(half_tag, 'y', sizeof half_tag - 1);
	const char *const many[] = { long_tag, half_tag, "a", half_tag, half_tag, half_tag, half_tag,
				     "b" };
	add_key(w);
	start_worker(w, 64);
	intent(w, 1);
	tags(w, 1, two_tags, 2);
	settle(w, 1, 5);
	tags(w, 2, many, COUNT(many));	/* one too long, two without room, the rest in four */
	settle(w, 2, 7);
	tags(w, 3, two_tags, 2);	/* another's: its SETTLE does not stand behind it */
	settle(w, 4, 9);
	fold(w);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), 3);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs WHERE tags = '[\"red\",\"blue\"]'"), 1);
	assert_int_equal(number(w, "SELECT json_array_length(tags) FROM spend_logs WHERE cost = 7"), 5);
	assert_int_equal(number(w, "SELECT tags IS NULL FROM spend_logs WHERE cost = 9"), 1);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_labels WHERE kind = 6"), 4);
	assert_int_equal(number(w, "SELECT cost FROM spend_totals JOIN spend_names n USING (id) WHERE"
				   " kind = 6 AND span = 1 AND name = 'red'"), 5);
	assert_int_equal(number(w, "SELECT requests FROM spend_totals WHERE kind = 0 AND span = 0"), 3);
}

/* Folded while a worker is between the two: neither loses the other. */
static void test_tags_wait_for_their_settle(void **st)
{
	struct world *w = *st;
	add_key(w);
	start_worker(w, 64);
	intent(w, 1);
	tags(w, 1, two_tags, 2);
	turn_until_committed(w, 1);
	for (int i = 0; i < 20; i++)
		uv_run(&w->p.loop, UV_RUN_ONCE);
	assert_int_equal(committed(w), 1);
	settle(w, 1, 5);
	fold(w);
	assert_int_equal(number(w, "SELECT json_array_length(tags) FROM spend_logs"), 2);
	/* And across the end of a batch. */
	assert_int_equal(number(w, "SELECT count(*) FROM open_intents"), 0);
}

static void test_tags_across_batches(void **st)
{
	struct world *w = *st;
	add_key(w);
	start_worker(w, 16384);
	for (uint32_t i = 1; i <= 5000; i++) {
		tags(w, i, two_tags, 2);
		settle(w, i, 1);
	}
	fold(w);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs WHERE json_array_length(tags) = 2"),
			 5000);
	assert_int_equal(number(w, "SELECT sum(requests) FROM spend_labels WHERE kind = 6"), 10000);
	assert_int_equal(number(w, "SELECT sum(requests) FROM spend_totals WHERE span = 1 AND kind = 6"),
			 10000);
}

struct told {
	int64_t red, blue, deployment;
	size_t n;
};

static void on_told(void *data, unsigned slot, const struct ledger_cost *v, size_t n)
{
	struct told *t = data;
	assert_int_equal(slot, SLOT);
	t->n += n;
	for (size_t i = 0; i < n; i++) {
		t->red += v[i].what == ledger_tag_hash(STR("red")) ? v[i].cost : 0;
		t->blue += v[i].what == ledger_tag_hash(STR("blue")) ? v[i].cost : 0;
		t->deployment += v[i].what == UINT64_C(0xfedcba9876543210) ? v[i].cost : 0;
	}
}

static void on_told_settled(void *data, unsigned slot)
{
	(void)data;
	(void)slot;
}

static void on_told_lost(void *data)
{
	(void)data;
	fail_msg("costs were lost");
}

/* To whom asks for them: each tag of a request once, beside its deployment. */
static void test_costs_of_tags_are_told(void **st)
{
	static const struct ledger_watch watch = { on_told, on_told_settled, on_told_lost, true };
	static const struct ledger_watch no_tags = { on_told, on_told_settled, on_told_lost, false };
	static const char *const thrice[] = { "red", "red", "blue", "red" };
	struct world *w = *st;
	struct told t = { 0 };
	add_key(w);
	start_worker(w, 64);
	ledger_watch(w->ledger, &watch, &t);
	tags(w, 1, thrice, 4);
	settle(w, 1, 5);
	settle(w, 2, 7);
	fold(w);
	assert_int_equal(t.red, 5);
	assert_int_equal(t.blue, 5);
	assert_int_equal(t.deployment, 12);
	assert_int_equal(t.n, 4);
	ledger_watch(w->ledger, &no_tags, &t);
	tags(w, 3, two_tags, 2);
	settle(w, 3, 1);
	fold(w);
	assert_int_equal(t.n, 5);
	ledger_watch(w->ledger, NULL, NULL);
}

/* A worker that writes nothing but tags, or rubbish in them, stops nothing. */
static void test_rubbish_in_tags(void **st)
{
	struct world *w = *st;
	add_key(w);
	start_worker(w, 16384);
	for (uint32_t i = 1; i <= 6000; i++) {
		struct journal_record r = record(JOURNAL_TAGS, i, 0);
		memset((char *)&r + JOURNAL_TAGS_AT, i % 2 ? 0xff : 'a', JOURNAL_TAGS_ROOM);
		append(w, r);
	}
	struct journal_record r = record(JOURNAL_TAGS, 1, 0);
	memset((char *)&r + JOURNAL_TAGS_AT, 0xfe, JOURNAL_TAGS_ROOM);
	append(w, r);
	settle(w, 1, 5);
	fold(w);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs WHERE tags IS NULL"), 1);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_labels"), 0);
}

/* More sums than a batch has room for: they are written in between. */
static void test_more_sums_than_fit(void **st)
{
	struct world *w = *st;
	enum { N = 4000 };
	start_worker(w, 16384);
	for (uint32_t i = 1; i <= N; i++) {
		struct journal_record r = record(JOURNAL_SETTLE, i, 3);
		r.key_id = i;
		snprintf(r.end_user, sizeof r.end_user, "user-%u", i);
		append(w, r);
	}
	fold(w);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_daily"), N);
	assert_int_equal(number(w, "SELECT sum(cost) FROM spend_daily"), 3 * N);
	assert_int_equal(number(w, "SELECT sum(requests) FROM spend_totals WHERE span = 0 AND kind = 0"), N);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_totals WHERE span = 1 AND kind = 5"), N);
	assert_int_equal(number(w, "SELECT sum(cost) FROM spend_labels WHERE kind = 5"), 3 * N);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_names WHERE name LIKE 'user-%'"), N);
}

static void test_rows_and_sums(void **st)
{
	struct world *w = *st;
	add_key(w);
	start_worker(w, 64);
	for (uint32_t i = 1; i <= 10; i++) {
		intent(w, i);
		settle(w, i, 100 + i);
	}
	fold(w);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), 10);
	assert_int_equal(number(w, "SELECT sum(cost) FROM spend_logs"), 1055);
	assert_int_equal(number(w, "SELECT cost FROM spend_daily"), 1055);
	assert_int_equal(number(w, "SELECT requests FROM spend_daily"), 10);
	assert_int_equal(number(w, "SELECT output FROM spend_daily"), 200);
	assert_int_equal(number(w, "SELECT day * 86400 FROM spend_daily"),
			 1790000000 / 86400 * 86400);
	assert_int_equal(number(w, "SELECT spend FROM keys"), 1055);
	assert_int_equal(number(w, "SELECT last_used FROM keys"), START_NS + 15 * NS_PER_MS);
	assert_int_equal(number(w, "SELECT count(*) FROM open_intents"), 0);
	assert_int_equal(number(w, "SELECT committed FROM journals"), 20);
	assert_int_equal(committed(w), 20);
	assert_int_equal(atomic_load(&w->board.head->ledger_rows), 10);
	assert_int_equal(atomic_load(&w->board.head->ledger_errors), 0);
}

static void test_a_long_request_is_kept_aside(void **st)
{
	struct world *w = *st;
	start_worker(w, 64);
	intent(w, 1);
	fold(w);
	assert_int_equal(number(w, "SELECT count(*) FROM open_intents"), 1);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), 0);
	settle(w, 1, 5);
	fold(w);
	assert_int_equal(number(w, "SELECT count(*) FROM open_intents"), 0);
	assert_int_equal(number(w, "SELECT sum(cost) FROM spend_logs"), 5);
}

static void test_the_ring_goes_round(void **st)
{
	struct world *w = *st;
	int64_t sum = 0;
	start_worker(w, 32);
	for (uint32_t i = 1; i <= 500; i++) {
		while (journal_room(w->writer, committed(w)) < 2)
			uv_run(&w->p.loop, UV_RUN_ONCE);
		intent(w, i);
		settle(w, i, i);
		sum += i;
	}
	fold(w);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), 500);
	assert_int_equal(number(w, "SELECT sum(cost) FROM spend_logs"), sum);
}

static void test_stop_folds_the_rest(void **st)
{
	struct world *w = *st;
	start_worker(w, 8192);
	for (uint32_t i = 1; i <= 3000; i++)
		settle(w, i, 1);
	ledger_stop(w->ledger);
	w->ledger = NULL;
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), 3000);
	assert_int_equal(ledger_start(w->p.store, &w->board, &w->p.loop, &w->ledger), 0);
}

static void test_requests_of_the_last_period_do_not_count(void **st)
{
	struct world *w = *st;
	char sql[160];
	add_key(w);
	start_worker(w, 64);
	snprintf(sql, sizeof sql, "UPDATE keys SET spend_since = %" PRIu64,
		 (uint64_t)(START_NS + 5 * NS_PER_MS + 5 * NS_PER_MS));
	place_exec(&w->p, sql);
	/* ends at start + i + 5 ms: 5..9 are in the period */
	for (uint32_t i = 1; i <= 9; i++)
		settle(w, i, 1);
	fold(w);
	assert_int_equal(number(w, "SELECT spend FROM keys"), 5);
	assert_int_equal(number(w, "SELECT sum(cost) FROM spend_logs"), 9);
}

static void test_a_clock_set_back_loses_no_spend(void **st)
{
	struct world *w = *st;
	add_key(w);
	start_worker(w, 64);
	place_exec(&w->p, "UPDATE keys SET spend_since = 9000000000000000000");
	settle(w, 1, 5);
	fold(w);
	assert_int_equal(number(w, "SELECT spend FROM keys"), 5);
}

/* ---- several attempts ---- */

static void attempt(struct world *w, uint32_t number, unsigned ordinal, int64_t cost)
{
	struct journal_record r = record(JOURNAL_ATTEMPT, number, 0);
	r.attempts = (uint8_t)ordinal;
	r.flags = JF_ATTEMPT | JF_CUT | JF_UNPRICED;
	r.deployment = 40 + ordinal;
	r.cost_nano = cost;
	r.reserve_nano = 0;
	append(w, r);
}

/* Each has a row, with its own deployment's money; it is one request, and its owner's one sum. */
static void test_each_attempt_has_a_row(void **st)
{
	struct world *w = *st;
	add_key(w);
	start_worker(w, 64);
	intent(w, 1);
	tags(w, 1, two_tags, 2);
	attempt(w, 1, 1, 3);
	attempt(w, 1, 2, 4);
	settle(w, 1, 5);
	settle(w, 1, 5);		/* told twice: once, and so are they */
	attempt(w, 2, 1, 100);		/* another's: its SETTLE does not stand behind it */
	settle(w, 3, 6);
	fold(w);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), 4);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs WHERE json_array_length(tags) = 2"), 3);
	assert_int_equal(number(w, "SELECT cost FROM spend_logs WHERE deployment = 42 AND"
				   " length(request_id) = 17 AND substr(request_id, 17) = x'02'"), 4);
	assert_int_equal(number(w, "SELECT sum(cost) FROM spend_logs"), 18);
	assert_int_equal(number(w, "SELECT spend FROM keys"), 18);
	assert_int_equal(number(w, "SELECT requests FROM spend_totals WHERE kind = 0 AND span = 0"), 2);
	assert_int_equal(number(w, "SELECT cost FROM spend_totals WHERE kind = 0 AND span = 0"), 18);
	assert_int_equal(number(w, "SELECT sum(cost) FROM spend_daily"), 18);
	assert_int_equal(number(w, "SELECT requests + failed + unpriced FROM spend_daily"
				   " WHERE deployment = 41 AND cost = 3 AND input = 10"), 0);
	assert_int_equal(number(w, "SELECT cost FROM spend_totals JOIN spend_names n USING (id) WHERE"
				   " kind = 6 AND span = 1 AND name = 'red'"), 12);
}

/* Rows go in by 32; where one of them is there, all others count, and that one does not again. */
static void test_known_among_many(void **st)
{
	struct world *w = *st;
	enum { FIRST = 70, ALL = 150 };
	add_key(w);
	start_worker(w, 1024);
	for (uint32_t i = 1; i <= FIRST; i++)
		settle(w, i, 1);
	fold(w);
	for (uint32_t i = FIRST + 1; i <= ALL; i++) {
		settle(w, i, 1);
		if (i == FIRST + 10) {
			settle(w, 3, 1000);		/* booked long ago */
			attempt(w, 4, 1, 1000);		/* and this, which had none then */
			settle(w, 4, 1000);
		}
		if (i == ALL - 1)
			settle(w, i, 1000);		/* and twice in a row */
	}
	fold(w);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), ALL);
	assert_int_equal(number(w, "SELECT sum(cost) FROM spend_logs"), ALL);
	assert_int_equal(number(w, "SELECT sum(requests) FROM spend_daily"), ALL);
	assert_int_equal(number(w, "SELECT sum(cost) FROM spend_totals WHERE kind = 1 AND span = 1"),
			 ALL);
	assert_int_equal(number(w, "SELECT spend FROM keys"), ALL);
	assert_int_equal(atomic_load(&w->board.head->ledger_rows), ALL);
	assert_int_equal(atomic_load(&w->board.head->ledger_errors), 0);
}

/* A budget's period that begins inside the batch counts all of a request or nothing. */
static void test_attempts_across_a_budgets_period(void **st)
{
	struct world *w = *st;
	char sql[128];
	add_key(w);
	start_worker(w, 64);
	attempt(w, 1, 1, 3);
	settle(w, 1, 5);
	attempt(w, 9, 1, 4);
	settle(w, 9, 6);
	snprintf(sql, sizeof sql, "UPDATE keys SET spend_since = %llu",
		 (unsigned long long)(START_NS + 10 * NS_PER_MS));
	place_exec(&w->p, sql);
	fold(w);
	assert_int_equal(number(w, "SELECT spend FROM keys"), 10);
}

/* Folded while a worker is between them and their SETTLE; and full batches. */
static void test_attempts_wait_for_their_settle(void **st)
{
	struct world *w = *st;
	add_key(w);
	start_worker(w, 16384);
	intent(w, 1);
	for (unsigned i = 1; i <= JOURNAL_ATTEMPTS_MAX; i++)
		attempt(w, 1, i, 1);
	turn_until_committed(w, 1);
	for (int i = 0; i < 20; i++)
		uv_run(&w->p.loop, UV_RUN_ONCE);
	assert_int_equal(committed(w), 1);
	settle(w, 1, 2);
	for (uint32_t i = 2; i <= 3000; i++) {
		attempt(w, i, 1, 1);
		attempt(w, i, 2, 1);
		settle(w, i, 1);
	}
	fold(w);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), 9 + 3 * 2999);
	assert_int_equal(number(w, "SELECT spend FROM keys"), 10 + 3 * 2999);
}

/* ---- strangers ---- */

static void test_bad_records_are_dropped_and_counted(void **st)
{
	struct world *w = *st;
	struct journal_record bad[8];
	start_worker(w, 64);
	for (uint32_t i = 0; i < COUNT(bad); i++)
		bad[i] = record(JOURNAL_SETTLE, 100 + i, 1);
	bad[0].cost_nano = -1;
	bad[1].cost_nano = PRICE_NANO_MAX + 1;
	bad[2].reserve_nano = INT64_MIN;
	bad[3].input = UINT32_MAX;
	bad[4].status = 7;
	bad[5].key_id = UINT64_MAX;
	bad[6].end_ns = UINT64_MAX;
	bad[7].reasoning = 0x80000000u;
	for (size_t i = 0; i < COUNT(bad); i++) {
		settle(w, (uint32_t)i, 1);
		append(w, bad[i]);
	}
	fold(w);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), COUNT(bad));
	assert_int_equal(atomic_load(&w->board.head->ledger_errors), COUNT(bad));
}

static void test_odd_records_are_put_right(void **st)
{
	struct world *w = *st;
	struct journal_record r = record(JOURNAL_SETTLE, 1, PRICE_NANO_MAX);
	start_worker(w, 64);
	memset(r.model, 'm', sizeof r.model - 1);	/* cut inside a character */
	r.model[sizeof r.model - 1] = (char)0xc3;
	memcpy(r.end_user, "ab\xff" "cd", 5);
	r.end_ns = r.start_ns - NS_PER_S;		/* the clock was set back */
	r.status = 0;
	append(w, r);
	r = record(JOURNAL_SETTLE, 2, PRICE_NANO_MAX);
	r.start_ns = r.end_ns = 0;
	append(w, r);
	append(w, r);					/* the same request twice */
	fold(w);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), 2);
	assert_int_equal(number(w, "SELECT length(model) FROM spend_logs WHERE id = 1"), 63);
	assert_int_equal(number(w, "SELECT end_user = 'ab' FROM spend_logs WHERE id = 1"), 1);
	assert_int_equal(number(w, "SELECT min(end_ns - start_ns) FROM spend_logs"), 0);
	assert_true(number(w,
			   "SELECT min(start_ns) FROM spend_logs") > INT64_C(1600000000000000000));
	assert_int_equal(number(w, "SELECT max(cost) FROM spend_daily"), PRICE_NANO_MAX);
}

static void scribble(struct world *w, uint64_t seq, uint32_t count)
{
	char name[64];
	snprintf(name, sizeof name, "%u-%016" PRIx64 ".j", SLOT, w->epoch);
	int fd = openat(w->dirfd, name, O_RDWR);
	off_t at = JOURNAL_HEAD + (off_t)((seq - 1) % count) * 256 + 100;
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "xyz", 3, at), 3);
	close(fd);
}

static void test_a_damaged_record_is_given_up_once_another_follows(void **st)
{
	struct world *w = *st;
	start_worker(w, 64);
	settle(w, 1, 1);
	fold(w);
	settle(w, 2, 1);
	scribble(w, 2, 64);
	for (int i = 0; i < 50; i++)
		uv_run(&w->p.loop, UV_RUN_ONCE);
	assert_int_equal(committed(w), 1);
	settle(w, 3, 1);
	fold(w);
	assert_int_equal(committed(w), 3);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), 2);
	assert_int_equal(atomic_load(&w->board.head->ledger_errors), 1);
}

/* ---- a dead worker ---- */

static uint64_t cut_rows = UINT64_MAX;

static void on_reaped(void *data, uint64_t rows)
{
	(void)data;
	cut_rows = rows;
}

static void reap(struct world *w)
{
	uint64_t end = clock_ns() + 60 * NS_PER_S;
	cut_rows = UINT64_MAX;
	ledger_reap(w->ledger, SLOT, w->dirfd, on_reaped, NULL);
	while (cut_rows == UINT64_MAX) {
		uv_run(&w->p.loop, UV_RUN_ONCE);
		assert_true(clock_ns() < end);
	}
}

static unsigned files_in(int dirfd, const char *end)
{
	unsigned n = 0;
	DIR *d = fdopendir(openat(dirfd, ".", O_RDONLY | O_DIRECTORY));
	for (struct dirent *e; (e = readdir(d));)
		n += str_ends(str_z(e->d_name), str_z(end));
	closedir(d);
	return n;
}

static struct board_slot *hold(struct world *w, struct budget_pool *pool, uint32_t number,
			       int64_t reserve,
			       bool dispatched, int64_t running)
{
	struct budget_level level = { .entity = 5, .max_nano = -1 };
	struct journal_record r = record(JOURNAL_INTENT, number, 0);
	struct budget_claim claim;
	enum budget_verdict verdict;
	uint32_t at;
	int64_t left;
	assert_int_equal(budget_admit(pool, &level, 1, reserve, r.request_id, &claim, &verdict, &at,
				      &left), 0);
	atomic_store(&claim.slot->dispatched, dispatched);
	atomic_store(&claim.slot->running_nano, running);
	atomic_store(&claim.slot->tokens_in, 3);
	atomic_store(&claim.slot->tokens_out, 4);
	claim.slot->key_id = KEY;
	claim.slot->start_wall_ns = START_NS;
	(void)w;
	return claim.slot;
}

static void test_reaping_books_what_was_open(void **st)
{
	struct world *w = *st;
	struct budget_pool *pool = budget_pool_new(&w->board, SLOT);
	int64_t settled, reserved;
	uint32_t parallel;
	add_key(w);
	start_worker(w, 64);
	intent(w, 1), hold(w, pool, 1, 1000, true, 300);	/* streaming: 300 */
	intent(w, 2), hold(w, pool, 2, 1000, false, 0);		/* not sent yet: 0 */
	intent(w, 3), hold(w, pool, 3, 1000, true, 5000);	/* never above the reserve: 1000 */
	intent(w, 4), hold(w, pool, 4, 1000, true, 200);
	/* in the journal, slot not freed: 250 */
	settle(w, 4, 250);
	hold(w, pool, 5, 1000, true, 70);			/* no intent: 70 */
	hold(w, pool, 6, 1000, false, 0);			/* no intent, not sent: no row */
	/* no slot: the reserve, not on the board */
	intent(w, 7);
	fold(w);
	intent(w, 8), settle(w, 8, 9);				/* not folded yet */
	reap(w);
	assert_int_equal(cut_rows, 5);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), 7);
	assert_int_equal(number(w, "SELECT sum(cost) FROM spend_logs"),
			 300 + 0 + 1000 + 250 + 70 + 1000 + 9);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs WHERE flags & 6 = 6"), 5);
	assert_int_equal(number(w, "SELECT count(*) FROM open_intents"), 0);
	budget_read(&w->board, 5, &settled, &reserved, &parallel);
	assert_int_equal(settled, 300 + 0 + 1000 + 250 + 70);
	assert_int_equal(reserved, 0);
	assert_int_equal(parallel, 0);
	assert_int_equal(number(w, "SELECT spend FROM keys"), 2629);
	assert_int_equal(committed(w), 0);
	assert_int_equal(files_in(w->dirfd, ".j"), 0);
	assert_int_equal(number(w, "SELECT count(*) FROM journals"), 0);
	budget_pool_free(pool);
}

/* Killed amid its last records: what is not settled is one row; what is, is what all of it cost. */
static void test_reaping_amid_attempts(void **st)
{
	struct world *w = *st;
	struct budget_pool *pool = budget_pool_new(&w->board, SLOT);
	int64_t settled, reserved;
	uint32_t parallel;
	add_key(w);
	start_worker(w, 64);
	intent(w, 1), hold(w, pool, 1, 1000, true, 300);
	attempt(w, 1, 1, 100);
	settle(w, 1, 150);				/* the slot is still held */
	intent(w, 2), hold(w, pool, 2, 1000, true, 70);
	attempt(w, 2, 1, 40);				/* the SETTLE never comes */
	reap(w);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), 3);
	assert_int_equal(number(w, "SELECT sum(cost) FROM spend_logs"), 250 + 70);
	assert_int_equal(number(w, "SELECT spend FROM keys"), 250 + 70);
	budget_read(&w->board, 5, &settled, &reserved, &parallel);
	assert_int_equal(settled, 250 + 70);
	assert_int_equal(reserved, 0);
	budget_pool_free(pool);
}

/* What counts for a team is what its requests say, wherever their ends are found. */
static void test_a_teams_spend(void **st)
{
	struct world *w = *st;
	struct budget_pool *pool = budget_pool_new(&w->board, SLOT);
	struct journal_record r;
	add_key(w);
	place_exec(&w->p, "INSERT INTO teams (id, team_id, spend, spend_since, created_at, updated_at) "
			  "VALUES (3, 'old', 0, 0, 1, 1), (4, 'new', 0, 0, 1, 1)");
	start_worker(w, 64);
	settle(w, 1, 5);			/* of no team */
	for (uint32_t i = 2; i <= 4; i++) {
		r = record(JOURNAL_SETTLE, i, 10);
		r.team = i == 4 ? 4 : 3;	/* the key was moved meanwhile */
		append(w, r);
	}
	r = record(JOURNAL_SETTLE, 5, 10);
	r.team = 99;				/* deleted */
	append(w, r);
	fold(w);
	assert_int_equal(number(w, "SELECT spend FROM keys"), 45);
	assert_int_equal(number(w, "SELECT spend FROM teams WHERE id = 3"), 20);
	assert_int_equal(number(w, "SELECT spend FROM teams WHERE id = 4"), 10);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs WHERE team = 3"), 2);
	/* a period that began in the middle of a batch */
	place_exec(&w->p, "UPDATE teams SET spend = 0, spend_since = (SELECT max(end_ns) FROM spend_logs)"
			  " + 2000000 WHERE id = 3");
	for (uint32_t i = 6; i <= 9; i++) {
		r = record(JOURNAL_SETTLE, i, 1);
		r.team = 3;			/* ends i - 5 ms behind the last of those above */
		append(w, r);
	}
	fold(w);
	assert_int_equal(number(w, "SELECT spend FROM teams WHERE id = 3"), 3);
	/* of the dead: an intent with its slot, one without, a slot alone */
	r = record(JOURNAL_INTENT, 20, 0);
	r.team = 4;
	append(w, r);
	hold(w, pool, 20, 1000, true, 300)->team = 4;
	r = record(JOURNAL_INTENT, 21, 0);
	r.team = 4;
	append(w, r);
	fold(w);
	hold(w, pool, 22, 1000, true, 70)->team = 4;
	reap(w);
	assert_int_equal(cut_rows, 3);
	assert_int_equal(number(w, "SELECT spend FROM teams WHERE id = 4"), 10 + 300 + 1000 + 70);
	budget_pool_free(pool);
}

#define TENANT(kind, id) (UINT64_C(kind) << 56 | (id))

/* The record that says who pays, besides key and team, for the one behind it. */
static void levels(struct world *w, uint32_t number, uint64_t a, uint64_t b)
{
	struct journal_levels l = { .kind = JOURNAL_LEVELS, .n = 2, .level = { a, b } };
	struct journal_record r = record(JOURNAL_INTENT, number, 0);
	memcpy(l.request_id, r.request_id, sizeof l.request_id);
	memcpy((void *)&r, &l, sizeof r);
	append(w, r);
}

static int64_t spend_of(struct world *w, unsigned id)
{
	char sql[64];
	snprintf(sql, sizeof sql, "SELECT spend FROM tenants WHERE id = %u", id);
	return number(w, sql);
}

/* All who pay are found: in one fold, over two folds, and of the dead, with and without a slot. */
static void test_others_pay_too(void **st)
{
	struct world *w = *st;
	struct budget_pool *pool = budget_pool_new(&w->board, SLOT);
	add_key(w);
	place_exec(&w->p, "INSERT INTO tenants (id, kind, name, created_at, updated_at) VALUES "
			  "(1, 3, 'user', 1, 1), (2, 4, 'org', 1, 1), (3, 7, 'tag', 1, 1)");
	start_worker(w, 64);
	levels(w, 1, TENANT(3, 1), TENANT(4, 2));
	settle(w, 1, 10);
	settle(w, 2, 100);			/* key alone */
	levels(w, 3, TENANT(3, 1), TENANT(7, 3));
	settle(w, 4, 1000);			/* not those that stand right before it */
	levels(w, 5, TENANT(3, 99), TENANT(1, KEY));	/* deleted; not a tenant's id */
	settle(w, 5, 7);
	fold(w);
	assert_int_equal(number(w, "SELECT spend FROM keys"), 1117);
	assert_int_equal(spend_of(w, 1), 10);
	assert_int_equal(spend_of(w, 2), 10);
	assert_int_equal(spend_of(w, 3), 0);
	/* the fold comes between the two records: it waits for the second */
	uint64_t before = committed(w);
	levels(w, 6, TENANT(3, 1), TENANT(7, 3));
	for (unsigned i = 0; i < 50; i++)
		uv_run(&w->p.loop, UV_RUN_ONCE);
	assert_int_equal(committed(w), before);
	settle(w, 6, 5);
	fold(w);
	assert_int_equal(spend_of(w, 1), 15);
	assert_int_equal(spend_of(w, 3), 5);
	/* of the dead: an intent in the database, one whose slot tells its cost, a slot alone */
	levels(w, 20, TENANT(3, 1), TENANT(4, 2));
	intent(w, 20);
	levels(w, 21, TENANT(3, 1), TENANT(4, 2));
	intent(w, 21);
	fold(w);
	hold(w, pool, 21, 1000, true, 300);
	atomic_store(&w->board.entities[5].id, TENANT(7, 3));	/* what hold() reserves at */
	hold(w, pool, 22, 1000, true, 70);
	levels(w, 23, TENANT(3, 1), TENANT(4, 2));	/* killed before the record itself */
	reap(w);
	assert_int_equal(cut_rows, 3);
	assert_int_equal(spend_of(w, 1), 15 + 1000 + 300);
	assert_int_equal(spend_of(w, 2), 10 + 1000 + 300);
	assert_int_equal(spend_of(w, 3), 5 + 70);
	assert_int_equal(number(w, "SELECT count(*) FROM open_intents"), 0);
	budget_pool_free(pool);
}

/* What a batch at a provider cost: its levels, always, and a record that has its id. */
static void bulk(struct world *w, enum journal_kind kind, uint32_t number, uint64_t key,
		 uint64_t level, int64_t cost)
{
	struct journal_levels l = { .kind = JOURNAL_LEVELS, .n = level != 0, .level = { level } };
	struct journal_record r = record(JOURNAL_INTENT, number, 0);
	memcpy(l.request_id, r.request_id, sizeof l.request_id);
	memcpy((void *)&r, &l, sizeof r);
	append(w, r);
	r = record(kind, number, cost);
	r.flags = JF_BULK;
	r.key_id = key;
	append(w, r);
}

static void on_charge(void *data, uint64_t owner, int64_t nano)
{
	int64_t *sums = data;
	sums[owner >> 56] += nano;
}

/* Who made it pays, once, also across folds; what nobody here made is no row. */
static void test_bulk(void **st)
{
	struct world *w = *st;
	int64_t charged[8] = { 0 };
	add_key(w);
	place_exec(&w->p, "INSERT INTO tenants (id, kind, name, created_at, updated_at) VALUES "
			  "(1, 3, 'user', 1, 1), (2, 4, 'org', 1, 1)");
	ledger_on_charge(w->ledger, on_charge, charged);
	start_worker(w, 64);
	bulk(w, JOURNAL_SETTLE, 3, KEY, 0, 5);		/* of nobody */
	bulk(w, JOURNAL_INTENT, 1, KEY, TENANT(3, 1), 0);
	bulk(w, JOURNAL_SETTLE, 1, KEY + 1, TENANT(4, 2), 10);	/* seen by another one */
	bulk(w, JOURNAL_SETTLE, 1, KEY + 1, TENANT(4, 2), 10);
	bulk(w, JOURNAL_INTENT, 2, KEY, 0, 0);
	settle(w, 9, 100);
	fold(w);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), 2);
	assert_int_equal(number(w, "SELECT count(*) FROM open_intents"), 0);
	assert_int_equal(number(w, "SELECT spend FROM keys"), 110);
	assert_int_equal(spend_of(w, 1), 10);
	assert_int_equal(spend_of(w, 2), 0);
	assert_int_equal(charged[1], 10);		/* and not what the worker settles */
	assert_int_equal(charged[3], 10);
	bulk(w, JOURNAL_SETTLE, 2, KEY + 1, TENANT(4, 2), 1000);
	bulk(w, JOURNAL_SETTLE, 1, KEY, 0, 10);
	bulk(w, JOURNAL_SETTLE, 3, KEY, 0, 5);
	bulk(w, JOURNAL_INTENT, 1, KEY, 0, 0);		/* no second maker */
	bulk(w, JOURNAL_SETTLE, 1, KEY, 0, 10);
	settle(w, 10, 0);
	fold(w);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), 4);
	assert_int_equal(number(w, "SELECT spend FROM keys"), 1110);
	assert_int_equal(spend_of(w, 2), 0);
	assert_int_equal(charged[1], 1010);
	assert_int_equal(charged[4], 0);
	assert_int_equal(number(w, "SELECT count(*) FROM bulk WHERE settled IS NOT NULL"), 2);
	/* the row may go, as it does by retention: the batch stays paid */
	place_exec(&w->p, "DELETE FROM spend_logs");
	bulk(w, JOURNAL_SETTLE, 1, KEY, 0, 10);
	settle(w, 11, 0);
	fold(w);
	assert_int_equal(number(w, "SELECT spend FROM keys"), 1110);
}

/* A full batch never ends between the two. */
static void test_many_levels(void **st)
{
	struct world *w = *st;
	add_key(w);
	place_exec(&w->p, "INSERT INTO tenants (id, kind, name, created_at, updated_at) VALUES "
			  "(1, 3, 'user', 1, 1), (2, 4, 'org', 1, 1)");
	start_worker(w, 16384);
	settle(w, 1, 1);
	for (uint32_t i = 2; i <= 6000; i++) {
		levels(w, i, TENANT(3, 1), TENANT(4, 2));
		settle(w, i, 1);
	}
	fold(w);
	assert_int_equal(number(w, "SELECT spend FROM keys"), 6000);
	assert_int_equal(spend_of(w, 1), 5999);
	assert_int_equal(spend_of(w, 2), 5999);
}

static void test_many_open_requests(void **st)
{
	struct world *w = *st;
	struct budget_pool *pool = budget_pool_new(&w->board, SLOT);
	start_worker(w, 8192);
	for (uint32_t i = 1; i <= 3000; i++) {
		hold(w, pool, i, 1000, true, i % 500);
		if (i % 3)
			intent(w, i);
	}
	reap(w);
	assert_int_equal(cut_rows, 3000);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), 3000);
	budget_pool_free(pool);
}

static void test_reaping_nobody_answers_at_once(void **st)
{
	struct world *w = *st;
	reap(w);
	assert_int_equal(cut_rows, 0);
}

static void test_lies_on_the_board_are_clamped(void **st)
{
	struct world *w = *st;
	struct budget_pool *pool = budget_pool_new(&w->board, SLOT);
	start_worker(w, 64);
	intent(w, 1);
	struct board_slot *s = hold(w, pool, 1, 1000, true, 10);
	atomic_store(&s->reserve_nano, INT64_MAX);
	atomic_store(&s->running_nano, INT64_MIN);
	atomic_store(&s->tokens_in, UINT32_MAX);
	s->key_id = s->start_wall_ns = UINT64_MAX;
	s->n_levels = 99;
	hold(w, pool, 2, 1000, true, INT64_MAX)->level[0] = UINT32_MAX;
	atomic_store(&w->board.workers[SLOT].slots_high, UINT32_MAX);
	reap(w);
	assert_int_equal(cut_rows, 2);
	assert_int_equal(number(w, "SELECT max(cost) FROM spend_logs"), 1000);
	assert_int_equal(number(w, "SELECT min(cost) FROM spend_logs"), 0);
	budget_pool_free(pool);
}

/* ---- start after a crash ---- */

static void crash_and_open(struct world *w)
{
	stop_all(w);
	uv_run(&w->p.loop, UV_RUN_DEFAULT);
	board_unmap(&w->board);
	close(w->board_fd);
	assert_int_equal(board_create(&w->board, &w->board_fd), 0);
	place_open(&w->p);
	assert_int_equal(ledger_start(w->p.store, &w->board, &w->p.loop, &w->ledger), 0);
	uv_timer_init(&w->p.loop, &w->pulse);
	uv_timer_start(&w->pulse, on_pulse, 2, 2);
}

static void copy_bytes(int dirfd, const char *from, const char *to)
{
	static char bytes[1 << 16];
	int in = openat(dirfd, from, O_RDONLY),
		out = openat(dirfd, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n;
	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof bytes)) > 0)
		assert_int_equal(write(out, bytes, (size_t)n), n);
	close(in);
	close(out);
}

static void write_left_over(struct world *w)
{
	w->epoch = 0x2000;
	w->writer = open_journal(w, SLOT, w->epoch, 64, NULL);
	for (uint32_t i = 1; i <= 20; i++) {
		intent(w, i);
		if (i % 5)
			settle(w, i, i);
	}
}

static void test_recovery_replays_and_books_lone_intents(void **st)
{
	struct world *w = *st;
	uint64_t rows = 0;
	add_key(w);
	write_left_over(w);
	crash_and_open(w);
	assert_int_equal(ledger_recover(w->ledger, w->dirfd, &rows), 0);
	assert_int_equal(rows, 20);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs WHERE flags & 2"), 4);
	assert_int_equal(number(w, "SELECT sum(cost) FROM spend_logs"), 210 - 50 + 4 * 1000);
	assert_int_equal(number(w, "SELECT spend FROM keys"), 4160);
	assert_int_equal(files_in(w->dirfd, ".j"), 0);
	assert_int_equal(number(w, "SELECT count(*) FROM journals"), 0);
	assert_int_equal(number(w, "SELECT count(*) FROM open_intents"), 0);
	assert_int_equal(ledger_recover(w->ledger, w->dirfd, &rows), 0);
	assert_int_equal(rows, 0);
}

static void test_the_same_journal_three_times_changes_nothing(void **st)
{
	struct world *w = *st;
	static const char name[] = "3-0000000000002000.j";
	uint64_t rows, print = 0;
	add_key(w);
	write_left_over(w);
	copy_bytes(w->dirfd, name, "kept");
	for (int i = 0; i < 3; i++) {
		crash_and_open(w);
		assert_int_equal(ledger_recover(w->ledger, w->dirfd, &rows), 0);
		assert_int_equal(rows, i ? 0 : 20);
		assert_true(!print || print == place_fingerprint(&w->p));
		print = place_fingerprint(&w->p);
		copy_bytes(w->dirfd, "kept", name);	/* even without its watermark */
	}
}

static void test_recovery_spares_what_is_attached(void **st)
{
	struct world *w = *st;
	uint64_t rows;
	start_worker(w, 64);
	intent(w, 1);
	fold(w);
	assert_int_equal(ledger_recover(w->ledger, w->dirfd, &rows), 0);
	assert_int_equal(rows, 0);
	assert_int_equal(files_in(w->dirfd, ".j"), 1);
	assert_int_equal(number(w, "SELECT count(*) FROM open_intents"), 1);
	settle(w, 1, 7);
	fold(w);
	assert_int_equal(number(w, "SELECT sum(cost) FROM spend_logs"), 7);
}

static void test_gaps_and_damage_in_a_dead_journal(void **st)
{
	struct world *w = *st;
	uint64_t rows;
	write_left_over(w);
	scribble(w, 2, 64);		/* settle of 1: its intent is booked with the reserve */
	scribble(w, 30, 64);
	scribble(w, journal_last(w->writer), 64);
	crash_and_open(w);
	assert_int_equal(ledger_recover(w->ledger, w->dirfd, &rows), 0);
	assert_int_equal(atomic_load(&w->board.head->ledger_errors), 3);
	assert_true(rows >= 19 && rows <= 20);
	assert_int_equal(files_in(w->dirfd, ".j"), 0);
}

static void test_a_damaged_file_is_put_aside(void **st)
{
	struct world *w = *st;
	uint64_t rows;
	int fd = openat(w->dirfd, "1-00000000000000ff.j", O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "rubbish", 7), 7);
	close(fd);
	fd = openat(w->dirfd, "notes.txt", O_WRONLY | O_CREAT, 0600);
	close(fd);
	assert_int_equal(ledger_recover(w->ledger, w->dirfd, &rows), 0);
	assert_int_equal(files_in(w->dirfd, ".bad"), 1);
	assert_int_equal(files_in(w->dirfd, ".txt"), 1);
	assert_int_equal(atomic_load(&w->board.head->ledger_errors), 1);
}

/* ---- a full disk ---- */

static void test_full_disk_is_waited_out(void **st)
{
	struct world *w = *st;
	uint64_t end = clock_ns() + 60 * NS_PER_S;
	start_worker(w, 8192);
	settle(w, 1, 1);
	fold(w);
	place_limit(&w->p, 1);
	for (uint32_t i = 2; i <= 4000; i++)
		settle(w, i, 1);
	while (atomic_load(&w->board.head->money_down) != MONEY_DISK_FULL) {
		uv_run(&w->p.loop, UV_RUN_ONCE);
		assert_true(clock_ns() < end);
	}
	assert_int_equal(store_health(w->p.store), -ENOSPC);
	for (int i = 0; i < 100; i++)
		uv_run(&w->p.loop, UV_RUN_ONCE);
	assert_true(committed(w) < 4000);
	place_limit(&w->p, 1000000);
	fold(w);
	assert_int_equal(atomic_load(&w->board.head->money_down), MONEY_OK);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), 4000);
	assert_int_equal(number(w, "SELECT sum(cost) FROM spend_logs"), 4000);
}

static void test_reaping_waits_for_the_disk(void **st)
{
	struct world *w = *st;
	start_worker(w, 8192);
	for (uint32_t i = 1; i <= 2000; i++)
		settle(w, i, 1);
	intent(w, 5000);
	place_limit(&w->p, 1);
	cut_rows = UINT64_MAX;
	ledger_reap(w->ledger, SLOT, w->dirfd, on_reaped, NULL);
	for (int i = 0; i < 100; i++)
		uv_run(&w->p.loop, UV_RUN_ONCE);
	assert_true(cut_rows == UINT64_MAX);
	assert_int_equal(files_in(w->dirfd, ".j"), 1);
	place_limit(&w->p, 1000000);
	while (cut_rows == UINT64_MAX)
		uv_run(&w->p.loop, UV_RUN_ONCE);
	assert_int_equal(cut_rows, 1);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), 2001);
}

enum { CANNOT_MOUNT = 77, MANY = 30000 };

/* A file system of three megabytes, in a name space of its own. */
static bool mount_small(const char *dir)
{
	int flags = CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0);
	return unshare(flags) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", dir, "tmpfs", 0, "size=3m") == 0;
}

static void need(bool is_so, int exit_status)
{
	if (!is_so)
		_exit(exit_status);
}

static void fill_small_disk(struct world *w)
{
	struct journal *reader;
	uint64_t end = clock_ns() + 60 * NS_PER_S;
	bool was_full = false;
	char why[256];
	need(mount_small(w->p.dir), CANNOT_MOUNT);
	need(store_open(w->p.dir, &w->p.loop, &w->p.store, why) == 0, 2);
	need(ledger_start(w->p.store, &w->board, &w->p.loop, &w->ledger) == 0, 3);
	uv_timer_init(&w->p.loop, &w->pulse);
	uv_timer_start(&w->pulse, on_pulse, 2, 2);
	w->writer = open_journal(w, SLOT, 0x7000, 32768, &reader);
	ledger_attach(w->ledger, SLOT, reader);
	for (uint32_t i = 1; i <= MANY; i++)
		settle(w, i, 1);
	while (committed(w) < MANY) {
		need(clock_ns() < end, 4);
		uv_run(&w->p.loop, UV_RUN_ONCE);
		if (was_full || atomic_load(&w->board.head->money_down) != MONEY_DISK_FULL)
			continue;
		was_full = true;
		need(mount("none", w->p.dir, "tmpfs", MS_REMOUNT, "size=64m") == 0, 5);
	}
	need(was_full, 6);
	need(atomic_load(&w->board.head->money_down) == MONEY_OK, 7);
	need(number(w, "SELECT count(*) FROM spend_logs") == MANY, 8);
	need(number(w, "SELECT sum(cost) FROM spend_daily") == MANY, 9);
	_exit(0);
}

static void test_a_disk_that_is_really_full(void **st)
{
	struct world *w = *st;
	int status;
	stop_all(w);
	uv_run(&w->p.loop, UV_RUN_DEFAULT);
	pid_t pid = fork();
	if (pid == 0)
		fill_small_disk(w);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT_MOUNT)
		skip();
	assert_int_equal(status, 0);
}

/* Another reason stays: it is not the ledger's to clear. */
static void test_money_down_of_others_is_left(void **st)
{
	struct world *w = *st;
	start_worker(w, 64);
	atomic_store(&w->board.head->money_down, MONEY_STARTING);
	settle(w, 1, 1);
	fold(w);
	assert_int_equal(atomic_load(&w->board.head->money_down), MONEY_STARTING);
}

/* ---- kills ---- */

enum { FILES = 3, IN_EACH = 4000 };

static void recover_in_child(struct world *w)
{
	struct board board;
	struct ledger *l;
	struct store *s;
	uv_loop_t loop;
	char why[256];
	uint64_t rows;
	int fd;
	uv_loop_init(&loop);
	if (store_open(w->p.dir, &loop, &s, why) != 0 || board_create(&board, &fd) != 0 ||
	    ledger_start(s, &board, &loop, &l) != 0)
		_exit(3);
	_exit(ledger_recover(l, w->dirfd, &rows) == 0 ? 0 : 4);
}

/* A kill during recovery, again and again, later each time, until one gets through. */
static void test_kills_during_recovery(void **st)
{
	struct world *w = *st;
	int status = -1, kills = 0;
	add_key(w);
	for (unsigned f = 0; f < FILES; f++) {
		struct journal *j = open_journal(w, f, 0x5000 + f, 8192, NULL);
		for (uint32_t i = 1; i <= IN_EACH; i++) {
			struct journal_record in = record(JOURNAL_INTENT, f * IN_EACH + i, 0);
			struct journal_record out = record(JOURNAL_SETTLE, f * IN_EACH + i, 3);
			journal_append(j, &in);
			if (i % 10)
				journal_append(j, &out);
		}
		journal_free(j);
	}
	stop_all(w);
	uv_run(&w->p.loop, UV_RUN_DEFAULT);
	for (uint64_t wait_ns = NS_PER_MS; !WIFEXITED(status) ||
	     WEXITSTATUS(status); wait_ns += 6 * NS_PER_MS) {
		struct timespec t = { (time_t)(wait_ns / NS_PER_S), (long)(wait_ns % NS_PER_S) };
		pid_t pid = fork();
		if (pid == 0)
			recover_in_child(w);
		nanosleep(&t, NULL);
		kills += kill(pid, SIGKILL) == 0;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status))
			assert_int_equal(WEXITSTATUS(status), 0);
		assert_true(kills < 500);
	}
	print_message("killed %d times\n", kills - 1);
	place_open(&w->p);
	assert_int_equal(ledger_start(w->p.store, &w->board, &w->p.loop, &w->ledger), 0);
	uv_timer_init(&w->p.loop, &w->pulse);
	assert_int_equal(number(w, "SELECT count(*) FROM spend_logs"), FILES * IN_EACH);
	assert_int_equal(number(w, "SELECT sum(cost) FROM spend_logs"),
			 FILES * IN_EACH / 10 * 9 * 3 + FILES * IN_EACH / 10 * 1000);
	assert_int_equal(number(w, "SELECT spend FROM keys"),
			 number(w, "SELECT sum(cost) FROM spend_logs"));
	assert_int_equal(number(w, "SELECT sum(cost) FROM spend_daily"),
			 number(w, "SELECT spend FROM keys"));
	assert_int_equal(number(w, "SELECT sum(requests) FROM spend_daily"), FILES * IN_EACH);
	assert_int_equal(files_in(w->dirfd, ".j"), 0);
}

static void test_names_of_deployments(void **st)
{
	struct world *w = *st;
	struct ledger_name n = { .id_hash = UINT64_MAX, .model_id = STR("m1"),
				 .model_group = STR("gpt"),
				 .provider = STR("openai"), .model = STR("gpt-4o"),
					 .api_base = STR("") };
	assert_int_equal(ledger_name_deployments(w->ledger, &n, 1), 0);
	n.model = STR("gpt-5");
	assert_int_equal(ledger_name_deployments(w->ledger, &n, 1), 0);
	store_drain(w->p.store);
	assert_int_equal(number(w, "SELECT count(*) FROM deployments WHERE id_hash = -1 AND model "
				   "= 'gpt-5'"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_rows_and_sums),
		T(test_tags_of_requests),
		T(test_tags_wait_for_their_settle),
		T(test_tags_across_batches),
		T(test_costs_of_tags_are_told),
		T(test_rubbish_in_tags),
		T(test_more_sums_than_fit),
		T(test_a_long_request_is_kept_aside),
		T(test_the_ring_goes_round),
		T(test_stop_folds_the_rest),
		T(test_requests_of_the_last_period_do_not_count),
		T(test_a_clock_set_back_loses_no_spend),
		T(test_each_attempt_has_a_row),
		T(test_known_among_many),
		T(test_attempts_across_a_budgets_period),
		T(test_attempts_wait_for_their_settle),
		T(test_bad_records_are_dropped_and_counted),
		T(test_odd_records_are_put_right),
		T(test_a_damaged_record_is_given_up_once_another_follows),
		T(test_reaping_books_what_was_open),
		T(test_reaping_amid_attempts),
		T(test_a_teams_spend),
		T(test_others_pay_too),
		T(test_bulk),
		T(test_many_levels),
		T(test_many_open_requests),
		T(test_reaping_nobody_answers_at_once),
		T(test_lies_on_the_board_are_clamped),
		T(test_recovery_replays_and_books_lone_intents),
		T(test_the_same_journal_three_times_changes_nothing),
		T(test_recovery_spares_what_is_attached),
		T(test_gaps_and_damage_in_a_dead_journal),
		T(test_a_damaged_file_is_put_aside),
		T(test_full_disk_is_waited_out),
		T(test_reaping_waits_for_the_disk),
		T(test_a_disk_that_is_really_full),
		T(test_money_down_of_others_is_left),
		T(test_kills_during_recovery),
		T(test_names_of_deployments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
