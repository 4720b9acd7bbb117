/* SPDX-License-Identifier: MIT
 * main.c - the master's life: read, open, recover, start workers, supervise, drain, end.
 *
 * Boot order matters and stands here in one place: lock the state, book what earlier workers
 * left, publish keys and configuration, only then let workers accept. */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/suspect.h"
#include "master/alerts.h"
#include "master/answers.h"
#include "master/cached.h"
#include "master/control.h"
#include "master/customers_default.h"
#include "master/doctor.h"
#include "master/export.h"
#include "master/gates.h"
#include "master/history.h"
#include "master/jwks.h"
#include "master/keys.h"
#include "master/ledger.h"
#include "master/legacy.h"
#include "master/notify.h"
#include "master/options.h"
#include "master/pool.h"
#include "master/otlp_metrics.h"
#include "master/probe.h"
#include "master/price_import.h"
#include "master/prices.h"
#include "master/publish.h"
#include "master/responses.h"
#include "master/spend_prune.h"
#include "master/texts.h"
#include "master/store.h"
#include "master/stored.h"
#include "master/supervise.h"
#include "master/tokenizers.h"
#include "master/trial.h"
#include "master/upgrade.h"
#include "master/userinfo.h"
#include "master/worker_link.h"

enum { EXIT_CONFIG = 8, UPGRADE_WAIT_MS = 2000, ORPHANS_MS = 4000,
       EXPORT_END_MS = 2000, EXPORT_UPGRADE_MS = 200 };

static struct {
	struct master m;
	struct options opt;
	struct upgrade_state legacy;	/* what lives on from earlier images and masters */
	bool is_upgrade, was_killed;
	uint64_t image_wall_ns;		/* when this image began */
	uint64_t upgrade_until_ns;
	uv_signal_t signals[5];
	uv_timer_t second;
} the;

/* The other half of the board's rows is for successors and for those that drain. */
unsigned master_workers(const struct master *m)
{
	unsigned n = m->config->workers ? m->config->workers : m->cpus;
	return n < BOARD_WORKERS / 2 ? n : BOARD_WORKERS / 2;
}

/* ---- configuration ---- */

static void print_complaints(const struct config *c)
{
	if (c->complaints.n)
		fwrite(c->complaints.p, 1, c->complaints.n, stderr);
}

/* Who has just unpacked the program has no file where it is looked for. */
static void tell_missing(const char *path)
{
	if (access(path, F_OK) < 0 && errno == ENOENT)
		fprintf(stderr, "  next: name one with --config; a LiteLLM config.yaml works as it is, "
				"and etc/llmgw.demo.yaml without a provider\n");
}

static int check_only(struct options *o)
{
	struct config *c = NULL;
	int err = config_read(o->m.config_path, &o->m.over, &c);
	if (!c) {
		fprintf(stderr, "llmgw: %s: %s\n", o->m.config_path, strerror(-err));
		return 1;
	}
	bool bad = err < 0 || c->n_errors || (o->strict && c->n_warnings);
	print_complaints(c);
	if (!o->quiet || bad)
		fprintf(stderr,
			"llmgw: configuration %s is %s (%zu deployment%s; %u error%s, %u warning%s)\n",
			o->m.config_path, bad ? "not valid" : "valid", c->n_models,
			c->n_models == 1 ? "" : "s", c->n_errors, c->n_errors == 1 ? "" : "s",
			c->n_warnings, c->n_warnings == 1 ? "" : "s");
	config_free(c);
	tell_missing(o->m.config_path);
	if (!bad && !upgrade_is_possible()) {
		fprintf(stderr,
			"llmgw: " LLMGW_VERSION " cannot take over from the llmgw that runs: "
			"restart it\n");
		return 1;
	}
	return bad ? 1 : 0;
}

