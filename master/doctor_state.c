/* SPDX-License-Identifier: MIT
 * doctor_state.c - checks of the state directory: whose it is, where it lies, what is in it. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "common/clock.h"
#include "master/doctor.h"
#include "master/store.h"

enum {
	PATH_ROOM = 4096 + 64, MIB = 1 << 20, SPACE_LEAST_MIB = 64, SPACE_GOOD_MIB = 1024,
	NODES_GOOD = 1000, DAYS_OLD = 7
};
#define NS_PER_DAY (86400 * NS_PER_S)

static bool is_there(const struct doctor *d, struct doctor_finding *f)
{
	struct stat st;
	if (stat(d->opt->state_dir, &st) == 0 && S_ISDIR(st.st_mode))
		return true;
	doctor_say(f, DOCTOR_SKIP, NULL, "%s is not there yet", d->opt->state_dir);
	return false;
}

void doctor_state_owner(const struct doctor *d, struct doctor_finding *f)
{
	const char *dir = d->opt->state_dir;
	struct stat st;
	if (!is_there(d, f))
		return;
	if (stat(dir, &st) != 0)
		doctor_say(f, DOCTOR_FAIL, NULL, "%s: %s", dir, strerror(errno));
	else if (st.st_uid != d->uid && d->uid != 0)
		doctor_say(f, DOCTOR_FAIL, "chown -R to the gateway's user, while it is stopped",
			   "%s belongs to uid %u, not to %s", dir, (unsigned)st.st_uid, d->user);
	else if (st.st_mode & 0077)
		doctor_say(f, DOCTOR_FAIL, "chmod 700", "%s is open to others (%03o)", dir,
			   (unsigned)st.st_mode & 0777);
	else if ((st.st_mode & 0700) != 0700)
		doctor_say(f, DOCTOR_FAIL, "chmod 700", "%s cannot be written to (%03o)", dir,
			   (unsigned)st.st_mode & 0777);
	else
		doctor_say(f, DOCTOR_OK, NULL, "%s, %s", dir, d->user);
}

void doctor_state_space(const struct doctor *d, struct doctor_finding *f)
{
	struct statvfs v;
	if (!is_there(d, f))
		return;
	if (statvfs(d->opt->state_dir, &v) != 0) {
		doctor_say(f, DOCTOR_FAIL, NULL, "%s: %s", d->opt->state_dir, strerror(errno));
		return;
	}
	unsigned long long mib = (unsigned long long)v.f_bavail * v.f_frsize / MIB;
	const char *hint = "without room priced requests get 503; litellm_settings "
			   "maximum_spend_logs_retention_period shortens the history";
	if (v.f_flag & ST_RDONLY)
		doctor_say(f, DOCTOR_FAIL, "mount -o remount,rw, or ReadWritePaths= in the unit",
			   "it can only be read");
	else if (mib < SPACE_LEAST_MIB || mib < SPACE_GOOD_MIB)
		doctor_say(f, mib < SPACE_LEAST_MIB ? DOCTOR_FAIL : DOCTOR_WARN, hint,
			   "%llu MiB are left", mib);
	else if (v.f_files && v.f_favail < NODES_GOOD)
		doctor_say(f, DOCTOR_WARN, "a file system has a number of files, too",
			   "room for %llu files is left", (unsigned long long)v.f_favail);
	else
		doctor_say(f, DOCTOR_OK, NULL, "%llu MiB are left", mib);
}

/* WAL wants memory that all processes share, which no network has. */
enum doctor_result doctor_judge_filesystem(long type, const char **ret_name)
{
	static const struct {
		unsigned type;
		const char *name;
		enum doctor_result result;
	} known[] = {
		{ 0x6969, "NFS", DOCTOR_FAIL }, { 0x517b, "SMB", DOCTOR_FAIL },
		{ 0xff534d42, "CIFS", DOCTOR_FAIL }, { 0xfe534d42, "SMB", DOCTOR_FAIL },
		{ 0x01021997, "9p", DOCTOR_FAIL }, { 0x5346414f, "AFS", DOCTOR_FAIL },
		{ 0x00c36400, "Ceph", DOCTOR_FAIL }, { 0x47504653, "GPFS", DOCTOR_FAIL },
		{ 0x0bd00bd0, "Lustre", DOCTOR_FAIL }, { 0x65735546, "FUSE", DOCTOR_WARN },
		{ 0x01021994, "tmpfs", DOCTOR_WARN }, { 0x858458f6, "ramfs", DOCTOR_WARN },
		{ 0x794c7630, "overlayfs", DOCTOR_WARN }, { 0x4d44, "FAT", DOCTOR_FAIL },
		{ 0xef53, "ext4", DOCTOR_OK }, { 0x58465342, "XFS", DOCTOR_OK },
		{ 0x9123683e, "btrfs", DOCTOR_OK }, { 0xf2f52010, "F2FS", DOCTOR_OK },
		{ 0x2fc12fc1, "ZFS", DOCTOR_OK },
	};
	for (size_t i = 0; i < COUNT(known); i++)
		if (known[i].type == (unsigned)type) {
			*ret_name = known[i].name;
			return known[i].result;
		}
	*ret_name = NULL;
	return DOCTOR_OK;
}

