/* SPDX-License-Identifier: MIT
 * test_ctl.c - llmgwctl without a gateway: from words to JSON, from JSON to a screen, and which
 * exit code comes out. The command table is the real one. */
#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/mem.h"
#include "master/ctl.h"
#include "master/ctl_wait.h"

enum { ARGV_MAX = 32, LINE_BYTES = 1024 };

static struct arena *mem;
static struct buf out, hints;

static int set_up(void **state)
{
	(void)state;
	mem = arena_new(64 << 20);
	buf_init(&out, 16 << 20);
	buf_init(&hints, 1 << 20);
	return mem ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	buf_done(&out);
	buf_done(&hints);
	mem = arena_free(mem);
	return 0;
}

/* Splits at spaces; a '^' stands for a space in an argument, '%' alone for an empty one. */
static int split(char *line, char *argv[ARGV_MAX])
{
	int n = 0;
	for (char *p = line; *p;) {
		char *end = p + strcspn(p, " ");
		bool last = *end == '\0';
		*end = '\0';
		assert_true(n < ARGV_MAX);
		for (char *c = p; *c; c++)
			*c = *c == '^' ? ' ' : *c;
		argv[n++] = strcmp(p, "%") == 0 ? p + 1 : p;
		p = last ? end : end + 1;
	}
	return n;
}

static enum ctl_exit parse(const char *text, struct ctl_request *q, struct ctl_error *e)
{
	char *argv[ARGV_MAX], *line = arena_dup_z(mem, str_z(text));
	*e = (struct ctl_error){ 0 };
	return ctl_parse(mem, "/home/me", split(line, argv), argv, q, e);
}

static struct json *read_json(const char *text)
{
	struct json_error e;
	struct json *j = json_parse(mem, str_z(text), 0, &e);
	if (!j)
		fail_msg("bad JSON in the test: %s", text);
	return j;
}

static const char *shown(struct buf *b)
{
	return buf_z(b);
}

/* ---- grammar ---- */

