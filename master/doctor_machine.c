/* SPDX-License-Identifier: MIT
 * doctor_machine.c - checks of kernel, limits, memory, clock and service. */
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/sandbox.h"
#include "common/small_file.h"
#include "master/config.h"
#include "master/doctor.h"
#include "master/store.h"

enum {
	FILES_LEAST = 1024, FILES_GOOD = 16384, BACKLOG_GOOD = 1024,
	MEMORY_LEAST_KIB = 128 << 10, TEXT_ROOM = 4096, YEAR_LEAST = 2025
};

/* The number behind a word in such a file, or -1. */
static long long number_after(const char *text, const char *word)
{
	const char *at = strstr(text, word);
	return at ? strtoll(at + strlen(word), NULL, 10) : -1;
}

/* ---- the kernel ---- */

static bool is_enforced(const struct doctor *d)
{
	return d->config && d->config->sandbox == SANDBOX_ENFORCE;
}

void doctor_kernel_landlock(const struct doctor *d, struct doctor_finding *f)
{
	int abi = sandbox_landlock_abi();
	if (abi == 0)
		doctor_say(f, is_enforced(d) ? DOCTOR_FAIL : DOCTOR_WARN,
			   "Linux 5.13 or newer, and landlock among the modules of lsm=; without it "
			   "server.sandbox: enforce does not start",
			   "none: a worker that was taken over could read files");
	else if (abi < 4)
		doctor_say(f, DOCTOR_OK, NULL, "ABI %d: files; ports and signals are left", abi);
	else
		doctor_say(f, DOCTOR_OK, NULL, "ABI %d", abi);
}

void doctor_kernel_seccomp(const struct doctor *d, struct doctor_finding *f)
{
	if (sandbox_has_filters())
		doctor_say(f, DOCTOR_OK, NULL, "filters of system calls");
	else
		doctor_say(f, is_enforced(d) ? DOCTOR_FAIL : DOCTOR_WARN,
			   "a kernel with CONFIG_SECCOMP_FILTER",
			   "none: a worker that was taken over could make any system call");
}

void doctor_kernel_memory(const struct doctor *d, struct doctor_finding *f)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
	int fd = memfd_create("llmgw-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	(void)d;
	if (fd >= 0 && fcntl(fd, F_ADD_SEALS, seals) == 0)
		doctor_say(f, DOCTOR_OK, NULL, "memory is shared and sealed");
	else
		doctor_say(f, DOCTOR_FAIL, "Linux 5.4 or newer, with memfd_create",
			   "no sealed memory: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

void doctor_kernel_mutex(const struct doctor *d, struct doctor_finding *f)
{
	pthread_mutexattr_t a;
	pthread_mutex_t m;
	(void)d;
	int err = pthread_mutexattr_init(&a);
	if (!err && !(err = pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED)) &&
	    !(err = pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST)) &&
	    !(err = pthread_mutex_init(&m, &a)) && !(err = pthread_mutex_lock(&m))) {
		pthread_mutex_unlock(&m);
		pthread_mutex_destroy(&m);
		doctor_say(f, DOCTOR_OK, NULL, "robust, shared by processes");
	} else {
		doctor_say(f, DOCTOR_FAIL, "a C library with robust mutexes",
			   "no robust mutexes: %s", strerror(err));
	}
	pthread_mutexattr_destroy(&a);
}

/* ---- limits ---- */

