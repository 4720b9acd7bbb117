/* SPDX-License-Identifier: MIT
 * test_route.c - the router: each rule, each strategy against its exact algorithm, properties over
 * random plans, and what is learned from answers and failures. */
#include "tests/unit/route_plan.h"
#include "worker/decide/route.h"

#include <sys/wait.h>

static void set_tokens(unsigned i, uint64_t n)
{
	atomic_store(&board.deployments[i].minute_tokens, 0);
	route_minute_add(&board.deployments[i].minute_tokens, NOW, n);
}

/* How often each of the first four is chosen in 4000 draws. */
static void distribution(unsigned counts[4])
{
	for (unsigned i = 0; i < 4; i++)
		counts[i] = 0;
	for (unsigned k = 0; k < 4000; k++) {
		uint32_t i = chosen();
		if (i < 4)
			counts[i]++;
	}
}

static void expect_shares(unsigned a, unsigned b, unsigned c, unsigned d)
{
	unsigned got[4], want[4] = { a, b, c, d };
	distribution(got);
	for (unsigned i = 0; i < 4; i++) {
		/* Five standard deviations of a binomial, or exactly nothing. */
		double p = want[i] / 100.0, mean = 4000 * p, off = got[i] - mean;
		if (want[i] == 0 ? got[i] != 0 : off * off > 25 * 4000 * p * (1 - p) + 1)
			fail_msg("deployment %u: %u of 4000, not %u %%", i, got[i], want[i]);
	}
}

/* ---- who may be chosen ---- */

static void test_shuffle_weighs_by_what_the_first_one_has(void **state)
{
	(void)state;
	plan(4);
	seal();
	expect_shares(25, 25, 25, 25);
	rows[0].weight_milli = 1000, rows[1].weight_milli = 3000, rows[3].rpm = 99;
	seal();
	expect_shares(25, 75, 0, 0);
	plan(4);
	rows[0].rpm = 60, rows[1].rpm = 20, rows[2].rpm = 20, rows[3].weight_milli = 9000;
	seal();
	expect_shares(60, 20, 20, 0);
	plan(4);
	rows[0].tpm = 1000, rows[3].tpm = 4000;
	seal();
	expect_shares(20, 0, 0, 80);
}

static void test_reasons(void **state)
{
	(void)state;
	plan(4);
	rows[1].max_parallel = 2;
	rows[3].order = 1;
	seal();
	cool(0);
	atomic_store(board_inflight_own(&board, 1, 1), 2);
	atomic_store(&board.deployments[2].probe_status, 2);
	assert_int_equal(pick().deployment, 3);
	assert_int_equal(room[0].reason, ROUTE_COOLING);
	assert_int_equal(room[1].reason, ROUTE_FULL);
	assert_int_equal(room[2].reason, ROUTE_ILL);
	assert_int_equal(room[3].reason, ROUTE_WELL);
	atomic_store(board_inflight_own(&board, 1, 1), 1);
	assert_int_equal(pick().deployment, 1);		/* the smaller order */
	assert_int_equal(room[3].reason, ROUTE_ORDER);
	atomic_store(&board.workers[1].state, WORKER_GONE);
	assert_string_equal(route_reason_word(ROUTE_TPM), "tpm");
	assert_string_equal(route_reason_text(ROUTE_COOLING), "failed and is left alone");
}

static void test_tried_ones_come_last(void **state)
{
	const uint32_t tried[] = { 0, 1 };
	(void)state;
	plan(3);
	seal();
	struct route_query q = query();
	struct route_choice c;
	q.tried = tried;
	q.n_tried = 2;
	route_pick(&q, &c);
	assert_int_equal(c.deployment, 2);
	assert_int_equal(c.others_well, 0);
	cool(2);
	route_pick(&q, &c);
	assert_true(c.deployment < 2 && c.why == ROUTE_TRIED);
}

