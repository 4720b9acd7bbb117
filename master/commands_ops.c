/* SPDX-License-Identifier: MIT
 * commands_ops.c - commands about the running service; see commands_ops.h. */
#include "master/commands_ops.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/suspect.h"
#include "master/config.h"
#include "master/keys_private.h"
#include "master/master.h"
#include "master/probe.h"
#include "master/publish.h"
#include "master/store.h"
#include "master/supervise.h"
#include "master/trial.h"
#include "master/upgrade.h"

/* ---- status ------------------------------------------------------------------------------------
 */

static uint64_t sum_of_workers(const struct board *b, size_t at)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < BOARD_WORKERS; i++) {
		const char *row = (const char *)&b->workers[i];
		uint32_t state = atomic_load(&b->workers[i].state);
		if (state == WORKER_READY || state == WORKER_DRAINING)
			sum += atomic_load((const _Atomic uint32_t *)(const void *)(row + at));
	}
	return sum;
}

static void put_metrics(struct json_out *o, const struct board *b)
{
	struct metric_row *sum = board_sum_metrics(b);
	if (!sum)
		return;
	json_open(o, "traffic");
	json_put_u64(o, "requests", sum->requests);
	json_put_u64(o, "in_flight", sum_of_workers(b, offsetof(struct board_worker, requests)));
	json_put_u64(o, "streams", sum_of_workers(b, offsetof(struct board_worker, streams)));
	json_put_u64(o, "connections",
		     sum_of_workers(b, offsetof(struct board_worker, connections)));
	json_put_u64(o, "upstream_failures", sum->attempt_failures);
	json_put_u64(o, "prompt_tokens", sum->tokens_in);
	json_put_u64(o, "completion_tokens", sum->tokens_out);
	json_put_money(o, "cost", (int64_t)sum->cost_nano);
	json_close(o);
	mem_free(sum);
}

static bool is_degraded(const struct master *m)
{
	return supervise_ready(m->supervise) < master_workers(m) || trial_has_gone_back(m->trial) ||
	       atomic_load(&m->board.head->money_down) != MONEY_OK;
}

static void put_listen(struct json_out *o, const struct listen_set *l)
{
	char name[128];
	json_open_array(o, "listen");
	for (size_t i = 0; i < l->n; i++) {
		struct config_listen at = l->at[i];
		at.host = str_z(l->host[i]);
		listen_name(&at, name, sizeof name);
		json_put_z(o, NULL, name);
	}
	json_close_array(o);
}

/* The same for who asks on this machine, where "all addresses" is none. A certificate is for a
 * name. */
static void put_urls(struct json_out *o, const struct listen_set *l)
{
	char url[160];
	json_open_array(o, "urls");
	for (size_t i = 0; i < l->n; i++) {
		struct config_listen at = l->at[i];
		bool has_tls = l->tls_bits >> i & 1;
		at.host = str_z(l->host[i]);
		if (str_eq(at.host, STR("0.0.0.0")) || str_eq(at.host, STR("::")))
			at.host = has_tls ? STR("localhost") : STR("127.0.0.1");
		int n = snprintf(url, sizeof url, "%s://", has_tls ? "https" : "http");
		listen_name(&at, url + n, sizeof url - (size_t)n);
		json_put_z(o, NULL, url);
	}
	json_close_array(o);
}

/* Requests that are refused because they have crashed workers. */
static void put_suspects(struct json_out *o, const struct board *b)
{
	uint64_t now = clock_ns(), wall = clock_wall_ns();
	char print[17];
	json_open_array(o, "suspects");
	for (unsigned i = 0; i < BOARD_SUSPECTS; i++) {
		const struct board_suspect *s = &b->suspects[i];
		uint64_t until = atomic_load(&s->until_ns);
		if (until <= now)
			continue;
		snprintf(print, sizeof print, "%016llx", (unsigned long long)s->print);
		json_open(o, NULL);
		json_put_z(o, "print", print);
		json_put_u64(o, "key_id", s->key_id);
		json_put_u64(o, "crashes", s->crashes);
		json_put_u64(o, "refused", atomic_load(&s->refused));
		json_put_time(o, "crashed", s->crashed_wall_ns);
		json_put_time(o, "until", wall + (until - now));
		json_close(o);
	}
	json_close_array(o);
}

