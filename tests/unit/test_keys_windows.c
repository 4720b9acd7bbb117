/* SPDX-License-Identifier: MIT
 * test_keys_windows.c - limits of keys and teams in windows: in the database, the directory and on
 * the board, as they come, change, go, and survive. */
#include "keys_table.h"

#include "common/gate.h"
#include "common/window.h"

#define BEGIN (UINT64_C(1767225600) * NS_PER_S)		/* 2026-01-01, a Thursday */

/* The number of its windows; the last of them in *ret. */
static unsigned windows_of(const char *key, struct window *ret)
{
	struct dir_key k;
	unsigned n = 0;
	assert_true(published(key, &k));
	assert_int_equal(!k.windows.n, !(k.flags & KEY_WINDOWS));
	while (window_next(&k.windows, ret))
		n++;
	assert_int_equal(k.windows.n, 0);
	return n;
}

static struct board_gate *row_of(const struct window *x)
{
	return &w.m.board.windows[x->gate.row];
}

static void use(const struct window *x, uint64_t n)
{
	struct gate_hold hold;
	uint64_t wait;
	assert_true(gate_take(row_of(x), &x->gate, clock_wall_ns(), n, &hold, &wait));
}

static void test_they_come_change_and_go(void **st)
{
	struct window x, y;
	(void)st;
	clock_set(1, BEGIN);
	need(CREATE, "{\"key\":\"sk-a\",\"rpm_burst\":4,\"tpm_output_limit\":9,\"limit_windows\":"
		     "[{\"duration\":\"5h\",\"tokens\":100,\"name\":\"n\"},"
		     "{\"duration\":\"1d\",\"kind\":\"fixed\",\"cost\":\"2.5\",\"multiplier\":2}]}");
	struct dir_key k;
	assert_true(published("sk-a", &k));
	assert_int_equal(k.rpm_burst, 4);
	struct str rest = k.windows;
	assert_true(window_next(&rest, &x));
	assert_true(x.gate.kind == GATE_TOKENS && x.gate.limit == 100 && !x.gate.is_fixed);
	assert_true(x.gate.span_ns == 5 * 3600 * NS_PER_S && str_eq(x.name, STR("n")));
	assert_true(window_next(&rest, &y));
	assert_true(y.gate.kind == GATE_COST && y.gate.limit == 2500000000 && y.gate.is_fixed &&
		    y.gate.factor_milli == 2000);
	struct window z;
	assert_true(window_next(&rest, &z));
	assert_true(z.gate.kind == GATE_OUTPUT && z.gate.limit == 9 &&
		    z.gate.span_ns == 60 * NS_PER_S);
	use(&x, 30);
	need(INFO, "{\"key\":\"sk-a\"}");
	expect("info.limit_windows_used", "[{\"duration\":\"5h\",\"kind\":\"rolling\",\"name\":\"n\","
	       "\"tokens\":30},{\"duration\":\"1d\",\"kind\":\"fixed\",\"cost\":0.0},"
	       "{\"duration\":\"1m\",\"kind\":\"rolling\",\"name\":\"tpm_output_limit\","
	       "\"output_tokens\":0}]");
	/* Another limit, and another text: the count goes on. */
	need(UPDATE, "{\"key\":\"sk-a\",\"tpm_output_limit\":null,\"limit_windows\":"
		     "[{\"duration\":\"5h\",\"tokens\":200,\"name\":\"n\"}]}");
	assert_int_equal(windows_of("sk-a", &y), 1);
	assert_true(y.gate.row == x.gate.row && y.gate.limit == 200);
	assert_int_equal(atomic_load(&row_of(&z)->id_hash), BOARD_GONE);
	need(ROTATE, "{\"key\":\"sk-a\",\"new_key\":\"sk-b\"}");
	assert_int_equal(windows_of("sk-b", &y), 1);
	assert_int_equal(gate_plan_used(row_of(&y), &y.gate, clock_wall_ns()), 30);
	/* Another unit counts from nothing. */
	need(UPDATE, "{\"key\":\"sk-b\",\"limit_windows\":[{\"duration\":\"5h\",\"input_tokens\":200}]}");
	assert_int_equal(atomic_load(&row_of(&x)->id_hash), BOARD_GONE);
	assert_int_equal(windows_of("sk-b", &y), 1);
	need(DELETE, "{\"keys\":[\"sk-b\"]}");
	assert_int_equal(atomic_load(&row_of(&y)->id_hash), BOARD_GONE);
}

