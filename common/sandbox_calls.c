/* SPDX-License-Identifier: MIT
 * sandbox_calls.c - seccomp: the system calls that a worker is left with.
 *
 * The list of what is allowed is short, and complete: tests fail on any call that is refused. Hot
 * calls are allowed whatever their arguments, which the kernel knows without running the filter.
 * A call on no list is answered as if this kernel were too old for it, so that a newer libc finds
 * another way; one that is on the list of what must not be, with EPERM. */
#include "common/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/net.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <ucontext.h>
#include <unistd.h>

#define CALL(name) SCMP_SYS(name)

/* Those of another architecture are negative numbers, which make no rule. */
static const int allowed[] = {
	/* bytes in and out */
	CALL(read), CALL(write), CALL(readv), CALL(writev), CALL(pread64), CALL(pwrite64),
	CALL(preadv), CALL(pwritev), CALL(recvfrom), CALL(recvmsg), CALL(recvmmsg), CALL(sendto),
	CALL(sendmsg), CALL(sendmmsg), CALL(recv), CALL(send), CALL(close), CALL(lseek),
	CALL(_llseek),
	/* sockets; Landlock knows which may be bound, and none may listen */
	CALL(accept), CALL(accept4), CALL(connect), CALL(bind), CALL(getsockname),
	CALL(getpeername), CALL(getsockopt), CALL(setsockopt), CALL(shutdown),
	/* waiting */
	CALL(epoll_create), CALL(epoll_create1), CALL(epoll_ctl), CALL(epoll_wait),
	CALL(epoll_pwait), CALL(epoll_pwait2), CALL(poll), CALL(ppoll), CALL(select),
	CALL(_newselect), CALL(pselect6), CALL(eventfd), CALL(eventfd2), CALL(pipe), CALL(pipe2),
	CALL(futex), CALL(futex_waitv), CALL(futex_time64), CALL(ppoll_time64),
	CALL(pselect6_time64), CALL(recvmmsg_time64),
	/* descriptors and files that are open or may be read */
	CALL(fcntl), CALL(fcntl64), CALL(dup), CALL(dup2), CALL(dup3), CALL(close_range),
	CALL(fstat), CALL(fstat64), CALL(newfstatat), CALL(fstatat64), CALL(stat), CALL(stat64),
	CALL(lstat), CALL(lstat64), CALL(statx), CALL(fstatfs), CALL(fstatfs64), CALL(statfs),
	CALL(statfs64), CALL(access), CALL(faccessat), CALL(faccessat2), CALL(readlink),
	CALL(readlinkat), CALL(getdents), CALL(getdents64), CALL(getcwd), CALL(fadvise64),
	CALL(fdatasync), CALL(fsync), CALL(ftruncate), CALL(ftruncate64), CALL(memfd_create),
	/* memory */
	CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise), CALL(msync), CALL(mlock),
	CALL(munlock), CALL(mincore), CALL(membarrier),
	/* threads, signals, the end */
	CALL(set_robust_list), CALL(get_robust_list), CALL(rseq), CALL(set_tid_address),
	CALL(exit), CALL(exit_group), CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn),
	CALL(rt_sigpending), CALL(rt_sigtimedwait), CALL(sigaltstack), CALL(sigreturn),
	CALL(restart_syscall), CALL(sched_yield), CALL(sched_getaffinity), CALL(sched_getparam),
	CALL(sched_getscheduler), CALL(getcpu),
	/* what time it is, who and where one is */
	CALL(clock_gettime), CALL(clock_gettime64), CALL(clock_getres), CALL(clock_getres_time64),
	CALL(clock_nanosleep), CALL(clock_nanosleep_time64), CALL(nanosleep), CALL(gettimeofday),
	CALL(time), CALL(times), CALL(getpid), CALL(getppid), CALL(gettid), CALL(getuid),
	CALL(geteuid), CALL(getgid), CALL(getegid), CALL(getuid32), CALL(geteuid32),
	CALL(getgid32), CALL(getegid32), CALL(getrandom), CALL(getrlimit), CALL(ugetrlimit),
	CALL(getrusage), CALL(sysinfo), CALL(uname),
};

