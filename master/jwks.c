/* SPDX-License-Identifier: MIT
 * jwks.c - see jwks.h. */
#include "master/jwks.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/link_proto.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/parcel.h"
#include "master/discovery.h"
#include "master/pool.h"
#include "master/post.h"
#include "master/supervise.h"
#include "master/worker_link.h"

enum {
	SOURCES = LINK_KEYS_MAX, URL_ROOM = DISCOVERY_URL_MAX + 1,
	DOCUMENT_MAX = LINK_KEYS_BYTES,
	SCRATCH_MAX = 16 << 20,
	FETCH_MS = 5000,
	PAUSE_MIN_MS = 1000, PAUSE_MAX_MS = 60000	/* after a failure; doubled each time */
};
_Static_assert((int)LINK_ISSUER_MAX == (int)DISCOVERY_URL_MAX, "an issuer is an address");

struct where {				/* what the configuration says */
	char url[URL_ROOM], issuer[URL_ROOM];
	bool is_discovery;
};

struct source {
	struct jwks *j;
	struct where where;
	char issuer[URL_ROOM];		/* whose the keys are; "": anybody's */
	struct buf document;		/* the last good one; .n 0: none yet */
	uv_timer_t timer;
	struct fetch *under_way;
	uint64_t tried_ns, good_ns;	/* the end of the last fetch, and of a good one; 0: none */
	uint64_t pause_ms;		/* until the next one; 0: the last one went well */
};

struct fetch {				/* on a thread of the pool */
	uv_work_t work;
	struct jwks *j;
	unsigned i;			/* of the source */
	uint64_t revision;		/* of the configuration that it is for */
	const _Atomic bool *gives_up;
	struct where where;
	char keys_url[URL_ROOM], issuer[URL_ROOM], why[120];
	struct buf document;
	struct egress egress;
	bool is_good;
};

struct jwks {
	struct master *m;
	struct source sources[SOURCES];
	unsigned n;			/* 0: tokens are not taken */
	uint64_t revision;		/* of the configuration */
	uint64_t version;		/* of what is in `fd`; 0: nothing yet */
	struct worker_link_text texts[SOURCES];
	int fd;
	_Atomic bool is_stopping;
};

/* ---- on the pool ---- */

static bool fail(struct fetch *f, const char *why)
{
	snprintf(f->why, sizeof f->why, "%s", why);
	return false;
}

static bool read_discovery(struct fetch *f, struct arena *a)
{
	struct str issuer, keys_url;
	const char *why = discovery_read(a, buf_str(&f->document), str_z(f->where.url),
					 str_z(f->where.issuer), &issuer, &keys_url);
	if (why)
		return fail(f, why);
	snprintf(f->issuer, sizeof f->issuer, STR_FMT, STR_ARG(issuer));
	snprintf(f->keys_url, sizeof f->keys_url, STR_FMT, STR_ARG(keys_url));
	f->document.n = 0;
	return true;
}

static bool get(struct fetch *f, const char *url)
{
	return post_get(url, &f->document, FETCH_MS, &f->egress, f->gives_up, f->why);
}

static bool fetch_keys(struct fetch *f, struct arena *a)
{
	if (f->where.is_discovery && !(get(f, f->where.url) && read_discovery(f, a)))
		return false;
	if (!get(f, f->keys_url))
		return false;
	return discovery_is_key_list(a, buf_str(&f->document)) ||
	       fail(f, "the answer is no list of keys");
}

static void run(uv_work_t *work)
{
	struct fetch *f = work->data;
	struct arena *a = arena_new(SCRATCH_MAX);
	f->is_good = a ? fetch_keys(f, a) : fail(f, strerror(ENOMEM));
	arena_free(a);
}

/* ---- what workers are told ---- */