void doctor_state_filesystem(const struct doctor *d, struct doctor_finding *f)
{
	const char *name;
	struct statfs s;
	if (!is_there(d, f))
		return;
	if (statfs(d->opt->state_dir, &s) != 0) {
		doctor_say(f, DOCTOR_FAIL, NULL, "%s: %s", d->opt->state_dir, strerror(errno));
		return;
	}
	enum doctor_result r = doctor_judge_filesystem((long)s.f_type, &name);
	const char *hint = r == DOCTOR_FAIL ? "a local disk for --state-dir: the database needs "
					      "memory that is shared and locks that hold" :
			   r == DOCTOR_WARN ? "a disk or a volume for --state-dir, if keys and "
					      "spend are to last" : NULL;
	if (name)
		doctor_say(f, r, hint, "%s", name);
	else
		doctor_say(f, r, hint, "type %lx", (unsigned long)s.f_type);
}

/* ---- what is in it ---- */

/* What the check says, once for all that ask. */
static bool looked_into(const struct doctor *d, struct doctor_finding *f,
			struct store_condition *ret)
{
	char why[256] = "";
	struct stat st;
	char path[PATH_ROOM];
	if (!is_there(d, f))
		return false;
	snprintf(path, sizeof path, "%s/llmgw.db", d->opt->state_dir);
	if (stat(path, &st) != 0) {
		doctor_say(f, errno == ENOENT ? DOCTOR_SKIP : DOCTOR_FAIL, NULL, "%s: %s", path,
			   errno == ENOENT ? "not there yet" : strerror(errno));
		return false;
	}
	if (store_look(d->opt->state_dir, ret, why) == 0)
		return true;
	doctor_say(f, DOCTOR_FAIL, "restore a backup; see llmgwctl backup", "%s", why);
	return false;
}

void doctor_database_whole(const struct doctor *d, struct doctor_finding *f)
{
	struct store_condition c;
	if (!looked_into(d, f, &c))
		return;
	if (c.schema > c.schema_known)
		doctor_say(f, DOCTOR_FAIL, "install the release that wrote it, or a newer one",
			   "schema %u: a newer llmgw wrote it, this one knows %u", c.schema,
			   c.schema_known);
	else
		doctor_say(f, DOCTOR_OK, NULL, "%s, schema %u of %u",
			   c.is_timed_out ? "good as far as it was read" : "whole", c.schema,
			   c.schema_known);
}

void doctor_database_backup(const struct doctor *d, struct doctor_finding *f)
{
	struct store_condition c;
	if (!looked_into(d, f, &c))
		return;
	uint64_t since = c.backup_ns ? c.backup_ns : c.first_ns;
	uint64_t days = since && since < d->now_ns ? (d->now_ns - since) / NS_PER_DAY : 0;
	const char *hint = "llmgwctl backup FILE, from a timer; it may run meanwhile";
	if (!c.backup_ns && !c.first_ns)
		doctor_say(f, DOCTOR_OK, NULL, "there is nothing to copy yet");
	else if (!c.backup_ns)
		doctor_say(f, days >= DAYS_OLD ? DOCTOR_WARN : DOCTOR_OK,
			   days >= DAYS_OLD ? hint : NULL, "never; it is in use for %llu days",
			   (unsigned long long)days);
	else
		doctor_say(f, days >= DAYS_OLD ? DOCTOR_WARN : DOCTOR_OK,
			   days >= DAYS_OLD ? hint : NULL, "%llu days ago",
			   (unsigned long long)days);
}

void doctor_state_journals(const struct doctor *d, struct doctor_finding *f)
{
	char path[PATH_ROOM];
	unsigned n = 0;
	if (!is_there(d, f))
		return;
	snprintf(path, sizeof path, "%s/journal", d->opt->state_dir);
	DIR *dir = opendir(path);
	if (!dir && errno == ENOENT) {
		doctor_say(f, DOCTOR_SKIP, NULL, "not there yet");
		return;
	}
	if (!dir) {
		doctor_say(f, DOCTOR_FAIL, "chown -R to the gateway's user", "%s: %s", path,
			   strerror(errno));
		return;
	}
	for (const struct dirent *e; (e = readdir(dir)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(dir);
	if (n && !d->pid)
		doctor_say(f, DOCTOR_WARN, "start it: what they hold is booked then",
			   "%u are left of a gateway that was killed", n);
	else
		doctor_say(f, DOCTOR_OK, NULL, "%u", n);
}
