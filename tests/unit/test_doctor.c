/* SPDX-License-Identifier: MIT
 * test_doctor.c - the table of checks, what is made of their findings, and their pure pieces. What
 * they find on a machine that is broken on purpose: tests/live/test_doctor.py. */
#include "master/doctor.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cert.h"
#include "common/arena.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/tls_pair.h"
#include "master/config.h"
#include "master/store.h"

static void test_table(void **state)
{
	(void)state;
	assert_true(doctor_checks_count >= 25);
	for (size_t i = 0; i < doctor_checks_count; i++) {
		assert_true(strlen(doctor_checks[i].name) > 0);
		assert_true(strlen(doctor_checks[i].name) <= 17);	/* a column of the table */
		assert_true(strlen(doctor_checks[i].doc) > 10);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(doctor_checks[i].name, doctor_checks[k].name);
	}
}

/* And the manual knows each of them. */
static void test_manual(void **state)
{
	static char page[1 << 16];
	char item[64];
	FILE *f = fopen(TEST_SOURCE_ROOT "/man/llmgw.8", "re");
	(void)state;
	assert_non_null(f);
	size_t n = fread(page, 1, sizeof page - 1, f);
	fclose(f);
	assert_true(n > 0 && n < sizeof page - 1);
	for (size_t i = 0; i < doctor_checks_count; i++) {
		snprintf(item, sizeof item, "\n.It Ic %s\n", doctor_checks[i].name);
		if (!strstr(page, item))
			fail_msg("man/llmgw.8 does not tell of %s", doctor_checks[i].name);
	}
}

/* Without a configuration and a state directory each check still has something to say. */
static void test_nothing_there(void **state)
{
	static struct options o = { .config_path = "/nonexistent/llmgw.yaml",
				    .state_dir = "/nonexistent/state" };
	struct doctor d = { .opt = &o, .config_err = -ENOENT, .uid = 1000, .gid = 1000,
			    .user = "somebody", .now_ns = clock_wall_ns() };
	(void)state;
	for (size_t i = 0; i < doctor_checks_count; i++) {
		struct doctor_finding f = { .result = DOCTOR_RESULTS };
		doctor_checks[i].run(&d, &f);
		assert_true(f.result < DOCTOR_RESULTS);
		assert_true(f.text[0]);
		if (strncmp(doctor_checks[i].name, "state.", 6) == 0)
			assert_int_equal(f.result, DOCTOR_SKIP);
		if (strcmp(doctor_checks[i].name, "config.valid") == 0)
			assert_int_equal(f.result, DOCTOR_FAIL);
	}
}

/* A file of a group that the gateway's user is in beside its own, as ssl-cert. */
static void test_other_groups(void **state)
{
	static struct options o;
	char path[] = "/tmp/test_doctor_XXXXXX";
	struct doctor d = { .opt = &o, .uid = 12345, .gid = 12345, .user = "somebody" };
	struct doctor_finding f;
	struct stat st;
	int fd = mkstemp(path);
	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0640), 0);
	assert_int_equal(fstat(fd, &st), 0);
	snprintf(o.config_path, sizeof o.config_path, "%s", path);
	doctor_config_readable(&d, &f);
	assert_int_equal(f.result, DOCTOR_FAIL);
	d.groups[0] = 12346;
	d.groups[1] = st.st_gid;
	d.n_groups = 2;
	doctor_config_readable(&d, &f);
	assert_int_equal(f.result, DOCTOR_OK);
	assert_int_equal(fchmod(fd, 0600), 0);
	doctor_config_readable(&d, &f);
	assert_int_equal(f.result, DOCTOR_FAIL);
	/* a file that the environment names */
	setenv("AWS_CONFIG_FILE", path, 1);
	snprintf(o.config_path, sizeof o.config_path, "/dev/null");
	doctor_config_readable(&d, &f);
	assert_int_equal(f.result, DOCTOR_FAIL);
	assert_non_null(strstr(f.text, path));
	assert_int_equal(fchmod(fd, 0640), 0);
	doctor_config_readable(&d, &f);
	assert_int_equal(f.result, DOCTOR_OK);
	unsetenv("AWS_CONFIG_FILE");
	close(fd);
	unlink(path);
}

