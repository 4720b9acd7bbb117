/* SPDX-License-Identifier: MIT
 * config.h - llmgw.yaml as a struct: LiteLLM's sections as they are, and our own `server:`.
 *
 * One directive table (config_table.c) says every key's name, type, default, bounds, when a
 * change takes effect, and its documentation; parser, `config show`, the sample file and the
 * manual page come out of it. Reading never stops at the first mistake: all complaints of one
 * run are collected with file, line, column and caret. */
#ifndef CONFIG_H
#define CONFIG_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/price.h"
#include "common/snapshot.h"
#include "master/alert_kinds.h"

enum { CONFIG_LISTEN_MAX = 16, CONFIG_INCLUDE_MAX = 32, CONFIG_NETWORKS_MAX = 32,
       CONFIG_NEEDED_MAX = 64 };
/* A member of an object's info: it was given without the master key. */
#define STORED_STRANGERS "given_without_master_key"

struct config_names {			/* a list of strings */
	struct str *v;
	size_t n;
};
struct config_policy {			/* of one group */
	struct str group;
	uint32_t retries[POLICY_CLASSES];	/* SNAP_NONE: not given */
};
struct config_routing {			/* groups with a strategy of their own */
	struct config_names models;
	uint32_t strategy;		/* SNAP_NONE: not given */
	uint32_t sticky;		/* enum snap_sticky */
	struct str sticky_header;
};
struct config_listen {
	struct str host;		/* "0.0.0.0", "::", "127.0.0.1" */
	uint16_t port;			/* 0: any free one */
	bool tls;			/* where nothing is written: server.tls has a certificate */
	bool tls_default;		/* nothing was written */
};
struct config_pair {
	struct str name, value;
};
struct config_pairs {
	struct config_pair *v;
	size_t n;
};

struct config_gate {			/* a provider's budget, or a plan's window */
	struct str name;		/* the provider; the plan, or .n 0 */
	uint32_t kind;			/* enum snap_gate_kind */
	uint64_t limit, factor_milli;	/* as in snap_gate */
	struct str period;		/* of a budget: "30d" */
	uint64_t span_ms;		/* of a plan */
	bool is_fixed;			/* the same */
};
struct config_gates {
	struct config_gate *v;
	size_t n;
};
struct config_hours {
	struct zone_window *v;		/* master/zone.h */
	size_t n;
};

struct config_cloud {			/* what Azure and Vertex AI want to know */
	struct str azure_ad_token, tenant_id, client_id, client_secret, azure_scope;
	struct str vertex_project, vertex_location;
	struct str vertex_credentials;	/* JSON, or the path of a file with it */
};
struct config_model {			/* one entry of model_list, or an object of the database */
	struct str file;		/* where it stands, for messages */
	unsigned line, column;
	bool is_stored;			/* given by API */
	bool is_strangers;		/* by whoever has no master key, who says where it is */
	bool is_vendors;		/* where it is, says the table of providers */
	bool is_dropped;		/* while reading only */
	bool has_others_key;		/* of the environment, or of a credential; likewise */
	struct str model_name;
	struct str id;			/* model_info.id; else a SHA-256 over name and params */
	struct str id_of_twin;		/* while reading only */
	bool has_own_id;		/* id is model_info.id */
	struct str litellm_model;	/* litellm_params.model as written: "openai/gpt-4o" */
	struct str provider;		/* its prefix, or custom_llm_provider, or found out */
	struct str model;		/* what goes upstream */
	const struct provider_row *row;	/* of etc/providers.tsv; NULL: unknown provider */
	struct str api_base, api_key;	/* resolved; api_key may be missing */
	struct str api_version, region;
	struct config_cloud cloud;	/* as written; config_cloud.c makes the rest of it */
	enum provider_family family;
	enum provider_site site;
	enum provider_auth auth;	/* the row's, unless the credentials want another */
	struct str credentials;		/* SECRET: as in snap_deployment; .n == 0: none */
	struct str aws_access_key_id, aws_region, aws_endpoint, aws_profile;
	struct str aws_secret_access_key, aws_session_token;	/* SECRET */
	struct str aws_model_region;	/* what the model's name says */
	struct config_names organizations;	/* at most one: a list became several deployments */
	struct str mock_response;	/* .p NULL: none; a mock needs no provider that is served */
	struct str params;		/* JSON object: default parameters; .p NULL: none */
	struct str extra_body;		/* JSON object; .p NULL: none */
	struct config_pairs headers;	/* extra_headers, headers, OpenAI-Organization */
	struct config_names access_groups, tags;
	struct config_names dropped_params, allowed_params;
	int64_t max_budget;		/* pico-dollars; PRICE_NONE: not given */
	struct str budget_duration;
	struct config_gates plans;
	struct str silent_model;
	struct config_hours hours;
	uint64_t key_rpm, key_tpm;	/* default_api_key_rpm_limit and its kin */
	uint64_t weight_milli, rpm, tpm, timeout_ms, stream_timeout_ms, cooldown_ms, hedge_milli;
	uint32_t num_retries, order, max_parallel, adaptive;	/* as in snap_deployment */
	uint32_t max_input_tokens, max_output_tokens, max_tokens;	/* 0 = not given */
	enum snap_mode mode;		/* given, or by the price table, or by its name */
	bool drop_params, health_check_off;
	struct str health_check_model, base_model;
	struct price price;		/* PRICE_KNOWN set when config gives one */
	struct str info;		/* model_info as a JSON object; .p NULL: none */
	struct str given;		/* litellm_params as JSON, without secrets */
};

