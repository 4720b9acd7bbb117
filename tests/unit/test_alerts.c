/* SPDX-License-Identifier: MIT
 * test_alerts.c - what receivers of alerts are sent, whatever names stand in it, and how often the
 * same thing is told. */
#include "master/alerts_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/mem.h"

static struct arena *arena;
static struct buf out;

static const struct alert_sender_name who = { "https://gw.example", "gw@example.org",
					      "ops@example.org" };

static int set_up(void **state)
{
	(void)state;
	arena = arena_new(4 << 20);
	buf_init(&out, 1 << 20);
	return arena && hash_init() == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	buf_done(&out);
	arena_free(arena);
	return 0;
}

static struct alert_message message(const char *text)
{
	struct alert_message m = { .kind = ALERT_outage_alerts, .level = ALERT_HIGH,
				   .wall_ns = UINT64_C(1764489600) * NS_PER_S };
	alert_say(&m, "%s", text);
	return m;
}

static const struct json *written(enum alert_format f, const struct alert_message *m)
{
	struct json_error why;
	buf_reset(&out);
	alert_formats[f].write(m, &who, &out);
	assert_false(out.failed);
	const struct json *j = json_parse(arena, buf_str(&out), JSON_ONE_KEY, &why);
	if (!j)
		fail_msg("%s: %s in %.*s", alert_formats[f].name, why.what, STR_ARG(buf_str(&out)));
	return j;
}

static void assert_text(const struct json *j, const char *path, const char *want)
{
	struct str s = json_str(arena, json_get_path(j, path));
	if (!str_eq_z(s, want))
		fail_msg("%s: wanted %s, got " STR_FMT, path, want, STR_ARG(s));
}

static void test_chat(void **state)
{
	struct alert_message m = message("<!channel> of @everyone & \"m\"\nnext");
	(void)state;
	assert_text(written(ALERT_SLACK, &m), "text",
		    "Level: `High`\nTimestamp: `2025-11-30T08:00:00Z`\nAlert type: `outage_alerts`\n\n"
		    "Message: &lt;!channel&gt; of @everyone &amp; \"m\"\nnext\n\n"
		    "Proxy URL: `https://gw.example`");
	const struct json *j = written(ALERT_DISCORD, &m);
	assert_int_equal(json_get_path(j, "allowed_mentions.parse")->count, 0);
	assert_true(str_find(json_get_str(arena, j, "content"), STR("<!channel> of @everyone &")) !=
		    SIZE_MAX);
	const struct json *card = json_get(json_at(json_get(written(ALERT_TEAMS, &m), "attachments"),
						   0), "content");
	assert_text(card, "type", "AdaptiveCard");
	assert_text(json_at(json_get(card, "body"), 0), "text", "<!channel> of @everyone & \"m\"\nnext");
}

static void test_an_event(void **state)
{
	struct alert_message m = message("x");
	(void)state;
	const struct json *j = written(ALERT_WEBHOOK, &m);
	assert_text(j, "event", "outage_alerts");
	assert_text(j, "event_group", "proxy");
	assert_int_equal(json_get(j, "spend")->type, JSON_NULL);
	m.kind = ALERT_budget_alerts;
	m.owner = (struct alert_owner){ .event = "projected_limit_exceeded", .group = "team",
					.team_id = "t", .has_money = true, .spend = 1500000000,
					.max_budget = 2000000000, .soft_budget = -1,
					.projected = 3000000000,
					.projected_ns = UINT64_C(1764489600) * NS_PER_S };
	j = written(ALERT_WEBHOOK, &m);
	assert_text(j, "event", "projected_limit_exceeded");
	assert_text(j, "event_group", "team");
	assert_text(j, "team_id", "t");
	assert_text(j, "projected_exceeded_date", "2025-11-30");
	assert_true(str_eq(json_get(j, "spend")->raw, STR("1.5")));
	assert_true(str_eq(json_get(j, "max_budget")->raw, STR("2.0")));
	assert_true(str_eq(json_get(j, "projected_spend")->raw, STR("3.0")));
	assert_int_equal(json_get(j, "soft_budget")->type, JSON_NULL);
	assert_int_equal(json_get(j, "key_alias")->type, JSON_NULL);
}

/* A name cannot end a line of the head, nor the text. */
static void test_a_mail(void **state)
{
	struct alert_message m = message("one\r\n.\r\nBcc: x@y\r\n\r\ntwo");
	struct buf text;
	char line[128];
	bool in_head = true;
	(void)state;
	buf_init(&text, 8192);
	alert_formats[ALERT_EMAIL].write(&m, &who, &out);
	assert_false(out.failed);
	struct str rest = buf_str(&out);
	assert_true(str_starts(rest, STR("From: gw@example.org\r\nTo: ops@example.org\r\n"
					 "Subject: [llmgw] High: outage_alerts\r\n"
					 "Date: Sun, 30 Nov 2025 08:00:00 +0000\r\n")));
	while (rest.n) {
		struct str one = str_cut(&rest, '\n');
		size_t n;
		assert_true(str_ends(one, STR("\r")));
		one.n--;
		assert_true(one.n <= 78 || in_head);
		assert_false(str_starts(one, STR("Bcc")));
		if (!in_head && one.n) {
			assert_true(hash_unbase64(line, sizeof line, one, &n));
			buf_put(&text, str_of(line, n));
		}
		in_head &= one.n != 0;
	}
	assert_true(str_find(buf_str(&text), STR("Message: one\r\n.\r\nBcc: x@y")) != SIZE_MAX);
	buf_done(&text);
}

