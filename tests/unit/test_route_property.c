/* SPDX-License-Identifier: MIT
 * test_route_property.c - the choice against an oracle of its own, over random plans, clocks and
 * failures: nobody dead while one lives, no limit passed, order kept, each strategy's shares those
 * of its exact algorithm, and users that stay where they are. */
#include <math.h>

#include "tests/unit/route_plan.h"
#include "worker/decide/route.h"

enum { ROUNDS = 4000, DRAWS = 1500, USERS = 3000 };

/* ---- random plans ---- */

static unsigned below(unsigned n)
{
	return (unsigned)(draw() % n);
}

/* A budget, a plan and hours of its own, each open or not. */
static void gates_at_random(unsigned i)
{
	static const uint32_t kinds[3] = { GATE_BUDGET, GATE_REQUESTS, GATE_HOURS };
	n_gates_of[i] = below(4);
	for (unsigned k = 0; k < n_gates_of[i]; k++) {
		struct snap_gate g = { .kind = kinds[k], .row = i * 3 + k, .limit = 100 };
		struct board_gate *row = &board.gates[g.row];
		if (g.kind == GATE_REQUESTS) {
			g.limit = 5;
			g.span_ns = 3600 * NS_PER_S;
			g.factor_milli = 1000;
			for (unsigned n = below(8); n > 0; n--)
				gate_plan_add(row, &g, WALL - draw() % (2 * g.span_ns), 1);
		}
		atomic_store(&row->booked, (int64_t)(draw() % 120));
		if (g.kind == GATE_BUDGET)
			atomic_store(&row->words[below(3)], draw() % 30);
		atomic_store(&row->hours, ((WALL + NS_PER_S) & ~UINT64_C(1)) | (below(4) > 0));
		gates_of[i][k] = g;
	}
}

/* Budgets of tags, each spent or not. */
static void tag_budgets_at_random(void)
{
	n_tag_gates = below(3) ? 0 : 1 + below(4);
	for (unsigned i = 0; i < n_tag_gates; i++) {
		struct board_gate *row = &board.gates[4000 + i];
		tag_gates[i] = (struct snap_gate){ .kind = GATE_BUDGET, .row = 4000 + i,
						   .limit = 100 };
		atomic_store(&row->booked, (int64_t)(draw() % 130));
		atomic_store(&row->words[below(3)], draw() % 30);
		atomic_store(&row->until_ns, below(2) ? WALL + 7 * NS_PER_S : 0);
	}
}

static void plan_at_random(unsigned most)
{
	plan(1 + below(most));
	tag_budgets_at_random();
	settings.strategy = below(STRATEGY_COUNT);
	settings.flags = below(2) ? SET_PRECALL : 0;
	settings.default_max_parallel = below(3) ? 0 : 2;
	for (unsigned i = 0; i < n_rows; i++) {
		struct board_deployment *b = &board.deployments[i];
		rows[i].order = below(3);
		rows[i].weight_milli = below(4) * 500;
		rows[i].max_parallel = below(3);
		rows[i].rpm = below(4);
		rows[i].tpm = below(3) ? 0 : 1000;
		rows[i].max_input_tokens = below(3) ? 0 : 500;
		if (below(4) == 0)
			cool(i);
		if (below(6) == 0)
			atomic_store(&b->failed_ns, NOW - below(3) * NS_PER_S);
		if (below(8) == 0)
			atomic_store(&b->last_status, 429);
		if (below(4) == 0)
			atomic_store(&b->probe_status, 2);
		if (below(8) == 0)
			atomic_store(&b->paused_until_ns, NOW + NS_PER_S);
		if (below(6) == 0)
			atomic_store(&b->trial_until_ns, NOW + NS_PER_S);
		atomic_store(board_inflight_own(&board, below(2), i), (uint16_t)below(3));
		route_minute_add(&b->minute_requests, NOW, below(4));
		route_minute_add(&b->minute_tokens, NOW, draw() % 1200);
		if (below(2))
			gates_at_random(i);
	}
	seal();
}

/* ---- the oracle: what each rule says, one by one ---- */

