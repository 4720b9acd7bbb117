/* SPDX-License-Identifier: MIT
 * test_log.c - three formats, nothing to inject, nothing that holds the caller. */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/mem.h"

static const uint64_t noon_ns = 1770091506789000000;
static char out[10000];

static const char *render(enum log_format format, const struct log_field *f, size_t n)
{
	size_t len = log_render(out, 8192, format, LOG_INFO, "worker.start", f, n, noon_ns);
	assert_in_range(len, 1, 8192);
	assert_int_equal(out[len - 1], '\n');
	out[len] = '\0';
	return out;
}

static void test_formats(void **state)
{
	const struct log_field f[] = {
		F_INT("slot", 1), F_INT("low", INT64_MIN), F_MONEY("cost", 1500000),
		F_Z("s", "a b"),  F_Z("none", NULL),	   F_Z("path", "/v1/x"),
	};
	(void)state;
	assert_string_equal(render(LOG_TEXT, f, COUNT(f)),
			    "04:05:06 info  worker.start slot=1 low=-9223372036854775808 "
			    "cost=0.0015 s=\"a b\" none=\"\" path=/v1/x\n");
	assert_string_equal(render(LOG_LOGFMT, f, 1),
			    "ts=2026-02-03T04:05:06.789Z level=info who=worker.1 "
			    "event=worker.start slot=1\n");
	assert_string_equal(render(LOG_JSON, f, COUNT(f)),
			    "{\"ts\":\"2026-02-03T04:05:06.789Z\",\"level\":\"info\","
			    "\"who\":\"worker.1\",\"event\":\"worker.start\",\"slot\":1,"
			    "\"low\":-9223372036854775808,\"cost\":0.0015,\"s\":\"a b\","
			    "\"none\":null,\"path\":\"/v1/x\"}\n");
	assert_string_equal(render(LOG_TEXT, NULL, 0), "04:05:06 info  worker.start\n");
}

static const char *value(struct str s)
{
	const struct log_field f[] = { { .name = "v", .kind = LF_STR, .s = s } };
	const char *line = strchr(render(LOG_LOGFMT, f, 1), ' ');
	return strstr(line, " v=") + 3;
}

static void test_nothing_to_inject(void **state)
{
	(void)state;
	assert_string_equal(value(STR("plain")), "plain\n");
	assert_string_equal(value(STR("a=b")), "\"a=b\"\n");
	assert_string_equal(value(STR("a\nlevel=error")), "\"a\\nlevel=error\"\n");
	assert_string_equal(value(STR("\"\\")), "\"\\\"\\\\\"\n");
	assert_string_equal(value(STR("\x1b[31m\r\t\b")), "\"\\u001b[31m\\r\\t\\u0008\"\n");
	assert_string_equal(value(STR("\0\x7f")), "\"\\u0000\\u007f\"\n");
	assert_string_equal(value(STR("\xc2\x9b" "1m")), "\"\\u009b1m\"\n");	/* CSI */
	assert_string_equal(value(STR("\xe2\x80\xae" "x\xe2\x81\xa6")), "\"\\u202ex\\u2066\"\n");
	assert_string_equal(value(STR("\xe2\x80\xa8\xe2\x80\x8f")), "\"\\u2028\\u200f\"\n");
	assert_string_equal(value(STR("\xff" "a")), "\"\xef\xbf\xbd" "a\"\n");
	assert_string_equal(value(STR("\xc3\xa9")), "\"\xc3\xa9\"\n");
}

static void test_any_bytes_are_one_line(void **state)
{
	struct arena *a = arena_new(1 << 20);
	struct json_error e;
	char bytes[3000];
	(void)state;
	for (int i = 0; i < 500; i++) {
		size_t n = (size_t)hash_random_below(sizeof bytes);
		hash_random(bytes, sizeof bytes);
		for (size_t k = 0; i % 3 == 0 && k < n; k++)
			bytes[k] = (char)(bytes[k] & 0x1f);	/* the longest escapes */
		struct str s = str_of(bytes, n);
		const struct log_field f[] = {
			{ .name = "a", .kind = LF_STR, .s = s },
			{ .name = "b", .kind = LF_STR, .s = s },
		};
		for (enum log_format format = LOG_TEXT; format <= LOG_JSON; format++) {
			const char *line = render(format, f, COUNT(f));
			size_t len = strlen(line);
			for (size_t k = 0; k + 1 < len; k++)
				assert_true((unsigned char)line[k] >= 0x20 && line[k] != 0x7f);
			assert_true(str_is_utf8(str_of(line, len)));
			arena_reset(a);
			if (format == LOG_JSON)
				assert_non_null(json_parse(a, str_of(line, len), 0, &e));
		}
	}
	a = arena_free(a);
}

