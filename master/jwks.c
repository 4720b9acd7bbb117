/* SPDX-License-Identifier: MIT
 * jwks.c - see jwks.h. */
#include "master/jwks.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/link_proto.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/parcel.h"
#include "master/pool.h"
#include "master/post.h"
#include "master/supervise.h"
#include "master/worker_link.h"

enum {
	URLS = LINK_KEYS_MAX, URL_ROOM = 1025,
	DOCUMENT_MAX = LINK_KEYS_BYTES,
	FETCH_MS = 5000,
	PAUSE_MIN_MS = 1000, PAUSE_MAX_MS = 60000	/* after a failure; doubled each time */
};

struct source {
	char url[URL_ROOM];
	struct buf document;		/* the last good one; .n 0: none yet */
};

struct fetch {				/* one round over all addresses, on a thread of the pool */
	uv_work_t work;
	struct jwks *j;
	uint64_t revision;		/* of the addresses that it asks */
	const _Atomic bool *gives_up;
	unsigned n;
	struct {
		char url[URL_ROOM], why[120];
		struct buf document;
		bool is_good;
	} of[URLS];
};

struct jwks {
	struct master *m;
	uv_timer_t timer;
	struct source sources[URLS];
	unsigned n;			/* 0: tokens are not taken */
	uint64_t revision;		/* of the addresses */
	uint64_t version;		/* of what is in `fd`; 0: nothing yet */
	uint32_t sizes[URLS];
	int fd;
	struct fetch *under_way;
	uint64_t fetched_ns;		/* the end of the last round; 0: none */
	uint64_t pause_ms;		/* until the next one; 0: the last one went well */
	_Atomic bool is_stopping;
};

/* ---- on the pool ---- */

static void run(uv_work_t *work)
{
	struct fetch *f = work->data;
	for (unsigned i = 0; i < f->n; i++)
		f->of[i].is_good = post_get(f->of[i].url, &f->of[i].document, FETCH_MS,
					    f->gives_up, f->of[i].why);
}

/* ---- what workers are told ---- */

static int send_keys(struct jwks *j, struct worker_link *l, bool has_news)
{
	return has_news ? worker_link_keys(l, j->version, j->sizes, j->n, j->fd)
			: worker_link_keys(l, 0, NULL, 0, -1);
}

static void tell(struct jwks *j, struct worker_link *l, bool has_news)
{
	if (send_keys(j, l, has_news) < 0)
		LOG(LOG_WARN, "link.send_failed", F_Z("what", "public keys"));
}

struct telling {
	struct jwks *j;
	bool has_news;
};

static void tell_one(void *data, struct worker_link *l)
{
	const struct telling *t = data;
	tell(t->j, l, t->has_news);
}

static void tell_all(struct jwks *j, bool has_news)
{
	struct telling t = { j, has_news };
	supervise_each_link(j->m->supervise, tell_one, &t);
}

/* The documents as they are now, as the next version. */
static int seal(struct jwks *j)
{
	struct str parts[URLS];
	int fd, err;
	for (unsigned i = 0; i < j->n; i++)
		parts[i] = buf_str(&j->sources[i].document);
	if ((err = parcel_make(parts, j->n, &fd)) < 0)
		return err;
	if (j->fd >= 0)
		close(j->fd);
	j->fd = fd;
	for (unsigned i = 0; i < j->n; i++)
		j->sizes[i] = (uint32_t)parts[i].n;
	j->version++;
	return 0;
}

static void publish(struct jwks *j)
{
	int err = seal(j);
	if (err < 0)
		LOG(LOG_ERROR, "jwks.fetch_failed", F_Z("url", ""), F_Z("why", strerror(-err)));
	tell_all(j, err == 0);
}

/* ---- rounds ---- */

static void begin(struct jwks *j);

static void on_timer(uv_timer_t *t)
{
	begin(t->data);
}

static void plan(struct jwks *j, bool was_well)
{
	uint64_t ttl_ms = j->m->config->jwt.ttl_ms;
	if (was_well)
		j->pause_ms = 0;
	else
		j->pause_ms = j->pause_ms ? j->pause_ms * 2 : PAUSE_MIN_MS;
	if (j->pause_ms > PAUSE_MAX_MS)
		j->pause_ms = PAUSE_MAX_MS;
	uint64_t wait = j->pause_ms && j->pause_ms < ttl_ms ? j->pause_ms : ttl_ms;
	uv_timer_start(&j->timer, on_timer, wait, 0);
}

/* What may stand in a log: an address's query may be a secret. */
static struct str plain_url(const char *url)
{
	struct str rest = str_z(url);
	return str_cut(&rest, '?');
}

