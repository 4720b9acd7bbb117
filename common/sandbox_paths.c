/* SPDX-License-Identifier: MIT
 * sandbox_paths.c - Landlock: what may be read by path. Nothing may be written or executed, no
 * TCP port bound, nobody outside signalled.
 *
 * A rule is of a file and not of its name: one that is replaced by another cannot be read any more.
 * Where a whole folder may be read that does not matter; the others are in sandbox_stamp(). */
#include "common/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's numbers, which headers of older systems lack. */
enum { RULE_PATH_BENEATH = 1 };
enum {
	FS_EXECUTE = 1 << 0, FS_READ_FILE = 1 << 2, FS_READ_DIR = 1 << 3,
	FS_OF_ABI_1 = (1 << 13) - 1, FS_REFER = 1 << 13, FS_TRUNCATE = 1 << 14,
	FS_IOCTL_DEV = 1 << 15,
	NET_BIND_TCP = 1 << 0,
	SCOPE_ABSTRACT_SOCKET = 1 << 0, SCOPE_SIGNAL = 1 << 1
};
struct ruleset {
	uint64_t fs, net, scoped;
};
struct path_beneath {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

/* Looked for by name at any time, and replaced as it pleases others. */
static const char *const replaced[] = {
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",
	"/etc/services", "/etc/protocols", "/etc/localtime",
};

/* Folders, and files that stay: what systems put there is nobody's secret. */
static const char *const readable[] = {
	/* where resolv.conf leads to */
	"/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager",
	/* certificate authorities, and OpenSSL's settings */
	"/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf", "/etc/ca-certificates",
	"/etc/pki/tls/certs", "/etc/pki/tls/cert.pem",
	"/etc/pki/tls/openssl.cnf", "/etc/pki/ca-trust", "/etc/crypto-policies",
	/* libraries that are loaded late, locales, time zones */
	"/usr/lib", "/usr/lib64", "/usr/share", "/usr/local/share/ca-certificates", "/lib", "/lib64",
	"/nix/store", "/etc/ld.so.cache",
	/* what libc and OpenSSL ask the kernel */
	"/dev/null", "/dev/urandom", "/dev/random", "/proc/sys/vm/overcommit_memory",
	"/sys/devices/system/cpu",
};

/* What there is not needs no rule. */
static int allow(int rules, const char *path)
{
	struct stat st;
	int fd = path && *path ? open(path, O_PATH | O_CLOEXEC) : -1, err = 0;
	if (fd < 0)
		return 0;
	struct path_beneath rule = { .allowed = FS_READ_FILE, .fd = fd };
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		rule.allowed |= FS_READ_DIR;
	if (syscall(SYS_landlock_add_rule, rules, RULE_PATH_BENEATH, &rule, 0) != 0)
		err = -errno;
	close(fd);
	return err;
}

static int allow_all(int rules)
{
	int err = 0;
	for (size_t i = 0; i < COUNT(replaced) && err == 0; i++)
		err = allow(rules, replaced[i]);
	for (size_t i = 0; i < COUNT(readable) && err == 0; i++)
		err = allow(rules, readable[i]);
	if (err == 0)
		err = allow(rules, getenv("SSL_CERT_FILE"));
	return err == 0 ? allow(rules, getenv("SSL_CERT_DIR")) : err;
}

static struct ruleset ruleset_of(int abi)
{
	struct ruleset r = { .fs = FS_OF_ABI_1 };
	r.fs |= abi >= 2 ? FS_REFER : 0;
	r.fs |= abi >= 3 ? FS_TRUNCATE : 0;
	r.fs |= abi >= 5 ? FS_IOCTL_DEV : 0;
	r.net = abi >= 4 ? NET_BIND_TCP : 0;
	r.scoped = abi >= 6 ? SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL : 0;
	return r;
}

int sandbox_enter_paths(struct sandbox *ret)
{
	int abi = sandbox_landlock_abi(), err;
	if (abi == 0)
		return -EOPNOTSUPP;
	struct ruleset r = ruleset_of(abi);
	/* A kernel takes a longer struct when what it does not know is 0. */
	int rules = (int)syscall(SYS_landlock_create_ruleset, &r, sizeof r, 0);
	if (rules < 0)
		return -errno;
	err = allow_all(rules);
	if (err == 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
			 syscall(SYS_landlock_restrict_self, rules, 0) != 0))
		err = -errno;
	close(rules);
	if (err == 0)
		ret->landlock = abi;
	return err;
}

static uint64_t mix(uint64_t sum, uint64_t word)
{
	return (sum ^ word) * UINT64_C(0x100000001b3);
}

/* Whatever lies there may be read, whether or not it is what lay there before. */
static bool is_in_readable_folder(const char *path)
{
	for (size_t i = 0; i < COUNT(readable); i++) {
		size_t n = strlen(readable[i]);
		if (strncmp(path, readable[i], n) == 0 && path[n] == '/')
			return true;
	}
	return false;
}

static uint64_t stamp_of(uint64_t sum, const char *path)
{
	char target[PATH_MAX];
	struct stat st;
	if (!path || !*path || !realpath(path, target) || stat(target, &st) != 0 ||
	    is_in_readable_folder(target))
		return mix(sum, 0);
	return mix(mix(sum, (uint64_t)st.st_dev), (uint64_t)st.st_ino);
}

uint64_t sandbox_stamp(void)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < COUNT(replaced); i++)
		sum = stamp_of(sum, replaced[i]);
	sum = stamp_of(sum, getenv("SSL_CERT_FILE"));
	return stamp_of(sum, getenv("SSL_CERT_DIR"));
}