static enum doctor_result worst_of(enum doctor_result a, enum doctor_result b)
{
	struct doctor_finding found[2] = { { .result = a }, { .result = b } };
	struct buf out;
	buf_init(&out, 4096);
	enum doctor_result worst = doctor_put(&out, found, 2);
	assert_false(out.failed);
	buf_done(&out);
	return worst;
}

static void test_worst(void **state)
{
	(void)state;
	assert_int_equal(worst_of(DOCTOR_OK, DOCTOR_OK), DOCTOR_OK);
	assert_int_equal(worst_of(DOCTOR_SKIP, DOCTOR_OK), DOCTOR_OK);
	assert_int_equal(worst_of(DOCTOR_WARN, DOCTOR_SKIP), DOCTOR_WARN);
	assert_int_equal(worst_of(DOCTOR_WARN, DOCTOR_FAIL), DOCTOR_FAIL);
	assert_int_equal(worst_of(DOCTOR_FAIL, DOCTOR_OK), DOCTOR_FAIL);
	assert_int_equal(doctor_status(DOCTOR_OK), 0);
	assert_int_equal(doctor_status(DOCTOR_FAIL), 1);
	assert_int_equal(doctor_status(DOCTOR_WARN), 9);
}

static void test_put(void **state)
{
	struct doctor_finding found[2];
	struct buf out;
	(void)state;
	buf_init(&out, 4096);
	doctor_say(&found[0], DOCTOR_OK, NULL, "ABI %d", 7);
	doctor_say(&found[1], DOCTOR_WARN, "do \"that\"", "no");
	assert_int_equal(doctor_put(&out, found, 2), DOCTOR_WARN);
	assert_string_equal(buf_z(&out),
			    "{\"result\":\"warn\",\"failed\":0,\"warned\":1,\"checks\":["
			    "{\"check\":\"kernel.landlock\",\"result\":\"ok\",\"text\":\"ABI 7\","
			    "\"hint\":\"\"},"
			    "{\"check\":\"kernel.seccomp\",\"result\":\"warn\",\"text\":\"no\","
			    "\"hint\":\"do \\\"that\\\"\"}]}");
	buf_done(&out);
}

static void test_long_findings_are_cut(void **state)
{
	struct doctor_finding f;
	char text[1000];
	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	doctor_say(&f, DOCTOR_FAIL, text, "%s", text);
	assert_int_equal(strlen(f.text), sizeof f.text - 1);
	assert_int_equal(strlen(f.hint), sizeof f.hint - 1);
}

