/* SPDX-License-Identifier: MIT
 * commands_watch.c - what llmgwctl asks for again and again: counters of all that is served, and
 * the newest records of the log. Rates are made of two answers, by who asks: ctl_top.c. */
#include <errno.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "master/commands_ops.h"
#include "master/config.h"
#include "master/master.h"
#include "master/supervise.h"

/* ---- top ---- */

enum by { BY_MODEL, BY_PROVIDER, BY_DEPLOYMENT, BY_COUNT };
static const char *const by_names[BY_COUNT] = { "model", "provider", "deployment" };

enum { ROWS_MAX = 10000 };
struct top_row {
	struct str name;
	uint32_t deployments, cooling, ill;
	uint64_t in_flight, requests, failures, tokens_in, tokens_out, cost_nano;
	uint64_t ttft_ns, latency_ns;	/* sums of means, of as many deployments as have one */
	uint32_t n_ttft, n_latency;
};

static struct str name_of(const struct config_model *cm, enum by by)
{
	return by == BY_MODEL ? cm->model_name : by == BY_PROVIDER ? cm->provider : cm->id;
}

/* Those of one name follow each other mostly: the last row is looked at first. */
static struct top_row *row_of(struct top_row *rows, size_t *n, struct str name)
{
	for (size_t i = *n; i-- > 0;)
		if (str_eq(rows[i].name, name))
			return &rows[i];
	rows[*n] = (struct top_row){ .name = name };
	return &rows[(*n)++];
}

static void add_mean(uint64_t *sum, uint32_t *n, uint64_t ns)
{
	*sum += ns;
	*n += ns != 0;
}

static void add_deployment(struct top_row *to, const struct board *b, uint32_t row, uint64_t now)
{
	const struct board_deployment *d = &b->deployments[row];
	to->deployments++;
	to->in_flight += board_inflight(b, row);
	to->requests += atomic_load(&d->requests);
	to->failures += atomic_load(&d->failures);
	to->tokens_in += atomic_load(&d->tokens_in);
	to->tokens_out += atomic_load(&d->tokens_out);
	to->cost_nano += atomic_load(&d->cost_nano);
	add_mean(&to->ttft_ns, &to->n_ttft, atomic_load(&d->ttft_ns));
	add_mean(&to->latency_ns, &to->n_latency, atomic_load(&d->latency_ns));
	if (atomic_load(&d->cooldown_until_ns) > now)
		to->cooling++;
	else if (atomic_load(&d->probe_status) == 2)
		to->ill++;
}

static size_t gather(const struct master *m, enum by by, struct top_row *rows)
{
	uint64_t now = clock_ns();
	size_t n = 0;
	for (size_t i = 0; i < m->config->n_models && n < ROWS_MAX; i++) {
		const struct config_model *cm = &m->config->models[i];
		uint32_t row = board_find_deployment(&m->board, board_deployment_hash(cm->id));
		if (row != UINT32_MAX)
			add_deployment(row_of(rows, &n, name_of(cm, by)), &m->board, row, now);
	}
	return n;
}

static void put_row(struct json_out *o, const struct top_row *r)
{
	json_open(o, NULL);
	json_put_str(o, "name", r->name);
	json_put_u64(o, "deployments", r->deployments);
	json_put_u64(o, "cooling", r->cooling);
	json_put_u64(o, "ill", r->ill);
	json_put_u64(o, "in_flight", r->in_flight);
	json_put_u64(o, "requests", r->requests);
	json_put_u64(o, "failures", r->failures);
	json_put_u64(o, "prompt_tokens", r->tokens_in);
	json_put_u64(o, "completion_tokens", r->tokens_out);
	json_put_u64(o, "cost_nano", r->cost_nano);
	json_put_double(o, "ttft_ms", r->n_ttft ? (double)r->ttft_ns / r->n_ttft / 1e6 : 0);
	json_put_double(o, "token_ms", r->n_latency ? (double)r->latency_ns / r->n_latency / 1e6 : 0);
	json_close(o);
}

static uint64_t count_streams(const struct board *b)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < BOARD_WORKERS; i++)
		if (board_worker_lives(&b->workers[i]))
			n += atomic_load(&b->workers[i].streams);
	return n;
}

