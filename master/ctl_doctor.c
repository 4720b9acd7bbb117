/* SPDX-License-Identifier: MIT
 * ctl_doctor.c - `llmgwctl doctor`: runs `llmgw --doctor`, which knows configuration and database,
 * and hands its answer on. The gateway need not run. */
#include "master/ctl_doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { PATH_ROOM = 4096, ARGS_MAX = 10 };

/* Beside this program (a build directory), else where packages have it, else by PATH. */
static struct str find_program(struct arena *mem)
{
	static const char *const places[] = { "llmgw", "../sbin/llmgw" };
	char self[PATH_ROOM];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	self[n > 0 ? n : 0] = 0;
	char *slash = strrchr(self, '/');
	if (slash)
		*slash = 0;
	for (size_t i = 0; slash && i < COUNT(places); i++) {
		struct str path = arena_printf(mem, "%s/%s", self, places[i]);
		if (path.p && access(path.p, X_OK) == 0)
			return path;
	}
	return STR("llmgw");
}

/* What was asked for, as that program's options. argv has room for ARGS_MAX. */
static int make_argv(struct arena *mem, const struct ctl_request *q, const char **argv)
{
	static const char *const handed_on[][2] = { { "config", "--config" },
						    { "state_dir", "--state-dir" },
						    { "runtime_dir", "--runtime-dir" } };
	struct json_error why;
	const struct json *args = json_parse(mem, q->args, 0, &why);
	int n = 2;
	argv[0] = "llmgw";
	argv[1] = "--doctor";
	for (size_t i = 0; i < COUNT(handed_on); i++) {
		const char *z = arena_dup_z(mem, json_get_str(mem, args, handed_on[i][0]));
		if (!z)
			return -ENOMEM;
		if (!*z)
			continue;
		argv[n++] = handed_on[i][1];
		argv[n++] = z;
	}
	if (json_is(json_get(args, "online"), JSON_TRUE))
		argv[n++] = "--online";
	argv[n] = NULL;
	return 0;
}

/* Everything that the child says; it ends when nobody has the other end any more. */
static int read_all(int fd, struct buf *out)
{
	for (;;) {
		char piece[4096];
		ssize_t n = read(fd, piece, sizeof piece);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : out->failed ? -ENOBUFS : 0;
		buf_put(out, str_of(piece, (size_t)n));
	}
}

static int run(const char *program, const char **argv, struct buf *out, int *ret_status)
{
	posix_spawn_file_actions_t actions;
	int pipe_fds[2];
	pid_t child;
	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		return -errno;
	int err = posix_spawn_file_actions_init(&actions);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
	if (!err)
		err = posix_spawnp(&child, program, &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipe_fds[1]);
	if (err) {
		close(pipe_fds[0]);
		return -err;
	}
	err = read_all(pipe_fds[0], out);
	close(pipe_fds[0]);
	while (waitpid(child, ret_status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return err;
}

enum ctl_exit ctl_doctor(struct arena *mem, const struct ctl_request *q, struct buf *out,
			 struct ctl_error *reterr)
{
	const char *argv[ARGS_MAX];
	struct str program = find_program(mem);
	int status = 0, err = make_argv(mem, q, argv);
	if (!err)
		err = run(program.p, argv, out, &status);
	if (!err && WIFEXITED(status) && out->n)
		return WEXITSTATUS(status) == 0 ? CTL_DONE :
		       WEXITSTATUS(status) == CTL_DEGRADED ? CTL_DEGRADED : CTL_FAILED;
	*reterr = (struct ctl_error){
		CTL_USAGE,
		arena_printf(mem, "cannot run " STR_FMT " --doctor: %s", STR_ARG(program),
			     err ? strerror(-err) : "it said nothing"),
		STR("is the package of the gateway on this machine?"),
	};
	return CTL_USAGE;
}
