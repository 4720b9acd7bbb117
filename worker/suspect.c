/* SPDX-License-Identifier: MIT
 * suspect.c - see suspect.h. */
#include "worker/suspect.h"

#include <signal.h>
#include <unistd.h>

#include "common/suspect.h"

/* What a process does to itself, and the watchdog to one that hangs. */
static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };

/* For the handler, which is given nothing else. */
static struct {
	struct worker *w;
	struct sigaction before[COUNT(crashes)];
} crash;

static void leave_print(struct worker *w)
{
	const struct request *r = w->at_work;
	if (!r || !r->conn || !r->http || atomic_load(&w->row->print) || !conn_body(r->conn).n)
		return;
	uint64_t print = suspect_print(&w->board, r->key.id, r->http->path, conn_body(r->conn));
	atomic_store(&w->row->print_key, r->key.id);
	atomic_store(&w->row->print, print);
}

/* On a stack of its own, so also where a recursion has used up the other one. What cannot be read
 * any more ends the process right here, which it does anyway. */
static void on_crash(int sig, siginfo_t *info, void *context)
{
	(void)context;
	for (size_t i = 0; i < COUNT(crashes); i++)
		(void)sigaction(crashes[i], &crash.before[i], NULL);
	if (gettid() == getpid())	/* another thread works for no request */
		leave_print(crash.w);
	if (info->si_code <= 0 || sig == SIGABRT)
		(void)raise(sig);	/* else what did it does it again */
}

void suspect_begin(struct worker *w)
{
	static _Alignas(16) char room[32768];
	const stack_t stack = { .ss_sp = room, .ss_size = sizeof room };
	struct sigaction on = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t has = { 0 };
	crash.w = w;
	if (sigaltstack(NULL, &has) == 0 && has.ss_flags & SS_DISABLE)
		MUST(sigaltstack(&stack, NULL) == 0);
	sigfillset(&on.sa_mask);
	for (size_t i = 0; i < COUNT(crashes); i++)
		MUST(sigaction(crashes[i], &on, &crash.before[i]) == 0);
}

bool suspect_may_pass(struct request *r)
{
	struct worker *w = r->w;
	if (!suspect_watch(&w->board, r->start_ns) || !conn_body(r->conn).n)
		return true;
	r->print = suspect_print(&w->board, r->key.id, r->http->path, conn_body(r->conn));
	uint64_t seconds = suspect_refuses(&w->board, r->print, r->start_ns);
	suspect_works(r);
	if (!seconds)
		return true;
	struct llm_error e = {
		.outcome = OUTCOME_SUSPECT,
		.must_not_retry = true,
		.retry_after_ms = seconds * 1000,
		.message = STR("this very request has crashed the gateway's workers and is "
			       "refused for a while; the operator's log has it as worker.suspect")};
	METRIC_ADD(w->metrics, suspects_refused, 1);
	request_fail_with(r, &e);
	return false;
}