/* The sums of everything, in the words of a row. */
static void put_all(struct json_out *o, const struct board *b)
{
	struct metric_row *sum = board_sum_metrics(b);
	if (!sum)
		return;
	json_open(o, "all");
	json_put_u64(o, "requests", sum->requests);
	json_put_u64(o, "failures", sum->attempt_failures);
	json_put_u64(o, "streams", count_streams(b));
	json_put_u64(o, "prompt_tokens", sum->tokens_in);
	json_put_u64(o, "completion_tokens", sum->tokens_out);
	json_put_u64(o, "cost_nano", sum->cost_nano);
	json_close(o);
	mem_free(sum);
}

static bool read_by(struct command_call *c, enum by *ret)
{
	struct str name = STR("model");
	if (command_str(c, "by", &name) == -EINVAL)
		return false;
	for (*ret = 0; *ret < BY_COUNT; ++*ret)
		if (str_eq_z(name, by_names[*ret]))
			return true;
	command_fail(c, 400, "invalid_request_error", "by",
		     "by is model, provider or deployment, not '" STR_FMT "'", STR_ARG(name));
	return false;
}

void watch_top(struct command_call *c)
{
	struct master *m = c->master;
	struct json_out o = json_out(&c->out);
	enum by by;
	if (!read_by(c, &by))
		return;
	size_t most = m->config->n_models < ROWS_MAX ? m->config->n_models : ROWS_MAX;
	struct top_row *rows = mem_array(most + 1, sizeof *rows);
	if (!rows) {
		command_fail_store(c, -ENOMEM);
		return;
	}
	size_t n = gather(m, by, rows);
	json_open(&o, NULL);
	json_put_u64(&o, "at_ns", clock_ns());
	json_put_z(&o, "version", LLMGW_VERSION);
	json_put_time(&o, "started", m->started_wall_ns);
	json_put_u64(&o, "workers", supervise_ready(m->supervise));
	put_all(&o, &m->board);
	json_open_array(&o, "rows");
	for (size_t i = 0; i < n; i++)
		put_row(&o, &rows[i]);
	json_close_array(&o);
	json_close(&o);
	mem_free(rows);
	command_finish(c);
}

/* ---- the log ---- */

struct log_filter {
	enum log_level level;		/* this and worse */
	struct str event, text;		/* a pattern; bytes within the record; or .n 0 */
	uint64_t after;			/* only records with a greater number */
};

static bool read_level(struct command_call *c, enum log_level *ret)
{
	struct str name = STR_NONE;
	*ret = LOG_DEBUG;
	int err = command_str(c, "level", &name);
	if (err)
		return err == -ENOENT;
	if (log_read_level(name, ret) == 0)
		return true;
	command_fail(c, 400, "invalid_request_error", "level",
		     "level is error, warn, info or debug, not '" STR_FMT "'", STR_ARG(name));
	return false;
}

static bool is_wanted(const struct log_kept *k, const struct log_filter *f)
{
	return k->line.p && k->number > f->after && k->level <= f->level &&
	       (!f->event.n || str_matches(f->event, str_z(k->event))) &&
	       (!f->text.n || str_find(k->line, f->text) != SIZE_MAX);
}

void watch_logs(struct command_call *c)
{
	struct log_filter f = { 0 };
	uint64_t lines = 50, found = 0;
	unsigned from = 0;
	if (command_u64(c, "lines", &lines) == -EINVAL || !read_level(c, &f.level) ||
	    command_str(c, "event", &f.event) == -EINVAL ||
	    command_str(c, "grep", &f.text) == -EINVAL)
		return;
	int err = command_u64(c, "after", &f.after);
	if (err == -EINVAL)
		return;
	if (!err)
		lines = LOG_RECENT;	/* who has the one before it wants all that came */
	uint64_t newest = log_recent(0).number;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_u64(&o, "newest", newest);
	json_put_u64(&o, "oldest", newest > LOG_RECENT ? newest - LOG_RECENT + 1 : 1);
	json_open_array(&o, "lines");
	for (; from < LOG_RECENT && found < lines; from++) {
		struct log_kept k = log_recent(from);
		found += is_wanted(&k, &f);
	}
	while (from-- > 0) {
		struct log_kept k = log_recent(from);
		if (!is_wanted(&k, &f))
			continue;
		json_open(&o, NULL);
		json_put_u64(&o, "number", k.number);
		json_put_z(&o, "level", log_level_name(k.level));
		json_put_z(&o, "event", k.event);
		json_put_str(&o, "line", k.line);
		json_close(&o);
	}
	json_close_array(&o);
	json_close(&o);
	command_finish(c);
}