static void test_limits_are_hard_where_they_are_asked_for(void **state)
{
	(void)state;
	plan(2);
	rows[0].rpm = rows[1].rpm = 1;
	rows[0].tpm = 100;
	seal();
	route_minute_add(&board.deployments[1].minute_requests, NOW, 1);
	assert_true(chosen() < 2);			/* only weights */
	settings.flags = SET_PRECALL;
	seal();
	assert_int_equal(pick().deployment, 0);
	assert_int_equal(room[1].reason, ROUTE_RPM);
	set_tokens(0, 95);
	struct route_query q = query();
	struct route_choice c;
	q.prompt_tokens = 6;
	route_pick(&q, &c);
	assert_int_equal(c.deployment, SNAP_NONE);
	assert_int_equal(room[0].reason, ROUTE_TPM);
	assert_true(c.wait_ns == 55 * NS_PER_S);	/* the minute's rest */
	q.now_ns += 55 * NS_PER_S;
	route_pick(&q, &c);
	assert_int_not_equal(c.deployment, SNAP_NONE);
}

static void test_context_region_and_cost(void **state)
{
	(void)state;
	plan(3);
	settings.flags = SET_PRECALL;
	settings.default_max_tokens = 1000;
	rows[0].max_input_tokens = 100;
	rows[1].price = (struct price){ .input = 1000000, .output = 2000000, .flags = PRICE_KNOWN,
					.cache_read = PRICE_NONE, .cache_write = PRICE_NONE,
					.reasoning = PRICE_NONE, .input_above = PRICE_NONE,
					.output_above = PRICE_NONE };
	seal();
	struct route_query q = query();
	struct route_choice c;
	q.prompt_tokens = 101;
	q.has_max_cost = true;
	q.max_cost_nano = 1000000;
	q.worst_in = 500;
	q.worst_out = 1000;
	route_pick(&q, &c);
	assert_int_equal(c.deployment, 2);
	assert_int_equal(room[0].reason, ROUTE_CONTEXT);
	assert_int_equal(room[1].reason, ROUTE_COST);
	q.max_cost_nano = 2500000;			/* 500 x 1 + 1000 x 2 millionths */
	cool(2);
	route_pick(&q, &c);
	assert_int_equal(c.deployment, 1);
	q.region = STR("eu");
	route_pick(&q, &c);
	assert_int_equal(c.deployment, SNAP_NONE);
	assert_int_equal(room[1].reason, ROUTE_REGION);
}

static void test_regions(void **state)
{
	static const struct {
		const char *region, *wanted;
		bool is_in;
	} rows_of[] = {
		{ "eu-west-1", "eu", true },	     { "europe-west4", "eu", true },
		{ "West" "Europe", "eu", true },     { "swedencentral", "EU", true },
		{ "uksouth", "eu", true },	     { "us-east-1", "eu", false },
		{ "eastus2", "us", true },	     { "us-central1", "us", true },
		{ "australiaeast", "us", false },    { "austriaeast", "us", false },
		{ "austriaeast", "eu", true },	     { "", "us", false },
		{ "eu-west-1", "eu-west-1", true },  { "eu-west-1", "eu-west", true },
		{ "eu-west-1", "eu-west-12", false }, { "eu-west-12", "eu-west-1", false },
		{ "eu", "eu", true },		     { "us", "us", true },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows_of); i++)
		assert_int_equal(route_is_in_region(str_z(rows_of[i].region),
						    str_z(rows_of[i].wanted)), rows_of[i].is_in);
}

