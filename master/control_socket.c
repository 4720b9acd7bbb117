/* SPDX-License-Identifier: MIT
 * control_socket.c - binding without a moment in which others could connect: a socket's mode is
 * set before bind(2), which gives it to the file. Groups of a peer come from the kernel
 * (SO_PEERGROUPS), so that no directory service is asked while the master runs. */
#include "master/control_socket.h"

#include <errno.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/mem.h"

enum { BACKLOG = 64, GROUP_TEXT_MAX = 65536, GROUPS_MAX = 65536 };

struct control_admins control_admins(void)
{
	struct control_admins a = { 0, false };
	struct group row, *found = NULL;
	char *text = mem_alloc(GROUP_TEXT_MAX);
	if (text && getgrnam_r(CONTROL_GROUP, &row, text, GROUP_TEXT_MAX, &found) == 0 && found)
		a = (struct control_admins){ row.gr_gid, true };
	mem_free(text);
	return a;
}

/* Removes a socket that nobody listens on. 0 when the name is free afterwards. */
static int clear_stale(const char *path, const struct sockaddr_un *addr)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s < 0)
		return -errno;
	int r = connect(s, (const struct sockaddr *)addr, sizeof *addr) == 0 ? 0 : errno;
	close(s);
	if (r == ENOENT)
		return 0;
	if (r != ECONNREFUSED)
		return r == EACCES ? -EACCES : -EADDRINUSE;
	return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
}

/* The folder gives its group to what is made in it (tmpfiles.d); elsewhere only root, or a member,
 * may give a file away. */
static bool is_of_admins(const char *path, const struct control_admins *admins)
{
	struct stat st;
	return admins->is_known &&
	       ((lstat(path, &st) == 0 && st.st_gid == admins->gid) ||
		chown(path, (uid_t)-1, admins->gid) == 0);
}

static int bind_to(int fd, const struct sockaddr_un *addr, const struct control_admins *admins)
{
	if (fchmod(fd, 0600) != 0 || bind(fd, (const struct sockaddr *)addr, sizeof *addr) != 0)
		return -errno;
	/* Else it stays 0600. */
	if (is_of_admins(addr->sun_path, admins) && chmod(addr->sun_path, 0660) != 0)
		return -errno;
	return listen(fd, BACKLOG) == 0 ? 0 : -errno;
}

int control_listen(const char *path, const struct control_admins *admins, int *ret_fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	if (n == 0 || n >= sizeof addr.sun_path)
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, n + 1);
	int r = clear_stale(path, &addr);
	if (r != 0)
		return r;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = bind_to(fd, &addr, admins);
	if (r != 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static bool is_in_group(int fd, gid_t gid)
{
	bool found = false;
	socklen_t bytes = GROUPS_MAX * sizeof(gid_t);
	gid_t *groups = mem_alloc(bytes);
	if (groups && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) == 0)
		for (size_t i = 0; i < bytes / sizeof *groups; i++)
			found |= groups[i] == gid;
	mem_free(groups);
	return found;
}

bool control_peer_may(int fd, const struct control_admins *admins, struct control_peer *ret)
{
	struct ucred peer;
	socklen_t n = sizeof peer;
	*ret = (struct control_peer){ .uid = UINT32_MAX };
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0 || n != sizeof peer)
		return false;
	*ret = (struct control_peer){ peer.uid, peer.pid };
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	return admins->is_known && (peer.gid == admins->gid || is_in_group(fd, admins->gid));
}