static void start_log(const struct options *o, const struct config *c)
{
	bool tty = isatty(STDERR_FILENO);
	enum log_format format = tty ? LOG_TEXT : LOG_JSON;
	enum log_level level = LOG_INFO;
	if (c && c->log_format.n && !str_eq(c->log_format, STR("auto")) &&
	    log_read_format(c->log_format, &format) < 0)
		format = LOG_TEXT;
	if (o->log_format && log_read_format(str_z(o->log_format), &format) < 0)
		fprintf(stderr, "llmgw: --log-format is text, logfmt or json, not '%s'\n",
			o->log_format);
	if (c)
		level = (enum log_level)c->set.log_level;
	if (o->quiet && level > LOG_WARN)
		level = LOG_WARN;
	log_start(STDERR_FILENO, format, level, "master", getenv("JOURNAL_STREAM") && !tty);
	log_keep_recent();
}

/* ---- state ---- */

static int fail(const char *what, int err, const char *hint)
{
	fprintf(stderr, "llmgw: %s: %s%s%s\n", what, strerror(-err), hint ? "; " : "",
		hint ? hint : "");
	return err;
}

static int open_state(struct master *m)
{
	char why[256] = "";
	int err = options_make_dir(m->opt.state_dir);
	if (err < 0)
		return fail(m->opt.state_dir, err, "choose another with --state-dir");
	err = options_make_dir(m->opt.runtime_dir);
	if (err < 0)
		return fail(m->opt.runtime_dir, err, "choose another with --runtime-dir");
	err = store_open(m->opt.state_dir, m->loop, &m->store, why);
	if (err < 0) {
		fprintf(stderr, "llmgw: %s\n", why[0] ? why : strerror(-err));
		return err;
	}
	char path[4200];
	snprintf(path, sizeof path, "%s/journal", m->opt.state_dir);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return fail(path, -errno, NULL);
	m->journal_dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return m->journal_dirfd < 0 ? fail(path, -errno, NULL) : 0;
}

/* The file alone was read before there was a database: with what that adds it is another one. */
static void read_again(struct master *m)
{
	struct config *c = NULL;
	int err = config_read(m->opt.config_path, &m->opt.over, &c);
	if (c && err == 0 && !c->n_errors) {
		if (c->n_unfit)
			print_complaints(c);
		config_free(m->config);
		m->config = c;
		return;
	}
	if (c)
		print_complaints(c);
	fprintf(stderr, "llmgw: what was given by API is left out: the configuration is not valid "
			"with it\n");
	LOG(LOG_ERROR, "config.stored_ignored", F_INT("objects", stored_view(m->stored)->n));
	config_free(c);
}

static int open_stored(struct master *m)
{
	bool has_prices = false;
	int err = stored_open(m->store, stored_secret(m->config->master_key), stored_previous(),
			      &m->stored);
	if (err == 0)
		err = price_import_open(m->store, &has_prices);
	if (err < 0)
		return fail("reading what was given by API", err, NULL);
	size_t unreadable = stored_unreadable(m->stored);
	m->opt.over.stored = stored_view(m->stored);
	if (unreadable) {
		fprintf(stderr,
			"llmgw: %zu objects of the database are sealed with another key and left "
			"out: is LLMGW_SALT_KEY right? After a change of it, give the old one as "
			"LLMGW_SALT_KEY_PREVIOUS\n", unreadable);
		LOG(LOG_ERROR, "secrets.unreadable", F_INT("objects", unreadable));
	}
	if ((m->config->store_models && stored_view(m->stored)->n) || has_prices)
		read_again(m);
	return 0;
}

static int open_board(struct master *m)
{
	int err = legacy_find(&the.legacy, m->journal_dirfd, &the.was_killed);
	if (err < 0)
		return fail("workers of an earlier llmgw", err, "wait until they have ended");
	m->generation = the.legacy.generation;
	if (the.is_upgrade)
		m->started_wall_ns = the.legacy.started_wall_ns;
	if (the.legacy.board_fd >= 0 && (err = board_map(the.legacy.board_fd, &m->board)) == 0) {
		m->board_fd = the.legacy.board_fd;
		m->generation = atomic_load(&m->board.head->generation);
		suspect_clear(&m->board);
	} else if ((err = board_create(&m->board, &m->board_fd)) < 0) {
		return fail("shared memory", err, "is /dev/shm or memfd limited?");
	}
#ifdef LLMGW_FAULTS
	fault_watch(&m->board);
#endif
	/* Before any key can be revoked: orphans have their old directory. */
	if (!the.is_upgrade)
		atomic_fetch_add(&m->board.head->reign, 1);
	atomic_store(&m->board.head->started_wall_ns, m->started_wall_ns);
	return 0;
}