/* Nobody who serves has any use for these; who asks for one is not our code. */
static const struct refused {
	int call;
	const char *name;
} refused[] = {
#define R(name) { CALL(name), #name }
	/* another program or process */
	R(execve), R(execveat), R(fork), R(vfork), R(clone), R(kill), R(tkill), R(tgkill),
	R(rt_sigqueueinfo), R(rt_tgsigqueueinfo), R(pidfd_open), R(pidfd_send_signal),
	R(pidfd_getfd), R(ptrace), R(process_vm_readv), R(process_vm_writev), R(process_madvise),
	R(kcmp), R(setpriority), R(sched_setscheduler), R(sched_setparam), R(sched_setattr),
	R(prlimit64), R(setrlimit), R(prctl), R(arch_prctl), R(personality), R(seccomp),
	/* files by path, but for reading; devices */
	R(open), R(openat), R(openat2), R(creat), R(truncate), R(unlink), R(unlinkat), R(rename),
	R(renameat), R(renameat2), R(link), R(linkat), R(symlink), R(symlinkat), R(mkdir),
	R(mkdirat), R(rmdir), R(mknod), R(mknodat), R(chmod), R(fchmod), R(fchmodat), R(chown),
	R(fchown), R(lchown), R(fchownat), R(utimensat), R(setxattr), R(lsetxattr), R(fsetxattr),
	R(chdir), R(fchdir), R(umask), R(ioctl), R(fallocate), R(open_by_handle_at),
	R(name_to_handle_at), R(inotify_init1), R(fanotify_init), R(quotactl), R(acct),
	/* sockets of other families, and listening */
	R(socket), R(socketpair), R(listen),
	/* code that came from elsewhere */
	R(mmap), R(mprotect), R(pkey_mprotect), R(remap_file_pages), R(memfd_secret),
	/* the machine */
	R(mount), R(umount2), R(pivot_root), R(chroot), R(unshare), R(setns), R(fsopen),
	R(fsconfig), R(fsmount), R(fspick), R(move_mount), R(open_tree), R(mount_setattr),
	R(swapon), R(swapoff), R(reboot), R(kexec_load), R(kexec_file_load), R(init_module),
	R(finit_module), R(delete_module), R(sethostname), R(setdomainname), R(settimeofday),
	R(clock_settime), R(clock_adjtime), R(adjtimex), R(syslog), R(iopl), R(ioperm),
	/* who one is */
	R(setuid), R(setgid), R(setreuid), R(setregid), R(setresuid), R(setresgid), R(setgroups),
	R(setfsuid), R(setfsgid), R(capset), R(setsid), R(setpgid),
	/* doors that were found open before */
	R(bpf), R(perf_event_open), R(userfaultfd), R(io_uring_setup), R(io_uring_enter),
	R(io_uring_register), R(keyctl), R(add_key), R(request_key), R(io_setup), R(io_submit),
	R(splice), R(tee), R(vmsplice), R(msgget), R(msgsnd), R(semget), R(semop), R(shmget),
	R(shmat), R(mq_open), R(modify_ldt), R(lookup_dcookie), R(move_pages), R(migrate_pages),
	R(mbind), R(set_mempolicy),
#undef R
};

/* Calls with the arguments for which they are allowed, all of a row at once. */
enum { ARGS_MAX = 2 };
struct condition {
	int call;
	unsigned n;
	struct scmp_arg_cmp args[ARGS_MAX];
};
#define EQUALS(arg, value) { (arg), SCMP_CMP_EQ, (scmp_datum_t)(value), 0 }
#define MASKED(arg, mask, value) { (arg), SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask), (value) }
enum { FOR_WRITING = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY) };

static const struct condition conditions[] = {
	{ CALL(open), 1, { MASKED(1, FOR_WRITING, O_RDONLY) } },
	{ CALL(openat), 1, { MASKED(2, FOR_WRITING, O_RDONLY) } },
	{ CALL(socket), 1, { EQUALS(0, AF_INET) } },
	{ CALL(socket), 1, { EQUALS(0, AF_INET6) } },
	{ CALL(socket), 1, { EQUALS(0, AF_UNIX) } },
	{ CALL(socketpair), 1, { EQUALS(0, AF_UNIX) } },
	{ CALL(clone), 1, { MASKED(0, CLONE_THREAD, CLONE_THREAD) } },
	/* Memory is written or executed, never both. */
	{ CALL(mmap), 1, { MASKED(2, PROT_EXEC, 0) } },
	{ CALL(mmap), 1, { MASKED(2, PROT_EXEC | PROT_WRITE, PROT_EXEC) } },
	{ CALL(mmap2), 1, { MASKED(2, PROT_EXEC, 0) } },
	{ CALL(mmap2), 1, { MASKED(2, PROT_EXEC | PROT_WRITE, PROT_EXEC) } },
	{ CALL(mprotect), 1, { MASKED(2, PROT_EXEC, 0) } },
	{ CALL(prlimit64), 2, { EQUALS(0, 0), EQUALS(2, 0) } },	/* to ask */
	{ CALL(prctl), 1, { EQUALS(0, PR_SET_NAME) } },
	{ CALL(prctl), 1, { EQUALS(0, PR_GET_NAME) } },
	{ CALL(prctl), 1, { EQUALS(0, 0x53564d41) } },	/* PR_SET_VMA: libc names memory */
	{ CALL(prctl), 2, { EQUALS(0, PR_SET_DUMPABLE), EQUALS(1, 1) } },	/* an orphan's board */
	{ CALL(ioctl), 1, { EQUALS(1, FIONBIO) } },
	{ CALL(ioctl), 1, { EQUALS(1, FIOCLEX) } },
	{ CALL(ioctl), 1, { EQUALS(1, FIONREAD) } },
	{ CALL(ioctl), 1, { EQUALS(1, TCGETS) } },
};

