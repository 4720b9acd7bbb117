/* SPDX-License-Identifier: MIT
 * publish.c - reload: read, check, build, tell; anything wrong and the old generation stays, or,
 * when workers find out, the last good one comes back (trial.h).
 *
 * A change by API goes the same way, with the database between check and build: what is answered
 * is durable and in force. Those that come meanwhile stand in line, a reload among them. */
#include "master/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/alerts.h"
#include "master/answers.h"
#include "master/audit.h"
#include "master/cached.h"
#include "master/export.h"
#include "master/gates.h"
#include "master/history.h"
#include "master/keys.h"
#include "master/notify.h"
#include "master/otlp_metrics.h"
#include "master/jwks.h"
#include "master/probe.h"
#include "master/responses.h"
#include "master/spend_prune.h"
#include "master/texts.h"
#include "master/supervise.h"
#include "master/trial.h"

enum { LINE_MAX_CHANGES = 256, DIFF_MODELS_MAX = 1000, WHO_MAX = 128, WHAT_MAX = 256 };

struct reload {
	struct reload *next;
	struct audit_origin *origin;	/* of the command, which may stand in line; or NULL */
	struct master *m;
	publish_done_fn *done;
	void *data;
	struct buf text;		/* warnings for who asked */
	bool goes_back;			/* to the last good one: nobody asked */
	char who[WHO_MAX], what[WHAT_MAX];
	struct buf changes;		/* JSON, for the history */
	/* Of a change: */
	publish_make_fn *make;
	struct publish_change change;
	struct config *c;		/* not yet in force */
	uint64_t read_from;		/* generation whose files it was read from */
	bool is_applied;		/* in the database, and in memory */
};

static struct {
	struct reload *under_way;	/* at most one that nobody called back */
	struct reload *first;		/* those that wait */
	unsigned n;
	uv_timer_t timer;		/* the next one begins in a call of its own */
	bool has_timer;
} line;

/* ---- ends ---- */

static const char *result_of(int err)
{
	switch (err) {
	case 0:
		return "done";
	case -EINVAL:
		return "refused";
	case -ECANCELED:
		return "rolled back";
	case -ETIMEDOUT:
		return "late";
	default:
		return "failed";
	}
}

static void count(struct reload *r, int err)
{
	struct board_head *h = r->m->board.head;
	if (err == 0) {
		atomic_store(&h->last_reload_wall_ns, clock_wall_ns());
		atomic_fetch_add(&h->reloads, 1);
		trial_note(r->m->trial, NULL, 0);
	} else {
		atomic_fetch_add(&h->reload_failures, 1);
	}
	LOG(err ? LOG_ERROR : LOG_INFO, "config.reload", F_INT("generation", r->m->generation),
	    F_Z("result", result_of(err)), F_STR("complaints", buf_str(&r->text)));
}

static void tell_change(struct reload *r, int err)
{
	LOG(err && err != -EINVAL ? LOG_ERROR : LOG_INFO, "config.change",
	    F_INT("generation", r->m->generation), F_Z("what", r->what), F_Z("who", r->who),
	    F_Z("result", result_of(err)));
}

static void drop_ops(struct publish_change *ch)
{
	for (size_t i = 0; i < ch->n_ops; i++)
		stored_op_done(&ch->ops[i]);
	mem_free(ch->ops);
	*ch = (struct publish_change){ 0 };
}

static void begin_next(struct master *m);

static void finish(struct reload *r, int err)
{
	struct master *m = r->m;
	char status[200];
	if (line.under_way == r)
		line.under_way = NULL;
	if (r->make)
		tell_change(r, err);
	else if (!r->goes_back)
		count(r, err);
	if (err == 0)
		history_note(m, r->who, r->what, buf_str(&r->changes));
	snprintf(status, sizeof status, "Serving: generation %llu, %u workers, %zu deployments%s",
		 (unsigned long long)m->generation, supervise_ready(m->supervise),
		 m->config->n_models,
		 trial_has_gone_back(m->trial) ? " (last reload rolled back)"
		 : err && !r->make	       ? " (last reload refused)" : "");
	notify_ready(m->notify, status);
	drop_ops(&r->change);
	config_free(r->c);
	if (r->done)
		r->done(r->data, err, buf_str(&r->text));
	buf_done(&r->text);
	buf_done(&r->changes);
	audit_origin_drop(r->origin);
	mem_free(r);
	begin_next(m);
}