static int open_money(struct master *m)
{
	uint64_t booked = 0;
	int err = ledger_start(m->store, &m->board, m->loop, &m->ledger);
	if (err < 0)
		return fail("ledger", err, NULL);
	legacy_attach(&the.legacy, m->journal_dirfd, m->ledger);
	err = ledger_recover(m->ledger, m->journal_dirfd, &booked);
	if (err < 0)
		return fail("booking what earlier workers left", err, "is the disk full?");
	if (booked)
		LOG(LOG_WARN, "ledger.recovered", F_INT("rows", booked));
	err = gates_new(m->store, &m->board, m->ledger, &m->gates);
	if (err < 0)
		return fail("budgets of deployments", err, NULL);
	err = dir_create(m->config->max_keys, &m->dir, &m->dir_fd);
	if (err < 0)
		return fail("shared memory for keys", err, NULL);
	err = keys_start(m->store, m->dir, &m->board, m->config->master_key, &m->keys);
	if (err == 0)
		ledger_on_charge(m->ledger, keys_charge, m->keys);
	return err < 0 ? fail("reading keys", err, NULL) : 0;
}

static int open_answers(struct master *m)
{
	int err = answers_new(m->store, m->loop, &m->answers);
	if (err < 0)
		return fail("answers for retries", err, NULL);
	answers_configure(m->answers, m->config->answers_keep_ms, m->config->answers_max_bytes);
	cached_configure(m);
	return 0;
}

static int open_responses(struct master *m)
{
	int err = responses_new(m->store, m->loop, &m->responses);
	if (err < 0)
		return fail("conversations", err, NULL);
	responses_configure(m->responses, m->config->responses_keep_ms,
			    m->config->responses_max_bytes);
	return 0;
}

static int open_prune(struct master *m)
{
	int err = spend_prune_new(m->store, m->loop, &m->prune);
	if (err < 0)
		return fail("retention", err, NULL);
	spend_prune_configure(m->prune, m->config->spend_keep_ms, m->config->spend_prune_ms);
	err = texts_new(m, &m->texts);
	if (err < 0)
		return fail("prompts and answers", err, NULL);
	texts_configure(m->texts);
	return 0;
}

/* ---- sockets and workers ---- */

static bool is_running(const struct supervise_legacy *w)
{
	struct pollfd f = { .fd = w->pidfd, .events = POLLIN };
	return w->pid > 0 && w->pidfd >= 0 && poll(&f, 1, 0) == 0;
}

/* An orphan that still has the address after so long hangs: nobody else would end it. */
static void end_hung_orphans(const struct master *m)
{
	uint64_t now = clock_ns();
	for (uint32_t i = 0; i < the.legacy.n_workers; i++) {
		const struct supervise_legacy *w = &the.legacy.workers[i];
		uint64_t beat = atomic_load(&m->board.workers[w->slot].beat_ns);
		if (!is_running(w) || w->is_blind || beat + NS_PER_S > now)
			continue;
		LOG(LOG_ERROR, "worker.stalled", F_INT("slot", w->slot), F_INT("pid", w->pid),
		    F_INT("late_ms", (now - beat) / NS_PER_MS));
		kill(w->pid, SIGKILL);
	}
}

/* Orphans close their sockets as soon as they see that their master was killed. */
static int open_patiently(struct master *m, struct listen_set *ret, char why[256])
{
	const struct timespec pause = { .tv_nsec = 20 * (long)NS_PER_MS };
	uint64_t begin = clock_ns(), waited;
	struct listen_set none = { 0 };
	int err;
	while ((err = listen_open(m->config, NULL, &none, ret, why)) == -EADDRINUSE &&
	       the.was_killed && (waited = clock_ns() - begin) < ORPHANS_MS * NS_PER_MS) {
		if (waited > ORPHANS_MS / 2 * NS_PER_MS)
			end_hung_orphans(m);
		nanosleep(&pause, NULL);
	}
	return err;
}

