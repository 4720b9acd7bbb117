/* SPDX-License-Identifier: MIT
 * config_tls.c - server.tls: both files are read with the configuration and stay with it, so that
 * what was looked at is what workers get, also when the files change meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/tls_pair.h"
#include "master/config_read.h"
#include "master/refusal.h"

enum { PEM_MAX = 1 << 20 };

/* 0, -EFBIG, -EISDIR, -EINVAL (a device) or -errno. */
static int read_whole(struct reader *r, int fd, struct str *ret)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > PEM_MAX)
		return -EFBIG;
	char *text = keep_array(r, (size_t)st.st_size + 1, 1);
	if (!text)
		return -ENOMEM;
	ssize_t n = pread(fd, text, (size_t)st.st_size, 0);
	if (n < 0)
		return -errno;
	*ret = str_of(text, (size_t)n);
	return 0;
}

static bool read_pem(struct reader *r, struct str path, const char *name, struct str *ret)
{
	const char *z = arena_dup_z(r->scratch, path);
	char why[REFUSAL_ROOM];
	r->out_of_memory |= !z;
	if (!z)
		return false;
	config_needs_file(r, path);
	int fd = open(z, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int err = fd < 0 ? -errno : read_whole(r, fd, ret);
	if (fd >= 0)
		close(fd);
	if (err < 0)
		complain(r, COMPLAINT_ERROR, given_place(r, "server.tls", name),
			 "cannot read " STR_FMT ": %s", STR_ARG(shown(path)),
			 refusal_text(err, z, why));
	return err == 0;
}

/* It is served all the same: some clients do not look, and the others say so. */
static void tell_end(struct reader *r)
{
	int64_t end;
	char day[16] = "";
	struct tm tm;
	if (tls_pair_end(r->c->tls_certificate_pem, &end) < 0 || end > time(NULL))
		return;
	if (gmtime_r(&(time_t){ end }, &tm))
		strftime(day, sizeof day, "%Y-%m-%d", &tm);
	complain(r, W_CERTIFICATE_ENDED, given_place(r, "server.tls", "certificate"),
		 "the certificate ended on %s: clients refuse it; a new one counts from a reload on",
		 day);
}

void tls_read(struct reader *r)
{
	struct config *c = r->c;
	bool is_key = false;
	char why[256];
	bool has = read_pem(r, c->tls_certificate, "certificate", &c->tls_certificate_pem);
	has = read_pem(r, c->tls_key, "key", &c->tls_key_pem) && has;
	if (has && tls_pair_check(c->tls_certificate_pem, c->tls_key_pem, &is_key, why) < 0)
		complain(r, COMPLAINT_ERROR,
			 given_place(r, "server.tls", is_key ? "key" : "certificate"),
			 "server.tls cannot be used: %s", why);
	else if (has)
		tell_end(r);
}
