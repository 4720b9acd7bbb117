/* SPDX-License-Identifier: MIT
 * doctor.c - see doctor.h: who the gateway is here, all checks in turn, and what they found. */
#include "master/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json_write.h"

#define SERVICE_USER "llmgw"
#define SERVICE_CONFIG "/etc/llmgw/llmgw.yaml"
#define SERVICE_VARIABLES "/etc/llmgw/llmgw.env"
enum { OUT_MAX = 1 << 20, LINE_ROOM = 4096 };

const struct doctor_check doctor_checks[] = {
#define X(function, name, doc) { name, doctor_##function, doc },
	DOCTOR_CHECKS(X)
#undef X
};
const size_t doctor_checks_count = COUNT(doctor_checks);

/* ---- what was found ---- */

static const char *doctor_word(enum doctor_result r)
{
	static const char *const words[DOCTOR_RESULTS] = { "ok", "skip", "warn", "fail" };
	return words[r];
}

void doctor_say(struct doctor_finding *f, enum doctor_result r, const char *hint, const char *fmt,
		...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof f->text, fmt, ap);
	va_end(ap);
	snprintf(f->hint, sizeof f->hint, "%s", hint ? hint : "");
	f->result = r;
}

enum doctor_result doctor_put(struct buf *out, const struct doctor_finding *found, size_t n)
{
	unsigned counts[DOCTOR_RESULTS] = { 0 };
	enum doctor_result worst = DOCTOR_OK;
	struct json_out o = json_out(out);
	for (size_t i = 0; i < n; i++) {
		counts[found[i].result]++;
		if (found[i].result > worst && found[i].result != DOCTOR_SKIP)
			worst = found[i].result;
	}
	json_open(&o, NULL);
	json_put_z(&o, "result", doctor_word(worst));
	json_put_u64(&o, "failed", counts[DOCTOR_FAIL]);
	json_put_u64(&o, "warned", counts[DOCTOR_WARN]);
	json_open_array(&o, "checks");
	for (size_t i = 0; i < n; i++) {
		json_open(&o, NULL);
		json_put_z(&o, "check", doctor_checks[i].name);
		json_put_z(&o, "result", doctor_word(found[i].result));
		json_put_z(&o, "text", found[i].text);
		json_put_z(&o, "hint", found[i].hint);
		json_close(&o);
	}
	json_close_array(&o);
	json_close(&o);
	return worst;
}

int doctor_status(enum doctor_result worst)
{
	return worst == DOCTOR_FAIL ? 1 : worst == DOCTOR_WARN ? 9 : 0;
}

/* ---- variables of the service ---- */

bool doctor_read_variable(char *line, char **ret_name, char **ret_value)
{
	char *name = line + strspn(line, " \t"), *value = strchr(name, '=');
	size_t n;
	if (*name == '#' || *name == ';' || !value || value == name)
		return false;
	for (char *end = value; end > name && strchr(" \t", end[-1]); end--)
		end[-1] = 0;
	*value++ = 0;
	value += strspn(value, " \t");
	for (n = strlen(value); n > 0 && strchr(" \t\r\n", value[n - 1]); n--)
		value[n - 1] = 0;
	if (n >= 2 && (*value == '"' || *value == '\'') && value[n - 1] == *value) {
		value[n - 1] = 0;
		value++;
	}
	*ret_name = name;
	*ret_value = value;
	return true;
}

/* The unit gives them to the service; who asks for the doctor by hand does not have them. */
static void take_variables(void)
{
	char line[LINE_ROOM], *name, *value;
	FILE *f = fopen(SERVICE_VARIABLES, "re");
	while (f && fgets(line, sizeof line, f))
		if (doctor_read_variable(line, &name, &value))
			setenv(name, value, 0);
	explicit_bzero(line, sizeof line);
	if (f)
		fclose(f);
}

/* ---- who, where ---- */

bool doctor_may(const struct stat *st, uid_t uid, gid_t gid, int how)
{
	mode_t shift = st->st_uid == uid ? 6 : st->st_gid == gid ? 3 : 0;
	return uid == 0 || (((st->st_mode >> shift) & (mode_t)how) == (mode_t)how);
}

/* The lock is held by a gateway that runs, whose number is in it. */
static pid_t find_running(const char *state_dir)
{
	char path[LINE_ROOM + 16], text[24] = "";
	snprintf(path, sizeof path, "%s/llmgw.lock", state_dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	bool is_held = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	ssize_t n = is_held ? read(fd, text, sizeof text - 1) : 0;
	close(fd);
	return n > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

static void find_user(struct doctor *d)
{
	char path[64];
	struct stat st;
	const struct passwd *who = NULL;
	d->uid = geteuid();
	d->gid = getegid();
	snprintf(path, sizeof path, "/proc/%d", (int)d->pid);
	if (d->pid && stat(path, &st) == 0) {
		d->uid = st.st_uid;
		d->gid = st.st_gid;
	} else if (!d->pid && d->uid == 0 && d->has_unit && (who = getpwnam(SERVICE_USER))) {
		d->uid = who->pw_uid;
		d->gid = who->pw_gid;
	}
	who = getpwuid(d->uid);
	if (who)
		snprintf(d->user, sizeof d->user, "%s", who->pw_name);
	else
		snprintf(d->user, sizeof d->user, "uid %u", (unsigned)d->uid);
	int n = COUNT(d->groups);
	if (who && getgrouplist(d->user, d->gid, d->groups, &n) > 0)
		d->n_groups = (size_t)n;
}

static bool is_service(const struct options *o)
{
	return strcmp(o->config_path, SERVICE_CONFIG) == 0 &&
	       strcmp(o->state_dir, "/var/lib/llmgw") == 0;
}

int doctor_run(const struct options *opt)
{
	struct doctor_finding found[COUNT(doctor_checks)] = { 0 };
	struct doctor d = { .opt = opt, .is_online = opt->online, .now_ns = clock_wall_ns() };
	struct config *c = NULL;
	struct buf out;
	buf_init(&out, OUT_MAX);
	d.has_unit = is_service(opt) && access("/run/systemd/system", F_OK) == 0;
	if (is_service(opt))
		take_variables();
	d.pid = find_running(opt->state_dir);
	find_user(&d);
	d.config_err = config_read(opt->config_path, &opt->m.over, &c);
	d.config = c;
	for (size_t i = 0; i < COUNT(doctor_checks); i++)
		doctor_checks[i].run(&d, &found[i]);
	int status = doctor_status(doctor_put(&out, found, COUNT(doctor_checks)));
	config_free(c);
	BUF_PUT_LIT(&out, "\n");
	if (out.failed || fwrite(out.p, 1, out.n, stdout) != out.n || fflush(stdout) != 0)
		status = 1;
	buf_done(&out);
	return status;
}