static int open_sockets(struct master *m, struct listen_set *ret)
{
	struct listen_set spare = { 0 };
	char why[256];
	if (the.is_upgrade) {
		for (uint32_t i = 0; i < the.legacy.n_listen; i++)
			spare.fd[spare.n++] = the.legacy.listen_fd[i];
	} else {
		listen_inherit(&spare);
	}
	int err = spare.n ? listen_open(m->config, NULL, &spare, ret, why)
			  : open_patiently(m, ret, why);
	if (err < 0)
		fprintf(stderr, "llmgw: %s\n", why);
	listen_close(&spare);
	return err;
}

static const char *control_hint(int err)
{
	switch (-err) {
	case ENAMETOOLONG:
		return "a socket's path is short: choose another --runtime-dir";
	case EADDRINUSE:
		return "is another llmgw running with this --runtime-dir?";
	default:
		return "may it write into --runtime-dir?";
	}
}

static int open_control(struct master *m)
{
	int err = the.legacy.control_fd >= 0
			  ? control_adopt(m, the.legacy.control_fd, &m->control)
			  : control_start(m, m->opt.runtime_dir, &m->control);
	return err < 0 ? fail("control socket", err, control_hint(err)) : 0;
}

static int open_service(struct master *m)
{
	struct listen_set listen;
	char why[256];
	int err = open_sockets(m, &listen);
	if (err < 0)
		return err;
	err = publish_build(m, m->config, ++m->generation, &m->snapshot_fd, why);
	if (err < 0) {
		fprintf(stderr, "llmgw: %s\n", why);
		return err;
	}
	gates_configure(m->gates, m->config, clock_wall_ns());
	atomic_store(&m->board.head->generation, m->generation);
	atomic_store(&m->board.head->money_down, MONEY_OK);
	if ((err = supervise_new(m, &listen, &m->supervise)) < 0 ||
	    (err = probe_new(m, &m->probe)) < 0 || (err = jwks_new(m, &m->jwks)) < 0 ||
	    (err = userinfo_new(m, &m->userinfo)) < 0)
		return fail("starting", err, NULL);
	for (uint32_t i = 0; i < the.legacy.n_workers; i++)
		supervise_adopt(m->supervise, &the.legacy.workers[i]);
	if ((err = open_control(m)) < 0)
		return err;
	supervise_want(m->supervise, master_workers(m));
	probe_configure(m->probe);
	jwks_configure(m->jwks);
	if ((err = export_new(m, &m->export)) < 0)
		return fail("callbacks", err, NULL);
	if ((err = otlp_metrics_new(m, &m->otlp)) < 0)
		return fail("metrics", err, NULL);
	otlp_metrics_configure(m->otlp);
	if ((err = alerts_new(m, &m->alerts)) < 0)
		return fail("alerts", err, NULL);
	alerts_configure(m->alerts);
	export_configure(m->export);
	return 0;
}

static void tell_ready(struct master *m)
{
	const struct listen_set *l = supervise_listening(m->supervise);
	char name[128] = "", status[256];
	for (size_t i = 0; i < l->n; i++) {
		struct config_listen at = l->at[i];
		at.host = str_z(l->host[i]);
		listen_name(&at, name, sizeof name);
		LOG(LOG_INFO, "listen.open", F_Z("address", name), F_INT("tls", l->at[i].tls));
		notify_store_fd(m->notify, "http", l->fd[i]);
	}
	snprintf(status, sizeof status, "Serving: generation %llu, %u workers, %zu deployments",
		 (unsigned long long)m->generation, supervise_ready(m->supervise),
		 m->config->n_models);
	notify_ready(m->notify, status);
	LOG(LOG_INFO, "master.ready", F_INT("generation", m->generation),
	    F_INT("workers", supervise_ready(m->supervise)),
	    F_INT("deployments", m->config->n_models), F_INT("keys", keys_count(m->keys)),
	    F_INT("ms", (clock_wall_ns() - the.image_wall_ns) / NS_PER_MS));
	history_begin(m);
}