/* Of the gateway that runs; else of the unit; else of who asks, which are those it would get. */
void doctor_limit_files(const struct doctor *d, struct doctor_finding *f)
{
	char path[64], text[TEXT_ROOM];
	struct rlimit r = { 0 };
	long long n = -1;
	const char *hint = d->has_unit ? "LimitNOFILE= in a drop-in: systemctl edit llmgw" :
					 "ulimit -Hn, /etc/security/limits.conf";
	snprintf(path, sizeof path, "/proc/%d/limits", (int)d->pid);
	if (d->pid && small_file_read(path, text, sizeof text)) {
		const char *line = strstr(text, "Max open files");
		if (line && sscanf(line + 14, "%*s %lld", &n) != 1)
			n = -1;
	} else if (d->has_unit && !d->pid) {
		doctor_say(f, DOCTOR_OK, NULL, "as the unit says");
		return;
	}
	if (n < 0 && getrlimit(RLIMIT_NOFILE, &r) == 0)
		n = r.rlim_max == RLIM_INFINITY ? INT32_MAX : (long long)r.rlim_max;
	uint64_t wanted = d->config ? 2 * (uint64_t)d->config->set.connections_max : FILES_GOOD;
	wanted = wanted < FILES_GOOD ? wanted : FILES_GOOD;
	if (n < FILES_LEAST)
		doctor_say(f, DOCTOR_FAIL, hint, "%lld: too few", n);
	else if ((uint64_t)n < wanted)
		doctor_say(f, DOCTOR_WARN, hint, "%lld; connections may want %llu in a worker", n,
			   (unsigned long long)wanted);
	else
		doctor_say(f, DOCTOR_OK, NULL, "%lld", n);
}

void doctor_limit_backlog(const struct doctor *d, struct doctor_finding *f)
{
	char text[TEXT_ROOM];
	(void)d;
	if (!small_file_read("/proc/sys/net/core/somaxconn", text, sizeof text)) {
		doctor_say(f, DOCTOR_SKIP, NULL, "the kernel does not tell");
		return;
	}
	long long n = strtoll(text, NULL, 10);
	if (n < BACKLOG_GOOD)
		doctor_say(f, DOCTOR_WARN, "sysctl net.core.somaxconn=4096",
			   "%lld connections may wait; a burst of more is refused", n);
	else
		doctor_say(f, DOCTOR_OK, NULL, "%lld", n);
}

/* ---- memory ---- */

void doctor_memory_free(const struct doctor *d, struct doctor_finding *f)
{
	char text[TEXT_ROOM];
	(void)d;
	bool is_told = small_file_read("/proc/meminfo", text, sizeof text);
	long long kib = is_told ? number_after(text, "MemAvailable:") : -1;
	if (kib < 0)
		doctor_say(f, DOCTOR_SKIP, NULL, "the kernel does not tell");
	else if (kib < MEMORY_LEAST_KIB)
		doctor_say(f, DOCTOR_WARN, "the largest requests take server.limits.request-memory "
			   "each", "%lld MiB are left", kib >> 10);
	else
		doctor_say(f, DOCTOR_OK, NULL, "%lld MiB are left", kib >> 10);
}

void doctor_memory_overcommit(const struct doctor *d, struct doctor_finding *f)
{
	char text[TEXT_ROOM];
	(void)d;
	if (!small_file_read("/proc/sys/vm/overcommit_memory", text, sizeof text))
		doctor_say(f, DOCTOR_SKIP, NULL, "the kernel does not tell");
	else if (text[0] == '2')
		doctor_say(f, DOCTOR_WARN, "sysctl vm.overcommit_memory=0, or server.max-keys lower",
			   "strict: empty segments count in full");
	else
		doctor_say(f, DOCTOR_OK, NULL, "%c", text[0]);
}

void doctor_memory_swap(const struct doctor *d, struct doctor_finding *f)
{
	char text[TEXT_ROOM];
	(void)d;
	bool is_told = small_file_read("/proc/meminfo", text, sizeof text);
	long long all = number_after(text, "SwapTotal:"), left = number_after(text, "SwapFree:");
	if (!is_told || all < 0 || left < 0)
		doctor_say(f, DOCTOR_SKIP, NULL, "the kernel does not tell");
	else if (all == 0)
		doctor_say(f, DOCTOR_OK, NULL, "none");
	else if (left < all / 2)
		doctor_say(f, DOCTOR_WARN, "more memory, or less on this machine; swap that holds "
			   "keys should be encrypted", "%lld of %lld MiB are in use",
			   (all - left) >> 10, all >> 10);
	else
		doctor_say(f, DOCTOR_OK, NULL, "%lld of %lld MiB are in use", (all - left) >> 10,
			   all >> 10);
}

