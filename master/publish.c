/* SPDX-License-Identifier: MIT
 * publish.c - reload: read, check, build, tell; anything wrong and the old generation stays, or,
 * when workers find out, the last good one comes back (trial.h). */
#include "master/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/keys.h"
#include "master/notify.h"
#include "master/probe.h"
#include "master/responses.h"
#include "master/supervise.h"
#include "master/trial.h"

struct reload {
	struct master *m;
	publish_done_fn *done;
	void *data;
	struct buf text;		/* warnings for who asked */
	bool goes_back;			/* to the last good one: nobody asked */
};

static struct reload *under_way;	/* at most one: a second one is told -EBUSY */

static const char *result_of(int err)
{
	switch (err) {
	case 0:
		return "done";
	case -EINVAL:
		return "refused";
	case -ECANCELED:
		return "rolled back";
	default:
		return "late";
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

static void finish(struct reload *r, int err)
{
	struct master *m = r->m;
	char status[200];
	if (under_way == r)
		under_way = NULL;
	if (!r->goes_back)
		count(r, err);
	snprintf(status, sizeof status, "Serving: generation %llu, %u workers, %zu deployments%s",
		 (unsigned long long)m->generation, supervise_ready(m->supervise),
		 m->config->n_models,
		 trial_has_gone_back(m->trial) ? " (last reload rolled back)"
		 : err			       ? " (last reload refused)" : "");
	notify_ready(m->notify, status);
	if (r->done)
		r->done(r->data, err, buf_str(&r->text));
	buf_done(&r->text);
	mem_free(r);
}

static void on_published(void *data, int err)
{
	struct reload *r = data;
	if (err == -EBADMSG && !r->goes_back) {
		under_way = NULL;
		buf_printf(&r->text, "a worker cannot use it\n");
		publish_go_back(r->m, "a worker cannot use it");
		err = -EINVAL;
	}
	finish(r, err);
}

/* Sockets first: when an address cannot be had, nothing has changed yet. */
static int change_listeners(struct reload *r, const struct config *c, struct listen_set *ret,
			    bool *ret_new)
{
	char why[256];
	struct listen_set old = *supervise_listening(r->m->supervise);
	*ret_new = !listen_same(c, &old);
	if (!*ret_new)
		return 0;
	for (size_t i = 0; i < old.n; i++)
		old.fd[i] =
			fcntl(old.fd[i], F_DUPFD_CLOEXEC, 3); /* the running set keeps its own */
	int err = listen_open(c, &old, NULL, ret, why);
	listen_close(&old);
	if (err < 0)
		buf_printf(&r->text, "%s\n", why);
	return err;
}

static void adopt(struct reload *r, struct config *c, int fd, uint64_t generation)
{
	struct master *m = r->m;
	bool workers_differ = m->config->workers != c->workers;
	if (keys_set_master(m->keys, c->master_key) < 0)
		LOG(LOG_ERROR, "config.master_key_failed", F_INT("generation", generation));
	struct config *old = m->config;
	close(m->snapshot_fd);
	m->config = c;
	m->snapshot_fd = fd;
	m->generation = generation;
	atomic_store(&m->board.head->generation, generation);
	if (r->goes_back)
		config_free(old);
	else
		trial_begin(m->trial, old);
	probe_configure(m->probe);
	responses_configure(m->responses, c->responses_keep_ms, c->responses_max_bytes);
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

static struct reload *begin(struct master *m, publish_done_fn *done, void *data)
{
	struct reload *r = mem_alloc(sizeof *r);
	if (!r)
		return NULL;
	r->m = m;
	r->done = done;
	r->data = data;
	buf_init(&r->text, 1 << 20);
	under_way = r;
	notify_reloading(m->notify);
	return r;
}

void publish_reload(struct master *m, publish_done_fn *done, void *data)
{
	struct reload *r = under_way || m->stopping ? NULL : begin(m, done, data);
	if (!r) {
		if (done)
			done(data, -EBUSY, STR("a reload is under way\n"));
		return;
	}
	int err = reload(r);
	if (err < 0)
		finish(r, err);
	else
		supervise_publish(m->supervise, on_published, r);
}

void publish_go_back(struct master *m, const char *why)
{
	struct config *good = m->stopping ? NULL : trial_take_good(m->trial);
	uint64_t from = m->generation;
	struct reload *r = good ? begin(m, NULL, NULL) : NULL;
	int err = -ENOMEM;
	if (r) {
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