static void test_tags(void **state)
{
	static const struct {
		const char *have[3], *asked;
		bool all;
		const char *chosen;		/* those that may be */
	} plans[] = {
		{ { "a", "b", NULL }, "a", false, "0" },
		{ { "a", "b", NULL }, "", false, "012" },
		{ { "a", "b", "default" }, "", false, "2" },
		{ { "a", "b", "default" }, "x", false, "2" },
		{ { "a", "b", NULL }, "x", false, "" },
		{ { "a,b", "b", "a" }, "a,b", false, "012" },
		{ { "a,b", "b", "a" }, "a,b", true, "0" },
		{ { "a,b", "b,default", "a" }, "a,c", true, "1" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(plans); i++) {
		struct str tags[4], rest = str_z(plans[i].asked);
		struct route_choice c;
		plan(3);
		settings.flags = SET_TAGS | (plans[i].all ? SET_TAGS_ALL : 0);
		for (unsigned k = 0; k < 3; k++)
			tags_of[k] = plans[i].have[k];
		seal();
		struct route_query q = query();
		q.tags = tags;
		while (rest.n)
			tags[q.n_tags++] = str_cut(&rest, ',');
		for (unsigned k = 0; k < 50; k++) {
			q.random = draw();
			route_pick(&q, &c);
			char digit = c.deployment == SNAP_NONE ? 0 : (char)('0' + c.deployment);
			bool ok = digit ? str_find_char(str_z(plans[i].chosen), digit) != SIZE_MAX
					: plans[i].chosen[0] == 0 && c.why == ROUTE_TAGS;
			if (!ok)
				fail_msg("plan %zu: %u", i, c.deployment);
		}
	}
}

/* ---- strategies ---- */

static void test_least_busy(void **state)
{
	(void)state;
	plan(4);
	settings.strategy = STRATEGY_BUSY;
	seal();
	atomic_store(board_inflight_own(&board, 0, 0), 1);
	atomic_store(board_inflight_own(&board, 1, 0), 1);
	atomic_store(board_inflight_own(&board, 0, 1), 1);
	atomic_store(board_inflight_own(&board, 1, 3), 9);
	expect_shares(0, 0, 100, 0);
	atomic_store(board_inflight_own(&board, 1, 2), 1);
	expect_shares(0, 50, 50, 0);
}

static void test_usage(void **state)
{
	(void)state;
	plan(4);
	settings.strategy = STRATEGY_USAGE;
	rows[2].tpm = 10;
	seal();
	set_tokens(0, 30);
	set_tokens(1, 20);
	set_tokens(2, 11);
	set_tokens(3, 20);
	expect_shares(0, 50, 0, 50);
	assert_int_equal(room[2].reason, ROUTE_TPM);
}

static void answer(unsigned i, uint64_t ms, uint64_t tokens, uint64_t ttft_ms)
{
	struct route_sample s = { ms * NS_PER_MS, ttft_ms * NS_PER_MS, tokens };
	assert_int_equal(route_note(snap, &board, snap_find_group(snap, STR("g")),
				    snap_deployment(snap, i), NULL, &s, NOW), 0);
}

static void test_latency(void **state)
{
	(void)state;
	plan(4);
	settings.strategy = STRATEGY_LATENCY;
	settings.latency_ttl_ms = 3600000;
	seal();
	expect_shares(25, 25, 25, 25);			/* nobody is known */
	answer(0, 1000, 10, 0);				/* 100 ms a token */
	answer(1, 1000, 20, 0);				/* 50 */
	answer(2, 1200, 20, 0);				/* 60 */
	expect_shares(0, 0, 0, 100);			/* who is not known is tried first */
	answer(3, 9000, 1, 0);
	expect_shares(0, 100, 0, 0);
	settings.latency_buffer_milli = 200;
	seal();
	expect_shares(0, 50, 50, 0);
	/* The mean is of the last four. */
	for (unsigned k = 0; k < 4; k++)
		answer(0, 10, 1, 5 + k);
	assert_int_equal(atomic_load(&board.deployments[0].latency_ns), 10 * NS_PER_MS);
	expect_shares(100, 0, 0, 0);
	/* Streams go by the first token, where it is known. */
	answer(1, 9000, 1, 1);
	for (unsigned k = 0; k < 20; k++) {
		struct route_query q = query();
		struct route_choice c;
		q.is_stream = true;
		route_pick(&q, &c);
		assert_int_equal(c.deployment, 1);
	}
}

static void test_old_latencies_do_not_count(void **state)
{
	(void)state;
	plan(2);
	settings.strategy = STRATEGY_LATENCY;
	settings.latency_ttl_ms = 1000;
	seal();
	answer(0, 10, 1, 0);
	answer(1, 5, 1, 0);
	atomic_store(&board.deployments[0].sampled_ns, NOW - 2 * NS_PER_S);
	for (unsigned k = 0; k < 20; k++)
		assert_int_equal(chosen(), 0);
}

static void test_cost_takes_the_cheapest_in_order(void **state)
{
	(void)state;
	plan(4);
	settings.strategy = STRATEGY_COST;
	for (unsigned i = 0; i < 3; i++)
		rows[i].price = (struct price){ .input = i == 0 ? 9 : 2, .output = 2,
						.flags = PRICE_KNOWN };
	seal();
	expect_shares(0, 100, 0, 0);
	cool(1);
	expect_shares(0, 0, 100, 0);
	cool(2);
	cool(0);
	expect_shares(0, 0, 0, 100);			/* an unknown price is a high one */
}

static void test_a_groups_own_strategy_wins(void **state)
{
	(void)state;
	plan(2);
	settings.strategy = STRATEGY_BUSY;
	group.strategy = 1 + STRATEGY_USAGE;
	seal();
	set_tokens(0, 5);
	atomic_store(board_inflight_own(&board, 0, 1), 5);
	assert_int_equal(pick().strategy, STRATEGY_USAGE);
	assert_int_equal(chosen(), 1);
}

static void test_affinity_is_kept_and_bounded(void **state)
{
	uint32_t before[200];
	unsigned moved = 0;
	struct route_choice c;
	(void)state;
	plan(4);
	rows[0].weight_milli = 1000, rows[1].weight_milli = 1000, rows[2].weight_milli = 2000;
	rows[3].weight_milli = 4000;
	seal();
	unsigned counts[4] = { 0 };
	for (unsigned k = 0; k < 200; k++) {
		struct route_query q = query();
		q.affinity = k + 1;
		route_pick(&q, &c);
		before[k] = c.deployment;
		counts[before[k]]++;
		q.random = draw();
		route_pick(&q, &c);
		assert_int_equal(c.deployment, before[k]);	/* whatever the draw */
	}
	assert_true(counts[3] > 70 && counts[3] < 130 && counts[0] > 8 && counts[1] > 8);
	cool(2);
	for (unsigned k = 0; k < 200; k++) {
		struct route_query q = query();
		q.affinity = k + 1;
		route_pick(&q, &c);
		moved += c.deployment != before[k];
		assert_true(before[k] == 2 || c.deployment == before[k]);
	}
	assert_int_equal(moved, counts[2]);
	/* Load goes before the bonus. */
	struct route_query q = query();
	q.affinity = 1;
	route_pick(&q, &c);
	atomic_store(board_inflight_own(&board, 0, c.deployment), 50);
	uint32_t first = c.deployment;
	route_pick(&q, &c);
	assert_int_not_equal(c.deployment, first);
}

/* ---- properties ---- */

static void test_random_plans(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		uint32_t tried[3];
		plan(1 + (unsigned)(draw() % 12));
		settings.strategy = (uint32_t)(draw() % STRATEGY_COUNT);
		settings.flags = draw() % 2 ? SET_PRECALL : 0;
		for (unsigned i = 0; i < n_rows; i++) {
			rows[i].order = (uint32_t)(draw() % 3);
			rows[i].weight_milli = draw() % 3 * 500;
			rows[i].max_parallel = (uint32_t)(draw() % 3);
			rows[i].rpm = draw() % 4;
		}
		seal();
		for (unsigned i = 0; i < n_rows; i++) {
			if (draw() % 3 == 0)
				cool(i);
			if (draw() % 4 == 0)
				atomic_store(&board.deployments[i].probe_status, 2);
			atomic_store(board_inflight_own(&board, 0, i), (uint16_t)(draw() % 3));
			route_minute_add(&board.deployments[i].minute_requests, NOW, draw() % 4);
		}
		struct route_query q = query();
		struct route_choice c;
		q.affinity = draw() % 2 ? draw() | 1 : 0;
		q.n_tried = (unsigned)(draw() % 3);
		for (unsigned i = 0; i < q.n_tried; i++)
			tried[i] = (uint32_t)(draw() % n_rows);
		q.tried = tried;
		route_pick(&q, &c);
		uint32_t best = ROUTE_REASON_COUNT, order = UINT32_MAX;
		for (unsigned i = 0; i < n_rows; i++) {
			uint32_t r = room[i].reason == ROUTE_ORDER ? (uint32_t)c.why : room[i].reason;
			best = r < best ? r : best;
			if (r == (uint32_t)c.why && rows[i].order < order)
				order = rows[i].order;
		}
		if (c.deployment == SNAP_NONE) {
			/* Nobody only where nobody could. */
			assert_true(best > ROUTE_LAST_RESORT && c.wait_ns > 0);
			continue;
		}
		const struct board_deployment *b = &board.deployments[c.deployment];
		assert_int_equal(room[c.deployment].reason, best);
		assert_int_equal(rows[c.deployment].order, order);
		assert_true(atomic_load(&b->cooldown_until_ns) <= NOW);
		uint32_t most = rows[c.deployment].max_parallel;
		assert_true(!most || board_inflight(&board, c.deployment) < most);
		if (route_counts_tokens(snap, q.group) && rows[c.deployment].rpm)
			assert_true(route_minute_count(&b->minute_requests, NOW) <
				    rows[c.deployment].rpm);
	}
}