void ops_status(struct command_call *c)
{
	struct master *m = c->master;
	const struct board_head *h = m->board.head;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_z(&o, "state", m->stopping ? "stopping" : is_degraded(m) ? "degraded" : "running");
	json_put_z(&o, "version", LLMGW_VERSION);
	json_put_i64(&o, "pid", getpid());
	json_put_time(&o, "started", m->started_wall_ns);
	json_put_str(&o, "config", str_z(m->opt.config_path));
	json_put_u64(&o, "generation", m->generation);
	json_put_time(&o, "last_reload", atomic_load(&h->last_reload_wall_ns));
	json_put_u64(&o, "reloads", atomic_load(&h->reloads));
	json_put_u64(&o, "reloads_refused", atomic_load(&h->reload_failures));
	trial_show(m->trial, &o);
	put_suspects(&o, &m->board);
	put_listen(&o, supervise_listening(m->supervise));
	put_urls(&o, supervise_listening(m->supervise));
	json_open(&o, "workers");
	json_put_u64(&o, "ready", supervise_ready(m->supervise));
	json_put_u64(&o, "wanted", master_workers(m));
	json_put_u64(&o, "restarts", atomic_load(&h->worker_restarts));
	json_close(&o);
	json_put_u64(&o, "deployments", m->config->n_models);
	json_put_u64(&o, "keys", keys_count(m->keys));
	put_metrics(&o, &m->board);
	json_open(&o, "ledger");
	json_put_z(&o, "state", money_reason_text((enum money_reason)atomic_load(&h->money_down)));
	json_put_u64(&o, "rows", atomic_load(&h->ledger_rows));
	json_put_u64(&o, "errors", atomic_load(&h->ledger_errors));
	json_put_u64(&o, "queue", store_queue_depth(m->store));
	json_close(&o);
	json_close(&o);
	command_finish(c);
}

void ops_backlog(struct command_call *c)
{
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_u64(&o, "in_flight_requests",
		     sum_of_workers(&c->master->board, offsetof(struct board_worker, requests)));
	json_close(&o);
	command_finish(c);
}

/* ---- configuration
 * ------------------------------------------------------------------------------- */

static void put_result(struct command_call *c, const char *result, struct str complaints)
{
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_z(&o, "result", result);
	json_put_u64(&o, "generation", c->master->generation);
	json_put_u64(&o, "workers", supervise_ready(c->master->supervise));
	if (complaints.n)
		json_put_str(&o, "complaints", complaints);
	json_close(&o);
	command_finish(c);
}

static void on_reloaded(void *data, int err, struct str complaints)
{
	struct command_call *c = data;
	if (err == 0)
		put_result(c, "reloaded", complaints);
	else if (err == -EBUSY)
		command_fail(c, 409, "conflict", NULL, "a reload is under way; try again");
	else if (err == -ETIMEDOUT)
		command_fail(c, 504, "timeout", NULL,
			     "some worker has not taken generation %llu within 10 s; see `llmgwctl "
			     "workers`",
			     (unsigned long long)c->master->generation);
	else if (err == -ECANCELED)
		command_fail(c, 400, "config_invalid", NULL,
			     "workers crash with this configuration: the last good one is in force "
			     "again, as generation %llu; see `llmgwctl logs tail`",
			     (unsigned long long)c->master->generation);
	else
		command_fail(
			c, 400, "config_invalid", NULL,
			"the configuration is refused, generation %llu stays in force:\n" STR_FMT,
			(unsigned long long)c->master->generation, STR_ARG(complaints));
}

void ops_reload(struct command_call *c)
{
	publish_reload(c->master, key_caller_name(c), on_reloaded, c);
}

static int read_candidate(struct command_call *c, struct config **ret)
{
	struct str file = str_z(c->master->opt.config_path);
	char path[4096];
	int err = command_str(c, "file", &file);
	if (err == -EINVAL)
		return err;
	snprintf(path, sizeof path, STR_FMT, STR_ARG(file));
	err = config_read(path, &c->master->opt.over, ret);
	if (!*ret) {
		command_fail(c, 404, "not_found_error", "file", "%s: %s", path, strerror(-err));
		return -EINVAL;
	}
	return 0;
}

void ops_check(struct command_call *c)
{
	struct config *k = NULL;
	if (read_candidate(c, &k) < 0)
		return;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_z(&o, "result", k->n_errors ? "invalid" : "valid");
	json_put_u64(&o, "errors", k->n_errors);
	json_put_u64(&o, "warnings", k->n_warnings);
	json_put_u64(&o, "deployments", k->n_models);
	json_put_str(&o, "complaints", k->complaints.n ? buf_str(&k->complaints) : STR(""));
	json_close(&o);
	config_free(k);
	command_finish(c);
}