static void test_cuts(void **state)
{
	static char large[4096];
	struct log_field f[20];
	(void)state;
	memset(large, 'x', sizeof large);
	assert_int_equal(strlen(value(str_of(large, 1024))), 1025);
	const char *cut = value(str_of(large, 1025));
	assert_int_equal(strlen(cut), 1 + 1024 + 3 + 1 + 1);
	assert_true(str_ends(str_z(cut), STR("x\xe2\x80\xa6\"\n")));
	large[1023] = '\xc3';	/* the cut never splits a character */
	large[1024] = '\xa9';
	assert_int_equal(strlen(value(str_of(large, 1025))), 1 + 1023 + 3 + 1 + 1);
	for (size_t i = 0; i < COUNT(f); i++)
		f[i] = (struct log_field){ .name = "f", .kind = LF_STR, .s = { large, 1000 } };
	assert_true(str_ends(str_z(render(LOG_JSON, f, COUNT(f))), STR("x\",\"cut\":true}\n")));
	assert_true(str_ends(str_z(render(LOG_TEXT, f, COUNT(f))), STR("x cut=true\n")));
	for (size_t room = 0; room < 400; room++)
		for (enum log_format format = LOG_TEXT; format <= LOG_JSON; format++) {
			char *small = mem_alloc(room);
			assert_in_range(log_render(small, room, format, LOG_WARN, "a.b", f, 2, 1),
					0, room);
			mem_free(small);
		}
}

