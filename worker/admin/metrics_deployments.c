/* SPDX-License-Identifier: MIT
 * metrics_deployments.c - the families of /metrics that have a sample for each deployment: all
 * from the board, where the router keeps it. */
#include "common/route.h"
#include "worker/admin/metrics_page.h"

struct family {
	const char *name, *type, *help;
	enum unit unit;
	bool is_mean;			/* adding them up says nothing */
	uint64_t (*value)(const struct place *p);
};

#define VALUE(name, expression)                              \
	static uint64_t name(const struct place *p)          \
	{                                                    \
		return (expression);                         \
	}

static uint64_t or_none(uint64_t v)
{
	return v ? v : SAMPLE_NONE;
}

VALUE(value_attempts, LOAD(p->row->requests))
VALUE(value_successes, LOAD(p->row->successes))
VALUE(value_failures, LOAD(p->row->failures))
VALUE(value_cooldowns, LOAD(p->row->cooldowns))
VALUE(value_in_flight, board_inflight(p->s->board, p->d->board_row))
VALUE(value_cooling, LOAD(p->row->cooldown_until_ns) > p->s->now_ns)
VALUE(value_paused, LOAD(p->row->paused_until_ns) > p->s->now_ns)
VALUE(value_at_a_time, or_none(route_most_parallel(p->s->r->snap, p->d, p->row)))
VALUE(value_in_a_row, LOAD(p->row->in_a_row))
VALUE(value_ill, LOAD(p->row->probe_status) == 2)
VALUE(value_latency, or_none(LOAD(p->row->latency_ns)))
VALUE(value_first_token, or_none(LOAD(p->row->ttft_ns)))
VALUE(value_tokens_in, LOAD(p->row->tokens_in))
VALUE(value_tokens_out, LOAD(p->row->tokens_out))
VALUE(value_cost, LOAD(p->row->cost_nano))

static const struct family families[] = {
	{ "llmgw_deployment_attempts_total", "counter", "Attempts at a deployment", UNIT_ONE, false, value_attempts },
	{ "llmgw_deployment_successes_total", "counter", "Attempts at a deployment that were answered", UNIT_ONE, false, value_successes },
	{ "llmgw_deployment_failures_total", "counter", "Failed attempts at a deployment", UNIT_ONE, false, value_failures },
	{ "llmgw_deployment_cooldowns_total", "counter", "Times that a deployment was put aside", UNIT_ONE, false, value_cooldowns },
	{ "llmgw_deployment_in_flight", "gauge", "Attempts under way at a deployment", UNIT_ONE, false, value_in_flight },
	{ "llmgw_deployment_concurrency_limit", "gauge", "Attempts that a deployment takes at a time, as configured and as learned", UNIT_ONE, true, value_at_a_time },
	{ "llmgw_deployment_cooling", "gauge", "1 while a deployment is put aside", UNIT_ONE, false, value_cooling },
	{ "llmgw_deployment_paused", "gauge", "1 while its provider says that nothing remains of a limit", UNIT_ONE, false, value_paused },
	{ "llmgw_deployment_ill", "gauge", "1 when its last health check failed", UNIT_ONE, false, value_ill },
	{ "llmgw_deployment_failures_in_a_row", "gauge", "Failures since a deployment's last success", UNIT_ONE, true, value_in_a_row },
	{ "llmgw_deployment_token_latency_seconds", "gauge", "Mean time per token of its last answers", UNIT_NANO, true, value_latency },
	{ "llmgw_deployment_first_token_latency_seconds", "gauge", "Mean time to the first token of its last streams", UNIT_NANO, true, value_first_token },
	{ "llmgw_deployment_prompt_tokens_total", "counter", "Prompt tokens sent to a deployment", UNIT_ONE, false, value_tokens_in },
	{ "llmgw_deployment_completion_tokens_total", "counter", "Completion tokens received from a deployment", UNIT_ONE, false, value_tokens_out },
	{ "llmgw_deployment_cost_dollars_total", "counter", "Cost booked for a deployment", UNIT_NANO, false, value_cost },
};

/* Those beyond the cap, as one. */
static void put_folded(struct scrape *s, const struct family *f)
{
	uint64_t sum = 0;
	if (f->is_mean || s->n_shown == s->n_deployments)
		return;
	for (uint32_t i = s->n_shown; i < s->n_deployments; i++) {
		struct place p = place_of(s, i);
		sum += f->value(&p);
	}
	page_sample(&s->page, f->name,
		    STR("model=\"other\",provider=\"other\",model_id=\"other\""), f->unit, sum);
}

void metrics_put_deployments(struct scrape *s)
{
	for (size_t f = 0; f < COUNT(families); f++) {
		page_family(&s->page, families[f].name, families[f].type, families[f].help);
		for (uint32_t i = 0; i < s->n_shown; i++) {
			struct place p = place_of(s, i);
			page_sample(&s->page, families[f].name,
				    label_text(&s->labels, s->of_deployment[i]), families[f].unit,
				    families[f].value(&p));
		}
		put_folded(s, &families[f]);
	}
}
