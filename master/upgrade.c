/* SPDX-License-Identifier: MIT
 * upgrade.c - see upgrade.h. */
#include "master/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "master/control.h"
#include "master/trial.h"

#define UPGRADE_MAGIC UINT64_C(0x315044474d4c4c47)
enum { UPGRADE_VERSION = 2 };
static const char variable[] = "LLMGW_UPGRADE_FD", question[] = "LLMGW_UPGRADE_CHECK";

struct check {
	struct master *m;
	uv_process_t process;
	upgrade_done_fn *done;
	void *data;
	int err;
};

static const char *program(const struct master *m)
{
	static char self[4096];
	const char *given = m->opt.argv[0];
	if (strchr(given, '/') && access(given, X_OK) == 0)
		return given;
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	self[n > 0 ? n : 0] = 0;
	char *gone = strstr(self, " (deleted)");
	if (gone)
		*gone = 0;		/* the file was replaced: its name is what we want */
	return self;
}

static void check_closed(uv_handle_t *h)
{
	struct check *c = h->data;
	if (c->m->stopping || c->m->wants_upgrade)	/* told so meanwhile */
		c->err = -EBUSY;
	if (c->err == 0) {
		c->m->wants_upgrade = true;
		control_pause(c->m->control);
	}
	c->done(c->data, c->err);
	mem_free(c);
}

static void on_check_exit(uv_process_t *p, int64_t status, int signal)
{
	struct check *c = p->data;
	c->err = status == 0 && signal == 0 ? 0 : -ENOEXEC;
	uv_close((uv_handle_t *)p, check_closed);
}

void upgrade_start(struct master *m, upgrade_done_fn *done, void *data)
{
	struct check *c = mem_alloc(sizeof *c);
	char *argv[] = { (char *)(uintptr_t)program(m), (char *)"--check", (char *)"--quiet",
			 (char *)"--config", (char *)(uintptr_t)m->opt.config_path, NULL, NULL };
	uv_stdio_container_t io[3] = { { .flags = UV_IGNORE }, { .flags = UV_IGNORE },
				       { .flags = UV_INHERIT_FD, .data.fd = 2 } };
	if (m->opt.over.insecure_dev)
		argv[5] = (char *)"--insecure-dev";
	bool has_gone_back = trial_has_gone_back(m->trial);
	if (!c || m->stopping || m->wants_upgrade || has_gone_back) {
		int err = !c ? -ENOMEM : has_gone_back ? -ECANCELED : -EBUSY;
		mem_free(c);
		done(data, err);
		return;
	}
	c->m = m;
	c->done = done;
	c->data = data;
	c->process.data = c;
	uv_process_options_t o = { .exit_cb = on_check_exit, .file = argv[0], .args = argv,
				   .stdio = io, .stdio_count = 3 };
	char text[16];
	snprintf(text, sizeof text, "%d", UPGRADE_VERSION);
	setenv(question, text, 1);
	c->err = uv_spawn(m->loop, &c->process, &o);
	unsetenv(question);
	if (c->err < 0)
		uv_close((uv_handle_t *)&c->process, check_closed);
}

static int keep(int fd)
{
	fcntl(fd, F_SETFD, 0);
	return fd;
}

static int write_state(struct master *m, int control_fd)
{
	const struct listen_set *listen = supervise_listening(m->supervise);
	struct upgrade_state s = { .magic = UPGRADE_MAGIC, .version = UPGRADE_VERSION,
				   .board_layout = BOARD_LAYOUT, .board_fd = keep(m->board_fd),
				   .control_fd = keep(control_fd), .generation = m->generation,
				   .started_wall_ns = m->started_wall_ns };
	for (size_t i = 0; i < listen->n; i++)
		s.listen_fd[s.n_listen++] = keep(listen->fd[i]);
	s.n_workers = supervise_hand_over(m->supervise, s.workers, BOARD_WORKERS);
	for (uint32_t i = 0; i < s.n_workers; i++)
		if (s.workers[i].link_fd >= 0)
			keep(s.workers[i].link_fd);
	int fd = memfd_create("llmgw-upgrade", 0);
	if (fd < 0)
		return -errno;
	if (write(fd, &s, sizeof s) != (ssize_t)sizeof s)
		return -EIO;
	return fd;
}

int upgrade_exec(struct master *m, int control_fd)
{
	char text[16];
	const char *path = program(m);
	int fd = write_state(m, control_fd);
	if (fd < 0)
		return fd;
	snprintf(text, sizeof text, "%d", fd);
	setenv(variable, text, 1);
	LOG(LOG_INFO, "upgrade.exec", F_Z("program", path));
	execv(path, m->opt.argv);
	LOG(LOG_ERROR, "upgrade.exec_failed", F_Z("why", strerror(errno)));
	execv("/proc/self/exe", m->opt.argv);	/* better the old program than none */
	return -errno;
}

static void take_back(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static bool is_sane(const struct upgrade_state *s)
{
	bool ok = s->magic == UPGRADE_MAGIC && s->version == UPGRADE_VERSION &&
		  s->n_listen <= CONFIG_LISTEN_MAX && s->n_workers <= BOARD_WORKERS;
	for (uint32_t i = 0; ok && i < s->n_workers; i++)
		ok = s->workers[i].slot < BOARD_WORKERS && s->workers[i].pid > 0;
	return ok;
}

bool upgrade_take(struct upgrade_state *ret)
{
	uint64_t fd;
	const char *v = getenv(variable);
	bool ok = v && str_read_u64(str_z(v), &fd) == 0;
	unsetenv(variable);
	if (ok) {
		ok = pread((int)fd, ret, sizeof *ret, 0) == (ssize_t)sizeof *ret && is_sane(ret);
		close((int)fd);
	}
	if (!ok) {
		*ret = (struct upgrade_state){ .board_fd = -1, .control_fd = -1 };
		return false;
	}
	take_back(ret->board_fd);
	take_back(ret->control_fd);
	for (uint32_t i = 0; i < ret->n_listen; i++)
		take_back(ret->listen_fd[i]);
	for (uint32_t i = 0; i < ret->n_workers; i++)
		take_back(ret->workers[i].link_fd);
	return true;
}

bool upgrade_is_possible(void)
{
	uint64_t version;
	const char *v = getenv(question);
	return !v || (str_read_u64(str_z(v), &version) == 0 && version == UPGRADE_VERSION);
}