/* What libraries ask for, and do without when it is not there. */
static const struct absent {
	int call, error;
	unsigned n;
	struct scmp_arg_cmp args[ARGS_MAX];
} absent[] = {
	/* The filter cannot look into its argument; libc takes clone() then. */
	{ CALL(clone3), ENOSYS, 0, { { 0 } } },
	/* libc orders addresses by what the machine has; the unit does not let it, either. */
	{ CALL(socket), EAFNOSUPPORT, 1, { EQUALS(0, AF_NETLINK) } },
};

/* ---- what is refused ---- */

static struct {
	atomic_uint n;
	atomic_int call;
} last;

static const struct refused *find_refused(int call)
{
	for (size_t i = 0; i < COUNT(refused); i++)
		if (refused[i].call == call)
			return &refused[i];
	return NULL;
}

#if defined(__x86_64__)
enum { CAN_TRAP = true };
#define SET_RESULT(u, v) ((u)->uc_mcontext.gregs[REG_RAX] = (v))
#elif defined(__aarch64__)
enum { CAN_TRAP = true };
#define SET_RESULT(u, v) ((u)->uc_mcontext.regs[0] = (unsigned long long)(v))
#else
enum { CAN_TRAP = false };
#define SET_RESULT(u, v) ((void)(u), (void)(v))
#endif

/* The call was not made; what it gives is set here. */
static void on_refused(int signal, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	(void)signal;
	atomic_store_explicit(&last.call, info->si_syscall, memory_order_relaxed);
	atomic_fetch_add_explicit(&last.n, 1, memory_order_relaxed);
	SET_RESULT(u, find_refused(info->si_syscall) ? -EPERM : -ENOSYS);
}

unsigned sandbox_refused(int *ret_call, const char **ret_name)
{
	unsigned n = atomic_exchange_explicit(&last.n, 0, memory_order_relaxed);
	const struct refused *r;
	if (n == 0)
		return 0;
	*ret_call = atomic_load_explicit(&last.call, memory_order_relaxed);
	r = find_refused(*ret_call);
	*ret_name = r ? r->name : NULL;
	return n;
}

/* ---- the filter ---- */

static int add_all(scmp_filter_ctx f)
{
	int err = 0;
	for (size_t i = 0; i < COUNT(allowed) && err == 0; i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < COUNT(conditions) && err == 0; i++)
		err = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, conditions[i].call,
					     conditions[i].n, conditions[i].args);
	for (size_t i = 0; i < COUNT(absent) && err == 0; i++)
		err = seccomp_rule_add_array(f, SCMP_ACT_ERRNO((uint32_t)absent[i].error),
					     absent[i].call, absent[i].n, absent[i].args);
	return err;
}

/* Signals go to this process alone: abort(), and tests that end it. */
static int add_signals(scmp_filter_ctx f)
{
	const struct scmp_arg_cmp self = EQUALS(0, getpid());
	int err = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, CALL(kill), 1, &self);
	return err == 0 ? seccomp_rule_add_array(f, SCMP_ACT_ALLOW, CALL(tgkill), 1, &self) : err;
}

static int fill(scmp_filter_ctx f)
{
	/* Workers run no code of others, against which the processor would have to be slowed. */
	int err = seccomp_attr_set(f, SCMP_FLTATR_CTL_SSB, 1);
	if (err == 0)
		err = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (err == 0)
		err = add_all(f);
	return err == 0 ? add_signals(f) : err;
}

static uint32_t otherwise(enum sandbox_mode mode)
{
	switch (mode) {
	case SANDBOX_ENFORCE:
		return SCMP_ACT_KILL_PROCESS;
	case SANDBOX_LOG:
		return SCMP_ACT_LOG;
	default:
		return CAN_TRAP ? SCMP_ACT_TRAP : SCMP_ACT_ERRNO(EPERM);
	}
}

int sandbox_enter_calls(enum sandbox_mode mode, struct sandbox *ret)
{
	const struct sigaction trap = { .sa_sigaction = on_refused,
					.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART };
	scmp_filter_ctx f = seccomp_init(otherwise(mode));
	if (!f)
		return -EOPNOTSUPP;
	int err = sigaction(SIGSYS, &trap, NULL) == 0 ? fill(f) : -errno;
	if (err == 0)
		err = seccomp_load(f);
	seccomp_release(f);
	if (err == 0)
		ret->has_filter = true;
	return err;
}
