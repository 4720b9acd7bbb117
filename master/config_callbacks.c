/* SPDX-License-Identifier: MIT
 * config_callbacks.c - LiteLLM's lists of whom to tell of each request. Those that export_rows.h
 * has are told; prometheus means that /metrics has LiteLLM's names beside our own. */
#include <stdlib.h>

#include "common/mem.h"
#include "common/texts.h"
#include "master/config_read.h"
#include "master/export_hooks.h"
#include "master/export_payload.h"

enum { SUCCESS = 1, FAILURE = 2 };

bool callbacks_is_hook(const char *section, const struct yaml *y)
{
	const struct yaml *type = y->kind == YAML_MAP ? yaml_get(y, "callback_type") : NULL;
	return str_eq_z(str_z(section), "callback_settings") && type &&
	       type->kind == YAML_SCALAR && str_eq(type->text, STR("generic_api"));
}

static const char *hook_problem(struct reader *r, const struct json *j, struct config_hook *ret)
{
	ret->name = keep(r, j->key);
	for (size_t i = 0; i < j->key.n; i++) {	/* it becomes a part of a file's name */
		unsigned char b = (unsigned char)j->key.p[i];
		if (b <= ' ' || b == '/' || b == '\\' || b == 0x7f)
			return "its name has spaces, or what a file's may not have";
	}
	if (!j->key.n || j->key.n > CONFIG_HOOK_NAME)
		return "its name has no letter, or more than 48";
	return export_hook_read(r->scratch, j, ret);
}

static void take_hook(struct reader *r, const struct json *j)
{
	struct config *c = r->c;
	const char *wrong = c->n_hooks == CONFIG_HOOKS
				    ? "there are 16 already"
				    : hook_problem(r, j, &c->hooks[c->n_hooks]);
	c->n_hooks += !wrong;
	if (wrong)
		complain(r, W_NOT_ACTED_ON,
			 given_place(r, "callback_settings", CALLBACKS_HOOK),
			 "the webhook '" STR_FMT "' is not called: %s", STR_ARG(shown(j->key)), wrong);
}

static void take_hooks(struct reader *r)
{
	struct json_error why;
	const struct json *all = r->c->hooks_text.n
					 ? json_parse(r->scratch, r->c->hooks_text, 0, &why) : NULL;
	for (const struct json *j = json_is(all, JSON_OBJECT) ? all->child : NULL; j; j = j->next)
		take_hook(r, j);
}

static void take_one(struct reader *r, const char *directive, unsigned who, unsigned when)
{
	const struct export_row *row = export_row_of(r->c, who);
	struct str name = export_name(r->c, who);
	struct export_target t = { 0 };
	if (row->failures_only && !(when &= FAILURE)) {
		complain(r, W_NOT_ACTED_ON, given_place(r, "litellm_settings", directive),
			 "the callback " STR_FMT " is told of failures only", STR_ARG(name));
		return;
	}
	const char *missing = export_read(r->c, who, &t);
	mem_wipe(&t, sizeof t);
	if (missing) {
		complain(r, W_ENV_MISSING, given_place(r, "litellm_settings", directive),
			 "the callback " STR_FMT " is not called: the environment lacks %s",
			 STR_ARG(name), missing);
		return;
	}
	const struct config_hook *h =
		who >= EXPORT_HOOK ? &r->c->hooks[who - EXPORT_HOOK] : NULL;
	bool success = when & SUCCESS && (!h || h->success);
	bool failure = when & FAILURE && (!h || h->failure);
	r->c->export_success |= (uint64_t)success << who;
	r->c->export_failure |= (uint64_t)failure << who;
	r->c->set.flags |= export_wants_texts(r->c, export_kind_of(row)) ? SET_TEXTS_TOLD : 0;
}

static void take_all(struct reader *r, const char *directive, const struct config_names *names,
		     unsigned when)
{
	for (size_t i = 0; i < names->n; i++) {
		int who = export_find(r->c, names->v[i]);
		if (who >= 0)
			take_one(r, directive, (unsigned)who, when);
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

static void take_tags(struct reader *r)
{
	static const char directive[] = "langfuse_default_tags";
	const struct config_names *names = &r->c->langfuse_names;
	for (size_t i = 0; i < names->n; i++) {
		uint32_t bit = export_langfuse_tag(names->v[i]);
		r->c->langfuse_tags |= bit;
		if (!bit)
			complain(r, W_NOT_ACTED_ON, given_place(r, "litellm_settings", directive),
				 "%s: '" STR_FMT "' is not known of a request", directive,
				 STR_ARG(shown(names->v[i])));
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

static bool is_strangers(struct reader *r, const char *directive)
{
	return stored_by_stranger(r, given_place(r, "litellm_settings", directive));
}

void callbacks_finish(struct reader *r)
{
	struct config *c = r->c;
	c->s3_is_strangers = is_strangers(r, "s3_callback_params");
	c->sqs_is_strangers = is_strangers(r, "aws_sqs_callback_params");
	take_fields(r);
	take_tags(r);
	take_texts(r);
	take_hooks(r);
	take_all(r, "callbacks", &c->callbacks, SUCCESS | FAILURE);
	take_all(r, "success_callback", &c->success_callbacks, SUCCESS);
	take_all(r, "failure_callback", &c->failure_callbacks, FAILURE);
	take_sampler(r);
	take_metrics(r);
	if (c->export_success | c->export_failure || c->otlp_metrics)
		c->set.flags |= SET_RECORDS;
}