void ops_config_show(struct command_call *c)
{
	bool origin = false;
	if (command_bool(c, "origin", &origin) == -EINVAL)
		return;
	config_show(c->master->config, origin, &c->out);
	command_finish(c);
}

/* As the file has them: {"values": {provider: share}}. */
static void answer_values(struct command_call *c, struct str values)
{
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_raw(&o, "values", values.n ? values : STR("{}"));
	json_close(&o);
	command_finish(c);
}

void ops_config_discounts(struct command_call *c)
{
	answer_values(c, c->master->config->cost_discounts);
}

void ops_config_margins(struct command_call *c)
{
	answer_values(c, c->master->config->cost_margins);
}

/* "W003": what llmgw --check has written behind a warning. */
static bool is_code(struct str asked)
{
	uint64_t n;
	return asked.n == 4 && asked.p[0] == 'W' && str_read_u64(str_skip(asked, 1), &n) == 0;
}

void ops_config_explain(struct command_call *c)
{
	struct str asked = STR_NONE;
	struct json_out o = json_out(&c->out);
	if (command_str(c, "directive", &asked) < 0)
		return;
	json_open(&o, NULL);
	size_t n = config_explain(c->master->config, asked, &o);
	json_close(&o);
	if (n) {
		command_finish(c);
		return;
	}
	struct str near = config_nearest(asked);
	buf_reset(&c->out);
	if (is_code(asked)) {
		command_fail(c, 404, "not_found_error", "directive",
			     "'" STR_FMT "' is the code of a warning: llmgw.yaml(5) says under "
			     "DIAGNOSTICS what each means", STR_ARG(asked));
		return;
	}
	command_fail(c, 404, "not_found_error", "directive",
		     "there is no directive '" STR_FMT "'; %s'%s" STR_FMT "%s'%s", STR_ARG(asked),
		     near.n ? "is it " : "a part of a name is looked for with ", near.n ? "" : "*",
		     STR_ARG(near.n ? near : asked), near.n ? "" : "*", near.n ? "?" : "");
}

void ops_config_diff(struct command_call *c)
{
	struct config *k = NULL;
	struct buf rows;
	if (read_candidate(c, &k) < 0)
		return;
	if (k->n_errors) {
		command_fail(c, 400, "config_invalid", "file", "the file has errors:\n" STR_FMT,
			     STR_ARG(buf_str(&k->complaints)));
		config_free(k);
		return;
	}
	buf_init(&rows, 8 << 20);
	config_diff(c->master->config, k, &rows);
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_raw(&o, "changes", buf_str(&rows));
	json_close(&o);
	buf_done(&rows);
	config_free(k);
	command_finish(c);
}

/* ---- workers
 * -------------------------------------------------------------------------------------- */

void ops_workers(struct command_call *c)
{
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_open_array(&o, "workers");
	supervise_show(c->master->supervise, &o);
	json_close_array(&o);
	json_close(&o);
	command_finish(c);
}

static void on_rolled(void *data, int err)
{
	struct command_call *c = data;
	if (err < 0)
		command_fail(c, 500, "internal_server_error", NULL,
			     "the new worker did not come up; the old ones stay; see `llmgwctl "
			     "workers`");
	else
		put_result(c, "rolled", STR_NONE);
}

void ops_workers_restart(struct command_call *c)
{
	uint64_t slot = UINT64_MAX;
	if (command_u64(c, "slot", &slot) == -EINVAL)
		return;
	int err = supervise_roll(c->master->supervise, slot < BOARD_WORKERS ? (int)slot : -1,
				 on_rolled, c);
	if (slot != UINT64_MAX && slot >= BOARD_WORKERS)
		err = -ENOENT;
	if (err == -ENOENT)
		command_fail(c, 404, "not_found_error", "slot", "no worker runs in that slot");
	else if (err < 0)
		command_fail(c, 409, "conflict", NULL, "workers are being replaced already");
}

void ops_workers_drain(struct command_call *c)
{
	ops_workers_restart(c);
}

static void on_upgrade(void *data, int err)
{
	struct command_call *c = data;
	if (err == 0)
		put_result(c, "upgrading", STR_NONE);
	else if (err == -EBUSY)
		command_fail(c, 409, "conflict", NULL, "the service is stopping or being upgraded");
	else if (err == -ECANCELED)
		command_fail(c, 400, "config_invalid", NULL,
			     "workers crash with what stands in the configuration file; the last "
			     "reload was taken back. Mend it and reload first");
	else
		command_fail(c, 400, "config_invalid", NULL,
			     "the installed program does not take this configuration; run it with "
			     "--check");
}

