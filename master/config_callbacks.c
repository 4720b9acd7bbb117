/* SPDX-License-Identifier: MIT
 * config_callbacks.c - LiteLLM's lists of whom to tell of each request. Those that export_rows.h
 * has are told; prometheus means that /metrics has LiteLLM's names beside our own. */
#include <stdlib.h>

#include "common/mem.h"
#include "common/texts.h"
#include "master/config_read.h"
#include "master/export_payload.h"

enum { SUCCESS = 1, FAILURE = 2 };

static void take_row(struct reader *r, const char *directive, unsigned row, unsigned when)
{
	struct export_target t = { 0 };
	if (export_rows[row].failures_only && !(when &= FAILURE)) {
		complain(r, W_NOT_ACTED_ON, given_place(r, "litellm_settings", directive),
			 "the callback %s is told of failures only", export_rows[row].name);
		return;
	}
	const char *missing = export_rows[row].read(r->c, &t);
	mem_wipe(&t, sizeof t);
	if (missing) {
		complain(r, W_ENV_MISSING, given_place(r, "litellm_settings", directive),
			 "the callback %s is not called: the environment lacks %s",
			 export_rows[row].name, missing);
		return;
	}
	r->c->export_success |= when & SUCCESS ? 1u << row : 0;
	r->c->export_failure |= when & FAILURE ? 1u << row : 0;
	r->c->set.flags |= export_wants_texts(r->c, row) ? SET_TEXTS_TOLD : 0;
}

static void take_all(struct reader *r, const char *directive, const struct config_names *names,
		     unsigned when)
{
	for (size_t i = 0; i < names->n; i++) {
		int row = export_row_find(names->v[i]);
		if (row >= 0)
			take_row(r, directive, (unsigned)row, when);
		else if (str_eq(names->v[i], STR("prometheus")))
			r->c->set.flags |= SET_LITELLM_METRICS;
		else
			complain(r, W_NOT_ACTED_ON, given_place(r, "litellm_settings", directive),
				 "the callback '" STR_FMT "' of %s is not called yet",
				 STR_ARG(shown(names->v[i])), directive);
	}
}

static void take_sampler(struct reader *r)
{
	struct snap_settings *set = &r->c->set;
	uint32_t flags = 0;
	if (!((r->c->export_success | r->c->export_failure) >> EXPORT_OTEL & 1))
		return;
	if (!export_read_sampler(getenv("OTEL_TRACES_SAMPLER"), getenv("OTEL_TRACES_SAMPLER_ARG"),
				 &flags, &set->trace_share)) {
		complain(r, W_ENV_MISSING, given_place(r, "litellm_settings", "callbacks"),
			 "OTEL_TRACES_SAMPLER or its argument is none that is known: "
			 "parentbased_always_on is used");
		export_read_sampler(NULL, NULL, &flags, &set->trace_share);
	}
	set->trace_flags |= flags;
	const char *alone = getenv("OTEL_IGNORE_CONTEXT_PROPAGATION");
	const char *how = getenv("OTEL_PROPAGATORS");
	bool hears = !how || !*how || str_find(str_z(how), STR("tracecontext")) != SIZE_MAX;
	if (!hears || (alone && value_is_true(str_z(alone))))
		set->trace_flags |= TRACE_ALONE;
}

/* Asked for here, by OpenTelemetry's variable, or by LiteLLM's. */
static void take_metrics(struct reader *r)
{
	const char *how = getenv("OTEL_METRICS_EXPORTER");
	const char *too = getenv("LITELLM_OTEL_INTEGRATION_ENABLE_METRICS");
	struct config *c = r->c;
	bool has_otel = (c->export_success | c->export_failure) >> EXPORT_OTEL & 1;
	struct export_target t = { 0 };
	c->otlp_metrics |= how && strcmp(how, "otlp") == 0;
	c->otlp_metrics |= has_otel && too && value_is_true(str_z(too));
	const char *missing = c->otlp_metrics ? export_read_otlp(&t, true) : NULL;
	mem_wipe(&t, sizeof t);
	if (!missing)
		return;
	c->otlp_metrics = false;
	complain(r, W_ENV_MISSING, given_place(r, "server.metrics", "otlp"),
		 "metrics are not sent by OTLP: the environment lacks %s", missing);
}

static void take_fields(struct reader *r)
{
	static const char directive[] = "standard_logging_payload_excluded_fields";
	struct config *c = r->c;
	for (size_t i = 0; i < c->payload_without.n; i++) {
		struct str name = c->payload_without.v[i];
		uint64_t bit = payload_field(name);
		c->payload_left_out |= bit;
		c->texts_left_out |= str_eq(name, STR("messages")) ? 1u << TEXT_PROMPT : 0;
		c->texts_left_out |= str_eq(name, STR("response")) ? 1u << TEXT_ANSWER : 0;
		if (!bit)
			complain(r, W_NOT_ACTED_ON, given_place(r, "litellm_settings", directive),
				 "the standard logging payload has no field '" STR_FMT "'",
				 STR_ARG(shown(name)));
	}
}

/* Of the variable's words those that mean spans; nobody is sent events. */
static bool captures_texts(void)
{
	static const char *const words[] = { "true", "span_only", "span_and_event" };
	const char *v = getenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT");
	for (size_t i = 0; v && i < COUNT(words); i++)
		if (str_eq_nocase(str_z(v), str_z(words[i])))
			return true;
	return false;
}

/* Who is told of prompts and answers, wherever he is named. */
static void take_texts(struct reader *r)
{
	struct config *c = r->c;
	bool is_said = given_place(r, "callback_settings.otel", "message_logging") != &r->whole;
	for (unsigned i = 0; i < EXPORT_KINDS; i++)
		c->export_texts |= export_rows[i].has_texts ? 1u << i : 0;
	if (is_said ? c->otel_texts : captures_texts())
		c->export_texts |= 1u << EXPORT_OTEL;
	c->export_hidden |= c->datadog_hidden ? 1u << EXPORT_DATADOG : 0;
	c->export_hidden |= c->datadog_llm_hidden ? 1u << EXPORT_DATADOG_LLM : 0;
}

void callbacks_finish(struct reader *r)
{
	struct config *c = r->c;
	take_fields(r);
	take_texts(r);
	take_all(r, "callbacks", &c->callbacks, SUCCESS | FAILURE);
	take_all(r, "success_callback", &c->success_callbacks, SUCCESS);
	take_all(r, "failure_callback", &c->failure_callbacks, FAILURE);
	take_sampler(r);
	take_metrics(r);
	if (c->export_success | c->export_failure || c->otlp_metrics)
		c->set.flags |= SET_RECORDS;
}