void doctor_memory_pages(const struct doctor *d, struct doctor_finding *f)
{
	char text[TEXT_ROOM];
	(void)d;
	if (!small_file_read("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text))
		doctor_say(f, DOCTOR_SKIP, NULL, "none in this kernel");
	else if (strstr(text, "[always]"))
		doctor_say(f, DOCTOR_OK, "echo madvise >"
			   "/sys/kernel/mm/transparent_hugepage/enabled saves some memory",
			   "always");
	else
		doctor_say(f, DOCTOR_OK, NULL, "%s", strstr(text, "[never]") ? "never" : "madvise");
}

/* ---- clock, libraries ---- */

void doctor_clock_right(const struct doctor *d, struct doctor_finding *f)
{
	struct timex t = { 0 };
	time_t now = (time_t)(d->now_ns / NS_PER_S);
	struct tm tm = { 0 };
	gmtime_r(&now, &tm);
	bool is_kept = adjtimex(&t) >= 0 && !(t.status & STA_UNSYNC);
	if (tm.tm_year + 1900 < YEAR_LEAST)
		doctor_say(f, DOCTOR_FAIL, "date --set, then timedatectl set-ntp true",
			   "it is %d here: certificates and budgets go by the clock",
			   tm.tm_year + 1900);
	else if (!is_kept)
		doctor_say(f, DOCTOR_WARN, "timedatectl set-ntp true, or chrony",
			   "nobody keeps it right");
	else
		doctor_say(f, DOCTOR_OK, NULL, "synchronized");
}

void doctor_libraries(const struct doctor *d, struct doctor_finding *f)
{
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
	(void)d;
	bool has_http2 = v->features & CURL_VERSION_HTTP2;
	doctor_say(f, has_http2 && v->ssl_version ? DOCTOR_OK : DOCTOR_WARN,
		   has_http2 && v->ssl_version ? NULL : "the distribution's own libcurl",
		   "llmgw " LLMGW_VERSION ", curl %s, %s, %s, SQLite %s", v->version,
		   v->ssl_version ? v->ssl_version : "no TLS", has_http2 ? "HTTP/2" : "no HTTP/2",
		   store_library_version());
}

/* ---- the service ---- */

void doctor_service_user(const struct doctor *d, struct doctor_finding *f)
{
	if (d->uid == 0)
		doctor_say(f, DOCTOR_WARN, "the packages' unit runs it as a user of its own",
			   "root: a mistake in it would be a mistake of root's");
	else
		doctor_say(f, DOCTOR_OK, NULL, "%s", d->user);
}

/* Where units are, the administrator's first. */
static bool read_unit(char text[TEXT_ROOM])
{
	static const char *const places[] = { "/etc/systemd/system/llmgw.service",
					      "/usr/local/lib/systemd/system/llmgw.service",
					      "/usr/lib/systemd/system/llmgw.service",
					      "/lib/systemd/system/llmgw.service" };
	for (size_t i = 0; i < COUNT(places); i++)
		if (small_file_read(places[i], text, TEXT_ROOM))
			return true;
	return false;
}

void doctor_service_unit(const struct doctor *d, struct doctor_finding *f)
{
	char text[TEXT_ROOM];
	if (!d->has_unit) {
		doctor_say(f, DOCTOR_SKIP, NULL, "not a service of systemd");
	} else if (!read_unit(text)) {
		doctor_say(f, DOCTOR_WARN, "install the package, or packaging/llmgw.service",
			   "there is no llmgw.service");
	} else if (!strstr(text, "WatchdogSec=") || !strstr(text, "Type=notify")) {
		doctor_say(f, DOCTOR_WARN, "Type=notify and WatchdogSec=20 in the unit",
			   "nobody would notice a gateway that hangs");
	} else if (access("/etc/systemd/system/multi-user.target.wants/llmgw.service", F_OK) != 0) {
		doctor_say(f, DOCTOR_WARN, "systemctl enable llmgw",
			   "it does not start with the machine");
	} else {
		doctor_say(f, DOCTOR_OK, NULL, "enabled, with a watchdog");
	}
}