void master_workers_changed(struct master *m)
{
	if (supervise_ready(m->supervise) < master_workers(m))
		return;
	supervise_drain_adopted(m->supervise);
	if (m->is_ready || m->stopping)
		return;
	m->is_ready = true;
	tell_ready(m);
}

/* ---- ending ---- */

static void on_all_gone(void *data, int err)
{
	struct master *m = data;
	(void)err;
	uv_stop(m->loop);
}

static void stop(struct master *m)
{
	char status[96];
	if (m->stopping) {
		LOG(LOG_WARN, "master.stop_now", F_INT("workers", supervise_alive(m->supervise)));
		supervise_kill_all(m->supervise);
		return;
	}
	m->stopping = true;
	if (m->wants_upgrade)
		control_resume(m->control);
	m->wants_upgrade = false;
	snprintf(status, sizeof status, "Draining %u workers", supervise_alive(m->supervise));
	notify_stopping(m->notify, status);
	LOG(LOG_INFO, "master.stop", F_INT("drain_ms", m->config->set.drain_ms));
	supervise_stop(m->supervise, on_all_gone, m);
}

static const char *why_not_upgraded(int err)
{
	switch (err) {
	case -EBUSY:
		return "the service is stopping or being upgraded";
	case -ECANCELED:
		return "workers crash with the configuration in the file";
	default:
		return "the installed program does not take the configuration";
	}
}

static void on_upgrade_checked(void *data, int err)
{
	(void)data;
	if (err < 0)
		LOG(LOG_ERROR, "upgrade.refused", F_Z("why", why_not_upgraded(err)));
}

static void on_signal(uv_signal_t *s, int number)
{
	struct master *m = s->data;
	switch (number) {
	case SIGHUP:
		publish_reload(m, STR("signal"), NULL, NULL);
		break;
	case SIGUSR2:
		upgrade_start(m, on_upgrade_checked, NULL);
		break;
	default:
		stop(m);
	}
}

/* Calls have their answers, or had their time. */
static bool may_leave(const struct master *m)
{
	return (supervise_is_quiet(m->supervise) && control_is_quiet(m->control)) ||
	       clock_ns() > the.upgrade_until_ns;
}

static void on_second(uv_timer_t *t)
{
	struct master *m = t->data;
	notify_tick(m->notify, supervise_is_fresh(m->supervise));
	keys_tick(m->keys, clock_wall_ns());
	if (m->export)
		export_look(m->export);
	customers_default_tick(m, clock_wall_ns());
	gates_tick(m->gates, clock_wall_ns());
	trial_tick(m->trial);
	if (m->stopping)
		notify_extend(m->notify, 5000000);
	if (!m->wants_upgrade)
		the.upgrade_until_ns = clock_ns() + UPGRADE_WAIT_MS * NS_PER_MS;
	else if (may_leave(m))
		uv_stop(m->loop);
}

static const int watched[] = { SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR2 };

/* Those that come while one image goes and the next is not ready wait for it: blocked signals
 * stay pending over exec. */
static void hold_signals(int how)
{
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < COUNT(watched); i++)
		sigaddset(&set, watched[i]);
	pthread_sigmask(how, &set, NULL);
}

static void watch_signals(struct master *m)
{
	for (size_t i = 0; i < COUNT(watched); i++) {
		uv_signal_init(m->loop, &the.signals[i]);
		the.signals[i].data = m;
		uv_signal_start(&the.signals[i], on_signal, watched[i]);
	}
	hold_signals(SIG_UNBLOCK);
	uint64_t half = notify_watchdog_ms(m->notify), every = half && half < 1000 ? half : 250;
	uv_timer_init(m->loop, &the.second);
	the.second.data = m;
	uv_timer_start(&the.second, on_second, every, every);
}

/* To the end, or to the upgrade: unless a signal or a call that came at the last moment says
 * otherwise. A loop that is stopped still takes what its sockets hold, so it is asked
 * afterwards. */