void ops_upgrade(struct command_call *c)
{
	upgrade_start(c->master, on_upgrade, c);
}

/* ---- deployments
 * ------------------------------------------------------------------------------------ */

struct view {				/* a deployment and its row on the board */
	const struct config_model *cm;
	const struct board_deployment *d;
	uint32_t row;
};

static bool view_of(const struct master *m, size_t i, struct view *v)
{
	const struct config_model *cm = &m->config->models[i];
	uint32_t row = board_find_deployment(&m->board, board_deployment_hash(cm->id));
	if (row == UINT32_MAX)
		return false;
	*v = (struct view){ cm, &m->board.deployments[row], row };
	return true;
}

static uint64_t cooling_ns(const struct view *v)
{
	uint64_t now = clock_ns(), until = atomic_load(&v->d->cooldown_until_ns);
	return until > now && until - now < 86400 * NS_PER_S ? until - now : 0;
}

static const char *state_of(const struct view *v)
{
	if (cooling_ns(v))
		return "cooling";
	switch (atomic_load(&v->d->probe_status)) {
	case 1:
		return "well";
	case 2:
		return "ill";
	default:
		return atomic_load(&v->d->requests) > atomic_load(&v->d->failures) ? "well"
										   : "unknown";
	}
}

static bool is_healthy(const struct view *v)
{
	return !cooling_ns(v) && atomic_load(&v->d->probe_status) != 2;
}

static void put_state(struct json_out *o, const struct master *m, const struct view *v)
{
	json_put_str(o, "model_name", v->cm->model_name);
	json_put_str(o, "id", v->cm->id);
	json_put_str(o, "provider", v->cm->provider);
	json_put_str(o, "upstream_model", v->cm->model);
	json_put_str(o, "api_base", v->cm->api_base);
	json_put_z(o, "state", state_of(v));
	json_put_u64(o, "in_flight", board_inflight(&m->board, v->row));
	json_put_u64(o, "requests", atomic_load(&v->d->requests));
	json_put_u64(o, "failures", atomic_load(&v->d->failures));
	json_put_u64(o, "cooldowns", atomic_load(&v->d->cooldowns));
	json_put_u64(o, "cooldown_s", (cooling_ns(v) + NS_PER_S - 1) / NS_PER_S);
	json_put_u64(o, "prompt_tokens", atomic_load(&v->d->tokens_in));
	json_put_u64(o, "completion_tokens", atomic_load(&v->d->tokens_out));
	json_put_money(o, "cost", (int64_t)atomic_load(&v->d->cost_nano));
	json_put_bool(o, "mock", v->cm->mock_response.p);	/* nobody is asked, or paid */
}

static int read_filter(struct command_call *c, struct str *model, struct str *id)
{
	*model = *id = STR_NONE;
	if (command_str(c, "model", model) == -EINVAL)
		return -EINVAL;
	return command_str(c, "model_id", id) == -EINVAL ? -EINVAL : 0;
}

static bool is_wanted(const struct config_model *cm, struct str model, struct str id)
{
	return (!model.n || str_eq(cm->model_name, model)) && (!id.n || str_eq(cm->id, id));
}

static void list_models(struct command_call *c, bool must_exist)
{
	struct master *m = c->master;
	struct str model, id;
	struct view v;
	unsigned n = 0;
	if (read_filter(c, &model, &id) < 0)
		return;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_open_array(&o, "models");
	for (size_t i = 0; i < m->config->n_models; i++) {
		if (!is_wanted(&m->config->models[i], model, id) || !view_of(m, i, &v))
			continue;
		n++;
		json_open(&o, NULL);
		put_state(&o, m, &v);
		json_close(&o);
	}
	json_close_array(&o);
	json_close(&o);
	if (must_exist && model.n && !n)
		command_fail(c, 404, "not_found_error", "model", "no model is called '" STR_FMT "'",
			     STR_ARG(model));
	else
		command_finish(c);
}

void ops_models(struct command_call *c)
{
	list_models(c, true);
}

void ops_models_show(struct command_call *c)
{
	list_models(c, true);
}

/* ---- health
 * -------------------------------------------------------------------------------------------- */

