/* SPDX-License-Identifier: MIT
 * probe.c - see probe.h. */
#include "master/probe.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/key_header.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/egress.h"
#include "master/health_history.h"
#include "master/pool.h"

/* At once: half of the pool's threads, whoever does not answer. */
enum { ERROR_MAX = 120, AT_ONCE = 4 };
_Static_assert(sizeof((struct health_note *)0)->error == ERROR_MAX, "one is copied to the other");

enum probe_status { PROBE_UNKNOWN, PROBE_WELL, PROBE_ILL };

struct probe {
	struct master *m;
	uv_timer_t timer;
	char (*error)[ERROR_MAX];	/* by board row; made when the first one is needed */
	uint64_t *seen;			/* requests by board row, at the last round */
	unsigned in_flight;
	struct round *rounds;		/* the newest first: somebody waits for it */
	bool is_stopping;
};

struct round {				/* probes that were started together */
	struct probe *p;
	struct round *older;
	unsigned left;
	size_t next;			/* the model whose turn it is */
	struct str model, id;		/* only of this name; of this deployment; .p NULL: any */
	probe_done_fn *done;
	void *data;
	struct health_notes *notes;	/* that are not written down yet, or NULL */
	char by[sizeof((struct health_notes *)0)->by];
};

struct job {				/* one probe, on a thread of the pool */
	uv_work_t work;
	struct round *round;
	uint32_t row;
	uint64_t timeout_ms;
	enum provider_auth auth;
	uint64_t took_ns;
	char url[2048], key[2048], model_id[128], model_name[128];
	const char *header;		/* one more that the family wants, or NULL */
	struct egress egress;
	enum probe_status status;
	char error[ERROR_MAX];
};

static size_t discard(char *p, size_t size, size_t n, void *data)
{
	(void)p;
	(void)data;
	return size * n;
}

static void judge(struct job *j, CURL *e, const struct egress_call *way, CURLcode code, long status)
{
	j->status = PROBE_ILL;
	if (code != CURLE_OK)
		snprintf(j->error, sizeof j->error, "%s", egress_why(e, way, code));
	else if (status == 401 || status == 403)
		snprintf(j->error, sizeof j->error, "HTTP %ld: the provider refuses the api_key",
			 status);
	else if (status >= 500)
		snprintf(j->error, sizeof j->error, "HTTP %ld", status);
	else
		j->status = PROBE_WELL;		/* 404 too: it has no such list, but it answers */
}

static struct curl_slist *make_headers(const struct job *j)
{
	char line[4096];
	int n = key_header_write(line, sizeof line, j->auth, str_z(j->key));
	struct curl_slist *list = n > 0 ? curl_slist_append(NULL, line) : NULL, *more = NULL;
	mem_wipe(line, n > 0 ? (size_t)n : 0);
	if (j->header)
		more = curl_slist_append(list, j->header);
	return more ? more : list;
}

/* As workers do: libcurl may have been built with a file of its own. */
static void set_authorities(CURL *e)
{
	const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
	if (file && *file)
		curl_easy_setopt(e, CURLOPT_CAINFO, file);
	if (folder && *folder)
		curl_easy_setopt(e, CURLOPT_CAPATH, folder);
}

static void run(uv_work_t *work)
{
	struct job *j = work->data;
	struct egress_call way = { .rule = &j->egress, .url = j->url };
	struct curl_slist *headers = make_headers(j);
	CURL *e = curl_easy_init();
	long status = 0;
	if (!e) {
		curl_slist_free_all(headers);
		return;
	}
	set_authorities(e);
	egress_guard(e, &way);
	curl_easy_setopt(e, CURLOPT_URL, j->url);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);	/* as in post.c */
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)j->timeout_ms);
	curl_easy_setopt(e, CURLOPT_MAXFILESIZE, 64L << 20);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, discard);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "llmgw/" LLMGW_VERSION);
	uint64_t began = clock_ns();
	CURLcode code = curl_easy_perform(e);
	j->took_ns = clock_ns() - began;
	curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
	judge(j, e, &way, code, status);
	curl_easy_cleanup(e);
	curl_slist_free_all(headers);
}