static void run(struct master *m)
{
	do {
		hold_signals(SIG_UNBLOCK);
		uv_run(m->loop, UV_RUN_DEFAULT);
		if (!m->wants_upgrade)
			return;
		hold_signals(SIG_BLOCK);
		uv_run(m->loop, UV_RUN_NOWAIT);
	} while (!m->wants_upgrade || !may_leave(m));
}

static void close_all(struct master *m)
{
	control_stop(m->control, !m->wants_upgrade);
	probe_stop(m->probe);
	alerts_stop(m->alerts, m->wants_upgrade ? EXPORT_UPGRADE_MS : EXPORT_END_MS);
	jwks_stop(m->jwks);
	userinfo_stop(m->userinfo);
	export_stop(m->export, m->wants_upgrade ? EXPORT_UPGRADE_MS : EXPORT_END_MS);
	otlp_metrics_stop(m->otlp, m->wants_upgrade ? EXPORT_UPGRADE_MS : EXPORT_END_MS);
	ledger_stop(m->ledger);
	texts_stop(m->texts, m->wants_upgrade ? 0 : EXPORT_END_MS);
	keys_stop(m->keys);
	responses_stop(m->responses);
	answers_stop(m->answers);
	m->answers = NULL;
	spend_prune_stop(m->prune);
	store_close(m->store);
	m->stored = stored_free(m->stored);
}

/* ---- beginning ---- */

static int start(struct master *m)
{
	int err;
	m->loop = uv_default_loop();
	m->notify = notify_new();
	m->snapshot_fd = m->board_fd = m->dir_fd = m->journal_dirfd = m->cache_fd = -1;
	m->cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	m->trial = trial_new(m);
	if (!m->notify || !m->trial)
		return -ENOMEM;
	if ((err = prices_load()) < 0)
		return fail("price table", err, NULL);
	if ((err = open_state(m)) < 0 || (err = open_stored(m)) < 0 || (err = open_board(m)) < 0 ||
	    (err = open_money(m)) < 0 || (err = open_responses(m)) < 0 ||
	    (err = open_answers(m)) < 0 || (err = open_prune(m)) < 0 ||
	    (err = tokenizers_open(m, &m->tokenizers)) < 0)
		return err;
	watch_signals(m);
	return open_service(m);
}

static void raise_descriptor_limit(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

int main(int argc, char **argv)
{
	struct master *m = &the.m;
	uint64_t began = clock_wall_ns();
	enum options_verdict verdict = options_read(argc, argv, &the.opt);
	if (verdict == OPTIONS_EXIT_OK || verdict == OPTIONS_EXIT_USAGE)
		return verdict == OPTIONS_EXIT_OK ? 0 : 2;
	unsetenv("SSLKEYLOGFILE");	/* curl would write down the keys of its connections */
	if (hash_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return 1;
	if (verdict == OPTIONS_CHECK)
		return check_only(&the.opt);
	if (verdict == OPTIONS_DOCTOR)
		return doctor_run(&the.opt);
	pool_init();
	signal(SIGPIPE, SIG_IGN);
	umask(0077);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);	/* keys are in here: no core, no ptrace */
	raise_descriptor_limit();
	the.is_upgrade = upgrade_take(&the.legacy);
	m->opt = the.opt.m;
	m->started_wall_ns = the.image_wall_ns = began;
	int err = config_read(m->opt.config_path, &m->opt.over, &m->config);
	start_log(&the.opt, m->config);
	if (m->config)
		print_complaints(m->config);
	if (err < 0 || m->config->n_errors) {
		fprintf(stderr, "llmgw: configuration %s is not valid; not started\n",
			m->opt.config_path);
		tell_missing(m->opt.config_path);
		return EXIT_CONFIG;
	}
	if (start(m) < 0)
		return 1;
	run(m);
	int control = m->wants_upgrade ? fcntl(control_fd(m->control), F_DUPFD_CLOEXEC, 3) : -1;
	close_all(m);
	if (m->wants_upgrade)
		return upgrade_exec(m, control) < 0;
	LOG(LOG_INFO, "master.end", F_INT("generation", m->generation));
	return 0;
}