/* Its turn comes later: what it writes is the command's all the same. */
static int write_for(struct reload *r, store_job_fn *job, store_done_fn *done, void *data)
{
	struct store *s = r->m->store;
	struct audit_origin *before = store_set_origin(s, r->origin);
	int err = store_write(s, job, done, data);
	store_set_origin(s, before);
	return err;
}

/* ---- taken back ---- */

static int undo_job(struct store_db *db, void *data)
{
	struct publish_change *ch = data;
	return stored_write(db, ch->ops, ch->n_ops);
}

static void on_undone(void *data, int err)
{
	struct publish_change *ch = data;
	if (err < 0)
		LOG(LOG_ERROR, "config.undo_failed", F_INT("objects", ch->n_ops));
	drop_ops(ch);
	mem_free(ch);
}

/* Workers do not live with it, or there is no room: the database forgets it, too. */
static void undo(struct reload *r)
{
	struct publish_change *ch = mem_alloc(sizeof *ch);
	struct stored *s = r->m->stored;
	if (!r->is_applied || !ch) {
		mem_free(ch);
		return;
	}
	*ch = r->change;
	r->change = (struct publish_change){ 0 };
	r->is_applied = false;
	stored_reverse(ch->ops, ch->n_ops);
	if (stored_prepare(s, ch->ops, ch->n_ops) < 0) {
		on_undone(ch, -ENOMEM);
		return;
	}
	int err = stored_apply(s, ch->ops, ch->n_ops);
	if (err == 0)
		err = write_for(r, undo_job, on_undone, ch);
	if (err < 0)
		on_undone(ch, err);
}

static void on_published(void *data, int err)
{
	struct reload *r = data;
	if (err == -EBADMSG && !r->goes_back) {
		line.under_way = NULL;
		buf_printf(&r->text, "a worker cannot use it\n");
		publish_go_back(r->m, "a worker cannot use it");
		err = -EINVAL;
	}
	if (err == -EINVAL || err == -ECANCELED)
		undo(r);
	finish(r, err);
}

/* ---- into force ---- */

static void copy_all(struct listen_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->fd[i] = fcntl(s->fd[i], F_DUPFD_CLOEXEC, 3);
}

/* Sockets first: when an address cannot be had, nothing has changed yet. */
static int change_listeners(struct reload *r, const struct config *c, struct listen_set *ret,
			    bool *ret_new)
{
	char why[256];
	struct listen_set old = *supervise_listening(r->m->supervise);
	struct listen_set leaving = *supervise_leaving(r->m->supervise);
	*ret_new = !listen_same(c, &old);
	if (!*ret_new)
		return 0;
	copy_all(&old);			/* the running set keeps its own */
	copy_all(&leaving);
	int err = listen_open(c, &old, &leaving, ret, why);
	listen_close(&old);
	listen_close(&leaving);
	if (err < 0)
		buf_printf(&r->text, "%s\n", why);
	return err;
}

static void note_changes(struct reload *r, const struct config *before, const struct config *after)
{
	if (before->n_models > DIFF_MODELS_MAX || after->n_models > DIFF_MODELS_MAX)
		return;
	buf_reset(&r->changes);
	config_diff(before, after, &r->changes);
}

static void adopt(struct reload *r, struct config *c, int fd, uint64_t generation)
{
	struct master *m = r->m;
	bool workers_differ = m->config->workers != c->workers;
	if (keys_set_master(m->keys, c->master_key) < 0)
		LOG(LOG_ERROR, "config.master_key_failed", F_INT("generation", generation));
	if (stored_rekey(m->stored, stored_secret(c->master_key)) < 0)
		LOG(LOG_ERROR, "config.master_key_failed", F_INT("generation", generation));
	struct config *old = m->config;
	note_changes(r, old, c);
	close(m->snapshot_fd);
	m->config = c;
	gates_configure(m->gates, c, clock_wall_ns());
	m->snapshot_fd = fd;
	m->generation = generation;
	atomic_store(&m->board.head->generation, generation);
	if (r->goes_back)
		config_free(old);
	else
		trial_begin(m->trial, old);
	probe_configure(m->probe);
	otlp_metrics_configure(m->otlp);
	alerts_configure(m->alerts);
	jwks_configure(m->jwks);
	export_configure(m->export);
	responses_configure(m->responses, c->responses_keep_ms, c->responses_max_bytes);
	answers_configure(m->answers, c->answers_keep_ms, c->answers_max_bytes);
	cached_configure(m);
	spend_prune_configure(m->prune, c->spend_keep_ms, c->spend_prune_ms);
	texts_configure(m->texts);
	log_threshold = m->opt.quiet ? LOG_WARN : (enum log_level)c->set.log_level;
	if (workers_differ)
		supervise_want(m->supervise, master_workers(m));
}

