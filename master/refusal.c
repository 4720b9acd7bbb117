/* SPDX-License-Identifier: MIT
 * refusal.c - see refusal.h. AppArmor judges opening a file by its real path, and nothing else that
 * is done here: faccessat() knows modes alone, so what it allows and open() does not was refused by
 * a profile. */
#include "master/refusal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RULES "/etc/apparmor.d/local/usr.sbin.llmgw"
#define PROFILE "/etc/apparmor.d/usr.sbin.llmgw"
#define QUESTIONS "/sys/kernel/security/apparmor/.access"
enum { CLASS_FILE = 2, MAY_READ = 4 };	/* AppArmor's own numbers */

/* ---- AppArmor ---- */

bool refusal_read_profile(struct str attr, char ret_name[REFUSAL_NAME_ROOM])
{
	size_t end = str_find(attr, STR(" (enforce)"));
	if (end == SIZE_MAX || end == 0 || end >= REFUSAL_NAME_ROOM)
		return false;
	memcpy(ret_name, attr.p, end);
	ret_name[end] = 0;
	return true;
}

/* Of this process. Any may read its own. */
static bool is_confined(char ret_name[REFUSAL_NAME_ROOM])
{
	static const char *const places[] = { "/proc/self/attr/apparmor/current",
					      "/proc/self/attr/current" };
	char text[2 * REFUSAL_NAME_ROOM];
	ssize_t n = -1;
	for (size_t i = 0; i < COUNT(places) && n <= 0; i++) {
		int fd = open(places[i], O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : read(fd, text, sizeof text);
		if (fd >= 0)
			close(fd);
	}
	return n > 0 && refusal_read_profile(str_of(text, (size_t)n), ret_name);
}

bool refusal_read_answer(struct str answer)
{
	unsigned allowed = 0, denied = 0;
	char z[128];
	snprintf(z, sizeof z, STR_FMT, STR_ARG(answer));
	if (sscanf(z, "allow 0x%x deny 0x%x", &allowed, &denied) != 2)
		return false;
	return !(allowed & MAY_READ) || denied & MAY_READ;
}

bool refusal_by_profile(const char *profile, const char *path)
{
	char text[PATH_MAX + REFUSAL_NAME_ROOM + 16];
	int n = snprintf(text, sizeof text, "label%c%s%c%c%s", 0, profile, 0, CLASS_FILE, path);
	if (n < 0 || (size_t)n >= sizeof text)
		return false;
	int fd = open(QUESTIONS, O_RDWR | O_CLOEXEC);
	ssize_t got = fd < 0 || write(fd, text, (size_t)n) != n ? -1 : read(fd, text, sizeof text);
	if (fd >= 0)
		close(fd);
	return got > 0 && refusal_read_answer(str_of(text, (size_t)got));
}

/* Where a link leads to the file, as to a certificate that is renewed, the next one has another
 * name: the folder's files, then. */
void refusal_put_rule(const char *path, const char *real, char *text, size_t room)
{
	bool is_link = strcmp(path, real) != 0;
	int n = (int)(is_link ? strrchr(real, '/') - real + 1 : (ptrdiff_t)strlen(real));
	const char *quote = strpbrk(real, " \t") ? "\"" : "";
	snprintf(text, room, "add %s%.*s%s%s r, as a line to " RULES " and run "
		 "apparmor_parser -r " PROFILE, quote, n, real, is_link ? "*" : "", quote);
}

/* ---- the unit ---- */

const char *refusal_hidden(const char *path)
{
	static const char *const folders[] = { "/home", "/root", "/run/user", "/tmp", "/var/tmp" };
	for (size_t i = 0; i < COUNT(folders); i++) {
		size_t n = strlen(folders[i]);
		if (strncmp(path, folders[i], n) == 0 && (path[n] == '/' || !path[n]))
			return folders[i];
	}
	return NULL;
}

/* What is hidden is a folder with no mode at all, or an empty one of the service's own. */
static bool is_hidden(int err, const char *path)
{
	const char *folder = refusal_hidden(path);
	struct stat st;
	if (!folder)
		return false;
	if (err == -ENOENT)
		return strstr(folder, "/tmp") && getenv("INVOCATION_ID");
	return err == -EACCES && stat(folder, &st) == 0 && !(st.st_mode & 0777);
}

/* ---- modes ---- */

/* "user llmgw may not pass /etc/x (mode 700 of root:root)". */
static int put_refuser(char *text, size_t room, const char *verb, const char *path)
{
	struct stat st;
	const struct passwd *who = getpwuid(geteuid());
	int n = snprintf(text, room, "user %s may not %s %s", who ? who->pw_name : "?", verb, path);
	if (n < 0 || (size_t)n >= room || stat(path, &st) != 0)
		return n;
	const struct passwd *owner = getpwuid(st.st_uid);
	n += snprintf(text + n, room - (size_t)n, " (mode %03o of %s",
		      st.st_mode & 0777u,
		      owner ? owner->pw_name : "?");
	const struct group *group = getgrgid(st.st_gid);
	if ((size_t)n < room)
		n += snprintf(text + n, room - (size_t)n, ":%s)", group ? group->gr_name : "?");
	return n;
}

/* `real` is what could be found out of the real path: where has_all is false it ends with the first
 * name that cannot be looked up, and the folder before it is the one that refuses. */
static void put_modes(char *text, size_t room, char real[PATH_MAX], bool has_all)
{
	char *slash = strrchr(real, '/');
	if (!has_all && slash)
		slash[slash == real] = 0;
	int n = put_refuser(text, room, has_all ? "read" : "pass", real);
	if (n > 0 && (size_t)n < room)
		snprintf(text + n, room - (size_t)n, has_all ? ": chgrp and chmod g+r" :
			 ": put a copy of the file into /etc/llmgw");
}

static void put_reason(char *text, size_t room, const char *path)
{
	char real[PATH_MAX] = "", name[REFUSAL_NAME_ROOM];
	bool has_all = realpath(path, real);
	if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0) {
		put_modes(text, room, real, has_all);
	} else if (has_all && is_confined(name)) {
		int n = snprintf(text, room, "AppArmor's profile %s refuses it: ", name);
		refusal_put_rule(path, real, text + n, room - (size_t)n);
	} else {
		snprintf(text, room, "its mode allows it, so a security module refuses: see the "
			 "kernel's log, or ausearch -m AVC");
	}
}

const char *refusal_text(int err, const char *path, char text[REFUSAL_ROOM])
{
	int n = snprintf(text, REFUSAL_ROOM, "%s", strerror(-err));
	if (n < 0 || n >= REFUSAL_ROOM / 2 || (err != -EACCES && err != -ENOENT))
		return text;
	if (is_hidden(err, path))
		snprintf(text + n, (size_t)(REFUSAL_ROOM - n), ": the unit of the service hides "
			 "%s from it: put the file into /etc/llmgw", refusal_hidden(path));
	else if (err == -EACCES) {
		n += snprintf(text + n, (size_t)(REFUSAL_ROOM - n), ": ");
		put_reason(text + n, (size_t)(REFUSAL_ROOM - n), path);
	}
	return text;
}
