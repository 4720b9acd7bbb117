/* SPDX-License-Identifier: MIT
 * doctor.h - `llmgw --doctor`: is this machine fit for the gateway, and what is to be mended?
 *
 * One table of checks; each says one line, and what to do about it where there is something.
 * Nothing is changed, nobody is asked outside but name servers, and with --online providers. */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <sys/types.h>

#include "common/check.h"
#include "common/buf.h"
#include "master/options.h"

enum { DOCTOR_GROUPS = 64 };
enum doctor_result {
	DOCTOR_OK,
	DOCTOR_SKIP,			/* there is nothing to look at here */
	DOCTOR_WARN,			/* it runs, and may disappoint */
	DOCTOR_FAIL,			/* it does not run, or not safely */
	DOCTOR_RESULTS
};
struct doctor {				/* what the checks look at */
	const struct options *opt;
	const struct config *config;	/* NULL: it cannot be read */
	int config_err;
	bool is_online;
	bool has_unit;			/* systemd runs here and knows llmgw.service */
	uid_t uid;			/* of who runs the gateway, or would */
	gid_t gid;
	gid_t groups[DOCTOR_GROUPS];	/* all that it is in */
	size_t n_groups;
	char user[64];
	pid_t pid;			/* of the one that runs from this directory; 0: none */
	uint64_t now_ns;		/* wall clock */
};
struct doctor_finding {
	enum doctor_result result;
	char text[384], hint[384];	/* hint "": nothing is to be done */
};
struct doctor_check {
	const char *name;		/* "state.space" */
	void (*run)(const struct doctor *d, struct doctor_finding *f);
	const char *doc;
};
extern const struct doctor_check doctor_checks[];	/* in the order in which they are told */
extern const size_t doctor_checks_count;

/* All of it, JSON to standard output. The exit status: 0; 1 something fails; 9 warnings alone. */
int doctor_run(const struct options *opt) MUST_USE;

/* -- pieces, pure -- */

/* The finding, with a hint (NULL: none). What does not fit is cut. */
void doctor_say(struct doctor_finding *f, enum doctor_result r, const char *hint, const char *fmt,
		...) PRINTF(4, 5);
/* Findings of all checks, in order, as JSON. Returns the worst. */
enum doctor_result doctor_put(struct buf *out, const struct doctor_finding *found, size_t n);
int doctor_status(enum doctor_result worst);		/* as an exit status */
/* A line of a file of variables as systemd reads it: NAME=value, quoted or not. Cuts *line up.
 * False: a comment, or none. */
bool doctor_read_variable(char *line, char **ret_name, char **ret_value);
/* What is said of a database on a file system with that f_type. */
enum doctor_result doctor_judge_filesystem(long type, const char **ret_name);
/* Whether somebody with these ids may do that (R_OK, W_OK, X_OK) by owner and mode alone. */
struct stat;
bool doctor_may(const struct stat *st, uid_t uid, gid_t gid, int how);

/* -- the checks: doctor_machine.c, doctor_files.c, doctor_state.c, doctor_network.c -- */

#define DOCTOR_CHECKS(X)                                                                           \
	X(kernel_landlock, "kernel.landlock", "workers can give up files")                        \
	X(kernel_seccomp, "kernel.seccomp", "workers can give up system calls")                   \
	X(kernel_memory, "kernel.memfd", "memory can be shared and sealed")                       \
	X(kernel_mutex, "kernel.mutex", "locks between processes survive who holds them")         \
	X(limit_files, "limits.files", "descriptors for all connections")                         \
	X(limit_backlog, "limits.backlog", "connections that may wait to be accepted")            \
	X(memory_free, "memory.free", "memory for master and workers")                            \
	X(memory_overcommit, "memory.overcommit", "large segments that are mostly empty")         \
	X(memory_swap, "memory.swap", "what has been swapped out is slow, and may hold keys")     \
	X(memory_pages, "memory.hugepages", "transparent huge pages")                             \
	X(clock_right, "clock", "the time is right, and kept right")                              \
	X(libraries, "libraries", "versions of what it is linked with")                           \
	X(service_user, "service.user", "the gateway does not run as root")                       \
	X(service_unit, "service.unit", "systemd starts it, and watches it")                      \
	X(config_valid, "config.valid", "the configuration has no errors")                        \
	X(config_readable, "config.readable", "the gateway may read it, and files that it names")                   \
	X(config_private, "config.private", "files with secrets are not for everybody")           \
	X(state_owner, "state.owner", "the state directory is the gateway's own")                 \
	X(state_space, "state.space", "room for database and journals")                           \
	X(state_filesystem, "state.filesystem", "a file system that a database may be on")        \
	X(database_whole, "database", "it is whole, and of this release")                         \
	X(database_backup, "database.backup", "when it was copied last")                          \
	X(state_journals, "journals", "what is not booked yet")                                   \
	X(listen_free, "listen", "the addresses can be listened on")                              \
	X(tls_certificate, "tls.certificate", "clients will accept it for some time yet")         \
	X(authorities, "tls.authorities", "certificates of providers can be checked")             \
	X(providers_named, "providers.dns", "names of providers lead somewhere")                  \
	X(providers_reached, "providers.tls", "providers answer, with good certificates: --online")

#define X(function, name, doc)                                                                     \
	void doctor_##function(const struct doctor *d, struct doctor_finding *f);
DOCTOR_CHECKS(X)
#undef X

#endif