/* ---- learning ---- */

static uint32_t failure(unsigned i, enum outcome o, int status, uint64_t at)
{
	struct llm_error e = { .outcome = o, .status = status };
	return route_note(snap, &board, snap_find_group(snap, STR("g")), snap_deployment(snap, i),
			  &e, NULL, at);
}

static void test_a_dead_one_is_left_after_allowed_fails(void **state)
{
	(void)state;
	plan(2);
	seal();
	answer(0, 10, 1, 0);
	for (unsigned k = 0; k < 10; k++)
		answer(0, 10, 1, 0);		/* far from half of the requests fail */
	assert_int_equal(failure(0, OUTCOME_UP_ERROR, 500, NOW), 0);
	assert_int_equal(failure(0, OUTCOME_UP_CONNECT, 0, NOW), 0);
	assert_int_equal(failure(0, OUTCOME_UP_ERROR, 500, NOW), 1);
	assert_true(atomic_load(&board.deployments[0].cooldown_until_ns) == NOW + 5 * NS_PER_S);
	expect_shares(0, 100, 0, 0);
}

static void test_a_refused_key_is_left_with_all_who_use_it(void **state)
{
	(void)state;
	plan(5);
	rows[0].credential = rows[2].credential = rows[4].credential = 7;
	rows[1].credential = 9;
	rows[4].flags = DEPLOY_DEFAULT;				/* never cools */
	seal();
	struct llm_error e = { .outcome = OUTCOME_UP_AUTH, .status = 401 };
	assert_int_equal(route_note(snap, &board, snap_find_group(snap, STR("g")),
				    snap_deployment(snap, 0), &e, NULL, NOW), 2);
	assert_true(atomic_load(&board.deployments[2].cooldown_until_ns) == NOW + 5 * NS_PER_S);
	assert_int_equal(atomic_load(&board.deployments[2].last_status), 401);
	assert_int_equal(atomic_load(&board.deployments[2].failures), 0);
	for (unsigned i = 1; i < 5; i += 2)			/* another key, and none */
		assert_int_equal(atomic_load(&board.deployments[i].cooldown_until_ns), 0);
	assert_int_equal(atomic_load(&board.deployments[4].cooldown_until_ns), 0);
	/* Another failure is of the deployment alone; so is a refusal where there is no key. */
	assert_int_equal(failure(1, OUTCOME_UP_NOT_FOUND, 404, NOW), 1);
	assert_int_equal(failure(3, OUTCOME_UP_AUTH, 401, NOW), 1);
}