static void tell(struct probe *p, struct job *j)
{
	struct board_deployment *d = &p->m->board.deployments[j->row];
	uint32_t before = atomic_load(&d->probe_status);
	atomic_store(&d->probe_status, j->status);
	atomic_store(&d->probed_ns, clock_ns());
	if (!p->error)
		p->error = mem_array(BOARD_DEPLOYMENTS, sizeof *p->error);
	if (p->error)
		memcpy(p->error[j->row], j->error, ERROR_MAX);
	if (before != j->status)
		LOG(j->status == PROBE_ILL ? LOG_WARN : LOG_INFO, "probe.changed",
		    F_Z("deployment", j->model_id),
		    F_Z("state", j->status == PROBE_ILL ? "ill" : "well"), F_Z("why", j->error));
}

static void write_notes(struct round *r)
{
	if (r->notes && !r->p->is_stopping)
		health_history_write(r->p->m->store, r->notes);
	else
		mem_free(r->notes);
	r->notes = NULL;
}

static void note(struct round *r, const struct job *j)
{
	if (!r->notes && (r->notes = mem_alloc(sizeof *r->notes)))
		memcpy(r->notes->by, r->by, sizeof r->by);
	if (!r->notes)
		return;
	struct health_note *n = &r->notes->v[r->notes->n++];
	memcpy(n->model_id, j->model_id, sizeof n->model_id);
	memcpy(n->model_name, j->model_name, sizeof n->model_name);
	memcpy(n->error, j->error, sizeof n->error);
	n->is_well = j->status == PROBE_WELL;
	n->took_ms = j->took_ns / NS_PER_MS;
	n->at_wall_ns = clock_wall_ns();
	if (r->notes->n == HEALTH_NOTES)
		write_notes(r);
}

static void round_end(struct round *r)
{
	write_notes(r);
	if (r->done)
		r->done(r->data);
	mem_free(r);
}

static void feed(struct probe *p);

static void on_done(uv_work_t *work, int status)
{
	struct job *j = work->data;
	struct round *r = j->round;
	struct probe *p = r->p;
	p->in_flight--;
	if (status == 0 && !p->is_stopping) {
		tell(p, j);
		note(r, j);
	}
	mem_wipe(j, sizeof *j);
	mem_free(j);
	r->left--;
	feed(p);
}

/* The list of models, or another page that costs nothing. Families without one, other sites, and
 * credentials that take more than a header are known by their traffic alone. */
static const struct {
	const char *path, *header;
} lists[FAMILY_COUNT] = {
	[FAMILY_OPENAI] = { "/models", NULL },
	[FAMILY_RESPONSES] = { "/models", NULL },
	[FAMILY_OLLAMA_CHAT] = { "/api/tags", NULL },
	[FAMILY_OLLAMA_GENERATE] = { "/api/tags", NULL },
	[FAMILY_ANTHROPIC] = { "/v1/models", "anthropic-version: 2023-06-01" },
	[FAMILY_GEMINI] = { "/v1beta/models", NULL },
	[FAMILY_COHERE] = { "/v1/models", NULL },
	[FAMILY_TGI] = { "/health", NULL },
	[FAMILY_FIM] = { "/models", NULL },
};

static bool can_probe(const struct config_model *cm)
{
	return !cm->mock_response.p && cm->api_base.n && cm->row && cm->site == SITE_OWN &&
	       lists[cm->family].path &&
	       (cm->auth == AUTH_NONE || key_header_is_plain(cm->auth));
}

static bool write_url(const struct config_model *cm, char *url, size_t room)
{
	int n = snprintf(url, room, STR_FMT "%s", STR_ARG(cm->api_base),
			 lists[cm->family].path);
	return n > 0 && (size_t)n < room;
}

/* Traffic comes first: whoever has answered well since the last round is not asked. */
static bool is_well_by_traffic(struct probe *p, uint32_t row)
{
	struct board_deployment *d = &p->m->board.deployments[row];
	uint64_t n = atomic_load(&d->requests), before;
	if (!p->seen)
		p->seen = mem_array(BOARD_DEPLOYMENTS, sizeof *p->seen);
	if (!p->seen)
		return false;
	before = p->seen[row];
	p->seen[row] = n;
	if (n <= before || atomic_load(&d->in_a_row) || atomic_load(&d->cooldown_until_ns))
		return false;
	atomic_store(&d->probe_status, PROBE_WELL);
	atomic_store(&d->probed_ns, clock_ns());
	return true;
}