struct config_fallback {		/* {group: [names]}; also "*" */
	struct str group;
	struct config_names to;
};
struct config_fallbacks {
	struct config_fallback *v;
	size_t n;
};
struct config_complaint {		/* the same as in `complaints`, for --json */
	struct str file;		/* .n == 0: not about a place in a file */
	unsigned line, column, end_column;
	bool is_error;
	const char *code;		/* "W001 not-acted-on"; NULL for errors */
	struct str message;
};
struct config_origin {			/* where a directive got its value */
	struct str file;		/* .n == 0: nowhere, it has its default */
	unsigned line;
};
struct config_alias {
	struct str alias, group;
	bool hidden;
};

/* Where calls go that name no model: a configured path, or a provider (name: its prefix) that no
 * model uses. */
struct config_pass {
	struct str name, id;		/* the id of one that was given by API */
	bool is_target, is_open, has_subpath;
	bool is_stored;			/* the database's */
	uint32_t methods;		/* METHOD_*; 0 = all */
	int64_t cost;			/* pico-dollars a request; PRICE_NONE: not given */
	struct config_model model;	/* the deployment; no group has it */
};

/* ---- what the database adds (stored.h), and files from elsewhere ---- */

enum object_kind {
	OBJECT_MODEL,
	OBJECT_CREDENTIAL,
	OBJECT_SETTING,
	OBJECT_ACCESS_GROUP,
	OBJECT_KINDS
};
struct config_object {			/* read only; what slices point into is its own block */
	enum object_kind kind;
	bool is_new;			/* what is wrong with it refuses a change */
	struct str name;		/* a model's id; a credential's name; "section.key" */
	struct str label;		/* a model's model_name */
	/* JSON: litellm_params, credential_values, the value. .p NULL: no key opens it. SECRET. */
	struct str secret;
	struct str info;		/* JSON: model_info, credential_info, {"model_names": []} */
	struct str sealed;		/* the bytes that no key opens */
	uint64_t created_at, updated_at;
	struct str created_by, updated_by;
	size_t block;
};
struct config_text {
	struct str path, text;
};
struct config_stored {
	const struct config_object *const *v;
	size_t n;
	const struct config_text *files;	/* read in place of the disk's; NULL: none */
	size_t n_files;
};
struct config_credential {		/* of credential_list or the database */
	struct str name;
	struct str values, info;	/* JSON; values without secrets */
	bool is_stored;
};