static void test_variables(void **state)
{
	static const struct {
		const char *line, *name, *value;
	} rows[] = {
		{ "LLMGW_MASTER_KEY=sk-1\n", "LLMGW_MASTER_KEY", "sk-1" },
		{ "  A = b \r\n", "A", "b" },
		{ "A=\"b c\"\n", "A", "b c" },
		{ "A='b=c'", "A", "b=c" },
		{ "A=\n", "A", "" },
		{ "A=\"", "A", "\"" },
		{ "#A=b\n", NULL, NULL },
		{ "  ; A=b\n", NULL, NULL },
		{ "=b\n", NULL, NULL },
		{ "\n", NULL, NULL },
		{ "", NULL, NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char line[64], *name, *value;
		snprintf(line, sizeof line, "%s", rows[i].line);
		assert_int_equal(doctor_read_variable(line, &name, &value), rows[i].name != NULL);
		if (rows[i].name) {
			assert_string_equal(name, rows[i].name);
			assert_string_equal(value, rows[i].value);
		}
	}
}

static void test_filesystems(void **state)
{
	static const struct {
		long type;
		enum doctor_result result;
		const char *name;
	} rows[] = {
		{ 0xef53, DOCTOR_OK, "ext4" }, { 0x6969, DOCTOR_FAIL, "NFS" },
		{ (int)0xff534d42, DOCTOR_FAIL, "CIFS" }, { 0x01021997, DOCTOR_FAIL, "9p" },
		{ 0x01021994, DOCTOR_WARN, "tmpfs" }, { 0x794c7630, DOCTOR_WARN, "overlayfs" },
		{ 0x1234, DOCTOR_OK, NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *name = "?";
		assert_int_equal(doctor_judge_filesystem(rows[i].type, &name), rows[i].result);
		if (rows[i].name)
			assert_string_equal(name, rows[i].name);
		else
			assert_null(name);
	}
}

static void test_who_may(void **state)
{
	struct stat st = { .st_uid = 10, .st_gid = 20, .st_mode = S_IFREG | 0640 };
	(void)state;
	assert_true(doctor_may(&st, 10, 99, R_OK));
	assert_true(doctor_may(&st, 10, 99, W_OK));
	assert_true(doctor_may(&st, 99, 20, R_OK));
	assert_false(doctor_may(&st, 99, 20, W_OK));
	assert_false(doctor_may(&st, 99, 99, R_OK));
	assert_true(doctor_may(&st, 0, 0, W_OK));
	st.st_mode = S_IFREG | 0044;			/* the owner has less than others */
	assert_false(doctor_may(&st, 10, 20, R_OK));
}

static void test_certificate(void **state)
{
	struct cert c = cert_make("doctor", NULL);
	int64_t end = 0;
	(void)state;
	assert_int_equal(tls_pair_end(c.certificate, &end), 0);
	assert_true(end > (int64_t)(clock_wall_ns() / NS_PER_S));
	assert_int_equal(tls_pair_end(c.key, &end), -EINVAL);
	assert_int_equal(tls_pair_end(STR(""), &end), -EINVAL);
	BIO_free(c.certificate_bio);
	BIO_free(c.key_bio);
}

/* What the doctor says of it. */
static void find(const char *name, const struct doctor *d, struct doctor_finding *f)
{
	for (size_t i = 0; i < doctor_checks_count; i++)
		if (strcmp(doctor_checks[i].name, name) == 0) {
			doctor_checks[i].run(d, f);
			return;
		}
	fail_msg("there is no check %s", name);
}

static void expect_certificate(struct str pem, int64_t seconds_left, enum doctor_result wanted)
{
	struct config c = { .tls_certificate_pem = pem };
	struct doctor d = { .config = &c };
	struct doctor_finding f = { 0 };
	int64_t end = 0;
	assert_int_equal(tls_pair_end(pem, &end), 0);
	d.now_ns = (uint64_t)(end - seconds_left) * NS_PER_S;
	find("tls.certificate", &d, &f);
	assert_int_equal(f.result, wanted);
}

static void test_certificate_ends(void **state)
{
	struct cert c = cert_make("doctor", NULL);
	(void)state;
	expect_certificate(c.certificate, 30 * 86400, DOCTOR_OK);
	expect_certificate(c.certificate, 13 * 86400, DOCTOR_WARN);
	expect_certificate(c.certificate, 0, DOCTOR_FAIL);
	expect_certificate(c.certificate, -86400, DOCTOR_FAIL);
	BIO_free(c.certificate_bio);
	BIO_free(c.key_bio);
}

static void test_clock(void **state)
{
	struct doctor d = { .now_ns = UINT64_C(1000000000) * NS_PER_S };
	struct doctor_finding f = { 0 };
	(void)state;
	find("clock", &d, &f);
	assert_int_equal(f.result, DOCTOR_FAIL);
	assert_non_null(strstr(f.text, "2001"));
}

static void write_text(const char *dir, const char *name, const char *text)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* Looking leaves nothing behind, whatever is there. */
static void test_store_look(void **state)
{
	char dir[] = "/tmp/test_doctor_XXXXXX", why[256] = "", path[128];
	struct store_condition c;
	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_true(store_look(dir, &c, why) < 0);
	assert_non_null(strstr(why, "cannot be opened"));
	write_text(dir, "llmgw.db", "this is no database, and long enough to be seen as none; "
			"a header has a hundred bytes, which is what these are for");
	assert_true(store_look(dir, &c, why) < 0);
	snprintf(path, sizeof path, "%s/llmgw.db", dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);		/* no other file has appeared */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table), cmocka_unit_test(test_manual),
		cmocka_unit_test(test_nothing_there),
		cmocka_unit_test(test_other_groups),
		cmocka_unit_test(test_worst), cmocka_unit_test(test_put),
		cmocka_unit_test(test_long_findings_are_cut), cmocka_unit_test(test_variables),
		cmocka_unit_test(test_filesystems), cmocka_unit_test(test_who_may),
		cmocka_unit_test(test_certificate), cmocka_unit_test(test_certificate_ends),
		cmocka_unit_test(test_clock), cmocka_unit_test(test_store_look),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
