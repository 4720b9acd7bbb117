/* SPDX-License-Identifier: MIT
 * sandbox.c - see sandbox.h: what is given up, in which order. */
#include "common/sandbox.h"

#include <fcntl.h>
#include <netdb.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { HAS_SANITIZER = true };
#elif defined(__has_feature)
enum { HAS_SANITIZER = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) };
#else
enum { HAS_SANITIZER = false };
#endif

/* No core holds the memory of a process that knows keys, and nobody but root reads it. */
static void leave_no_core(void)
{
	const struct rlimit none = { 0, 0 };
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
	(void)setrlimit(RLIMIT_CORE, &none);
	if (fd >= 0) {
		ssize_t n = write(fd, "0", 1);	/* a program that takes cores heeds no limit */
		(void)n;
		close(fd);
	}
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void sandbox_show_descriptors(void)
{
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* Modules that look up names are loaded while they can still be found wherever they are. */
static void load_modules(void)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	if (getaddrinfo("localhost", NULL, &hints, &found) == 0)
		freeaddrinfo(found);
}

int sandbox_enter(enum sandbox_mode mode, struct sandbox *ret)
{
	*ret = (struct sandbox){ 0 };
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (mode == SANDBOX_OFF || (mode == SANDBOX_AUTO && HAS_SANITIZER))
		return 0;
	leave_no_core();
	load_modules();
	int err = mode == SANDBOX_LOG ? 0 : sandbox_enter_paths(ret);
	if (err < 0 && mode == SANDBOX_ENFORCE)
		return err;
	err = sandbox_enter_calls(mode, ret);
	return mode == SANDBOX_ENFORCE ? err : 0;
}