static void test_words_and_options_become_json(void **state)
{
	static const struct {
		const char *line, *words, *args;
	} rows[] = {
		{ "status", "status", "{}" },
		{ "reload", "reload", "{}" },
		{ "upgrade", "upgrade", "{}" },
		{ "check", "check", "{}" },
		{ "check /etc/x.yaml", "check", "{\"file\":\"/etc/x.yaml\"}" },
		{ "check x.yaml", "check", "{\"file\":\"/home/me/x.yaml\"}" },
		{ "check --file ../x.yaml", "check", "{\"file\":\"/home/me/../x.yaml\"}" },
		{ "backup b.db", "backup", "{\"file\":\"/home/me/b.db\"}" },
		{ "workers", "workers list", "{}" },
		{ "workers list", "workers list", "{}" },
		{ "workers restart", "workers restart", "{}" },
		{ "workers restart 3", "workers restart", "{\"slot\":3}" },
		{ "workers drain --slot=1", "workers drain", "{\"slot\":1}" },
		{ "keys", "keys list", "{\"return_full_object\":true}" },
		{ "keys list --page 2 --size 10", "keys list",
		  "{\"page\":2,\"size\":10,\"return_full_object\":true}" },
		{ "keys list --sort spend --reverse", "keys list",
		  "{\"sort_by\":\"spend\",\"reverse\":true,\"return_full_object\":true}" },
		{ "keys list --return-full-object=false", "keys list",
		  "{\"return_full_object\":false}" },
		{ "keys list --return-full-object", "keys list", "{\"return_full_object\":true}" },
		{ "keys create", "keys create", "{}" },
		{ "keys create --max-budget 50", "keys create", "{\"max_budget\":50.0}" },
		{ "keys create --max_budget 50", "keys create", "{\"max_budget\":50.0}" },
		{ "keys create --max-budget=50", "keys create", "{\"max_budget\":50.0}" },
		{ "keys create --max-budget $0.25", "keys create", "{\"max_budget\":0.25}" },
		{ "keys create --max-budget 0.000000001", "keys create",
		  "{\"max_budget\":0.000000001}" },
		{ "keys create --soft-budget 9000000000", "keys create",
		  "{\"soft_budget\":9000000000.0}" },
		{ "keys create --max-budget none", "keys create", "{\"max_budget\":null}" },
		{ "keys create --rpm-limit null --tpm-limit -1", "keys create",
		  "{\"rpm_limit\":null,\"tpm_limit\":-1}" },
		{ "keys create --duration none", "keys create", "{\"duration\":null}" },
		{ "keys create --key-alias none", "keys create", "{\"key_alias\":\"none\"}" },
		{ "keys create --models a,b", "keys create", "{\"models\":[\"a\",\"b\"]}" },
		{ "keys create --models a --models b,c", "keys create",
		  "{\"models\":[\"a\",\"b\",\"c\"]}" },
		{ "keys create --models a,,^b^,", "keys create", "{\"models\":[\"a\",\"b\"]}" },
		{ "keys create --models %", "keys create", "{\"models\":[]}" },
		{ "keys create --models=", "keys create", "{\"models\":[]}" },
		{ "keys create --metadata {\"a\":[1,2]}", "keys create",
		  "{\"metadata\":{\"a\":[1,2]}}" },
		{ "keys create --duration 30d --budget-duration 1mo", "keys create",
		  "{\"budget_duration\":\"1mo\",\"duration\":\"30d\"}" },
		{ "keys create --duration -1", "keys create", "{\"duration\":\"-1\"}" },
		{ "keys create --key-alias a^\"b\"", "keys create",
		  "{\"key_alias\":\"a \\\"b\\\"\"}" },
		{ "keys create --key-alias=--x", "keys create", "{\"key_alias\":\"--x\"}" },
		{ "keys create --key sk-1", "keys create", "{\"key\":\"sk-1\"}" },
		{ "--json keys create --rpm-limit 5 --yes", "keys create", "{\"rpm_limit\":5}" },
		{ "keys --json create", "keys create", "{}" },
		{ "--socket /s keys --timeout 5s show a", "keys show", "{\"key\":\"a\"}" },
		{ "--key sk-adm --url http://x keys show --key b", "keys show", "{\"key\":\"b\"}" },
		{ "keys show", "keys show", "{}" },
		{ "keys show -- --strange", "keys show", "{\"key\":\"--strange\"}" },
		{ "keys show -5", "keys show", "{\"key\":\"-5\"}" },
		{ "keys update a --spend 0", "keys update", "{\"key\":\"a\",\"spend\":0.0}" },
		{ "keys update --spend 1.5 a", "keys update", "{\"key\":\"a\",\"spend\":1.5}" },
		{ "keys rotate a --new-key sk-n -y", "keys rotate",
		  "{\"key\":\"a\",\"new_key\":\"sk-n\"}" },
		{ "keys block a", "keys block", "{\"key\":\"a\"}" },
		{ "keys unblock a", "keys unblock", "{\"key\":\"a\"}" },
		{ "keys delete a b,c", "keys delete", "{\"keys\":[\"a\",\"b\",\"c\"]}" },
		{ "keys delete --key-aliases x,y", "keys delete",
		  "{\"key_aliases\":[\"x\",\"y\"]}" },
		{ "keys delete a --keys b", "keys delete", "{\"keys\":[\"a\",\"b\"]}" },
		{ "models", "models list", "{}" },
		{ "models list gpt-4o", "models list", "{\"model\":\"gpt-4o\"}" },
		{ "models show gpt-4o", "models show", "{\"model\":\"gpt-4o\"}" },
		{ "health", "health list", "{}" },
		{ "health probe gpt-4o --model-id 1", "health probe",
		  "{\"model\":\"gpt-4o\",\"model_id\":\"1\"}" },
		{ "health clear", "health clear", "{}" },
		{ "spend", "spend report", "{}" },
		{ "spend report --group-by model", "spend report", "{\"group_by\":\"model\"}" },
		{ "spend keys", "spend keys", "{}" },
		{ "spend logs --limit 20", "spend logs", "{\"limit\":20}" },
		{ "logs", "logs tail", "{}" },
		{ "logs tail --lines 5", "logs tail", "{\"lines\":5}" },
		{ "config", "config show", "{}" },
		{ "config show --origin", "config show", "{\"origin\":true}" },
		{ "config diff", "config diff", "{}" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct ctl_request q;
		struct ctl_error e;
		if (parse(rows[i].line, &q, &e) != CTL_DONE)
			fail_msg("%s: " STR_FMT, rows[i].line, STR_ARG(e.message));
		assert_int_equal(q.action, CTL_RUN);
		assert_string_equal(q.command->words, rows[i].words);
		if (!str_eq_z(q.args, rows[i].args))
			fail_msg("%s: " STR_FMT, rows[i].line, STR_ARG(q.args));
	}
}

static void test_mistakes_are_explained(void **state)
{
	static const struct {
		const char *line, *message, *next;
	} rows[] = {
		{ "", "which command?", "--help" },
		{ "frobnicate", "there is no command 'frobnicate'", "llmgwctl --help" },
		{ "statsu", "there is no command 'statsu'", "did you mean status?" },
		{ "key list", "there is no command 'key'", "did you mean keys?" },
		{ "keys creat", "'creat' is nothing that 'keys' can do",
		  "did you mean keys create?" },
		{ "keys frobnicate", "'frobnicate' is nothing", "llmgwctl keys --help" },
		{ "models info", "'info' is nothing", "llmgwctl models --help" },
		{ "keys create --max-bugdet 5", "no option '--max-bugdet' of keys create",
		  "did you mean --max-budget?" },
		{ "keys create --jsno", "no option '--jsno'", "did you mean --json?" },
		{ "--max-budget 5 keys create", "no option '--max-budget'", "behind its name" },
		{ "--origin config show", "no option '--origin'", "behind its name" },
		{ "keys create -x", "no option '-x'", "--help" },
		{ "keys create --max-budget x", "--max-budget: 'x' is not an amount", "--help" },
		{ "keys create --max-budget -5", "'-5' is not an amount", "--help" },
		{ "keys create --max-budget 1e3", "'1e3' is not an amount", "--help" },
		{ "keys create --max-budget 0.0000000001", "is not an amount", "--help" },
		{ "keys create --max-budget 9000000001", "is not an amount", "--help" },
		{ "keys create --max-budget .", "is not an amount", "--help" },
		{ "keys create --max-budget %", "is not an amount", "--help" },
		{ "keys create --max-budget", "--max-budget needs a value: dollars", "--help" },
		{ "keys create --max-budget --json", "--max-budget needs a value", "--help" },
		{ "keys create --rpm-limit 1.5", "'1.5' is not a whole number", "--help" },
		{ "keys create --rpm-limit 99999999999999999999", "is not a whole number",
		  "--help" },
		{ "keys create --duration soon", "'soon' is not a duration", "--help" },
		{ "keys create --duration mo", "'mo' is not a duration", "--help" },
		{ "keys create --metadata {a:1}", "wanted is a JSON object, kept and shown", "--help" },
		{ "teams add labs ann", "'ann' is not JSON; wanted is {role, user_id", "--help" },
		{ "keys create --key-alias \xff", "'\\xff' is not text", "--help" },
		{ "keys create --key-alias a --key_alias b", "--key-alias is given twice",
		  "--help" },
		{ "keys create --return-full-object", "no option", "--help" },
		{ "keys list --return-full-object=maybe", "is not true or false", "--help" },
		{ "keys create extra", "'extra' is one argument too many",
		  "did you mean --key-alias extra?" },
		{ "keys create --key-alias a extra", "'extra' is one argument too many",
		  "keys create --help" },
		{ "config check", "'check' is nothing that 'config' can do",
		  "did you mean llmgwctl check?" },
		{ "spend report --start x", "no option '--start'", "did you mean --start-date?" },
		{ "keys create --budget 5", "no option '--budget'", "did you mean --max-budget?" },
		{ "audit list --limit 5", "no option '--limit'", "did you mean --page-size?" },
		{ "status extra", "'extra' is one argument too many", "status --help" },
		{ "keys block a b", "'b' is one argument too many", "--help" },
		{ "keys block", "keys block needs key", "--help" },
		{ "backup", "backup needs file", "--help" },
		{ "workers restart one", "--slot: 'one' is not a whole number", "--help" },
		{ "keys show a --key b", "--key is given twice", "--help" },
		{ "--json=1 status", "--json takes no value", "--help" },
		{ "--socket", "--socket needs a value", "--help" },
		{ "--socket= status", "--socket: '' is not what it takes", "--help" },
		{ "--color blue status", "--color: 'blue' is not what it takes", "--help" },
		{ "--timeout 0 status", "--timeout: '0'", "--help" },
		{ "--timeout long status", "--timeout: 'long'", "--help" },
		{ "--socket /a --url http://b status", "--socket and --url", "--help" },
		{ "--key a --key-file b status", "--key and --key-file", "--help" },
		{ "upgrade --dry-run", "upgrade cannot be tried", "upgrade --help" },
		{ "upgrade -n", "upgrade cannot be tried", "--help" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct ctl_request q;
		struct ctl_error e;
		if (parse(rows[i].line, &q, &e) != CTL_USAGE)
			fail_msg("accepted: %s", rows[i].line);
		if (str_find(e.message, str_z(rows[i].message)) == SIZE_MAX)
			fail_msg("%s: " STR_FMT, rows[i].line, STR_ARG(e.message));
		if (str_find(e.next, str_z(rows[i].next)) == SIZE_MAX)
			fail_msg("%s: next: " STR_FMT, rows[i].line, STR_ARG(e.next));
	}
}

static void test_options_of_every_command(void **state)
{
	struct ctl_request q;
	struct ctl_error e;
	(void)state;
	assert_int_equal(parse("--socket /a status -yq --json --no_headers --color=never "
			       "--timeout 90s", &q, &e), CTL_DONE);
	assert_string_equal(q.opt.socket, "/a");
	assert_true(q.opt.yes && q.opt.quiet && q.opt.json && q.opt.no_headers);
	assert_int_equal(q.opt.color, CTL_COLOR_NEVER);
	assert_int_equal(q.opt.timeout_ms, 90000);
	assert_int_equal(parse("status --url http://g --key-file -", &q, &e), CTL_DONE);
	assert_string_equal(q.opt.url, "http://g");
	assert_string_equal(q.opt.key_file, "-");
	assert_int_equal(q.opt.timeout_ms, 120000);
	assert_int_equal(parse("--version", &q, &e), CTL_DONE);
	assert_int_equal(q.action, CTL_VERSION);
	assert_int_equal(parse("completion bash", &q, &e), CTL_DONE);
	assert_int_equal(q.action, CTL_COMPLETION);
	assert_true(str_eq_z(q.topic, "bash"));
}

static void test_what_help_is_about(void **state)
{
	static const char *const rows[][2] = {
		{ "--help", "" }, { "-h", "" }, { "help", "" }, { "keys --help", "keys" },
		{ "keys create --help", "keys create" }, { "help keys create", "keys create" },
		{ "keys create --nonsense -h", "keys create" }, { "status -h", "status" },
		{ "help exit-codes", "exit-codes" }, { "help --mdoc", "--mdoc" },
		{ "bogus --help", "bogus" }, { "completion --help", "completion" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct ctl_request q;
		struct ctl_error e;
		assert_int_equal(parse(rows[i][0], &q, &e), CTL_DONE);
		assert_int_equal(q.action, CTL_HELP);
		if (!str_eq_z(q.topic, rows[i][1]))
			fail_msg("%s: '" STR_FMT "'", rows[i][0], STR_ARG(q.topic));
		buf_reset(&out);
		assert_int_equal(ctl_put_help(&out, q.topic),
				 strcmp(rows[i][1], "bogus") ? 0 : -ENOENT);
	}
}

static void test_the_question_before_destroying(void **state)
{
	static const char *const rows[][2] = {
		{ "keys delete a", "Delete key 'a'?" },
		{ "keys delete a,b c", "Delete 3 keys?" },
		{ "keys delete --key-aliases a,b", "Delete 2 keys?" },
		{ "keys delete a\x1b[2J", "Delete key 'a\\x1b[2J'?" },
		{ "keys rotate research", "Rotate key 'research'?" },
		{ "workers drain 1", "Drain worker '1'?" },
		{ "workers drain", "Drain all workers?" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct ctl_request q;
		struct ctl_error e;
		assert_int_equal(parse(rows[i][0], &q, &e), CTL_DONE);
		assert_true(q.command->flags & CMD_DESTROYS);
		struct str question = ctl_question(mem, &q);
		if (!str_eq_z(question, rows[i][1]))
			fail_msg("%s: " STR_FMT, rows[i][0], STR_ARG(question));
	}
}

static void test_whatever_destroys_can_be_tried(void **state)
{
	struct ctl_request q;
	struct ctl_error e;
	(void)state;
	for (size_t i = 0; i < commands_count; i++)
		if (ctl_is_shown(&commands[i]) && commands[i].flags & CMD_DESTROYS)
			assert_true(ctl_can_try(&commands[i]));
	assert_int_equal(parse("prices reset --dry-run", &q, &e), CTL_DONE);
	assert_true(q.opt.dry_run && ctl_tries_itself(q.command));
	assert_int_equal(parse("prices reset --dry-run=false", &q, &e), CTL_DONE);
	assert_false(q.opt.dry_run);
	assert_int_equal(parse("-n keys delete a", &q, &e), CTL_DONE);
	assert_true(q.opt.dry_run && !ctl_tries_itself(q.command));
}

/* ---- single values ---- */

static void test_money(void **state)
{
	static const struct {
		int64_t nano;
		const char *text;
	} rows[] = {
		{ 0, "$0.00" }, { 1, "$0.000000001" }, { 1200000, "$0.0012" },
		{ 1234567, "$0.00123457" }, { 123456789, "$0.123457" }, { 999999999, "$1.00" },
		{ 500000000, "$0.50" }, { 1000000000, "$1.00" }, { 50000000000, "$50.00" },
		{ 12345678901, "$12.345679" }, { 1000000499, "$1.00" }, { 1000000500, "$1.000001" },
		{ -50000000, "-$0.05" }, { 9000000000000000000, "$9000000000.00" },
		{ 10000000, "$0.01" }, { 1234500, "$0.0012345" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_reset(&out);
		ctl_put_money(&out, rows[i].nano);
		assert_string_equal(shown(&out), rows[i].text);
	}
}

static void test_money_is_read_from_numbers_and_text(void **state)
{
	int64_t nano = 0;
	(void)state;
	assert_int_equal(ctl_read_money(read_json("0.0012"), &nano), 0);
	assert_int_equal(nano, 1200000);
	assert_int_equal(ctl_read_money(read_json("1.2e-06"), &nano), 0);
	assert_int_equal(nano, 1200);
	assert_int_equal(ctl_read_money(read_json("\"50.5\""), &nano), 0);
	assert_int_equal(nano, 50500000000);
	assert_int_equal(ctl_read_money(read_json("1e300"), &nano), -EINVAL);
	assert_int_equal(ctl_read_money(read_json("null"), &nano), -EINVAL);
	assert_int_equal(ctl_read_money(read_json("\"x\""), &nano), -EINVAL);
	assert_int_equal(ctl_read_money(NULL, &nano), -EINVAL);
}

static void test_ages(void **state)
{
	static const struct {
		int64_t s;
		const char *text, *bare;
	} rows[] = {
		{ 0, "0s ago", "0s" }, { 119, "119s ago", "119s" }, { 120, "2m ago", "2m" },
		{ 7199, "119m ago", "119m" }, { 7200, "2h ago", "2h" },
		{ 172799, "47h ago", "47h" }, { 172800, "2d ago", "2d" },
		{ 8640000, "100d ago", "100d" }, { -300, "in 5m", "5m" },
	};
	const uint64_t now = 1770091506;
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t then = (uint64_t)((int64_t)now - rows[i].s) * NS_PER_S;
		buf_reset(&out);
		ctl_put_age(&out, then, now * NS_PER_S, false);
		assert_string_equal(shown(&out), rows[i].text);
		buf_reset(&out);
		ctl_put_age(&out, then, now * NS_PER_S, true);
		assert_string_equal(shown(&out), rows[i].bare);
	}
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		uint64_t s;
	} good[] = {
		{ "2026-02-03T04:05:06Z", 1770091506 }, { "2026-02-03T04:05:06.789Z", 1770091506 },
		{ "2026-02-03T06:05:06+02:00", 1770091506 },
		{ "2026-02-02T23:05:06-05:00", 1770091506 },
		{ "2026-02-03T04:05:06", 1770091506 }, { "2026-02-03 04:05:06.123456", 1770091506 },
		{ "1970-01-01T00:00:00Z", 0 },
	};
	static const char *const bad[] = {
		"", "2026-02-03", "2026-02-03T04:05", "2026-13-03T04:05:06Z",
		"2026-02-03T24:05:06Z",
		"2026-02-03T04:05:06X", "2026-02-03T04:05:06+0200", "aaaa-bb-ccTdd:ee:ffZ",
		"1969-12-31T23:59:59Z", "a name that is quite long",
	};
	uint64_t ns = 0;
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(ctl_read_time(str_z(good[i].text), &ns), 0);
		assert_int_equal(ns / NS_PER_S, good[i].s);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(ctl_read_time(str_z(bad[i]), &ns), -EINVAL);
	ctl_put_time(&out, 1770091506 * NS_PER_S, false);
	assert_string_equal(shown(&out), "2026-02-03T04:05:06Z");
	buf_reset(&out);
	setenv("TZ", "EET-2", 1);
	tzset();
	ctl_put_time(&out, 1770091506 * NS_PER_S, true);
	assert_string_equal(shown(&out), "2026-02-03 06:05:06");
	unsetenv("TZ");
	tzset();
}

static void test_nothing_moves_the_cursor(void **state)
{
	static const struct {
		const char *raw, *text;
	} rows[] = {
		{ "plain \xc3\xbc \xe6\x97\xa5", "plain \xc3\xbc \xe6\x97\xa5" },
		{ "\x1b[31m", "\\x1b[31m" },
		{ "a\r\nb\tc\x7f", "a\\x0d\\x0ab\\x09c\\x7f" },
		{ "\xc2\x9b" "2J", "\\xc2\\x9b2J" },			/* CSI in one character */
		{ "\xe2\x80\xae" "gpj", "\\xe2\\x80\\xaegpj" },		/* right-to-left override */
		{ "\xe2\x81\xa6x\xe2\x81\xa9",
		  "\\xe2\\x81\\xa6x\\xe2\\x81\\xa9" },	/* isolates */
		{ "\xe2\x80\xa8", "\\xe2\\x80\\xa8" },			/* line separator */
		{ "\xd8\x9c\xe2\x80\x8f\xef\xbb\xbf", "\\xd8\\x9c\\xe2\\x80\\x8f\\xef\\xbb\\xbf" },
		{ "\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81" },		/* a tag nobody sees */
		{ "\xff\xc0\x80", "\\xff\\xc0\\x80" },
		{ "\xe2\x80", "\\xe2\\x80" },
		{ "back\\slash", "back\\slash" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_reset(&out);
		ctl_put_safe(&out, str_z(rows[i].raw));
		assert_string_equal(shown(&out), rows[i].text);
	}
	buf_reset(&out);
	ctl_put_safe_lines(&out, STR("one\r\n\n\ttwo\x1b\nthree"), "  ");
	assert_string_equal(shown(&out), "  one\n\n  \ttwo\\x1b\n  three\n");
}

/* ---- tables and views ---- */

static const struct command_column cols[] = {
	{ "NAME", "name", COL_TEXT }, { "N", "deep.n", COL_INT }, { "COST", "cost", COL_MONEY },
	{ "WHEN", "at", COL_TIME }, { "SEEN", "seen", COL_AGE }, { "UP", "seen", COL_AGE },
	{ "OFF", "off", COL_BOOL }, { "LIST", "list", COL_LIST }, { 0 },
};
static const char rows_json[] =
	"[{\"name\":\"alpha\",\"deep\":{\"n\":7},\"cost\":0.0012,\"at\":\"2026-02-03T04:05:06.5Z\","
	"\"seen\":\"2026-02-03T04:02:06Z\",\"off\":true,\"list\":[\"a\",\"b\"]},"
	"{\"name\":\"\\u001b[1m\\u202ez\",\"deep\":{\"n\":12345},\"cost\":50,\"at\":null,"
	"\"seen\":1770084306,\"off\":false,\"list\":[]},"
	"\"only text\"]";

static struct ctl_look look(unsigned width, bool colors, bool headers)
{
	return (struct ctl_look){ .width = width, .colors = colors, .headers = headers,
				  .now_ns = 1770091506 * NS_PER_S };
}

static void test_a_table(void **state)
{
	struct ctl_look l = look(0, false, true);
	(void)state;
	assert_int_equal(ctl_put_table(&out, mem, cols, read_json(rows_json), &l), 0);
	assert_string_equal(shown(&out),
		"NAME                     N    COST WHEN                 SEEN   UP OFF LIST\n"
		"alpha                    7 $0.0012 2026-02-03T04:05:06Z 3m ago 3m yes a, b\n"
		"\\x1b[1m\\xe2\\x80\\xaez 12345  $50.00 -                    2h ago 2h no  -\n"
		"only text                -       - -                    -      -  -   -\n");
	buf_reset(&out);
	l.headers = false;
	assert_int_equal(ctl_put_table(&out, mem, cols, read_json("[{\"name\":\"x\"}]"), &l), 0);
	assert_string_equal(shown(&out), "x    -    - -    -    -  -   -\n");
}

static void test_a_table_on_a_narrow_terminal(void **state)
{
	static const struct command_column two[] = {
		{ "ID", "id", COL_TEXT }, { "N", "n", COL_INT },
		{ "NOTE", "note", COL_TEXT }, { 0 },
	};
	static const char rows[] =
		"[{\"id\":\"0123456789abcdef0123456789abcdef\",\"n\":1,\"note\":\"short\"},"
		"{\"id\":\""
		"\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\","
		"\"n\":22,\"note\":\"a longer note than that\"}]";
	struct ctl_look l = look(30, false, true);
	(void)state;
	assert_int_equal(ctl_put_table(&out, mem, two, read_json(rows), &l), 0);
	assert_string_equal(shown(&out),
		"ID             N NOTE\n"
		"0123456789ab\xe2\x80\xa6  1 short\n"
		"\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5  22 "
		"a longer no\xe2\x80\xa6\n");
	buf_reset(&out);
	l.width = 5;				/* too narrow for anything: the terminal wraps */
	assert_int_equal(ctl_put_table(&out, mem, two, read_json(rows), &l), 0);
	assert_non_null(strstr(shown(&out), "012345678\xe2\x80\xa6  1 short"));
}

static void test_sentences_and_long_values(void **state)
{
	static const struct command_column three[] = {
		{ "CHECK", "c", COL_TEXT }, { "WHAT", "w", COL_PROSE },
		{ "VALUE", "v", COL_BRIEF }, { 0 },
	};
	static const char rows[] =
		"[{\"c\":\"one\",\"w\":\"it goes on in the next lines, \u65e5\u65e5 and "
		"0123456789012345678901234567890123456789\",\"v\":\"01234567890123456789012345678901"
		"2345678901234567890123456789012345\"},{\"c\":\"two\",\"w\":\"short\",\"v\":null}]";
	struct ctl_look l = look(0, false, true);
	(void)state;
	assert_int_equal(ctl_put_table(&out, mem, three, read_json(rows), &l), 0);
	assert_string_equal(shown(&out),
		"CHECK WHAT                                     VALUE\n"
		"one   it goes on in the next lines, \u65e5\u65e5 and   "
		"01234567890123456789012345678901234567890123456789012345678\u2026\n"
		"      0123456789012345678901234567890123456789\n"
		"two   short                                    -\n");
	buf_reset(&out);
	l.width = 50;
	assert_int_equal(ctl_put_table(&out, mem, three, read_json(rows), &l), 0);
	assert_string_equal(shown(&out),
		"CHECK WHAT                  VALUE\n"
		"one   it goes on in the     01234567890123456789\u2026\n"
		"      next lines, \u65e5\u65e5 and\n"
		"      012345678901234567890\n"
		"      1234567890123456789\n"
		"two   short                 -\n");
}

static void test_colors_and_other_locales(void **state)
{
	static const struct command_column one[] = { { "STATE", "s", COL_TEXT }, { 0 } };
	static const char rows[] = "[{\"s\":\"ready\"},{\"s\":\"down\"},{\"s\":\"b\xc3\xbc\"}]";
	struct ctl_look l = look(0, true, true);
	(void)state;
	assert_int_equal(ctl_put_table(&out, mem, one, read_json(rows), &l), 0);
	assert_non_null(strstr(shown(&out), "\033[1mSTATE"));
	assert_non_null(strstr(shown(&out), "\033[32mready"));
	assert_non_null(strstr(shown(&out), "\033[31mdown"));
	assert_non_null(strstr(shown(&out), "b\xc3\xbc"));
	buf_reset(&out);
	l.colors = false;
	setlocale(LC_CTYPE, "C");		/* must end, and print what C can */
	assert_int_equal(ctl_put_table(&out, mem, one, read_json(rows), &l), 0);
	setlocale(LC_CTYPE, "C.UTF-8");
	assert_string_equal(shown(&out), "STATE\nready\ndown\nb\\xc3\\xbc\n");
}

static void test_a_view(void **state)
{
	static const char json[] =
		"{\"state\":\"ok\",\"max_budget\":50,\"models\":[\"a\",\"b\"],\"blocked\":false,"
		"\"nothing\":null,\"empty\":[],\"none\":{},\"workers\":{\"running\":2,\"ends\":"
		"[{\"pid\":1,\"how\":\"exit 1\"},{\"pid\":22}],\"mixed\":[1,[2,3]]},"
		"\"text\":\"one\\n\\ttwo\\u001b\\n\",\"ev\\u001bil\":\"x\\u0007\"}";
	struct ctl_look l = look(0, false, true);
	(void)state;
	ctl_put_view(&out, mem, read_json(json), &l);
	assert_string_equal(shown(&out),
		"state:       ok\n"
		"max_budget:  $50.00\n"
		"models:      a, b\n"
		"blocked:     no\n"
		"nothing:     -\n"
		"empty:       -\n"
		"none:        -\n"
		"workers:\n"
		"  running:  2\n"
		"  ends:\n"
		"    - pid:  1\n"
		"      how:  exit 1\n"
		"    - pid:  22\n"
		"  mixed:\n"
		"    - 1\n"
		"    - 2, 3\n"
		"text:\n"
		"  one\n"
		"  \ttwo\\x1b\n"
		"ev\\x1bil:    x\\x07\n");
	buf_reset(&out);
	ctl_put_view(&out, mem, read_json("\"just text\""), &l);
	ctl_put_view(&out, mem, read_json("[1,{\"a\":2}]"), &l);
	assert_string_equal(shown(&out), "just text\n- 1\n- a:  2\n");
	buf_reset(&out);
	setenv("TZ", "UTC", 1);
	tzset();
	l.is_tty = true;
	ctl_put_view(&out, mem, read_json("{\"at\":\"2026-02-03T04:05:06Z\"}"), &l);
	assert_string_equal(shown(&out), "at:  2026-02-03 04:05:06\n");
	unsetenv("TZ");
	tzset();
}

static void test_json_for_people(void **state)
{
	(void)state;
	ctl_put_pretty(&out, read_json("{\"a\":[1,{\"b\":null}],\"c\":{},"
				       "\"d\\n\":\"\xe2\x80\xae\xc2\x9b"
				       "\\u0041\xc3\xbc\"}"));
	assert_string_equal(shown(&out),
		"{\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ],\n  \"c\": {},\n"
		"  \"d\\n\": \"\\u202e\\u009b\\u0041\xc3\xbc\"\n}\n");
}

/* ---- whole answers ---- */

static const char *show(const char *line, const char *answer, struct ctl_look l)
{
	struct ctl_request q;
	struct ctl_error e;
	assert_int_equal(parse(line, &q, &e), CTL_DONE);
	buf_reset(&out);
	buf_reset(&hints);
	l.quiet = q.opt.quiet;
	ctl_show(&out, &hints, mem, &q, read_json(answer), &l);
	return shown(&out);
}

static void test_a_new_key_is_shown_once_and_well(void **state)
{
	static const char answer[] =
		"{\"key\":\"sk-abc\",\"key_alias\":\"red\",\"models\":[\"gpt-4o\"],"
		"\"max_budget\":50,"
		"\"expires\":null,\"metadata\":{}}";
	struct ctl_look l = look(0, false, true);
	(void)state;
	assert_string_equal(show("keys create", answer, l),
		"The new key, shown only this once:\n\n    sk-abc\n\n"
		"key_alias:   red\nmodels:      gpt-4o\nmax_budget:  $50.00\n\n"
		"Try it:\n\n    curl http://localhost:4000/v1/chat/completions \\\n"
		"        -H 'Authorization: Bearer sk-abc' \\\n"
		"        -H 'Content-Type: application/json' \\\n"
		"        -d '{\"model\":\"gpt-4o\",\"messages\":"
		"[{\"role\":\"user\",\"content\":\"Hello\"}]}'\n");
	l.url = STR("https://localhost:8443");
	assert_non_null(strstr(show("keys create", answer, l),
			       "curl https://localhost:8443/v1/chat/completions"));
	assert_string_equal(show("keys create -q", answer, l), "sk-abc\n");
	assert_string_equal(show("keys create --json", "{ \"key\" : \"sk-abc\" }", l),
			    "{ \"key\" : \"sk-abc\" }\n");
	assert_non_null(strstr(show("--url https://g/ keys rotate a",
				    "{\"key\":\"sk-b\",\"models\":[\"*\"]}", l),
				"curl https://g/v1/chat/completions"));
	assert_non_null(strstr(shown(&out), "\"model\":\"MODEL\""));
	assert_non_null(strstr(shown(&out), "The new text of the key"));
}

static void test_what_an_answer_looks_like(void **state)
{
	struct ctl_look l = look(0, false, true), tty = l;
	(void)state;
	tty.is_tty = true;
	assert_string_equal(show("check f", "{\"complaints\":\"f:1:2: no\\n  a: b\\n  ^\\n\"}", l),
			    "f:1:2: no\n  a: b\n  ^\n");
	assert_string_equal(show("check f", "{\"complaints\":\"\"}", l), "");
	assert_string_equal(shown(&hints), "the configuration is valid\n");
	assert_string_equal(show("config diff", "{\"changes\":[]}", l), "");
	assert_string_equal(shown(&hints), "a reload would change nothing\n");
	assert_string_equal(show("spend logs", "[]", l), "");
	assert_string_equal(shown(&hints), "nothing to show\n");
	assert_string_equal(show("teams", "[]", l), "");
	assert_string_equal(shown(&hints), "nothing to show yet: llmgwctl teams create --help\n");
	show("keys", "{\"keys\":[]}", l);
	assert_string_equal(shown(&hints), "nothing to show yet: llmgwctl keys create --help\n");
	show("teams list --user-id ann", "[]", l);
	assert_string_equal(shown(&hints), "nothing to show\n");
	show("keys", "{\"keys\":[\"a\"],\"total_pages\":3,\"current_page\":1}", l);
	assert_string_equal(shown(&hints), "page 1 of 3; --page 2 shows more\n");
	assert_string_equal(show("reload", "{}", l), "");
	assert_string_equal(shown(&hints), "done\n");
	assert_string_equal(show("reload -q", "{\"generation\":2}", l), "");
	assert_string_equal(show("status -q", "{\"a\":2}", l), "a:  2\n");
	assert_string_equal(show("models", "{\"other\":1}", l), "other:  1\n");
	assert_string_equal(show("status --json", "{\"a\":2}", tty), "{\n  \"a\": 2\n}\n");
}

static void test_exit_codes(void **state)
{
	static const struct {
		const char *words;
		int status;
		const char *answer;
		enum ctl_exit exit;
	} rows[] = {
		{ "status", 200, "{\"state\":\"ok\"}", CTL_DONE },
		{ "status", 200, "{\"state\":\"degraded\"}", CTL_DEGRADED },
		{ "workers list", 200, "{\"state\":\"degraded\"}", CTL_DONE },
		{ "reload", 204, "{}", CTL_DONE },
		{ "reload", 400, "{\"error\":{\"type\":\"config_invalid\"}}", CTL_CONFIG_INVALID },
		{ "reload", 400, "{\"error\":{\"type\":\"invalid_request_error\"}}", CTL_FAILED },
		{ "reload", 422, "{}", CTL_FAILED },
		{ "keys list", 401, "{}", CTL_NOT_ALLOWED },
		{ "keys list", 403, "{}", CTL_NOT_ALLOWED },
		{ "keys show", 404, "{}", CTL_NO_SUCH },
		{ "keys create", 409, "{}", CTL_CONFLICT },
		{ "keys create", 412, "{}", CTL_CONFLICT },
		{ "reload", 408, "{}", CTL_TIMED_OUT },
		{ "reload", 504, "{}", CTL_TIMED_OUT },
		{ "reload", 429, "{}", CTL_FAILED },
		{ "reload", 500, "{}", CTL_FAILED },
		{ "reload", 302, "{}", CTL_FAILED },
		{ "config diff", 200, "{\"changes\":[]}", CTL_DONE },
		{ "config diff", 200, "{\"changes\":[{\"key\":\"a\"}]}", CTL_FAILED },
		{ "check", 200, "{\"errors\":0,\"complaints\":\"\"}", CTL_DONE },
		{ "check", 200, "{\"errors\":2,\"complaints\":\"x\"}", CTL_CONFIG_INVALID },
		{ "check", 200, "{\"errors\":[]}", CTL_DONE },
		{ "check", 200, "{\"errors\":[{}]}", CTL_CONFIG_INVALID },
		{ "check", 200, "{\"valid\":false}", CTL_CONFIG_INVALID },
		{ "check", 200, "{\"ok\":false}", CTL_CONFIG_INVALID },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(ctl_exit_of(ctl_find(str_z(rows[i].words)), rows[i].status,
					     read_json(rows[i].answer)), rows[i].exit);
	assert_int_equal(ctl_exit_of(ctl_find(STR("status")), 502, NULL), CTL_FAILED);
}

static void test_errors_say_what_where_and_what_next(void **state)
{
	static const struct {
		const char *line;
		int status;
		const char *answer, *text;
	} rows[] = {
		{ "keys show x", 404, "{\"error\":{\"message\":\"no key 'x\\u001b'\"}}",
		  "llmgwctl: keys show: no key 'x\\x1b'\n"
		  "  next: llmgwctl keys list shows what there is\n" },
		{ "keys create", 400,
		  "{\"error\":{\"message\":\"is negative\",\"param\":\"max_budget\"}}",
		  "llmgwctl: keys create: is negative in max_budget\n" },
		{ "reload", 400, "{\"error\":{\"message\":\"not used\",\"type\":\"config_invalid\","
		  "\"complaints\":\"a.yaml:1:2: bad\\n  x\\n\"}}",
		  "llmgwctl: reload: not used\na.yaml:1:2: bad\n  x\n"
		  "  next: correct the file and try "
		  "llmgwctl check; what runs goes on as it was\n" },
		{ "keys list", 403, "{\"detail\":\"no\"}",
		  "llmgwctl: keys list: no\n  next: run it as root, or join group llmgw-admin\n" },
		{ "keys list", 500, "{\"detail\":{\"error\":\"oh\"}}",
		  "llmgwctl: keys list: oh\n" },
		{ "status", 502, "[]", "llmgwctl: status: the gateway answered with status 502\n" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct ctl_request q;
		struct ctl_error e;
		assert_int_equal(parse(rows[i].line, &q, &e), CTL_DONE);
		e = ctl_error_of(mem, &q, rows[i].status, read_json(rows[i].answer));
		buf_reset(&out);
		ctl_put_error(&out, &e, false);
		assert_string_equal(shown(&out), rows[i].text);
	}
	struct ctl_error e = { CTL_NOT_RUNNING, STR("a\"b"), STR("") };
	buf_reset(&out);
	ctl_put_error(&out, &e, true);
	assert_string_equal(shown(&out),
			    "{\"error\":{\"message\":\"a\\\"b\",\"type\":\"not_running\","
			    "\"next\":null,\"exit\":3}}\n");
}

/* ---- help, manual, completions ---- */

static void test_help_knows_the_table(void **state)
{
	(void)state;
	assert_int_equal(ctl_put_help(&out, STR("")), 0);
	for (size_t i = 0; i < commands_count; i++)
		assert_int_equal(strstr(shown(&out), commands[i].doc) != NULL ||
				 strlen(commands[i].doc) > 55, ctl_is_shown(&commands[i]));
	for (size_t i = 0; i < commands_count; i++) {
		const struct command *c = &commands[i];
		if (!ctl_is_shown(c))
			continue;
		buf_reset(&out);
		assert_int_equal(ctl_put_help(&out, str_z(c->words)), 0);
		assert_non_null(strstr(shown(&out), c->example));
		for (struct str rest = buf_str(&out); rest.n;)
			assert_true(str_cut(&rest, '\n').n <= 100);
	}
	buf_reset(&out);
	ctl_put_usage(&out, ctl_find(STR("keys update")));
	assert_string_equal(shown(&out), "llmgwctl keys update [OPTION ...] KEY");
	buf_reset(&out);
	ctl_put_usage(&out, ctl_find(STR("keys delete")));
	assert_string_equal(shown(&out), "llmgwctl keys delete [OPTION ...] [KEYS ...]");
	buf_reset(&out);
	assert_int_equal(ctl_put_help(&out, STR("no such thing")), -ENOENT);
	assert_int_equal(ctl_put_help(&out, STR("exit-codes")), 0);
	assert_non_null(strstr(shown(&out), "  9  status and doctor"));
	assert_int_equal(ctl_put_help(&out, STR("environment")), 0);
	assert_non_null(strstr(shown(&out), "LLMGW_KEY"));
}

static void test_completions_know_the_table(void **state)
{
	static const char *const shells[] = { "bash", "zsh", "fish" };
	(void)state;
	for (size_t i = 0; i < COUNT(shells); i++) {
		buf_reset(&out);
		assert_int_equal(ctl_put_completion(&out, str_z(shells[i])), 0);
		assert_non_null(strstr(shown(&out), "max-budget"));
		assert_non_null(strstr(shown(&out), "unblock"));
		assert_null(strstr(shown(&out), "budget_duration"));
		assert_null(strstr(shown(&out), "models info"));
	}
	assert_int_equal(ctl_put_completion(&out, STR("tcsh")), -ENOENT);
	assert_int_equal(ctl_put_completion(&out, STR("")), -ENOENT);
}

static void test_progress_bars(void **state)
{
	static const struct {
		uint64_t done, all, s;
		const char *text;
	} rows[] = {
		{ 0, 10, 3, "[------------------------]   0 % x, 3s" },
		{ 5, 10, 3, "[############------------]  50 % x, 3s, 3s left" },
		{ 10, 10, 3, "[########################] 100 % x, 3s" },
		{ 1, 3, 100, "[########----------------]  33 % x, 1m40s, 3m20s left" },
		{ 1, 4, 3600, "[######------------------]  25 % x, 1h00m, 3h00m left" },
		{ UINT64_C(1) << 60, UINT64_C(1) << 61, 1,
		  "[############------------]  50 % x, 1s, 1s left" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct ctl_progress p = { .what = "x,", .since_ns = NS_PER_S,
					  .done = rows[i].done, .all = rows[i].all };
		buf_reset(&out);
		ctl_put_bar(&out, &p, (rows[i].s + 1) * NS_PER_S);
		assert_string_equal(shown(&out), rows[i].text);
	}
	struct ctl_progress p;			/* switched off, it writes nothing */
	ctl_progress_start(&p, "x", false);
	ctl_progress_at(&p, 20, 10);
	assert_false(p.is_shown);
	assert_int_equal(p.done, 10);
}

static void test_what_is_waited_for(void **state)
{
	static const struct {
		const char *wish, *status;
		bool fits;
	} rows[] = {
		{ "ready", "{\"state\":\"running\",\"workers\":{\"ready\":2,\"wanted\":2}}", true },
		{ "ready", "{\"state\":\"running\",\"workers\":{\"ready\":1,\"wanted\":2}}", false },
		{ "ready", "{\"state\":\"degraded\",\"workers\":{\"ready\":2,\"wanted\":2}}", false },
		{ "ready", "{}", false },
		{ "idle", "{\"traffic\":{\"in_flight\":0}}", true },
		{ "idle", "{\"traffic\":{\"in_flight\":1}}", false },
		{ "idle", "{}", false },
		{ "generation=3", "{\"state\":\"running\",\"workers\":{\"ready\":1,\"wanted\":1},"
				  "\"generation\":3}", true },
		{ "generation=4", "{\"state\":\"running\",\"workers\":{\"ready\":1,\"wanted\":1},"
				  "\"generation\":3}", false },
	};
	static const char *const bad[] = { "", "rain", "generation", "generation=", "generation=x" };
	struct ctl_wish wish;
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(ctl_read_wish(str_z(rows[i].wish), &wish), 0);
		assert_int_equal(ctl_wish_fits(mem, &wish, read_json(rows[i].status)), rows[i].fits);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(ctl_read_wish(str_z(bad[i]), &wish), -EINVAL);
}

static bool read_file(const char *path, struct buf *to)
{
	char part[4096];
	size_t n;
	FILE *f = fopen(path, "r");
	if (!f)
		return false;
	while ((n = fread(part, 1, sizeof part, f)) > 0)
		buf_put(to, str_of(part, n));
	fclose(f);
	return true;
}

/* With LLMGW_UPDATE_MAN set, the page is brought up to date instead. */
static void test_the_manual_is_up_to_date(void **state)
{
	static const char path[] = "man/llmgwctl.1";
	static const char begin[] = ".\\\" BEGIN generated\n", end[] = ".\\\" END generated\n";
	struct buf made;
	(void)state;
	if (!read_file(path, &out))
		skip();				/* run from elsewhere than the source's root */
	buf_init(&made, 1 << 20);
	ctl_put_mdoc(&made);
	const char *from = strstr(shown(&out), begin), *to = strstr(shown(&out), end);
	assert_true(from && to && from < to);
	from += sizeof begin - 1;
	bool same = str_eq(str_of(from, (size_t)(to - from)), buf_str(&made));
	if (!same && getenv("LLMGW_UPDATE_MAN")) {
		FILE *f = fopen(path, "w");
		assert_non_null(f);
		fwrite(out.p, 1, (size_t)(from - out.p), f);
		fwrite(made.p, 1, made.n, f);
		fputs(to, f);
		assert_int_equal(fclose(f), 0);
		same = true;
	}
	buf_done(&made);
	if (!same)
		fail_msg("%s is older than the command table: run this with "
			 "LLMGW_UPDATE_MAN=1", path);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_words_and_options_become_json),
		TEST(test_mistakes_are_explained),
		TEST(test_options_of_every_command),
		TEST(test_what_help_is_about),
		TEST(test_the_question_before_destroying),
		TEST(test_whatever_destroys_can_be_tried),
		TEST(test_money),
		TEST(test_money_is_read_from_numbers_and_text),
		TEST(test_ages),
		TEST(test_times),
		TEST(test_nothing_moves_the_cursor),
		TEST(test_a_table),
		TEST(test_a_table_on_a_narrow_terminal),
		TEST(test_sentences_and_long_values),
		TEST(test_colors_and_other_locales),
		TEST(test_a_view),
		TEST(test_json_for_people),
		TEST(test_a_new_key_is_shown_once_and_well),
		TEST(test_what_an_answer_looks_like),
		TEST(test_exit_codes),
		TEST(test_errors_say_what_where_and_what_next),
		TEST(test_help_knows_the_table),
		TEST(test_completions_know_the_table),
		TEST(test_progress_bars),
		TEST(test_what_is_waited_for),
		TEST(test_the_manual_is_up_to_date),
	};
	if (hash_init() != 0 || !setlocale(LC_CTYPE, "C.UTF-8"))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
