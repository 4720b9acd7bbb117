/* SPDX-License-Identifier: MIT
 * test_refusal.c - who refuses a file, told by modes of real files; what AppArmor's kernel says is
 * read here from texts, and asked for on a machine that has it: tests/vm. */
#include "master/refusal.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/test_refusal_XXXXXX";

static const char *in_folder(const char *name)
{
	static char path[256];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void test_profile(void **state)
{
	char name[REFUSAL_NAME_ROOM] = "untouched", text[300];
	(void)state;
	assert_true(refusal_read_profile(STR("llmgw (enforce)\n"), name));
	assert_string_equal(name, "llmgw");
	memcpy(name, "untouched", sizeof "untouched");
	assert_false(refusal_read_profile(STR("llmgw (complain)\n"), name));
	assert_false(refusal_read_profile(STR("unconfined\n"), name));
	assert_false(refusal_read_profile(STR("system_u:system_r:init_t:s0"), name));
	assert_false(refusal_read_profile(STR(" (enforce)"), name));
	assert_false(refusal_read_profile(STR(""), name));
	memset(text, 'x', sizeof text);
	memcpy(text + REFUSAL_NAME_ROOM, " (enforce)", 10);
	assert_false(refusal_read_profile(str_of(text, sizeof text), name));
	assert_string_equal(name, "untouched");
	memcpy(text + REFUSAL_NAME_ROOM - 1, " (enforce)", 10);
	assert_true(refusal_read_profile(str_of(text, sizeof text), name));
	assert_int_equal(strlen(name), REFUSAL_NAME_ROOM - 1);
}

static void test_answer(void **state)
{
	(void)state;
	assert_true(refusal_read_answer(STR("allow 0x00000000\ndeny 0x00000000\naudit 0x0\n")));
	assert_false(refusal_read_answer(STR("allow 0x00000004\ndeny 0x00000000\n")));
	assert_false(refusal_read_answer(STR("allow 0x0000007f\ndeny 0x00000002\n")));
	assert_true(refusal_read_answer(STR("allow 0x0000007f\ndeny 0x00000004\n")));
	assert_true(refusal_read_answer(STR("allow 0x00000002\ndeny 0x00000000\n")));
	assert_false(refusal_read_answer(STR("allow 0x")));
	assert_false(refusal_read_answer(STR("")));
	/* no such profile can be loaded, whatever this machine has */
	assert_false(refusal_by_profile("no-such-profile-of-test_refusal", "/etc/passwd"));
}

static void test_rule(void **state)
{
	char text[REFUSAL_ROOM];
	(void)state;
	refusal_put_rule("/srv/a.pem", "/srv/a.pem", text, sizeof text);
	assert_string_equal(text, "add /srv/a.pem r, as a line to "
			    "/etc/apparmor.d/local/usr.sbin.llmgw and run apparmor_parser -r "
			    "/etc/apparmor.d/usr.sbin.llmgw");
	refusal_put_rule("/srv/live/a.pem", "/srv/archive/a1.pem", text, sizeof text);
	assert_non_null(strstr(text, "add /srv/archive/* r, as"));
	refusal_put_rule("/srv/my own/a", "/srv/my own/a", text, sizeof text);
	assert_non_null(strstr(text, "add \"/srv/my own/a\" r, as"));
}

static void test_hidden(void **state)
{
	char text[REFUSAL_ROOM];
	(void)state;
	assert_string_equal(refusal_hidden("/home" "/ann/x"), "/home");
	assert_string_equal(refusal_hidden("/var/tmp/x"), "/var/tmp");
	assert_string_equal(refusal_hidden("/root"), "/root");
	assert_null(refusal_hidden("/homes/x"));
	assert_null(refusal_hidden("/srv/home/x"));
	unsetenv("INVOCATION_ID");
	refusal_text(-ENOENT, "/tmp/no/such", text);
	assert_string_equal(text, strerror(ENOENT));
	setenv("INVOCATION_ID", "1", 1);
	refusal_text(-ENOENT, "/tmp/no/such", text);
	assert_non_null(strstr(text, "No such file or directory: the unit of the service hides /tmp"));
	refusal_text(-ENOENT, "/etc/no/such", text);
	assert_string_equal(text, strerror(ENOENT));
	unsetenv("INVOCATION_ID");
}

/* What is told to somebody who is not root, which root never is. */
static void assert_told(const char *name, const char *what, const char *where)
{
	char text[REFUSAL_ROOM], path[300], whole[REFUSAL_ROOM];
	int status = -1, ends[2];
	snprintf(path, sizeof path, "%s", in_folder(name));
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && (setegid(65534) || seteuid(65534)))
			_exit(2);
		int fd = open(path, O_RDONLY | O_CLOEXEC), err = fd < 0 ? -errno : 0;
		refusal_text(err, path, text);
		size_t n = strlen(text);
		_exit(err != -EACCES || write(ends[1], text, n) != (ssize_t)n);
	}
	close(ends[1]);
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_int_equal(status, 0);
	ssize_t n = read(ends[0], whole, sizeof whole - 1);
	close(ends[0]);
	assert_true(n > 0);
	whole[n] = 0;
	snprintf(path, sizeof path, "may not %s %s (mode ", what, in_folder(where));
	if (!strstr(whole, path) || strncmp(whole, "Permission denied: user ", 24) != 0)
		fail_msg("wanted: %s\ngot: %s", path, whole);
}

static void make(const char *name, mode_t mode)
{
	int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void test_modes(void **state)
{
	char to[256];
	(void)state;
	assert_int_equal(chmod(folder, 0755), 0);
	make("secret", 0);
	assert_told("secret", "read", "secret");
	assert_int_equal(mkdir(in_folder("archive"), 0700), 0);
	make("archive/a1.pem", 0644);
	assert_int_equal(chmod(in_folder("archive"), 0), 0);
	assert_told("archive/a1.pem", "pass", "archive");
	assert_int_equal(mkdir(in_folder("live"), 0755), 0);
	snprintf(to, sizeof to, "%s", in_folder("live/a.pem"));
	assert_int_equal(symlink("../archive/a1.pem", to), 0);
	assert_told("live/a.pem", "pass", "archive");	/* where the link leads */
}

static int start(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	chmod(in_folder("archive"), 0700);
	unlink(in_folder("archive/a1.pem"));
	unlink(in_folder("live/a.pem"));
	unlink(in_folder("secret"));
	rmdir(in_folder("archive"));
	rmdir(in_folder("live"));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_profile), cmocka_unit_test(test_answer),
		cmocka_unit_test(test_rule), cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_modes),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