struct config_jwt_source {		/* of public keys */
	struct str url;			/* of the keys, or of what says where they are */
	bool is_discovery;		/* the latter: master/discovery.h */
	struct str issuer;		/* whose they are; .n 0: who it says, or anybody */
};
struct config_jwt {			/* who comes with a token: worker/decide/claims.h */
	bool is_on, enforces_roles, enforces_scopes, enforces_team, upserts_users, upserts_teams;
	bool syncs, joins;		/* users' roles and teams; only into teams */
	bool asks_userinfo;		/* the provider, about tokens that say nothing themselves */
	struct str userinfo_url;
	bool is_userinfo_strangers;	/* as of a model */
	uint64_t userinfo_ttl_ms;
	struct config_names urls, audiences, issuers;
	struct str providers;		/* JSON: [{issuer, keys-url, audience}] */
	struct config_jwt_source *sources;	/* of all of them */
	size_t n_sources;
	uint64_t ttl_ms, refresh_wait_ms, leeway_ms, stale_ms;
	struct str admin_scope, team_claim, teams_claim, team_default, user_claim, email_claim,
		email_domain, user_roles_claim, org_claim, end_user_claim, roles_claim,
		object_claim, team_alias_claim, org_alias_claim, key_claim, custom;
	struct config_names admin_routes, team_routes, public_routes, user_roles;
	/* JSON arrays; .p NULL: none */
	struct str role_mappings, scope_mappings, role_map, role_permissions;
};
struct config_rate {			/* of a provider, or "global" */
	struct str provider;
	int64_t discount, margin;	/* in parts of a million */
	int64_t fixed;			/* pico-dollars a request */
	bool has_margin;
};
struct config_mail {			/* who takes mail for us: SMTP_*; host .n 0: nobody */
	struct str host, user, from;
	struct str password;		/* SECRET */
	uint32_t port;
	bool has_tls;			/* no word before the connection is encrypted */
};
struct config_alert_target {
	enum alert_format format;
	struct str url;			/* SECRET; of a mail: .n 0 */
	bool is_strangers;		/* as of a model */
};
struct config_alerts {
	struct config_names channels, types, emails;
	struct str urls;		/* JSON. SECRET: {kind: url or list} */
	struct str type_config;		/* JSON: {kind: {digest_interval: 60}} */
	uint64_t threshold_ms, daily_ms, spend_report_ms, check_ms;
	uint64_t budget_quiet_ms, outage_ms, region_outage_ms;
	uint32_t minor, major, list_max;
	bool logs;			/* log_to_console */
	/* what follows: config_alerts.c */
	struct config_alert_target *targets;
	size_t n_targets;
	const struct config_names *allow_private;	/* the configuration's */
	struct config_mail mail;
	uint32_t kinds;			/* bits by enum alert_kind: somebody is told */
	uint32_t to[ALERT_KINDS];	/* bits by number of a target */
	uint64_t quiet_ms[ALERT_KINDS];
};
/* A webhook that callback_settings describes; the rest of it is read where it is used. */
enum { CONFIG_HOOKS = 16, CONFIG_HOOK_NAME = 48 };
enum hook_format { HOOK_ARRAY, HOOK_LINES, HOOK_SINGLE, HOOK_FORMATS };
struct config_hook {
	struct str name;
	enum hook_format format;
	bool success, failure;		/* of which ends it is told */
};
struct config_team {			/* what the file says of one: its callbacks */
	struct str team_id, rule;	/* SECRET: as export_own_read() reads it */
};
struct config {
	struct arena *mem;		/* owns everything below */
	struct str path;
	/* server: */
	struct config_listen listen[CONFIG_LISTEN_MAX];
	size_t n_listen;
	struct str tls_certificate, tls_key;	/* files */
	struct str tls_certificate_pem, tls_key_pem;	/* what stands in them */
	uint32_t workers;		/* 0 = one per CPU */
	struct str log_level, log_format;	/* format "auto": text on a terminal, else JSON */
	bool access_log;
	bool verbose, json_logs;	/* LiteLLM's; log_level and log_format already heed them */
	bool insecure_dev;
	uint32_t sandbox;		/* enum sandbox_mode */
	struct snap_settings set;	/* all that workers need, in their form */
	uint64_t stream_timeout_ms;	/* 0 = not given; already handed down to the models */
	struct config_names cors_origins, default_fallbacks;
	struct str key_header;
	/* general_settings, router_settings, litellm_settings */
	struct str master_key;		/* SECRET */
	struct str routing_strategy;
	bool tags_match_any;
	/* SNAP_NONE: not given. */
	uint32_t retry_policy[POLICY_CLASSES], allowed_fails_policy[POLICY_CLASSES];
	struct config_names pre_call_checks;
	struct config_names callbacks, success_callbacks, failure_callbacks;
	uint64_t export_success, export_failure;	/* of those: bits by export_find() */
	struct str hooks_text;		/* JSON. SECRET: {name: what callback_settings says} */
	struct config_hook hooks[CONFIG_HOOKS];
	size_t n_hooks;
	struct str team_settings;	/* JSON. SECRET: default_team_settings */
	struct config_team *teams;	/* the same */
	size_t n_teams;
	/* Of any callback, named here or by a key: whether it is told of prompts and answers, and
	 * whether "redacted-by-litellm" in their place. */
	uint32_t export_texts, export_hidden;
	bool otel_texts, datadog_hidden, datadog_llm_hidden;	/* as they are set */
	struct config_names metric_metadata, metric_tags;	/* for labels, as given */
	struct str metric_groups;	/* JSON: prometheus_metrics_config */
	bool has_end_user_label, has_stream_label;
	struct config_names metric_labels, metric_filter;	/* as in struct snap_settings */
	struct config_names payload_without;	/* fields of the standard logging payload */
	struct config_names langfuse_names;	/* langfuse_default_tags */
	uint32_t langfuse_tags;		/* the same: export_langfuse_tag() */
	struct config_pairs generic_headers;	/* SECRET */
	bool agent_is_no_tag;		/* request_tags are without the client's User-Agent */
	uint64_t payload_left_out;	/* the same, as export_payload.h has them */
	uint32_t texts_left_out;	/* bits by enum text_kind */
	bool may_skip_callbacks;	/* clients may, by a header */
	struct str s3_params, sqs_params;	/* JSON. SECRET: of the callbacks s3 and sqs */
	bool s3_is_strangers, sqs_is_strangers;	/* as of a model */
	bool otlp_metrics;		/* metrics go to OpenTelemetry, too */
	struct config_alerts alerts;
	struct config_policy *group_policies;
	size_t n_group_policies;
	struct config_routing *routing_groups;
	size_t n_routing_groups;
	int64_t customer_budget;	/* pico-dollars; PRICE_NONE: none */
	struct str customer_budget_id;
	struct str key_defaults, key_bounds;	/* JSON objects; .p NULL: none */
	struct str key_generation;	/* the same: key_makers.c */
	bool no_personal_keys;
	struct str user_defaults, team_defaults;	/* the same */
	int64_t user_budget, user_budget_default;	/* of internal users; as customer_budget */
	struct str user_duration;
	struct config_names routes[ROUTES_COUNT];	/* by enum snap_routes */
	bool wants_customer, refuses_tags;	/* of requests */
	struct config_names service_params;
	struct config_names allowed_ips, enforced_params, trusted_proxies, allow_private;
	struct config_gates provider_budgets, tag_budgets;
	struct config_gates priorities;	/* priorities.c says what is in them */
	struct config_jwt jwt;
	bool keep_explanations;
	bool background_health_checks;
	uint64_t health_check_interval_ms, health_check_timeout_ms;
	uint64_t max_keys;
	bool store_models;		/* objects of the database count */
	struct config_names public_groups;	/* that /public/model_hub shows */
	uint64_t responses_keep_ms, responses_max_bytes;
	uint64_t texts_keep_ms, texts_max_bytes;	/* 0: as long as single requests */
	bool texts_redacted, texts_always;
	uint64_t answers_keep_ms, answers_max_bytes;
	struct str cache_type, cache_namespace;
	struct config_names cache_calls;	/* LiteLLM's names; none: all */
	uint64_t cache_max_bytes;
	uint64_t spend_keep_ms, spend_prune_ms;	/* 0: single requests are kept for ever */
	struct str cost_discounts, cost_margins;	/* JSON, as written; both together: */
	struct config_rate *rates;
	size_t n_rates;
	struct config_model *models;
	size_t n_models;
	struct config_alias *aliases;
	size_t n_aliases;
	struct config_fallbacks fallbacks, context_fallbacks, policy_fallbacks;
	struct config_pass *passes;
	size_t n_passes;
	struct config_pairs env;	/* environment_variables */
	struct config_credential *credentials;
	size_t n_credentials;
	struct config_text files[CONFIG_INCLUDE_MAX + 1];	/* as they were read. SECRET */
	size_t n_files;
	struct str needed[CONFIG_NEEDED_MAX];	/* other files that it names, the first ones */
	size_t n_needed;
	/* what reading it had to say */
	struct config_origin *origins;	/* one per row of the directive table */
	unsigned n_errors, n_warnings;	/* all, also those beyond what is shown */
	unsigned n_skipped;		/* models left out, each with a warning */
	unsigned n_unfit;		/* complaints about objects of the database: warnings */
	struct str unfit;		/* the first about one that is new; .n == 0: none */
	struct config_complaint *list;
	size_t n_list;
	struct buf complaints;		/* FILE:LINE:COL: error: text, source line, caret */
};