/* Puts c into force. It is still the caller's when this fails. */
static int take(struct reload *r, struct config *c)
{
	struct master *m = r->m;
	struct listen_set listen;
	bool is_new = false;
	char why[256];
	int fd = -1, err = change_listeners(r, c, &listen, &is_new);
	if (err < 0)
		return err;
	err = publish_build(m, c, m->generation + 1, &fd, why);
	if (err < 0) {
		buf_printf(&r->text, "%s\n", why);
		if (is_new)
			listen_close(&listen);
		return err;
	}
	adopt(r, c, fd, m->generation + 1);
	if (is_new) {
		supervise_relisten(m->supervise, &listen);
		notify_forget_fds(m->notify, "http");
		for (size_t i = 0; i < listen.n; i++)
			notify_store_fd(m->notify, "http", listen.fd[i]);
	}
	return 0;
}

static int reload(struct reload *r)
{
	struct config *c = NULL;
	int err = config_read(r->m->opt.config_path, &r->m->opt.over, &c);
	(void)FAULT("reload.parsed");
	if (c)
		buf_put(&r->text, buf_str(&c->complaints));
	if (err == 0 && c->n_errors)
		err = -EINVAL;
	if (err == 0)
		err = take(r, c);
	if (err == 0)
		return 0;
	config_free(c);
	return -EINVAL;
}

/* ---- a change ---- */

/* The first thing that is wrong; what is wrong elsewhere only when there was less of it. */
static int judge(struct reload *r, const struct config *c)
{
	const struct config *now = r->m->config;
	buf_reset(&r->text);
	if (c->n_errors)
		buf_put(&r->text, buf_str(&c->complaints));
	else if (c->unfit.n)
		buf_put(&r->text, c->unfit);
	else if (!r->change.files && c->n_skipped > now->n_skipped && now->store_models)
		buf_printf(&r->text, "%u models would be left out that are served now:\n" STR_FMT,
			   c->n_skipped - now->n_skipped, STR_ARG(buf_str(&c->complaints)));
	else
		return 0;
	return -EINVAL;
}

/* The configuration as it would be: the files that are in force, not what stands on the disk. */
static int read_changed(struct reload *r)
{
	struct master *m = r->m;
	struct config_overrides over = m->opt.over;
	struct config_stored stored;
	size_t n = r->is_applied ? 0 : r->change.n_ops;
	int err = stored_try(m->stored, r->change.ops, n, &stored);
	if (err < 0) {
		buf_printf(&r->text, err == -E2BIG ? "there are too many objects in the database"
						   : "out of memory");
		return err == -E2BIG ? -EINVAL : err;
	}
	stored.files = r->change.files ? r->change.files : m->config->files;
	stored.n_files = r->change.files ? r->change.n_files : m->config->n_files;
	over.stored = &stored;
	over.quiet_warnings = false;
	config_free(r->c);
	r->c = NULL;
	err = config_read(m->opt.config_path, &over, &r->c);
	mem_free((void *)(uintptr_t)stored.v);
	r->read_from = m->generation;
	return err == 0 ? judge(r, r->c) : err;
}

static int change_job(struct store_db *db, void *data)
{
	struct reload *r = data;
	return stored_write(db, r->change.ops, r->change.n_ops);
}

static void on_written(void *data, int err)
{
	struct reload *r = data;
	struct master *m = r->m;
	if (err == 0)
		err = stored_apply(m->stored, r->change.ops, r->change.n_ops);
	r->is_applied = err == 0;
	if (err == 0 && (m->stopping || m->wants_upgrade))
		err = -ESHUTDOWN;	/* it is durable: the next start has it */
	else if (err == 0 && r->read_from != m->generation)
		err = read_changed(r);	/* workers gave up what it was read from */
	if (err == 0)
		err = take(r, r->c);
	if (err < 0) {
		if (err != -ESHUTDOWN)
			undo(r);
		finish(r, err);
		return;
	}
	r->c = NULL;
	supervise_publish(m->supervise, on_published, r);
}

