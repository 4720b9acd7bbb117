/* SPDX-License-Identifier: MIT
 * test_alert_reports.c - reports of alerting by the clock: what models others answered for, and
 * what was spent, lately and in a month that has ended. */
#include "keys_fixture.h"

#include "master/alerts_private.h"

const struct command commands[1];
const size_t commands_count = 0;

static struct config config;
static struct alerts *alerts;
static char log_file[] = "/tmp/test_alert_reports_XXXXXX";

#define DAY(n) ((uint64_t)(n) * 86400 * NS_PER_S)
enum { FEBRUARY_1 = 20485, MARCH_1 = 20513 };	/* of 2026, in days since 1970 */

static int set_up(void **st)
{
	int fd = mkostemp(log_file, O_APPEND | O_CLOEXEC);
	assert_int_equal(setup(st), 0);
	assert_true(fd >= 0);
	log_start(fd, LOG_TEXT, LOG_INFO, "test", false);
	config = (struct config){ 0 };
	config.alerts.kinds = 1u << ALERT_spend_reports | 1u << ALERT_fallback_reports;
	config.alerts.logs = true;
	config.alerts.daily_ms = 86400000;
	config.alerts.spend_report_ms = 7 * 86400000;
	config.alerts.check_ms = 1000;
	w.m.config = &config;
	assert_int_equal(alerts_new(&w.m, &alerts), 0);
	alerts_configure(alerts);
	place_exec(&w.p, "INSERT INTO teams (id, team_id, alias, created_at, updated_at) VALUES"
			 " (1, 't', 'physics', 0, 0)");
	return 0;
}

static void close_timer(uv_handle_t *h, void *data)
{
	(void)data;
	if (h->type == UV_TIMER && !uv_is_closing(h))
		uv_close(h, NULL);
}

static int tear_down(void **st)
{
	alerts_stop(alerts, 0);
	uv_walk(&w.p.loop, close_timer, NULL);
	uv_run(&w.p.loop, UV_RUN_NOWAIT);
	mem_free(alerts);
	unlink(log_file);
	memcpy(strstr(log_file, "reports_") + 8, "XXXXXX", 6);
	return teardown(st);
}

/* What has been told since it was asked last. */
static const char *told(void)
{
	static char text[65536];
	store_drain(w.p.store);
	int fd = open(log_file, O_RDWR | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof text - 1);
	text[n < 0 ? 0 : n] = '\0';
	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
	return text;
}

static void says(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no '%s' in: %s", part, text);
}

static void spend(unsigned day, int64_t dollars)
{
	char sql[512];
	snprintf(sql, sizeof sql, "INSERT INTO spend_daily VALUES (%u, 1, 1, 0, 0, 0, 0,"
				  " 0, 1, 0, 0, 1, 1, 0, 0, 0, %lld)", day,
		 (long long)dollars * 1000000000);
	place_exec(&w.p, sql);
}

static void test_a_month_that_has_ended(void **st)
{
	(void)st;
	spend(FEBRUARY_1 - 1, 100);
	spend(FEBRUARY_1, 2);
	spend(MARCH_1 - 1, 3);
	spend(MARCH_1, 1000);
	alert_report(alerts, DAY(MARCH_1) - NS_PER_S);
	assert_null(strstr(told(), "Spend of"));	/* the first look tells nothing */
	alert_report(alerts, DAY(MARCH_1) + 5 * NS_PER_S);
	const char *text = told();
	says(text, "Spend of 2026-02: $5.0000");
	says(text, "physics: $5.0000");
	alert_report(alerts, DAY(MARCH_1) + 9 * NS_PER_S);
	assert_null(strstr(told(), "2026-"));	/* once */
	alert_report(alerts, DAY(MARCH_1 + 40));
	told();					/* that of the last days goes before */
	alert_report(alerts, DAY(MARCH_1 + 40) + NS_PER_S);
	says(told(), "Spend of 2026-03: $1000.0000");
	alert_report(alerts, DAY(MARCH_1 - 3));	/* a clock that was wrong tells nothing */
	assert_null(strstr(told(), "2026-"));
}

static void test_the_last_days(void **st)
{
	(void)st;
	uint64_t due = (DAY(FEBRUARY_1 + 10) / DAY(7) + 1) * DAY(7);
	unsigned day = (unsigned)(due / DAY(1));
	spend(day - 8, 50);
	spend(day - 7, 4);
	alert_report(alerts, due - NS_PER_S);
	alert_report(alerts, due);
	says(told(), "Spend of the last 7.0 days: $4.0000");
	alert_report(alerts, due + NS_PER_S);
	assert_null(strstr(told(), "Spend"));
}

static void went(const char *model, const char *group, bool failed)
{
	struct record r = { .flags = RF_FALLBACK | (failed ? RF_FAILED : 0) };
	struct export_view v = { .r = &r };
	record_put(&r, RT_MODEL, str_z(model));
	record_put(&r, RT_GROUP, str_z(group));
	alerts_record(alerts, &v);
}

static void test_fallbacks(void **st)
{
	(void)st;
	alert_report(alerts, DAY(FEBRUARY_1) + NS_PER_S);
	alert_report(alerts, DAY(FEBRUARY_1 + 1));
	assert_null(strstr(told(), "fallback"));	/* nothing to tell */
	went("big", "small", false);
	for (unsigned i = 0; i < 3; i++)
		went("gpt", "claude", i == 2);
	alert_report(alerts, DAY(FEBRUARY_1 + 1) + NS_PER_S);
	assert_null(strstr(told(), "fallback"));	/* it is not time yet */
	alert_report(alerts, DAY(FEBRUARY_1 + 2));
	const char *text = told();
	says(text, "gpt to claude: 2 answered, 1 failed");
	says(text, "big to small: 1 answered, 0 failed");
	assert_true(strstr(text, "gpt to") < strstr(text, "big to"));
	alert_report(alerts, DAY(FEBRUARY_1 + 3));
	assert_null(strstr(told(), "fallback"));	/* they have been told */
}

static void test_fallbacks_are_bounded(void **st)
{
	char name[32];
	(void)st;
	for (unsigned i = 0; i < 3 * FALLBACKS; i++) {
		snprintf(name, sizeof name, "m%u", i);
		went(name, "n\nm", true);
	}
	assert_int_equal(alerts->fallbacks[FALLBACKS - 1].failed, 2 * FALLBACKS + 1);
	alert_report(alerts, DAY(FEBRUARY_1) + NS_PER_S);
	alert_report(alerts, DAY(FEBRUARY_1 + 1));
	says(told(), "others to any: 0 answered, 129 failed");
}

static void test_no_records_of_who_is_not_asked_for(void **st)
{
	(void)st;
	config.alerts.kinds = 1u << ALERT_spend_reports;
	went("a", "b", false);
	assert_int_equal(alerts->fallbacks[0].answered, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_month_that_has_ended), TEST(test_the_last_days), TEST(test_fallbacks),
		TEST(test_fallbacks_are_bounded), TEST(test_no_records_of_who_is_not_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
