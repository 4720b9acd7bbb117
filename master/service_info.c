/* SPDX-License-Identifier: MIT
 * service_info.c - see service_info.h. What there is not here (licenses, pods that share their
 * health checks) is told as that, so that who asks gets a true answer and no 404. */
#include "master/service_info.h"

#include "common/json_write.h"
#include "master/export_rows.h"
#include "master/master.h"

/* ---- callbacks ---- */

static unsigned put_names(struct json_out *o, const char *key, const struct config_names *names)
{
	json_open_array(o, key);
	for (size_t i = 0; i < names->n; i++)
		json_put_str(o, NULL, names->v[i]);
	json_close_array(o);
	return (unsigned)names->n;
}

static void put_nothing(struct json_out *o, const char *key)
{
	json_open_array(o, key);
	json_close_array(o);
}

static void put_every(struct json_out *o, const struct config_names *const lists[], size_t n)
{
	json_open_array(o, "all_litellm_callbacks");
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < lists[i]->n; k++)
			json_put_str(o, NULL, lists[i]->v[k]);
	json_close_array(o);
}

void service_callbacks(struct command_call *c)
{
	const struct config *k = c->master->config;
	const struct config_names *const lists[] = { &k->callbacks, &k->failure_callbacks,
						     &k->success_callbacks };
	struct json_out o = json_out(&c->out);
	unsigned n = 0;
	json_open(&o, NULL);
	put_names(&o, "alerting", &k->alerts.channels);
	n += put_names(&o, "litellm.callbacks", lists[0]);
	n += put_names(&o, "litellm.failure_callback", lists[1]);
	n += put_names(&o, "litellm.success_callback", lists[2]);
	put_nothing(&o, "litellm.input_callback");
	put_nothing(&o, "litellm._async_success_callback");
	put_nothing(&o, "litellm._async_failure_callback");
	put_nothing(&o, "litellm._async_input_callback");
	put_every(&o, lists, COUNT(lists));
	json_put_u64(&o, "num_callbacks", n);
	json_put_u64(&o, "num_alerting", k->alerts.channels.n);
	json_put_double(&o, "litellm.request_timeout", (double)k->set.total_timeout_ms / 1e3);
	json_close(&o);
	command_finish(c);
}

static bool has(const struct config_names *names, struct str name)
{
	for (size_t i = 0; i < names->n; i++)
		if (str_eq(names->v[i], name))
			return true;
	return false;
}

enum when { ON_SUCCESS, ON_FAILURE, ON_BOTH };

static enum when when_told(const struct config *k, struct str name)
{
	bool success = has(&k->success_callbacks, name);
	bool failure = has(&k->failure_callbacks, name);
	if (has(&k->callbacks, name) || (success && failure))
		return ON_BOTH;
	return success ? ON_SUCCESS : ON_FAILURE;
}

/* Each name once: where it stands first. */
static bool is_first(const struct config_names *const lists[], size_t list, size_t at)
{
	struct str name = lists[list]->v[at];
	for (size_t i = 0; i <= list; i++)
		for (size_t k = 0; k < (i == list ? at : lists[i]->n); k++)
			if (str_eq(lists[i]->v[k], name))
				return false;
	return true;
}

void service_callback_names(struct command_call *c)
{
	static const char *const keys[] = { [ON_SUCCESS] = "success", [ON_FAILURE] = "failure",
					    [ON_BOTH] = "success_and_failure" };
	const struct config *k = c->master->config;
	const struct config_names *const lists[] = { &k->callbacks, &k->success_callbacks,
						     &k->failure_callbacks };
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	for (unsigned when = 0; when < COUNT(keys); when++) {
		json_open_array(&o, keys[when]);
		for (size_t i = 0; i < COUNT(lists); i++)
			for (size_t n = 0; n < lists[i]->n; n++)
				if (is_first(lists, i, n) &&
				    when_told(k, lists[i]->v[n]) == when)
					json_put_str(&o, NULL, lists[i]->v[n]);
		json_close_array(&o);
	}
	json_close(&o);
	command_finish(c);
}

void service_callback_kinds(struct command_call *c)
{
	struct json_out o = json_out(&c->out);
	json_open_array(&o, NULL);
	for (size_t i = 0; i < EXPORT_KINDS; i++) {
		json_open(&o, NULL);
		json_put_z(&o, "id", export_rows[i].name);
		json_put_z(&o, "displayName", export_rows[i].name);
		json_put_null(&o, "logo");
		json_put_bool(&o, "supports_key_team_logging", true);
		json_open(&o, "dynamic_params");
		json_close(&o);
		json_put_z(&o, "description", export_rows[i].doc);
		json_close(&o);
	}
	json_close_array(&o);
	command_finish(c);
}

/* ---- providers, as a form for a new model wants them ---- */

static void put_field(struct json_out *o, const char *name, const char *doc, struct str value)
{
	json_open(o, NULL);
	json_put_z(o, "field_name", name);
	json_put_z(o, "field_type", "string");
	json_put_z(o, "field_description", doc);
	json_put_str(o, "field_value", value);
	json_close(o);
}

void service_providers(struct command_call *c)
{
	size_t n;
	const struct provider_row *rows = providers_all(&n);
	struct json_out o = json_out(&c->out);
	json_open_array(&o, NULL);
	for (size_t i = 0; i < n; i++) {
		if (!rows[i].served)
			continue;
		json_open(&o, NULL);
		json_put_str(&o, "name", rows[i].prefix);
		json_open_array(&o, "fields");
		if (rows[i].needs_key)
			put_field(&o, "api_key", "what the provider knows the caller by", STR(""));
		if (!rows[i].base.n)
			put_field(&o, "api_base", "where the provider is", STR(""));
		json_close_array(&o);
		json_close(&o);
	}
	json_close_array(&o);
	command_finish(c);
}

/* ---- what there is not ---- */

void service_license(struct command_call *c)
{
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_bool(&o, "has_license", false);
	json_put_z(&o, "license_type", "community");
	json_put_null(&o, "expiration_date");
	put_nothing(&o, "allowed_features");
	json_open(&o, "limits");
	json_put_null(&o, "max_users");
	json_put_null(&o, "max_teams");
	json_close(&o);
	json_close(&o);
	command_finish(c);
}

void service_shared_status(struct command_call *c)
{
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_bool(&o, "shared_health_check_enabled", false);
	json_put_z(&o, "message", "one master probes for all its workers: nothing is to be shared");
	json_close(&o);
	command_finish(c);
}