static bool gates_are_open(unsigned i)
{
	for (unsigned k = 0; k < n_gates_of[i]; k++) {
		const struct snap_gate *g = &gates_of[i][k];
		if (g->kind == GATE_HOURS ? !(atomic_load(&board.gates[g->row].hours) & 1)
					  : gate_used(&board, g, WALL) >= g->limit)
			return false;
	}
	return true;
}

static bool tags_may_spend(const struct route_query *q)
{
	for (unsigned k = 0; k < q->n_tags; k++)
		for (unsigned i = 0; i < n_tag_gates; i++)
			if (str_eq(q->tags[k], snap_text(snap, snap_tag_budgets(snap)[i].name)) &&
			    gate_used(&board, &tag_gates[i], WALL) >= tag_gates[i].limit)
				return false;
	return true;
}

static bool is_within_limits(unsigned i, const struct route_query *q)
{
	const struct board_deployment *b = &board.deployments[i];
	uint32_t most = rows[i].max_parallel ? rows[i].max_parallel : settings.default_max_parallel;
	bool counts = route_counts_tokens(snap, q->group);
	if (settings.flags & SET_PRECALL && rows[i].max_input_tokens &&
	    q->prompt_tokens > rows[i].max_input_tokens)
		return false;
	if (!tags_may_spend(q))
		return false;
	if (atomic_load(&b->paused_until_ns) > NOW || !gates_are_open(i))
		return false;
	if (most && board_inflight(&board, i) >= most)
		return false;
	if (counts && rows[i].rpm && route_minute_count(&b->minute_requests, NOW) >= rows[i].rpm)
		return false;
	return !counts || !rows[i].tpm ||
	       route_minute_count(&b->minute_tokens, NOW) + q->prompt_tokens <= rows[i].tpm;
}

static bool was_tried(unsigned i, const struct route_query *q)
{
	for (unsigned k = 0; k < q->n_tried; k++)
		if (q->tried[k] == i)
			return true;
	return false;
}

static bool cools(unsigned i)
{
	return atomic_load(&board.deployments[i].cooldown_until_ns) > NOW;
}

/* Well by all that is known, and not tried in this request. */
static bool is_live(unsigned i, const struct route_query *q)
{
	return !cools(i) && atomic_load(&board.deployments[i].probe_status) != 2 &&
	       !was_tried(i, q) && is_within_limits(i, q);
}

static void test_the_choice_against_the_oracle(void **state)
{
	static const struct str names[] = { { "t0", 2 }, { "t1", 2 }, { "t2", 2 }, { "other", 5 } };
	unsigned chosen_ones = 0, nobody = 0, tags_spent = 0;
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint32_t tried[3];
		struct route_choice c;
		plan_at_random(12);
		struct route_query q = query();
		q.prompt_tokens = draw() % 700;
		q.affinity = below(3) ? 0 : draw() | 1;
		q.sticky = below(3) ? 0 : draw() | 1;
		q.tags = &names[below(3)];
		q.n_tags = below(3);
		q.n_tried = below(4);
		for (unsigned i = 0; i < q.n_tried; i++)
			tried[i] = below(n_rows);
		q.tried = tried;
		route_pick(&q, &c);
		uint32_t order = UINT32_MAX;
		bool any_live = false, any_possible = false;
		for (unsigned i = 0; i < n_rows; i++) {
			any_live |= is_live(i, &q);
			any_possible |= is_within_limits(i, &q) && !cools(i);
			if (is_live(i, &q) && rows[i].order < order)
				order = rows[i].order;
		}
		if (c.deployment == SNAP_NONE) {
			nobody++;
			assert_false(any_possible);
			if (!tags_may_spend(&q)) {
				tags_spent++;
				assert_true(c.why == ROUTE_TAG_BUDGET || c.why == ROUTE_CONTEXT);
			}
			assert_true(c.wait_ns > 0);
			continue;
		}
		chosen_ones++;
		assert_true(is_within_limits(c.deployment, &q));	/* never over a limit */
		assert_true(!any_live || is_live(c.deployment, &q));	/* never a dead one */
		if (any_live)
			assert_int_equal(rows[c.deployment].order, order);
		else
			assert_true(!cools(c.deployment) || c.why == ROUTE_TRIAL);
	}
	assert_true(chosen_ones > ROUNDS / 4 && nobody > ROUNDS / 50);
	assert_true(tags_spent > ROUNDS / 100);
}