static size_t read_all(int fd)
{
	ssize_t n = read(fd, out, sizeof out - 1);
	out[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static void test_a_full_pipe_holds_nobody(void **state)
{
	int fds[2];
	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	log_start(fds[1], LOG_LOGFMT, LOG_INFO, "worker.1", true);
	assert_true(fcntl(fds[1], F_GETFL) & O_NONBLOCK);
	uint64_t before = log_dropped();
	LOG(LOG_DEBUG, "not.seen", F_INT("a", 1));
	LOG(LOG_ERROR, "first.seen", F_INT("a", 1));
	assert_true(read_all(fds[0]) > 0);
	assert_true(str_starts(str_z(out), STR("<3>ts=")));
	assert_non_null(strstr(out, "event=first.seen a=1\n"));
	assert_int_equal(log_dropped(), before);
	for (int i = 0; i < 10000; i++)
		LOG(LOG_WARN, "worker.busy", F_INT("n", i), F_Z("what", "some more text"));
	assert_true(log_dropped() > before);
	before = log_dropped();
	errno = ERANGE;
	LOG(LOG_WARN, "worker.busy", F_INT("n", 1));
	assert_int_equal(errno, ERANGE);
	assert_int_equal(log_dropped(), before + 1);
	close(fds[0]);
	LOG(LOG_WARN, "worker.busy", F_INT("n", 2));	/* EPIPE */
	assert_int_equal(log_dropped(), before + 2);
	close(fds[1]);
	LOG(LOG_WARN, "worker.busy", F_INT("n", 3));	/* EBADF */
	assert_int_equal(log_dropped(), before + 3);
}

/* A record that went out in part must not swallow the next one. */
static void test_a_torn_record_ends_its_line(void **state)
{
	int fds[2];
	static char large[1024];
	struct log_field f[7];
	(void)state;
	memset(large, 'y', sizeof large);
	for (size_t i = 0; i < COUNT(f); i++)
		f[i] = (struct log_field){ .name = "f", .kind = LF_STR, .s = { large, 1024 } };
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(fcntl(fds[1], F_SETPIPE_SZ, 4096), 4096);
	log_start(fds[1], LOG_LOGFMT, LOG_INFO, "worker.1", false);
	uint64_t before = log_dropped();
	log_emit(LOG_INFO, "a.long", f, COUNT(f));
	assert_int_equal(log_dropped(), before + 1);
	assert_int_equal(read_all(fds[0]), 4096);
	LOG(LOG_INFO, "a.short", F_INT("i", 1));
	read_all(fds[0]);
	assert_true(str_starts(str_z(out), STR("\nts=")));
	LOG(LOG_INFO, "a.short", F_INT("i", 1));
	read_all(fds[0]);
	assert_true(str_starts(str_z(out), STR("ts=")));
	close(fds[0]);
	close(fds[1]);
}

static void test_a_file_stays_blocking(void **state)
{
	FILE *f = tmpfile();
	(void)state;
	assert_non_null(f);
	log_start(fileno(f), LOG_TEXT, LOG_DEBUG, "master", false);
	assert_false(fcntl(fileno(f), F_GETFL) & O_NONBLOCK);
	clock_set(1, noon_ns);
	LOG(LOG_DEBUG, "a.b", F_INT("i", 1));
	clock_set(0, 0);
	rewind(f);
	assert_non_null(fgets(out, sizeof out, f));
	assert_string_equal(out, "04:05:06 debug a.b i=1\n");
	fclose(f);
}

/* Gathered records keep their order, go out whole, and are counted each when they cannot. Last: the
 * thread gathers from then on. */
static void test_gathered_records_share_a_write(void **state)
{
	int fds[2];
	char *at = out;
	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	log_start(fds[1], LOG_LOGFMT, LOG_INFO, "worker.1", false);
	log_gather();
	uint64_t before = log_dropped();
	LOG(LOG_INFO, "one", F_INT("i", 1));
	LOG(LOG_INFO, "two", F_INT("i", 2));
	assert_int_equal(read_all(fds[0]), 0);
	log_flush();
	assert_true(read_all(fds[0]) > 0);
	at = strstr(out, "event=one i=1\n");
	assert_non_null(at);
	assert_non_null(strstr(at, "event=two i=2\n"));
	LOG(LOG_INFO, "three", F_INT("i", 3));
	LOG(LOG_ERROR, "four", F_INT("i", 4));	/* waits for nobody, and nobody is behind it */
	assert_true(read_all(fds[0]) > 0);
	at = strstr(out, "event=three i=3\n");
	assert_non_null(at);
	assert_non_null(strstr(at, "event=four i=4\n"));
	for (int i = 0; i < 100; i++)
		LOG(LOG_INFO, "many", F_INT("i", i));
	size_t n = (size_t)read_all(fds[0]);
	assert_in_range(n, 3900, 4096);
	assert_int_equal(out[n - 1], '\n');	/* a pipe takes whole what fits into PIPE_BUF */
	log_flush();
	read_all(fds[0]);
	assert_int_equal(log_dropped(), before);
	close(fds[0]);
	LOG(LOG_INFO, "five", F_INT("i", 5));
	LOG(LOG_INFO, "six", F_INT("i", 6));
	log_flush();
	assert_int_equal(log_dropped(), before + 2);
	close(fds[1]);
}

static void test_names(void **state)
{
	enum log_level lv = LOG_DEBUG;
	enum log_format format = LOG_JSON;
	(void)state;
	assert_int_equal(log_read_level(STR("warn"), &lv), 0);
	assert_int_equal(lv, LOG_WARN);
	assert_int_equal(log_read_level(STR("loud"), &lv), -EINVAL);
	assert_int_equal(lv, LOG_WARN);
	assert_int_equal(log_read_format(STR("logfmt"), &format), 0);
	assert_int_equal(format, LOG_LOGFMT);
	assert_int_equal(log_read_format(STR_NONE, &format), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_nothing_to_inject),
		cmocka_unit_test(test_any_bytes_are_one_line),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_a_full_pipe_holds_nobody),
		cmocka_unit_test(test_a_torn_record_ends_its_line),
		cmocka_unit_test(test_a_file_stays_blocking),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_gathered_records_share_a_write),
	};
	signal(SIGPIPE, SIG_IGN);
	log_start(-1, LOG_TEXT, LOG_INFO, "worker.1", false);
	return hash_init() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