static void insert(const char *model, uint64_t ago_s, unsigned input, unsigned output, unsigned flags)
{
	static unsigned number;
	char sql[600];
	snprintf(sql, sizeof sql,
		 "INSERT INTO spend_logs (request_id, key_id, team, deployment, model, end_user,"
		 " start_ns, first_token_ns, end_ns, cost, reserve, input, output, cache_read,"
		 " cache_write, reasoning, endpoint, status, outcome, flags, attempts, fallbacks,"
		 " client_ip) SELECT x'%08x', id, coalesce((SELECT id FROM teams), 0), 0, '%s', '',"
		 " %llu, 0, 0, 5000, 0, %u, %u, 0, 0, 0, 0, 200, 0, %u, 1, 0, x'' FROM keys",
		 ++number, model, (unsigned long long)(BEGIN - ago_s * NS_PER_S), input, output,
		 flags);
	place_exec(&w.p, sql);
}

static void test_a_new_board_counts_what_is_booked(void **st)
{
	struct window x;
	struct dir_key t;
	(void)st;
	clock_set(1, BEGIN);
	need(TEAM_NEW, "{\"team_id\":\"t\",\"tpm_input_limit\":50}");
	need(CREATE, "{\"key\":\"sk-a\",\"team_id\":\"t\",\"limit_windows\":[{\"duration\":\"1h\","
		     "\"requests\":10,\"multipliers\":[{\"model\":\"big*\",\"multiplier\":3},"
		     "{\"from\":\"23:00\",\"to\":\"23:45\",\"multiplier\":0.5}]}]}");
	assert_int_equal(windows_of("sk-a", &x), 1);
	use(&x, 1);
	insert("big-one", 5, 10, 20, 0);		/* 3 */
	insert("small", 5, 3, 4, 0);			/* 1 */
	insert("small", 1800, 3, 4, 0);			/* a half: at 23:30 */
	insert("small", 5, 7, 4, 128);			/* an attempt: no request, but tokens */
	insert("small", 5, 1, 4, 64);			/* a copy */
	insert("small", 5, 1, 4, 8192);			/* imported */
	insert("small", 4000, 1, 4, 0);			/* before the window */
	close_world();
	open_world();					/* a board that lived on knows better */
	assert_int_equal(windows_of("sk-a", &x), 1);
	assert_int_equal(gate_plan_used(row_of(&x), &x.gate, BEGIN), 1);
	close_world();
	drop_board();
	open_world();
	assert_int_equal(windows_of("sk-a", &x), 1);
	assert_int_equal(gate_plan_used(row_of(&x), &x.gate, BEGIN), 5);	/* 4.5, rounded up */
	assert_true(dir_find_named(w.m.dir, DIR_TEAM, STR("t"), &t));
	assert_true(window_next(&t.windows, &x));
	assert_int_equal(gate_plan_used(row_of(&x), &x.gate, BEGIN), 20);
}

static void test_hours_turn(void **st)
{
	struct window x;
	(void)st;
	clock_set(1, BEGIN);				/* midnight of a Thursday */
	need(CREATE, "{\"key\":\"sk-a\",\"limit_windows\":[{\"duration\":\"1h\",\"requests\":10,"
		     "\"multipliers\":[{\"days\":\"thu\",\"from\":\"08:00\",\"to\":\"10:00\",\"time_zone\":"
		     "\"Europe/Zurich\",\"multiplier\":7},{\"days\":[\"fri\"],\"multiplier\":3}]}]}");
	assert_int_equal(windows_of("sk-a", &x), 1);
	static const struct {
		uint64_t hour, factor;
	} at[] = { { 0, 1000 }, { 7, 7000 }, { 8, 7000 }, { 9, 1000 }, { 24, 3000 }, { 48, 1000 } };
	for (size_t i = 0; i < COUNT(at); i++) {
		uint64_t now = BEGIN + at[i].hour * 3600 * NS_PER_S;
		clock_set(1, now);
		keys_tick(w.m.keys, now);
		assert_int_equal(window_factor(&w.m.board, &x, STR("m"), now), at[i].factor);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_they_come_change_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_new_board_counts_what_is_booked, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_hours_turn, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