/* ---- shares ---- */

/* What the strategy's exact algorithm says: the probability of each. */
static void exact_shares(double p[MOST])
{
	uint64_t score[16], least = UINT64_MAX, total = 0;
	unsigned ties = 0;
	for (unsigned i = 0; i < n_rows; i++) {
		const struct board_deployment *b = &board.deployments[i];
		switch (settings.strategy) {
		case STRATEGY_SHUFFLE:
			score[i] = rows[0].weight_milli ? rows[i].weight_milli : 1;
			break;
		case STRATEGY_BUSY:
			score[i] = board_inflight(&board, i);
			break;
		case STRATEGY_USAGE:
			score[i] = route_minute_count(&b->minute_tokens, NOW);
			break;
		case STRATEGY_LATENCY:
			score[i] = atomic_load(&b->latency_ns);
			break;
		default:
			score[i] = (uint64_t)(rows[i].price.input + rows[i].price.output);
		}
		total += score[i];
		least = score[i] < least ? score[i] : least;
	}
	for (unsigned i = 0; i < n_rows; i++) {
		double limit = (double)least;
		if (settings.strategy == STRATEGY_LATENCY)
			limit *= 1 + (double)settings.latency_buffer_milli / 1000;
		p[i] = settings.strategy == STRATEGY_SHUFFLE ? (double)score[i] / (double)total
							    : (double)score[i] <= limit;
		if (settings.strategy == STRATEGY_COST && ties)
			p[i] = 0;		/* the first of the cheapest */
		ties += p[i] > 0;
	}
	for (unsigned i = 0; i < n_rows && settings.strategy != STRATEGY_SHUFFLE; i++)
		p[i] /= ties;
}

static void expect_close(unsigned got, double p, unsigned n, const char *what)
{
	double mean = n * p, off = got - mean;
	/* Six standard deviations; exactly nothing where there is no chance. */
	if (p == 0 ? got != 0 : off * off > 36 * n * p * (1 - p) + 1)
		fail_msg("%s: %u of %u, not %.4f", what, got, n, p);
}

static void test_shares_are_those_of_the_exact_algorithm(void **state)
{
	static double p[MOST];
	(void)state;
	for (unsigned round = 0; round < 100; round++) {
		unsigned got[16] = { 0 };
		plan(1 + below(10));
		settings.strategy = round % STRATEGY_COUNT;
		settings.latency_buffer_milli = below(2) * 500;
		for (unsigned i = 0; i < n_rows; i++) {
			rows[i].weight_milli = below(5) * 250 + (i == 0);
			rows[i].price = (struct price){ .flags = PRICE_KNOWN, .input = below(3),
							.output = below(2) };
			atomic_store(board_inflight_own(&board, 1, i), (uint16_t)below(3));
			route_minute_add(&board.deployments[i].minute_tokens, NOW, below(3));
			atomic_store(&board.deployments[i].latency_ns, (1 + below(4)) * NS_PER_MS);
			atomic_store(&board.deployments[i].sampled_ns, NOW);
		}
		seal();
		exact_shares(p);
		for (unsigned k = 0; k < DRAWS; k++)
			got[chosen()]++;
		for (unsigned i = 0; i < n_rows; i++)
			expect_close(got[i], p[i], DRAWS,
				     route_strategy_name((enum route_strategy)settings.strategy));
	}
}

/* ---- arms of a test: each user has one ---- */

static uint32_t arm_of(uint64_t user)
{
	char text[24];
	struct route_query q = query();
	struct route_choice c;
	int n = snprintf(text, sizeof text, "user-%llu", (unsigned long long)user);
	q.sticky = route_sticky(q.group, str_of(text, (size_t)n));
	route_pick(&q, &c);
	return c.deployment;
}