static void tell(struct jwks *j, struct worker_link *l, bool has_news)
{
	int err = has_news ? worker_link_keys(l, j->version, j->texts, j->n, j->fd)
			   : worker_link_keys(l, 0, NULL, 0, -1);
	if (err < 0)
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
	struct str parts[SOURCES];
	int fd, err;
	for (unsigned i = 0; i < j->n; i++)
		parts[i] = buf_str(&j->sources[i].document);
	if ((err = parcel_make(parts, j->n, &fd)) < 0)
		return err;
	if (j->fd >= 0)
		close(j->fd);
	j->fd = fd;
	for (unsigned i = 0; i < j->n; i++)
		j->texts[i] = (struct worker_link_text){ (uint32_t)parts[i].n,
							 str_z(j->sources[i].issuer) };
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

/* ---- one fetch after the other ---- */

static void begin(struct source *s);

static void on_timer(uv_timer_t *t)
{
	begin(t->data);
}

static void plan(struct source *s, bool was_well)
{
	uint64_t ttl_ms = s->j->m->config->jwt.ttl_ms;
	if (was_well)
		s->pause_ms = 0;
	else
		s->pause_ms = s->pause_ms ? s->pause_ms * 2 : PAUSE_MIN_MS;
	if (s->pause_ms > PAUSE_MAX_MS)
		s->pause_ms = PAUSE_MAX_MS;
	uint64_t wait = s->pause_ms && s->pause_ms < ttl_ms ? s->pause_ms : ttl_ms;
	uv_timer_start(&s->timer, on_timer, wait, 0);
}

/* What may stand in a log: an address's query may be a secret. */
static struct str plain_url(const char *url)
{
	struct str rest = str_z(url);
	return str_cut(&rest, '?');
}

/* Whether it is something else than before. */
static bool take_good(struct source *s, struct fetch *f)
{
	s->good_ns = clock_ns();
	if (str_eq(buf_str(&s->document), buf_str(&f->document)) &&
	    strcmp(s->issuer, f->issuer) == 0)
		return false;
	struct buf old = s->document;
	s->document = f->document;
	f->document = old;
	memcpy(s->issuer, f->issuer, sizeof s->issuer);
	LOG(LOG_INFO, "jwks.fetched", F_STR("url", plain_url(f->keys_url)),
	    F_Z("issuer", s->issuer), F_INT("bytes", s->document.n));
	return true;
}

/* What is too old to be used without a word of its issuer is dropped. Whether it was. */
static bool take_failure(struct source *s, const struct fetch *f)
{
	uint64_t stale_ns = s->j->m->config->jwt.stale_ms * NS_PER_MS;
	LOG(LOG_WARN, "jwks.fetch_failed", F_STR("url", plain_url(f->keys_url)), F_Z("why", f->why));
	if (!s->document.n || clock_ns() - s->good_ns < stale_ns)
		return false;
	s->document.n = 0;
	LOG(LOG_ERROR, "jwks.dropped", F_STR("url", plain_url(s->where.url)));
	return true;
}

static bool is_any_under_way(const struct jwks *j)
{
	for (unsigned i = 0; i < j->n; i++)
		if (j->sources[i].under_way)
			return true;
	return false;
}

/* News are told at once; that there are none, when nobody is asked any more. */
static void take(struct source *s, struct fetch *f)
{
	struct metric_row *metrics = &s->j->m->board.metrics[BOARD_WORKERS];
	METRIC_ADD(metrics, jwks_fetches, 1);
	METRIC_ADD(metrics, jwks_failures, !f->is_good);
	bool has_news = f->is_good ? take_good(s, f) : take_failure(s, f);
	s->tried_ns = clock_ns();
	plan(s, f->is_good);
	if (has_news)
		publish(s->j);
	else if (!is_any_under_way(s->j))
		tell_all(s->j, false);
}

static void on_done(uv_work_t *work, int status)
{
	struct fetch *f = work->data;
	struct jwks *j = f->j;
	if (f->revision == j->revision && !j->is_stopping) {
		j->sources[f->i].under_way = NULL;
		if (status == 0)
			take(&j->sources[f->i], f);
	}
	buf_done(&f->document);
	mem_free(f);
}

static void begin(struct source *s)
{
	struct jwks *j = s->j;
	struct fetch *f = s->under_way || j->is_stopping ? NULL : mem_alloc(sizeof *f);
	if (!f)
		return;
	f->work.data = f;
	f->j = j;
	f->i = (unsigned)(s - j->sources);
	f->revision = j->revision;
	f->gives_up = &j->is_stopping;
	f->where = s->where;
	/* Who signs tokens is trusted with more than a private address. */
	egress_set(&f->egress, &s->j->m->config->allow_private, false);
	memcpy(f->keys_url, s->where.url, sizeof f->keys_url);
	memcpy(f->issuer, s->where.issuer, sizeof f->issuer);
	buf_init(&f->document, DOCUMENT_MAX);
	if (pool_work(j->m->loop, &f->work, run, on_done) == 0) {
		s->under_way = f;
		return;
	}
	buf_done(&f->document);
	mem_free(f);
	plan(s, false);
}

/* ---- from outside ---- */

void jwks_greet(struct jwks *j, struct worker_link *l)
{
	if (j->n && j->version)
		tell(j, l, true);
}

void jwks_wanted(struct jwks *j, struct worker_link *l, uint64_t known)
{
	uint64_t now = clock_ns(), wait_ns = j->m->config->jwt.refresh_wait_ms * NS_PER_MS;
	if (j->version > known) {
		tell(j, l, true);
		return;
	}
	for (unsigned i = 0; i < j->n; i++)
		if (!j->sources[i].tried_ns || now - j->sources[i].tried_ns >= wait_ns)
			begin(&j->sources[i]);
	if (!is_any_under_way(j))	/* else its end is told to all */
		tell(j, l, false);
}

static bool is_same(const struct where *w, const struct config_jwt_source *c)
{
	return str_eq_z(c->url, w->url) && str_eq_z(c->issuer, w->issuer) &&
	       w->is_discovery == c->is_discovery;
}

static bool has_same(const struct jwks *j, const struct config_jwt_source *v, size_t n)
{
	bool is = j->n == n;
	for (unsigned i = 0; is && i < n; i++)
		is = is_same(&j->sources[i].where, &v[i]);
	return is;
}

static void forget(struct source *s)
{
	uv_timer_stop(&s->timer);
	buf_done(&s->document);
	s->issuer[0] = '\0';
	s->under_way = NULL;		/* of an old revision: what comes of it is thrown away */
	s->tried_ns = s->good_ns = s->pause_ms = 0;
}

static void set_up(struct source *s, const struct config_jwt_source *c)
{
	s->where.is_discovery = c->is_discovery;
	snprintf(s->where.url, sizeof s->where.url, STR_FMT, STR_ARG(c->url));
	snprintf(s->where.issuer, sizeof s->where.issuer, STR_FMT, STR_ARG(c->issuer));
	buf_init(&s->document, DOCUMENT_MAX);
}

void jwks_configure(struct jwks *j)
{
	const struct config_jwt *c = &j->m->config->jwt;
	size_t n = !c->is_on ? 0 : c->n_sources < SOURCES ? c->n_sources : SOURCES;
	if (has_same(j, c->sources, n)) {
		for (unsigned i = 0; i < j->n; i++)
			if (!j->sources[i].under_way)
				plan(&j->sources[i], !j->sources[i].pause_ms);
		return;
	}
	j->revision++;
	for (unsigned i = 0; i < j->n; i++)
		forget(&j->sources[i]);
	for (j->n = 0; j->n < n; j->n++)
		set_up(&j->sources[j->n], &c->sources[j->n]);
	if (j->version)
		publish(j);
	for (unsigned i = 0; i < j->n; i++)
		begin(&j->sources[i]);
}

int jwks_new(struct master *m, struct jwks **ret)
{
	struct jwks *j = mem_alloc(sizeof *j);
	if (!j)
		return -ENOMEM;
	j->m = m;
	j->fd = -1;
	for (unsigned i = 0; i < SOURCES; i++) {
		j->sources[i].j = j;
		uv_timer_init(m->loop, &j->sources[i].timer);
		j->sources[i].timer.data = &j->sources[i];
	}
	*ret = j;
	return 0;
}

void jwks_stop(struct jwks *j)
{
	j->is_stopping = true;
	for (unsigned i = 0; i < SOURCES; i++)
		uv_timer_stop(&j->sources[i].timer);
}