/* One row of etc/providers.tsv. */
struct provider_row {
	struct str prefix, display_name, base, key_env, base_env;
	struct str auth, dialect, endpoints, verified, notes;
	enum provider_family family;
	enum provider_site site;
	enum provider_auth auth_kind;
	/* What its base has to end in, and with a '-' before it, what it must not end in:
	 * "-/run /v1". Mostly empty. */
	struct str base_suffix;
	struct str paths;		/* other paths than the family's: "chat=/a text=/b" */
	struct str rerank_base;		/* the base of models that rerank, where it is another */
	bool needs_key;			/* its own base answers nobody without a key */
	bool served;			/* false: known, and the reason why not is in notes */
};
/* The embedded table, parsed once. */
const struct provider_row *providers_all(size_t *ret_n);
const struct provider_row *providers_find(struct str prefix);
/* Whether the row's list of endpoints has that word. */
bool providers_serve(const struct provider_row *row, struct str endpoint);
/* LiteLLM's way: custom_llm_provider, else "prefix/" of model, else known model names and
 * patterns, else openai when an api_base is given. Returns the row and what goes upstream. */
const struct provider_row *providers_detect(struct str custom, struct str model,
					    struct str api_base, struct str *ret_model);

/* Reads file and includes. Always returns a config with its complaints, except -ENOMEM or
 * -errno of opening the main file (then there is a config too, and its complaints say it). The
 * caller checks n_errors. environment_variables are put into this process's environment.
 * `overrides` come from the command line: host, port, workers (0/none = not given). */