/* Another process chooses all the time: how long behind the cooldown did its last choice begin that
 * knew nothing of it? So none of the time counts in which it, or we, had no processor. */
static uint64_t blind_for_ns(void)
{
	uint64_t at = 0;
	int line[2], status = 1;
	plan(2);
	rows[0].order = 1;
	rows[1].order = 2;
	seal();
	assert_int_equal(pick().deployment, 0);
	assert_int_equal(pipe(line), 0);
	pid_t child = fork();
	if (child == 0) {
		uint64_t give_up = clock_ns() + 60 * NS_PER_S, from;
		char ready = 1;
		if (write(line[1], &ready, 1) != 1)
			_exit(1);
		do {
			struct route_query q = query();
			struct route_choice c;
			from = clock_ns();
			route_pick(&q, &c);
			if (c.deployment == 1)
				_exit(write(line[1], &at, sizeof at) != sizeof at);
			at = from;
		} while (at < give_up);
		_exit(1);
	}
	assert_true(child > 0);
	char ready;
	assert_int_equal(read(line[0], &ready, 1), 1);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(failure(0, OUTCOME_UP_ERROR, 500, NOW), 0);
	assert_int_equal(failure(0, OUTCOME_UP_ERROR, 500, NOW), 1);
	uint64_t told = clock_ns();
	assert_int_equal(read(line[0], &at, sizeof at), sizeof at);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(line[0]);
	close(line[1]);
	return at > told ? at - told : 0;
}

