/* SPDX-License-Identifier: MIT
 * test_sandbox.c - each thing that a worker must not do is tried by a process that is confined as
 * a worker is, and fails; in `enforce` it ends that process. What a worker needs still works. */
#include "common/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/hash.h"
#include "common/parcel.h"
#include "master/config.h"

enum { BROKEN = 250, DIED = 1000 };

static char folder[] = "/tmp/test_sandbox_XXXXXX";
static char secret[64], written[64], socket_name[32];
static pid_t parent;

static int as_errno(long result)
{
	return result < 0 ? errno : 0;
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* ---- what must not be: 0, or the errno ---- */

static int try_execve(void)
{
	char *argv[] = { "true", NULL };
	return as_errno(execve("/bin/true", argv, argv + 1));
}

static int try_fork(void)
{
	long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (child == 0)
		_exit(0);
	return as_errno(child);
}

#ifdef SYS_vfork
static int try_vfork(void)
{
	pid_t child = vfork();
	if (child == 0)
		_exit(0);
	return as_errno(child);
}
#endif

static int try_clone3(void)
{
	uint64_t args[8] = { [4] = SIGCHLD };
	long child = syscall(SYS_clone3, args, sizeof args);
	if (child == 0)
		_exit(0);
	return as_errno(child);
}

static int try_ptrace(void)
{
	return as_errno(ptrace(PTRACE_ATTACH, parent, NULL, NULL));
}

static int try_process_vm(void)
{
	return as_errno(syscall(SYS_process_vm_readv, parent, NULL, 0, NULL, 0, 0));
}

static int try_mount(void)
{
	return as_errno(mount("none", folder, "tmpfs", 0, NULL));
}

static int try_unshare(void)
{
	return as_errno(unshare(CLONE_NEWUSER));
}

static int try_bpf(void)
{
	return as_errno(syscall(SYS_bpf, 0, NULL, 0));
}

static int try_keyctl(void)
{
	return as_errno(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

static int try_io_uring(void)
{
	struct io_uring_params p = { 0 };
	return as_errno(syscall(SYS_io_uring_setup, 1, &p));
}

static int try_userfaultfd(void)
{
	return as_errno(syscall(SYS_userfaultfd, O_CLOEXEC));
}

static int try_perf(void)
{
	return as_errno(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}

static int try_packet_socket(void)
{
	return as_errno(socket(AF_PACKET, SOCK_RAW, 0));
}

static int try_vsock(void)
{
	return as_errno(socket(AF_VSOCK, SOCK_STREAM, 0));
}

static int try_listen(void)
{
	return as_errno(listen(socket(AF_INET, SOCK_STREAM, 0), 1));
}

static int try_kill(void)
{
	return as_errno(kill(parent, 0));
}

static int try_tgkill(void)
{
	return as_errno(syscall(SYS_tgkill, parent, parent, 0));
}

static int try_pidfd(void)
{
	return as_errno(syscall(SYS_pidfd_open, parent, 0));
}

static int try_open_for_writing(void)
{
	return as_errno(open(written, O_WRONLY | O_CLOEXEC));
}

static int try_create(void)
{
	return as_errno(open("/dev/shm/test_sandbox", O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int try_nameless_file(void)
{
	return as_errno(open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
}

static int try_unlink(void)
{
	return as_errno(unlink(written));
}

static int try_rename(void)
{
	return as_errno(rename(written, secret));
}

static int try_chmod(void)
{
	return as_errno(chmod(secret, 0644));
}

static int try_tty_input(void)
{
	char c = 'x';
	return as_errno(ioctl(0, TIOCSTI, &c));
}

static int try_code_in_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	return p == MAP_FAILED ? errno : 0;
}

static int try_code_made_later(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return as_errno(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

/* All or nothing: a value that lets some in is not for it to choose. */
static int try_dumpable(void)
{
	return as_errno(prctl(PR_SET_DUMPABLE, 2, 0, 0, 0));
}

static int try_limit(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	return as_errno(setrlimit(RLIMIT_CORE, &all));
}

static int try_setuid(void)
{
	return as_errno(syscall(SYS_setuid, 0));
}

static int try_shared_memory(void)
{
	return as_errno(syscall(SYS_shmget, 0, 4096, 0600));
}

#define TRY(name, error) { #name, try_##name, error }
static const struct attempt {
	const char *name;
	int (*run)(void);
	int error;
} calls[] = {
	TRY(execve, EPERM), TRY(fork, EPERM), TRY(ptrace, EPERM), TRY(process_vm, EPERM),
#ifdef SYS_vfork
	TRY(vfork, EPERM),
#endif
	TRY(mount, EPERM), TRY(unshare, EPERM), TRY(bpf, EPERM), TRY(keyctl, EPERM),
	TRY(io_uring, EPERM), TRY(userfaultfd, EPERM), TRY(perf, EPERM), TRY(packet_socket, EPERM),
	TRY(vsock, EPERM), TRY(listen, EPERM), TRY(kill, EPERM), TRY(tgkill, EPERM),
	TRY(pidfd, EPERM), TRY(open_for_writing, EPERM), TRY(create, EPERM),
	TRY(nameless_file, EPERM), TRY(unlink, EPERM), TRY(rename, EPERM), TRY(chmod, EPERM),
	TRY(tty_input, EPERM), TRY(code_in_memory, EPERM), TRY(code_made_later, EPERM),
	TRY(dumpable, EPERM), TRY(limit, EPERM), TRY(setuid, EPERM), TRY(shared_memory, EPERM),
};

/* ---- what Landlock alone refuses ---- */

static int read_of(const char *path)
{
	char c;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? errno : as_errno(read(fd, &c, 1));
}

static int try_secret(void)
{
	return read_of(secret);
}

static int try_passwd(void)
{
	return read_of("/etc/passwd");
}

static int try_neighbour(void)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/environ", parent);
	return read_of(path);
}

static int try_folder(void)
{
	return as_errno(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int try_bind(void)
{
	const struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	return as_errno(bind(fd, (const struct sockaddr *)&any, sizeof any));
}

static int try_abstract_socket(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	memcpy(a.sun_path + 1, socket_name, sizeof socket_name);
	return as_errno(connect(socket(AF_UNIX, SOCK_STREAM, 0), (const struct sockaddr *)&a,
				sizeof a));
}

static const struct path_attempt {
	const char *name;
	int (*run)(void);
	int error, abi;
} paths[] = {
	{ "secret", try_secret, EACCES, 1 }, { "passwd", try_passwd, EACCES, 1 },
	{ "neighbour", try_neighbour, EACCES, 1 }, { "folder", try_folder, EACCES, 1 },
	{ "bind", try_bind, EACCES, 4 },
	{ "abstract socket", try_abstract_socket, EPERM, 6 },
};

/* ---- what must work ---- */

static void *on_thread(void *arg)
{
	*(int *)arg = 1;
	return NULL;
}

static int may_run_threads(void)
{
	pthread_t t;
	int ran = 0;
	int err = pthread_create(&t, NULL, on_thread, &ran);
	if (err == 0)
		err = pthread_join(t, NULL);
	return err ? err : ran ? 0 : BROKEN;
}

static int may_resolve(void)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *found;
	if (getaddrinfo("localhost", "443", &hints, &found) != 0)
		return BROKEN;
	freeaddrinfo(found);
	return 0;
}

static int may_read_names(void)
{
	return access("/etc/resolv.conf", F_OK) == 0 ? read_of("/etc/resolv.conf") : 0;
}

static int may_read_authorities(void)
{
	const char *file = "/etc/ssl/certs/ca-certificates.crt";
	return access(file, F_OK) == 0 ? read_of(file) : 0;
}

static int may_read_given_authorities(void)
{
	return read_of(getenv("SSL_CERT_FILE"));
}

static int may_open_null(void)
{
	return as_errno(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static int may_make_parcels(void)
{
	const struct str part = STR("text");
	char back[4];
	int fd, err = parcel_make(&part, 1, &fd);
	if (err < 0)
		return -err;
	return parcel_check(fd, 4) == 0 && parcel_read(fd, back, 4) == 0 ? 0 : BROKEN;
}

static int may_connect(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(1) };
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int err = as_errno(connect(fd, (const struct sockaddr *)&to, sizeof to));
	return err == ECONNREFUSED ? 0 : err ? err : BROKEN;
}

static int may_ask_limits(void)
{
	struct rlimit l;
	return as_errno(getrlimit(RLIMIT_NOFILE, &l));
}

static int may_signal_itself(void)
{
	return as_errno(kill(getpid(), 0));
}

static int may_use_random(void)
{
	return hash_random_u64() != hash_random_u64() ? 0 : BROKEN;
}

/* A call that is too new for the list: libc finds another way. */
static int is_told_of_no_such_call(void)
{
	return syscall(1000) < 0 && errno == ENOSYS ? 0 : BROKEN;
}

static int has_no_routing_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0) < 0 && errno == EAFNOSUPPORT ? 0 : BROKEN;
}

static int may_not_know_clone3(void)
{
	return try_clone3() == ENOSYS ? 0 : BROKEN;
}

static const struct attempt works[] = {
	{ "threads", may_run_threads, 0 }, { "resolve", may_resolve, 0 },
	{ "resolv.conf", may_read_names, 0 }, { "authorities", may_read_authorities, 0 },
	{ "SSL_CERT_FILE", may_read_given_authorities, 0 }, { "null", may_open_null, 0 },
	{ "parcels", may_make_parcels, 0 }, { "connect", may_connect, 0 },
	{ "limits", may_ask_limits, 0 }, { "random", may_use_random, 0 },
	{ "oneself", may_signal_itself, 0 },
	{ "netlink", has_no_routing_socket, 0 }, { "clone3", may_not_know_clone3, 0 },
};

/* ---- trying ---- */

/* The errno, or DIED + the signal. */
static int outcome_of(enum sandbox_mode mode, int (*run)(void))
{
	struct sandbox got;
	int status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (sandbox_enter_paths(&got) < 0 && sandbox_landlock_abi())
			_exit(BROKEN);
		_exit(sandbox_enter_calls(mode, &got) < 0 ? BROKEN : run());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? DIED + WTERMSIG(status) : WEXITSTATUS(status);
}

static void expect(const char *name, int got, int wanted)
{
	if (got != wanted)
		fail_msg("%s: %d (%s), not %d", name, got, got < DIED ? strerror(got) : "died",
			 wanted);
}

static void test_calls_fail(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(calls); i++)
		expect(calls[i].name, outcome_of(SANDBOX_AUTO, calls[i].run), calls[i].error);
	expect("no such call", outcome_of(SANDBOX_AUTO, is_told_of_no_such_call), 0);
	assert_int_equal(access(written, F_OK), 0);
}

static void test_calls_kill(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(calls); i++)
		expect(calls[i].name, outcome_of(SANDBOX_ENFORCE, calls[i].run), DIED + SIGSYS);
	expect("no such call", outcome_of(SANDBOX_ENFORCE, is_told_of_no_such_call), DIED + SIGSYS);
}

static void test_log_lets_pass(void **state)
{
	(void)state;
	expect("kill", outcome_of(SANDBOX_LOG, try_kill), sandbox_landlock_abi() >= 6 ? EPERM : 0);
	expect("shared memory", outcome_of(SANDBOX_LOG, try_shared_memory), 0);
}

static void test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++)
		if (sandbox_landlock_abi() >= paths[i].abi)
			expect(paths[i].name, outcome_of(SANDBOX_ENFORCE, paths[i].run),
			       paths[i].error);
}

static void test_what_works(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(works); i++)
		expect(works[i].name, outcome_of(SANDBOX_ENFORCE, works[i].run), works[i].error);
}

static int counts_refusals(void)
{
	const char *name = "?";
	int call = 0;
	if (sandbox_refused(&call, &name) != 0)
		return BROKEN;
	(void)try_execve();
	(void)try_ptrace();
	if (sandbox_refused(&call, &name) != 2 || call != SYS_ptrace || strcmp(name, "ptrace") != 0)
		return BROKEN;
	(void)is_told_of_no_such_call();
	return sandbox_refused(&call, &name) == 1 && call == 1000 && !name ? 0 : BROKEN;
}

/* What an orphan does for the next master. */
static int shows_its_descriptors(void)
{
	const char *name = "?";
	int call = 0;
	sandbox_show_descriptors();
	return sandbox_refused(&call, &name) == 0 ? 0 : BROKEN;
}

static void test_an_orphan_can_be_looked_into(void **state)
{
	(void)state;
	expect("shown", outcome_of(SANDBOX_AUTO, shows_its_descriptors), 0);
	expect("shown", outcome_of(SANDBOX_ENFORCE, shows_its_descriptors), 0);
}

static void test_refusals_are_told(void **state)
{
	(void)state;
	expect("counts", outcome_of(SANDBOX_AUTO, counts_refusals), 0);
}

static int aborts(void)
{
	signal(SIGABRT, SIG_DFL);
	abort();
}

static void test_abort_is_left(void **state)
{
	(void)state;
	expect("abort", outcome_of(SANDBOX_ENFORCE, aborts), DIED + SIGABRT);
}

/* The whole of it, as a worker does it. */
static int enter_whole(enum sandbox_mode mode)
{
	struct sandbox got = { 9, true };
	struct rlimit core = { 1, 1 };
	char filter[16] = "";
	int abi = sandbox_landlock_abi();
	int before = open("/proc/self/coredump_filter", O_RDONLY | O_CLOEXEC);
	if (sandbox_enter(mode, &got) < 0)
		return BROKEN;
	int fd = open("/proc/self/coredump_filter", O_RDONLY | O_CLOEXEC);
	if (mode == SANDBOX_OFF)
		return got.landlock == 0 && !got.has_filter && fd >= 0 &&
		       prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : BROKEN;
	getrlimit(RLIMIT_CORE, &core);
	if (!got.has_filter || core.rlim_cur || core.rlim_max)
		return BROKEN;
	if (mode == SANDBOX_LOG)
		return got.landlock == 0 && read(before, filter, sizeof filter) > 0 &&
		       strtoul(filter, NULL, 16) == 0 &&
		       prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : BROKEN;
	return got.landlock == abi && fd < 0 ? 0 : BROKEN;
}

static void test_whole(void **state)
{
	(void)state;
	for (unsigned mode = SANDBOX_ENFORCE; mode < SANDBOX_MODES; mode++) {
		int status;
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			_exit(enter_whole((enum sandbox_mode)mode));
		assert_int_equal(waitpid(child, &status, 0), child);
		expect(sandbox_mode_name((enum sandbox_mode)mode), status, 0);
	}
}

/* What an older kernel says. */
static int enter_without(int call)
{
	struct sandbox got;
	struct config *c = NULL;
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	bool lacks = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), call, 0) == 0 && seccomp_load(f) == 0;
	const char *kept = call == SCMP_SYS(seccomp) ? "has no seccomp" : "has no Landlock";
	if (!lacks || config_read(written, NULL, &c) < 0 || !strstr(buf_z(&c->complaints), kept))
		return BROKEN;
	if (sandbox_enter(SANDBOX_ENFORCE, &got) >= 0)
		return BROKEN + 1;
	if (call == SCMP_SYS(landlock_create_ruleset))
		return sandbox_enter_paths(&got) < 0 &&
		       sandbox_enter_calls(SANDBOX_AUTO, &got) == 0 && got.landlock == 0 &&
		       got.has_filter && try_execve() == EPERM ? 0 : BROKEN + 2;
	return sandbox_enter(SANDBOX_LOG, &got) == 0 && !got.has_filter ? 0 : BROKEN + 3;
}

/* `auto` does what can be done, `enforce` does not begin, and the configuration says so before. */
static void test_older_kernels(void **state)
{
	static const int calls_lacking[] = { SCMP_SYS(landlock_create_ruleset), SCMP_SYS(seccomp) };
	(void)state;
	write_text(written, "server: {sandbox: enforce}\n");
	for (size_t i = 0; i < COUNT(calls_lacking); i++) {
		int status;
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			_exit(enter_without(calls_lacking[i]));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
}

static void test_names(void **state)
{
	(void)state;
	for (unsigned mode = 0; mode < SANDBOX_MODES; mode++) {
		const char *name = sandbox_mode_name((enum sandbox_mode)mode);
		assert_int_equal(sandbox_mode_of(name), mode);
	}
	assert_int_equal(sandbox_mode_of(NULL), SANDBOX_AUTO);
	assert_int_equal(sandbox_mode_of("none"), SANDBOX_AUTO);
}

static void test_stamp(void **state)
{
	char other[64];
	uint64_t first = sandbox_stamp();
	(void)state;
	assert_true(sandbox_stamp() == first);
	write_text(getenv("SSL_CERT_FILE"), "x");		/* the same file */
	assert_true(sandbox_stamp() == first);
	snprintf(other, sizeof other, "%s/other", folder);
	write_text(other, "x");
	assert_int_equal(rename(other, getenv("SSL_CERT_FILE")), 0);
	assert_true(sandbox_stamp() != first);
}

static int set_up(void **state)
{
	static char authorities[64];
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	(void)state;
	if (!sandbox_has_filters())
		return -1;
	parent = getpid();
	assert_non_null(mkdtemp(folder));
	snprintf(secret, sizeof secret, "%s/secret", folder);
	snprintf(written, sizeof written, "%s/written", folder);
	snprintf(authorities, sizeof authorities, "%s/authorities", folder);
	write_text(secret, "x");
	write_text(written, "x");
	write_text(authorities, "x");
	setenv("SSL_CERT_FILE", authorities, 1);
	snprintf(socket_name, sizeof socket_name, "test_sandbox-%d", parent);
	memcpy(a.sun_path + 1, socket_name, sizeof socket_name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 8), 0);
	return hash_init();
}

static int tear_down(void **state)
{
	(void)state;
	unlink(secret);
	unlink(written);
	unlink(getenv("SSL_CERT_FILE"));
	rmdir(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls_fail), cmocka_unit_test(test_calls_kill),
		cmocka_unit_test(test_log_lets_pass), cmocka_unit_test(test_paths),
		cmocka_unit_test(test_what_works), cmocka_unit_test(test_refusals_are_told),
		cmocka_unit_test(test_an_orphan_can_be_looked_into),
		cmocka_unit_test(test_abort_is_left), cmocka_unit_test(test_whole),
		cmocka_unit_test(test_older_kernels), cmocka_unit_test(test_names),
		cmocka_unit_test(test_stamp),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