static int start_one(struct round *r, const struct config_model *cm)
{
	struct master *m = r->p->m;
	uint32_t row = board_find_deployment(&m->board, board_deployment_hash(cm->id));
	struct job *j;
	if (!can_probe(cm) || row == UINT32_MAX)
		return 0;
	if (!r->done && is_well_by_traffic(r->p, row))
		return 0;
	if (!(j = mem_alloc(sizeof *j)))
		return -ENOMEM;
	j->work.data = j;
	j->round = r;
	j->row = row;
	j->timeout_ms =
		m->config->health_check_timeout_ms ? m->config->health_check_timeout_ms : 10000;
	j->auth = cm->auth;
	j->header = lists[cm->family].header;
	egress_set(&j->egress, &m->config->allow_private, cm->is_vendors || cm->is_strangers);
	snprintf(j->key, sizeof j->key, STR_FMT, STR_ARG(cm->api_key));
	snprintf(j->model_id, sizeof j->model_id, STR_FMT, STR_ARG(cm->id));
	snprintf(j->model_name, sizeof j->model_name, STR_FMT, STR_ARG(cm->model_name));
	if (!write_url(cm, j->url, sizeof j->url) ||
	    pool_work(m->loop, &j->work, run, on_done) < 0) {
		mem_free(j);
		return -EINVAL;
	}
	r->left++;
	r->p->in_flight++;
	return 0;
}

static bool is_of_round(const struct round *r, const struct config_model *cm)
{
	return (!r->model.p || str_eq(cm->model_name, r->model)) &&
	       (!r->id.p || str_eq(cm->id, r->id)) && (r->done || !cm->health_check_off);
}

static void start_some(struct round *r)
{
	struct probe *p = r->p;
	while (p->in_flight < AT_ONCE && r->next < p->m->config->n_models) {
		const struct config_model *cm = &p->m->config->models[r->next++];
		if (is_of_round(r, cm) && start_one(r, cm) < 0)
			LOG(LOG_WARN, "probe.ignored", F_STR("deployment", cm->id));
	}
}

/* Starts as many as may run at once, and ends rounds that have no more. */
static void feed(struct probe *p)
{
	for (struct round **at = &p->rounds; *at;) {
		struct round *r = *at;
		if (!p->is_stopping)
			start_some(r);
		if (r->left || (!p->is_stopping && r->next < p->m->config->n_models)) {
			at = &r->older;
			continue;
		}
		*at = r->older;
		round_end(r);
	}
}

int probe_now(struct probe *p, struct str model, struct str id, struct str by, probe_done_fn *done,
	      void *data)
{
	struct round *r = mem_alloc(sizeof *r);
	if (!r)
		return -ENOMEM;
	*r = (struct round){ .p = p, .older = p->rounds, .model = model, .id = id, .done = done,
			     .data = data };
	snprintf(r->by, sizeof r->by, STR_FMT, STR_ARG(by));
	p->rounds = r;
	feed(p);
	return 0;
}

static void on_timer(uv_timer_t *t)
{
	struct probe *p = t->data;
	if (p->m->config->background_health_checks && !p->rounds &&
	    probe_now(p, STR_NONE, STR_NONE, STR("background"), NULL, NULL) < 0)
		LOG(LOG_WARN, "probe.ignored", F_Z("why", "out of memory"));
}

void probe_configure(struct probe *p)
{
	uint64_t ms = p->m->config->health_check_interval_ms;
	uv_timer_stop(&p->timer);
	if (p->m->config->background_health_checks)
		uv_timer_start(&p->timer, on_timer, 100, ms ? ms : 300000);
}

int probe_new(struct master *m, struct probe **ret)
{
	struct probe *p = mem_alloc(sizeof *p);
	if (!p)
		return -ENOMEM;
	p->m = m;
	uv_timer_init(m->loop, &p->timer);
	p->timer.data = p;
	*ret = p;
	return 0;
}

const char *probe_error(const struct probe *p, uint32_t row)
{
	return p->error && row < BOARD_DEPLOYMENTS ? p->error[row] : "";
}

void probe_stop(struct probe *p)
{
	p->is_stopping = true;
	uv_timer_stop(&p->timer);
}