static void put_endpoint(struct json_out *o, const struct master *m, const struct view *v)
{
	uint64_t probed = atomic_load(&v->d->probed_ns), now = clock_ns();
	const char *error = probe_error(m->probe, v->row);
	json_open(o, NULL);
	json_put_str(o, "model", v->cm->litellm_model);
	put_state(o, m, v);
	json_put_time(o, "probed", probed && probed <= now ? clock_wall_ns() - (now - probed) : 0);
	json_put_z(o, "error", error[0] ? error : NULL);
	json_close(o);
}

static void put_endpoints(struct json_out *o, struct command_call *c, const char *name,
			  struct str model, struct str id, bool all, bool healthy, unsigned *ret_n)
{
	struct master *m = c->master;
	struct view v;
	*ret_n = 0;
	json_open_array(o, name);
	for (size_t i = 0; i < m->config->n_models; i++) {
		if (!is_wanted(&m->config->models[i], model, id) || !view_of(m, i, &v))
			continue;
		if (!all && is_healthy(&v) != healthy)
			continue;
		++*ret_n;
		put_endpoint(o, m, &v);
	}
	json_close_array(o);
}

static void put_health(struct command_call *c)
{
	struct str model, id;
	unsigned well, ill, all;
	if (read_filter(c, &model, &id) < 0)
		return;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	put_endpoints(&o, c, "healthy_endpoints", model, id, false, true, &well);
	put_endpoints(&o, c, "unhealthy_endpoints", model, id, false, false, &ill);
	if (c->kind == CALLER_SOCKET)
		put_endpoints(&o, c, "endpoints", model, id, true, true, &all);
	json_put_u64(&o, "healthy_count", well);
	json_put_u64(&o, "unhealthy_count", ill);
	json_close(&o);
	command_finish(c);
}

static void on_probed(void *data)
{
	put_health(data);
}

void ops_health_probe(struct command_call *c)
{
	struct str model, id;
	if (read_filter(c, &model, &id) < 0)
		return;
	if (probe_now(c->master->probe, model.n ? model : STR_NONE, id.n ? id : STR_NONE,
		      key_caller_name(c), on_probed, c) < 0)
		command_fail(c, 503, "service_unavailable_error", NULL, "no memory for probes");
}

/* As LiteLLM: GET /health asks the providers unless background checks do it already. */
void ops_health(struct command_call *c)
{
	if (c->kind == CALLER_HTTP && !c->master->config->background_health_checks)
		ops_health_probe(c);
	else
		put_health(c);
}

void ops_health_clear(struct command_call *c)
{
	struct master *m = c->master;
	struct str model, id;
	struct view v;
	unsigned n = 0;
	if (read_filter(c, &model, &id) < 0)
		return;
	for (size_t i = 0; i < m->config->n_models; i++) {
		if (!is_wanted(&m->config->models[i], model, id) || !view_of(m, i, &v))
			continue;
		n += cooling_ns(&v) != 0;
		atomic_store(&m->board.deployments[v.row].cooldown_until_ns, 0);
		atomic_store(&m->board.deployments[v.row].minute, 0);
		atomic_store(&m->board.deployments[v.row].fails, 0);
		atomic_store(&m->board.deployments[v.row].probe_status, 0);
	}
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_u64(&o, "cleared", n);
	json_close(&o);
	command_finish(c);
}

/* ---- logs and backup
 * ------------------------------------------------------------------------------------- */

static void on_backup(void *data, int err)
{
	struct command_call *c = data;
	struct str file = STR_NONE;
	if (err < 0) {
		if (command_str(c, "file", &file) < 0)
			file = STR("a file");
		command_fail(c, err == -EEXIST ? 409 : 500,
			     err == -EEXIST ? "conflict" : "internal_server_error", NULL,
			     "no copy could be made as " STR_FMT ": %s", STR_ARG(file),
			     err == -EEXIST ? "it exists already" : strerror(-err));
		return;
	}
	put_result(c, "copied", STR_NONE);
}

void ops_backup(struct command_call *c)
{
	struct str file = STR_NONE;
	if (command_str(c, "file", &file) < 0)
		return;
	char *path = arena_dup_z(c->mem, file);
	if (!path || path[0] != '/') {
		command_fail(c, 400, "invalid_request_error", "file",
			     "file: an absolute path is needed");
		return;
	}
	if (access(path, F_OK) == 0) {
		command_fail(c, 409, "conflict", NULL,
			     "%s exists already: name a new file", path);
		return;
	}
	if (store_backup(c->master->store, path, on_backup, c) < 0)
		command_fail(c, 503, "service_unavailable_error", NULL,
			     "the store is busy; try again");
}