static void test_users_keep_their_arm(void **state)
{
	static uint32_t before[USERS];
	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		uint64_t total = 0, first = draw() >> 20;
		unsigned got[8] = { 0 };
		plan(2 + below(7));
		group.sticky = STICKY_USER;
		for (unsigned i = 0; i < n_rows; i++) {
			rows[i].id_hash = draw() | 1;
			rows[i].weight_milli = 1000 * (1 + below(20));
			total += rows[i].weight_milli;
		}
		seal();
		for (unsigned u = 0; u < USERS; u++)
			got[before[u] = arm_of(first + u)]++;
		for (unsigned i = 0; i < n_rows; i++)
			expect_close(got[i], (double)rows[i].weight_milli / (double)total, USERS,
				     "an arm");
		/* However busy; and when one falls ill, only its own move, and they come back. */
		unsigned ill = below(n_rows);
		atomic_store(board_inflight_own(&board, 0, below(n_rows)), 500);
		cool(ill);
		for (unsigned u = 0; u < USERS; u++) {
			uint32_t now = arm_of(first + u);
			assert_true(before[u] == ill ? now != ill : now == before[u]);
		}
		atomic_store(&board.deployments[ill].cooldown_until_ns, 0);
		/* An arm that gets more takes from the others and gives nobody away. */
		unsigned more = below(n_rows);
		rows[more].weight_milli *= 2;
		seal();
		for (unsigned u = 0; u < USERS; u++) {
			uint32_t now = arm_of(first + u);
			assert_true(now == before[u] || now == more);
		}
	}
}

/* ---- over time ---- */

static uint64_t now_ns;

static bool is_up(const uint64_t *down_until, unsigned i)
{
	return down_until[i] <= now_ns;
}

/* One request, up to as many attempts as there are deployments. */
static bool serve(const uint64_t *down_until, unsigned *first_attempts_at_dead)
{
	uint32_t tried[16];
	struct route_query q = query();
	for (q.n_tried = 0; q.n_tried < n_rows; q.n_tried++) {
		struct route_choice c;
		q.tried = tried;
		q.now_ns = now_ns;
		q.random = draw();
		route_pick(&q, &c);
		if (c.deployment == SNAP_NONE)
			return false;
		const struct snap_deployment *d = snap_deployment(snap, c.deployment);
		if (!route_take(&board, d, &c, now_ns))
			return false;
		struct llm_error e = { .outcome = OUTCOME_UP_ERROR, .status = 500 };
		struct route_sample s = { .duration_ns = NS_PER_MS, .tokens = 1 };
		bool up = is_up(down_until, c.deployment);
		route_note(snap, &board, q.group, d, up ? NULL : &e, up ? &s : NULL, now_ns);
		if (up)
			return true;
		if (q.n_tried == 0)
			(*first_attempts_at_dead)++;
		tried[q.n_tried] = c.deployment;
	}
	return false;
}

/* Deployments fail and come back; one of them never does. Whoever asks is served, and few first
 * attempts are lost to the dead: allowed_fails when it dies, and one for each cooldown. */
static void test_failures_over_time(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 40; round++) {
		uint64_t down_until[16] = { 0 };
		unsigned lost = 0, deaths = 0, steps = 3000;
		uint64_t dead_ns = 0;
		plan(2 + below(9));
		settings.strategy = round % STRATEGY_COUNT;
		seal();
		unsigned immortal = below(n_rows);
		now_ns = NOW;
		for (unsigned k = 0; k < steps; k++) {
			now_ns += draw() % (20 * NS_PER_MS);
			unsigned i = below(n_rows);
			if (below(300) == 0 && i != immortal && is_up(down_until, i)) {
				uint64_t span = draw() % (20 * NS_PER_S);
				down_until[i] = now_ns + span;
				dead_ns += span;
				deaths++;
			}
			assert_true(serve(down_until, &lost));
		}
		unsigned cooldowns = (unsigned)(dead_ns / (settings.cooldown_ms * NS_PER_MS));
		assert_true(lost <= deaths * (settings.allowed_fails + 1) + cooldowns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_choice_against_the_oracle),
		cmocka_unit_test(test_shares_are_those_of_the_exact_algorithm),
		cmocka_unit_test(test_users_keep_their_arm),
		cmocka_unit_test(test_failures_over_time),
	};
	if (hash_init() < 0)
		return 1;
	hash_random(&seed, sizeof seed);
	printf("seed %llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