struct config_overrides {
	struct str host;
	uint32_t port, workers;
	bool has_port, insecure_dev, debug;
	bool quiet_warnings;
	bool colour;			/* complaints with colours */
	const struct config_stored *stored;	/* NULL: none */
};
int config_read(const char *path, const struct config_overrides *over,
		struct config **ret) MUST_USE;
void config_free(struct config *c);
/* The deployment with this id, or NULL. */
const struct config_model *config_find_model(const struct config *c, struct str id);
/* Whether a model_name, a pattern among them or an alias serves that name. */
bool config_serves(const struct config *c, struct str name);
/* Discount and margin of a provider; zeroes where there are none. */
struct price_rates config_rates_of(const struct config *c, struct str provider);
/* Effective configuration: every directive with value and origin; secrets as "********".
 * As JSON: {"server":{"workers":{"value":..,"origin":"file:12"|"default"}},"model_list":[..]} */
void config_show(const struct config *c, bool with_origin, struct buf *out);
/* Differences between two configurations as JSON rows {key, before, after, takes_effect}. */
void config_diff(const struct config *a, const struct config *b, struct buf *out);
/* A section's directives as LiteLLM lists them: rows {field_name, field_type, field_description,
 * field_value, field_default_value}; values of what `stored` has say so. */
struct json_out;
void config_list_section(const struct config *c, const char *section,
			 const struct config_stored *stored, struct json_out *o);
/* The members of a path that leads elsewhere; headers masked. */
void config_put_pass(struct json_out *o, const struct config_pass *p);
/* One directive's value. False: the section has none of that name. */
bool config_put_value(const struct config *c, const char *section, struct str name,
		      struct json_out *o, const char *key);
/* Rows of all directives that are meant by a name, a section or a pattern, with their values, as
 * `directives`. Returns how many. */
size_t config_explain(const struct config *c, struct str asked, struct json_out *o);
struct str config_nearest(struct str asked);	/* a directive's name that is much alike; or none */
/* The directive table as mdoc, for llmgw.yaml(5); as JSON. */
void config_print_mdoc(struct buf *out);
void config_print_table_json(struct buf *out);

#endif