static int change(struct reload *r)
{
	struct master *m = r->m;
	int err = r->make(r->data, &r->change);
	if (err == 0)
		err = read_changed(r);
	if (err == 0)
		err = stored_prepare(m->stored, r->change.ops, r->change.n_ops);
	if (err == 0)
		err = write_for(r, change_job, on_written, r);
	return err;
}

/* ---- the line ---- */

static struct reload *reload_new(struct master *m, struct str who, struct str what,
				 publish_done_fn *done, void *data)
{
	struct reload *r = mem_alloc(sizeof *r);
	if (!r)
		return NULL;
	r->m = m;
	r->done = done;
	r->data = data;
	r->origin = audit_origin_keep(store_origin(m->store));
	snprintf(r->who, sizeof r->who, STR_FMT, STR_ARG(who));
	snprintf(r->what, sizeof r->what, STR_FMT, STR_ARG(what));
	buf_init(&r->text, 1 << 20);
	buf_init(&r->changes, 1 << 20);
	return r;
}

static void begin(struct reload *r)
{
	line.under_way = r;
	notify_reloading(r->m->notify);
}

static void start(struct reload *r)
{
	begin(r);
	int err = r->make ? change(r) : reload(r);
	if (err < 0)
		finish(r, err);
	else if (!r->make)
		supervise_publish(r->m->supervise, on_published, r);
}

static void on_turn(uv_timer_t *t)
{
	struct reload *r = line.first;
	(void)t;
	if (!r || line.under_way)
		return;
	line.first = r->next;
	line.n--;
	r->next = NULL;
	start(r);
}

static void begin_next(struct master *m)
{
	if (!line.first || line.under_way)
		return;
	if (!line.has_timer)
		uv_timer_init(m->loop, &line.timer);
	line.has_timer = true;
	uv_timer_start(&line.timer, on_turn, 0, 0);
}

static void stand_in_line(struct reload *r)
{
	struct reload **at = &line.first;
	while (*at)
		at = &(*at)->next;
	*at = r;
	line.n++;
	begin_next(r->m);
}

/* Such a one has yet to read the files. */
static bool reload_waits(void)
{
	for (const struct reload *r = line.first; r; r = r->next)
		if (!r->make)
			return true;
	return false;
}

/* Who asks for an answer is told at once. A signal cannot be: it is remembered, as the files may
 * have changed since the one under way has read them. */
void publish_reload(struct master *m, struct str who, publish_done_fn *done, void *data)
{
	bool is_under_way = line.under_way && !line.under_way->make;
	bool may = !reload_waits() && !(is_under_way && done) && !m->stopping;
	struct reload *r = may ? reload_new(m, who, STR("reload"), done, data) : NULL;
	if (!r) {
		if (done)
			done(data, -EBUSY, STR("a reload is under way\n"));
		return;
	}
	if (line.under_way || line.first)
		stand_in_line(r);
	else
		start(r);
}

int publish_change(struct master *m, struct str who, struct str what, publish_make_fn *make,
		   publish_done_fn *done, void *data)
{
	if (m->stopping || line.n >= LINE_MAX_CHANGES)
		return -EBUSY;
	struct reload *r = reload_new(m, who, what, done, data);
	if (!r)
		return -ENOMEM;
	r->make = make;
	stand_in_line(r);
	return 0;
}

void publish_go_back(struct master *m, const char *why)
{
	struct config *good = m->stopping ? NULL : trial_take_good(m->trial);
	uint64_t from = m->generation;
	struct reload *r = good ? reload_new(m, STR("llmgw"), str_z(why), NULL, NULL) : NULL;
	int err = -ENOMEM;
	if (r) {
		begin(r);
		r->goes_back = true;
		err = take(r, good);
	}
	if (good)
		LOG(LOG_ERROR, "config.rolled_back", F_INT("from", from),
		    F_INT("generation", m->generation), F_Z("why", why),
		    F_Z("result", err == 0 ? "done" : "failed"));
	if (err < 0)
		config_free(good);
	else
		trial_note(m->trial, why, from);
	if (r && err < 0)
		finish(r, err);
	else if (r)
		supervise_publish(m->supervise, on_published, r);
}