static void test_another_process_sees_a_cooldown_within_a_millisecond(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 12; round++)
		assert_in_range(blind_for_ns(), 0, NS_PER_MS);
}

static void test_what_counts(void **state)
{
	static const struct {
		enum outcome o;
		int status;
		bool cools_of_two, cools_alone;
	} kinds[] = {
		{ OUTCOME_UP_RATE_LIMITED, 429, true, false },
		{ OUTCOME_UP_AUTH, 401, true, true },
		{ OUTCOME_UP_NOT_FOUND, 404, true, true },
		{ OUTCOME_UP_BAD_REQUEST, 400, false, false },
		{ OUTCOME_UP_PERMISSION, 403, false, false },
		{ OUTCOME_UP_UNPROCESSABLE, 422, false, false },
		{ OUTCOME_CONTEXT_LENGTH, 400, false, false },
		{ OUTCOME_CONTENT_POLICY, 400, false, false },
		{ OUTCOME_UP_ERROR, 500, false, false },
		{ OUTCOME_UP_TIMEOUT, 408, false, false },
		{ OUTCOME_OVERLOADED, 503, false, false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		plan(2);
		seal();
		assert_int_equal(failure(0, kinds[i].o, kinds[i].status, NOW),
				 kinds[i].cools_of_two);
		plan(1);
		seal();
		assert_int_equal(failure(0, kinds[i].o, kinds[i].status, NOW),
				 kinds[i].cools_alone);
	}
}

static void test_a_trial_before_the_return(void **state)
{
	struct route_choice c;
	(void)state;
	plan(2);
	seal();
	for (unsigned k = 0; k < 3; k++)
		failure(0, OUTCOME_UP_ERROR, 500, NOW - 6 * NS_PER_S);
	atomic_store(&board.deployments[1].probe_status, 2);
	c = pick();			/* the cooldown is over */
	assert_int_equal(c.deployment, 0);
	assert_true(route_take(&board, snap_deployment(snap, 0), &c, NOW));
	assert_int_equal(pick().deployment, 1);		/* one tries, the others wait */
	assert_int_equal(room[0].reason, ROUTE_RECOVERING);
	assert_int_equal(failure(0, OUTCOME_UP_ERROR, 500, NOW), 1);	/* at once */
	assert_int_equal(pick().deployment, 1);
	assert_int_equal(room[0].reason, ROUTE_COOLING);
	atomic_store(&board.deployments[0].cooldown_until_ns, NOW - 1);
	c = pick();
	assert_true(route_take(&board, snap_deployment(snap, 0), &c, NOW));
	answer(0, 10, 1, 0);
	assert_int_equal(atomic_load(&board.deployments[0].cooldown_until_ns), 0);
	assert_int_equal(pick().deployment, 0);
	assert_int_equal(room[0].reason, ROUTE_WELL);
}

static void test_never_all_of_them(void **state)
{
	struct route_choice c;
	(void)state;
	plan(2);
	seal();
	cool(0);
	cool(1);
	assert_int_equal(pick().deployment, SNAP_NONE);
	atomic_store(&board.deployments[1].failed_ns, NOW - 2 * NS_PER_S);
	c = pick();
	assert_int_equal(c.deployment, 1);
	assert_int_equal(c.why, ROUTE_TRIAL);
	assert_true(route_take(&board, snap_deployment(snap, 1), &c, NOW));
	assert_int_equal(pick().deployment, SNAP_NONE);	/* one trial at a time */
	answer(1, 10, 1, 0);
	assert_int_equal(pick().deployment, 1);
	/* Whoever said 429 is not asked before its time. */
	cool(1);
	atomic_store(&board.deployments[1].failed_ns, NOW - 2 * NS_PER_S);
	atomic_store(&board.deployments[1].last_status, 429);
	assert_int_equal(pick().deployment, SNAP_NONE);
}

static void test_policies_of_failures(void **state)
{
	(void)state;
	plan(2);
	settings.flags = SET_ALLOWED_FAILS;
	settings.allowed_fails = 1;
	settings.allowed_fails_policy[POLICY_RATE_LIMIT] = 1 + 3;
	seal();
	for (unsigned k = 0; k < 3; k++)
		assert_int_equal(failure(0, OUTCOME_UP_RATE_LIMITED, 429, NOW), 0);
	assert_int_equal(failure(0, OUTCOME_UP_RATE_LIMITED, 429, NOW), 1);
	assert_int_equal(failure(1, OUTCOME_UP_ERROR, 500, NOW), 0);
	assert_int_equal(failure(1, OUTCOME_UP_ERROR, 500, NOW), 1);
	assert_int_equal(route_policy_class(OUTCOME_UP_TIMEOUT), POLICY_TIMEOUT);
	assert_int_equal(route_policy_class(OUTCOME_OVERLOADED), POLICY_CLASSES);
}

static void test_a_timeout_makes_slow(void **state)
{
	(void)state;
	plan(2);
	settings.strategy = STRATEGY_LATENCY;
	seal();
	answer(0, 10, 1, 0);
	answer(1, 5000, 1, 0);
	failure(0, OUTCOME_UP_TIMEOUT, 408, NOW);
	expect_shares(0, 100, 0, 0);
}

/* ---- speed ---- */

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* Printed and not judged: the bar is for a machine that does nothing else. */
static void test_how_long_a_choice_takes(void **state)
{
	static uint64_t took[2000];
	(void)state;
	for (uint32_t s = 0; s < STRATEGY_COUNT; s++) {
		plan(MOST);
		settings.strategy = s;
		seal();
		for (size_t k = 0; k < COUNT(took); k++) {
			uint64_t from = clock_ns();
			assert_int_not_equal(chosen(), SNAP_NONE);
			took[k] = clock_ns() - from;
		}
		qsort(took, COUNT(took), sizeof *took, by_number);
		print_message("%s among 1000: p50 %.1f us, p99 %.1f us\n",
			      route_strategy_name((enum route_strategy)s),
			      (double)took[COUNT(took) / 2] / 1000,
			      (double)took[COUNT(took) * 99 / 100] / 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shuffle_weighs_by_what_the_first_one_has),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_tried_ones_come_last),
		cmocka_unit_test(test_limits_are_hard_where_they_are_asked_for),
		cmocka_unit_test(test_context_region_and_cost),
		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_least_busy),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_latency),
		cmocka_unit_test(test_old_latencies_do_not_count),
		cmocka_unit_test(test_cost_takes_the_cheapest_in_order),
		cmocka_unit_test(test_a_groups_own_strategy_wins),
		cmocka_unit_test(test_affinity_is_kept_and_bounded),
		cmocka_unit_test(test_random_plans),
		cmocka_unit_test(test_a_dead_one_is_left_after_allowed_fails),
		cmocka_unit_test(test_a_refused_key_is_left_with_all_who_use_it),
		cmocka_unit_test(test_another_process_sees_a_cooldown_within_a_millisecond),
		cmocka_unit_test(test_what_counts),
		cmocka_unit_test(test_a_trial_before_the_return),
		cmocka_unit_test(test_never_all_of_them),
		cmocka_unit_test(test_policies_of_failures),
		cmocka_unit_test(test_a_timeout_makes_slow),
		cmocka_unit_test(test_how_long_a_choice_takes),
	};
	if (hash_init() < 0)
		return 1;
	hash_random(&seed, sizeof seed);
	printf("seed %llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