/* Whether it is something else than before. */
static bool take_one(struct source *s, struct buf *document)
{
	if (str_eq(buf_str(&s->document), buf_str(document)))
		return false;
	struct buf old = s->document;
	s->document = *document;
	*document = old;
	LOG(LOG_INFO, "jwks.fetched", F_STR("url", plain_url(s->url)),
	    F_INT("bytes", s->document.n));
	return true;
}

static void take(struct jwks *j, struct fetch *f)
{
	struct metric_row *metrics = &j->m->board.metrics[BOARD_WORKERS];
	bool has_news = false, was_well = true;
	for (unsigned i = 0; i < f->n; i++) {
		METRIC_ADD(metrics, jwks_fetches, 1);
		if (f->of[i].is_good) {
			has_news |= take_one(&j->sources[i], &f->of[i].document);
			continue;
		}
		was_well = false;
		METRIC_ADD(metrics, jwks_failures, 1);
		LOG(LOG_WARN, "jwks.fetch_failed", F_STR("url", plain_url(f->of[i].url)),
		    F_Z("why", f->of[i].why));
	}
	j->fetched_ns = clock_ns();
	plan(j, was_well);
	if (has_news)
		publish(j);
	else
		tell_all(j, false);
}

static void fetch_free(struct fetch *f)
{
	for (unsigned i = 0; i < f->n; i++)
		buf_done(&f->of[i].document);
	mem_free(f);
}

static void on_done(uv_work_t *work, int status)
{
	struct fetch *f = work->data;
	struct jwks *j = f->j;
	bool is_old = f->revision != j->revision;
	j->under_way = NULL;
	if (status == 0 && !j->is_stopping && !is_old)
		take(j, f);
	fetch_free(f);
	if (is_old && !j->is_stopping)
		begin(j);
}

static void begin(struct jwks *j)
{
	struct fetch *f = j->n && !j->under_way && !j->is_stopping ? mem_alloc(sizeof *f) : NULL;
	if (!f)
		return;
	f->work.data = f;
	f->j = j;
	f->revision = j->revision;
	f->gives_up = &j->is_stopping;
	f->n = j->n;
	for (unsigned i = 0; i < j->n; i++) {
		memcpy(f->of[i].url, j->sources[i].url, URL_ROOM);
		buf_init(&f->of[i].document, DOCUMENT_MAX);
	}
	if (pool_work(j->m->loop, &f->work, run, on_done) < 0) {
		fetch_free(f);
		plan(j, false);
		return;
	}
	j->under_way = f;
}

/* ---- from outside ---- */

void jwks_greet(struct jwks *j, struct worker_link *l)
{
	if (j->n && j->version)
		tell(j, l, true);
}

void jwks_wanted(struct jwks *j, struct worker_link *l, uint64_t known)
{
	uint64_t wait_ns = j->m->config->jwt.refresh_wait_ms * NS_PER_MS;
	bool is_fresh = j->fetched_ns && clock_ns() - j->fetched_ns < wait_ns;
	if (j->version > known) {
		tell(j, l, true);
		return;
	}
	if (!is_fresh)
		begin(j);
	if (!j->under_way)		/* else its end is told to all */
		tell(j, l, false);
}

static bool has_same(const struct jwks *j, const struct config_names *urls)
{
	if (j->n != urls->n)
		return false;
	for (unsigned i = 0; i < j->n; i++)
		if (!str_eq_z(urls->v[i], j->sources[i].url))
			return false;
	return true;
}

void jwks_configure(struct jwks *j)
{
	static const struct config_names none = { 0 };
	const struct config_jwt *c = &j->m->config->jwt;
	const struct config_names *urls = c->is_on ? &c->urls : &none;
	if (has_same(j, urls)) {
		if (j->n && !j->under_way)
			plan(j, !j->pause_ms);
		return;
	}
	for (unsigned i = 0; i < j->n; i++)
		buf_done(&j->sources[i].document);
	for (j->n = 0; j->n < urls->n && j->n < URLS; j->n++) {
		struct source *s = &j->sources[j->n];
		*s = (struct source){ 0 };
		buf_init(&s->document, DOCUMENT_MAX);
		snprintf(s->url, sizeof s->url, STR_FMT, STR_ARG(urls->v[j->n]));
	}
	j->revision++;
	j->pause_ms = 0;
	j->fetched_ns = 0;
	uv_timer_stop(&j->timer);
	if (j->version)
		publish(j);
	begin(j);
}

int jwks_new(struct master *m, struct jwks **ret)
{
	struct jwks *j = mem_alloc(sizeof *j);
	if (!j)
		return -ENOMEM;
	j->m = m;
	j->fd = -1;
	uv_timer_init(m->loop, &j->timer);
	j->timer.data = j;
	*ret = j;
	return 0;
}

void jwks_stop(struct jwks *j)
{
	j->is_stopping = true;
	uv_timer_stop(&j->timer);
}