static void test_texts_are_cut_between_characters(void **state)
{
	struct alert_message m;
	char name[8], *much = mem_alloc(3000);
	(void)state;
	for (size_t i = 0; i < 2998; i += 2)
		memcpy(much + i, "\xc3\xa9", 2);
	for (size_t shift = 0; shift < 2; shift++) {
		alert_say(&m, "%s%s", shift ? "x" : "", much);
		assert_true(strlen(m.text) >= ALERT_TEXT - 3 && str_is_utf8(str_z(m.text)));
		alert_name(name, sizeof name, str_of(much + shift, 20));
		assert_true(shift || (strlen(name) == 6 && str_is_utf8(str_z(name))));
	}
	alert_name(name, sizeof name, STR("a\nb\x7f"));
	assert_string_equal(name, "a b ");
	mem_free(much);
}

static void test_addresses(void **state)
{
	static const struct {
		const char *url;
		enum alert_format f;
	} urls[] = {
		{ "https://hooks.slack.com/services/T/B/x", ALERT_SLACK },
		{ "https://discord.com/api/webhooks/1/x", ALERT_DISCORD },
		{ "https://discord.com/api/webhooks/1/x/slack", ALERT_SLACK },
		{ "https://evil-discord.com/api/webhooks/1/x", ALERT_SLACK },
		{ "https://t.webhook.office.com/webhookb2/x", ALERT_TEAMS },
		{ "https://prod-1.west.logic.azure.com/workflows/x", ALERT_TEAMS },
		{ "http://127.0.0.1:1/", ALERT_SLACK },
		{ "", ALERT_SLACK },
	};
	static const char *const bad[] = { "", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\r\nRCPT", "<a@b>",
					   "a,b@c", "\"a\"@b", "a@b\xc3\xa9" };
	(void)state;
	for (size_t i = 0; i < COUNT(urls); i++)
		if (alert_format_of_url(str_z(urls[i].url)) != urls[i].f)
			fail_msg("%s", urls[i].url);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (alert_is_address(str_z(bad[i])))
			fail_msg("%s", bad[i]);
	assert_true(alert_is_address(STR("first.last+tag@mail.example.org")));
}

static void test_tables(void **state)
{
	(void)state;
	for (int i = 0; i < ALERT_KINDS; i++)
		assert_int_equal(alert_kind_find(str_z(alert_kinds[i].name)), i);
	for (int i = 0; i < ALERT_FORMATS; i++)
		assert_int_equal(alert_format_find(str_z(alert_formats[i].name)), i);
	assert_int_equal(alert_kind_find(STR("none")), -1);
	assert_int_equal(alert_format_find(STR("none")), -1);
	_Static_assert(ALERT_KINDS <= 32, "a bit for each");
}

/* ---- how often ---- */

static struct alerts *engine(struct config_alerts *c)
{
	struct alerts *a = mem_alloc(sizeof *a);
	assert_non_null(a);
	a->c = c;
	for (unsigned i = 0; i < ALERT_KINDS; i++)
		c->quiet_ms[i] = 1000;
	return a;
}

static void test_once_in_its_quiet_time(void **state)
{
	struct config_alerts c = { 0 };
	struct alerts *a = engine(&c);
	uint64_t now = 100 * NS_PER_S;
	uint32_t untold;
	(void)state;
	assert_true(alert_may_tell(a, ALERT_db_exceptions, 7, now, &untold) && untold == 0);
	for (unsigned i = 0; i < 5; i++)
		assert_false(alert_may_tell(a, ALERT_db_exceptions, 7, now + i, &untold));
	assert_true(alert_may_tell(a, ALERT_db_exceptions, 8, now, &untold));
	assert_true(alert_may_tell(a, ALERT_outage_alerts, 7, now, &untold));
	assert_false(alert_may_tell(a, ALERT_db_exceptions, 7, now + NS_PER_S - 1, &untold));
	assert_true(alert_may_tell(a, ALERT_db_exceptions, 7, now + NS_PER_S, &untold));
	assert_int_equal(untold, 6);
	mem_free(a);
}

/* However many things go wrong, few messages go out, and memory stays what it is. */
static void test_a_flood_is_held_back(void **state)
{
	struct config_alerts c = { 0 };
	struct alerts *a = engine(&c);
	uint64_t now = 100 * NS_PER_S;
	uint32_t untold, told = 0;
	(void)state;
	for (uint64_t i = 0; i < 100000; i++)
		told += alert_may_tell(a, ALERT_llm_exceptions, hash_random_u64(), now + i, &untold);
	assert_int_equal(told, 20);
	assert_true(alert_may_tell(a, ALERT_llm_exceptions, 1, now + 61 * NS_PER_S, &untold));
	assert_int_equal(untold, 100000 - 20);
	mem_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_chat, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_event, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_mail, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_texts_are_cut_between_characters, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_addresses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_tables, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_once_in_its_quiet_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_flood_is_held_back, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
