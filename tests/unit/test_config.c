/* SPDX-License-Identifier: MIT
 * test_config.c - every directive is set and read back, every vector of tests/vectors/config
 * says what its .expect says, the manual and the sample know every directive, and reading
 * survives any allocation that fails.
 *
 * Run from the source root. `test_config mdoc` writes the manual's tables instead. */
#include "master/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cert.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sandbox.h"
#include "common/texts.h"
#include "master/config_read.h"
#include "master/export_hooks.h"
#include "master/export_payload.h"

#define KEY "general_settings: {master_key: sk-test}\n"
#define MODEL KEY "model_list:\n  - model_name: m\n    litellm_params:\n      model: ollama/x\n"

static char folder[] = "/tmp/test_config_XXXXXX";
static struct arena *arena;

static const char *in_folder(const char *name)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void write_bytes(const char *name, const char *p, size_t n, mode_t mode)
{
	int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	while (n > 0) {
		ssize_t put = write(fd, p, n);
		assert_true(put > 0);
		p += put;
		n -= (size_t)put;
	}
	close(fd);
}

static void write_file(const char *name, const char *text)
{
	write_bytes(name, text, strlen(text), 0600);
}

static struct config *read_with(const char *text, const struct config_overrides *over)
{
	struct config *c = NULL;

	write_file("t.yaml", text);
	assert_int_equal(config_read(in_folder("t.yaml"), over, &c), 0);
	assert_non_null(c);
	return c;
}

static struct config *read_text(const char *text)
{
	return read_with(text, NULL);
}

static struct config *read_good(const char *text)
{
	struct config *c = read_text(text);

	if (c->n_errors)
		fail_msg("%s", buf_z(&c->complaints));
	return c;
}

static bool complains(const struct config *c, const char *what)
{
	return str_find(buf_str(&c->complaints), str_z(what)) != SIZE_MAX;
}

static void assert_complains(const char *text, const char *what)
{
	struct config *c = read_text(text);

	if (!complains(c, what))
		fail_msg("wanted: %s\ngot: %s", what,
			 c->complaints.n ? buf_z(&c->complaints) : "nothing");
	config_free(c);
}

/* ---- every directive ---- */

/* yaml: what is written; json: what `config show` then says. */
static const struct set_row {
	const char *section, *name, *yaml, *json;
} set_rows[] = {
	{ "server", "listen", "[\"[::1]:80\", 81, {port: 82}]",
	  "[{\"address\":\"::1\",\"port\":80,\"tls\":false},"
	  "{\"address\":\"0.0.0.0\",\"port\":81,\"tls\":false},"
	  "{\"address\":\"0.0.0.0\",\"port\":82,\"tls\":false}]" },
	{ "server", "workers", "3", "3" },
	{ "server", "drain", "2m", "\"120s\"" },
	{ "server", "stream-heartbeat", "0", "\"0s\"" },
	{ "server", "max-keys", "5000", "5000" },
	{ "server", "old-statuses", "yes", "true" },
	{ "server", "insecure-dev", "True", "true" },
	{ "server", "sandbox", "log", "\"log\"" },
	{ "server.tls", "certificate", "\"\"", "\"\"" },
	{ "server.tls", "key", "\"\"", "\"\"" },
	{ "server.log", "level", "debug", "\"debug\"" },
	{ "server.log", "format", "logfmt", "\"logfmt\"" },
	{ "server.log", "access", "off", "false" },
	{ "server.limits", "body", "1M", "\"1M\"" },
	{ "server.limits", "request-memory", "40960k", "\"40M\"" },
	{ "server.limits", "memory", "2G", "\"2G\"" },
	{ "server.limits", "connections", "5", "5" },
	{ "server.limits", "header-timeout", "1.5", "\"1500ms\"" },
	{ "server.limits", "body-timeout", "1s", "\"1s\"" },
	{ "server.limits", "idle-timeout", "1h", "\"3600s\"" },
	{ "server.limits", "write-timeout", "500ms", "\"500ms\"" },
	{ "server.upstream", "connect-timeout", "3", "\"3s\"" },
	{ "server.upstream", "first-token-timeout", "4", "\"4s\"" },
	{ "server.upstream", "chunk-timeout", "5", "\"5s\"" },
	{ "server.upstream", "keep-warm", "45", "\"45s\"" },
	{ "server.upstream", "total-timeout", "6", "\"6s\"" },
	{ "server.upstream", "health-check-timeout", "7", "\"7s\"" },
	{ "server.ledger", "durability", "strict", "\"strict\"" },
	{ "server.reserve", "estimation", "typical", "\"typical\"" },
	{ "server.reserve", "default-max-tokens", "100", "100" },
	{ "server.router", "retry-budget", "0.1", "0.100" },
	{ "server.router", "queue-wait", "3", "\"3s\"" },
	{ "server.router", "queue-length", "20", "20" },
	{ "server.responses", "keep", "2h", "\"7200s\"" },
	{ "server.responses", "max-bytes", "64M", "\"64M\"" },
	{ "server.texts", "keep", "2h", "\"7200s\"" },
	{ "server.texts", "max-text", "64k", "\"64k\"" },
	{ "server.texts", "max-bytes", "64M", "\"64M\"" },
	{ "server.idempotency", "keep", "2h", "\"7200s\"" },
	{ "server.idempotency", "max-answer", "2M", "\"2M\"" },
	{ "server.idempotency", "max-bytes", "64M", "\"64M\"" },
	{ "server.jwt", "keys-url", "\"https://a/jwks\"", "[\"https://a/jwks\"]" },
	{ "server.jwt", "audience", "[a, b]", "[\"a\",\"b\"]" },
	{ "server.jwt", "issuer", "\"https://a\"", "[\"https://a\"]" },
	{ "server.jwt", "leeway", "5", "\"5s\"" },
	{ "server.jwt", "refresh-wait", "1m", "\"60s\"" },
	{ "server.jwt", "max-stale", "2h", "\"7200s\"" },
	{ "server.jwt", "providers", "[{issuer: 'https://i', audience: a}]",
	  "[{\"issuer\":\"https://i\",\"audience\":\"a\"}]" },
	{ "server.metrics", "series", "50", "50" },
	{ "server.metrics", "otlp", "true", "true" },
	{ "server.cors", "origins", "[\"https://a\", \"https://b\"]",
	  "[\"https://a\",\"https://b\"]" },
	{ "general_settings", "master_key", "sk-abc", "\"********\"" },
	{ "general_settings", "allowed_routes", "[/v1/*, info_routes]", "[\"/v1/*\",\"info_routes\"]" },
	{ "general_settings", "public_routes", "[LiteLLMRoutes.public_routes]",
	  "[\"LiteLLMRoutes.public_routes\"]" },
	{ "general_settings", "admin_only_routes", "[/key/info]", "[\"/key/info\"]" },
	{ "general_settings", "allowed_ips", "[10.0.0.0/8, '::1']", "[\"10.0.0.0/8\",\"::1\"]" },
	{ "general_settings", "use_x_forwarded_for", "true", "true" },
	{ "server", "trusted-proxies", "[10.0.0.0/8, 127.0.0.1]", "[\"10.0.0.0/8\",\"127.0.0.1\"]" },
	{ "server", "allow-private", "[10.0.0.0/8, '::1']", "[\"10.0.0.0/8\",\"::1\"]" },
	{ "general_settings", "enforced_params", "[user, metadata.x]", "[\"user\",\"metadata.x\"]" },
	{ "general_settings", "enable_jwt_auth", "false", "false" },
	{ "general_settings.litellm_jwtauth", "admin_jwt_scope", "boss",
	  "\"boss\"" },
	{ "general_settings.litellm_jwtauth", "admin_allowed_routes", "[openai_routes]",
	  "[\"openai_routes\"]" },
	{ "general_settings.litellm_jwtauth", "team_id_jwt_field", "a.b",
	  "\"a.b\"" },
	{ "general_settings.litellm_jwtauth", "team_ids_jwt_field", "groups",
	  "\"groups\"" },
	{ "general_settings.litellm_jwtauth", "team_alias_jwt_field", "t", "\"t\"" },
	{ "general_settings.litellm_jwtauth", "org_alias_jwt_field", "o", "\"o\"" },
	{ "general_settings.litellm_jwtauth", "sync_user_role_and_teams", "true", "true" },
	{ "general_settings.litellm_jwtauth", "jwt_litellm_role_map",
	  "[{jwt_role: x, litellm_role: internal_user}]",
	  "[{\"jwt_role\":\"x\",\"litellm_role\":\"internal_user\"}]" },
	{ "general_settings.litellm_jwtauth", "upsert_sso_user_to_team", "true", "true" },
	{ "general_settings", "role_permissions", "[{role: team, models: [m]}]",
	  "[{\"role\":\"team\",\"models\":[\"m\"]}]" },
	{ "general_settings.litellm_jwtauth", "team_id_default", "red",
	  "\"red\"" },
	{ "general_settings.litellm_jwtauth", "team_allowed_routes", "[/v1/chat]",
	  "[\"/v1/chat\"]" },
	{ "general_settings.litellm_jwtauth", "team_id_upsert", "false",
	  "false" },
	{ "general_settings.litellm_jwtauth", "org_id_jwt_field", "org",
	  "\"org\"" },
	{ "general_settings.litellm_jwtauth", "user_id_jwt_field", "sub",
	  "\"sub\"" },
	{ "general_settings.litellm_jwtauth", "user_email_jwt_field", "email",
	  "\"email\"" },
	{ "general_settings.litellm_jwtauth", "user_allowed_email_domain", "a.example",
	  "\"a.example\"" },
	{ "general_settings.litellm_jwtauth", "user_id_upsert", "false",
	  "false" },
	{ "general_settings.litellm_jwtauth", "user_roles_jwt_field", "roles",
	  "\"roles\"" },
	{ "general_settings.litellm_jwtauth", "user_allowed_roles", "[basic]",
	  "[\"basic\"]" },
	{ "general_settings.litellm_jwtauth", "public_allowed_routes", "[/v1/models]",
	  "[\"/v1/models\"]" },
	{ "general_settings.litellm_jwtauth", "virtual_key_claim_field", "em",
	  "\"em\"" },
	{ "general_settings.litellm_jwtauth", "end_user_id_jwt_field", "cu",
	  "\"cu\"" },
	{ "general_settings.litellm_jwtauth", "roles_jwt_field", "r",
	  "\"r\"" },
	{ "general_settings.litellm_jwtauth", "role_mappings", "[{role: x, internal_role: team}]",
	  "[{\"role\":\"x\",\"internal_role\":\"team\"}]" },
	{ "general_settings.litellm_jwtauth", "object_id_jwt_field", "oid",
	  "\"oid\"" },
	{ "general_settings.litellm_jwtauth", "enforce_rbac", "true",
	  "true" },
	{ "general_settings.litellm_jwtauth", "scope_mappings", "[{scope: s, models: [m]}]",
	  "[{\"scope\":\"s\",\"models\":[\"m\"]}]" },
	{ "general_settings.litellm_jwtauth", "enforce_scope_based_access", "true",
	  "true" },
	{ "general_settings.litellm_jwtauth", "enforce_team_based_model_access", "true",
	  "true" },
	{ "general_settings.litellm_jwtauth", "public_key_ttl", "60",
	  "\"60s\"" },
	{ "general_settings.litellm_jwtauth", "custom_validate", "a.b",
	  "\"a.b\"" },
	{ "general_settings.litellm_jwtauth", "oidc_userinfo_enabled", "true", "true" },
	{ "general_settings.litellm_jwtauth", "oidc_userinfo_endpoint", "https://i/u",
	  "\"https://i/u\"" },
	{ "general_settings.litellm_jwtauth", "oidc_userinfo_cache_ttl", "60", "\"60s\"" },
	{ "litellm_settings", "max_end_user_budget", "2.5", "2.5" },
	{ "litellm_settings", "max_end_user_budget_id", "free", "\"free\"" },
	{ "litellm_settings", "default_key_generate_params", "{max_budget: 1.50}",
	  "{\"max_budget\":1.50}" },
	{ "litellm_settings", "upperbound_key_generate_params", "{duration: 30d}",
	  "{\"duration\":\"30d\"}" },
	{ "litellm_settings", "default_internal_user_params", "{user_role: internal_user, teams: [t]}",
	  "{\"user_role\":\"internal_user\",\"teams\":[\"t\"]}" },
	{ "litellm_settings", "max_internal_user_budget", "2.5", "2.5" },
	{ "litellm_settings", "langfuse_default_tags", "[cache_hit]", "[\"cache_hit\"]" },
	{ "litellm_settings", "generic_logger_headers", "{X-Auth: y}", "{\"X-Auth\":\"********\"}" },
	{ "litellm_settings", "default_team_settings", "[{team_id: t}]", "\"********\"" },
	{ "litellm_settings", "default_max_internal_user_budget", "2.5", "2.5" },
	{ "litellm_settings", "key_generation_settings",
	  "{personal_key_generation: {allowed_user_roles: [proxy_admin]}}",
	  "{\"personal_key_generation\":{\"allowed_user_roles\":[\"proxy_admin\"]}}" },
	{ "general_settings", "default_team_disabled", "true", "true" },
	{ "general_settings", "enforce_user_param", "true", "true" },
	{ "general_settings", "reject_clientside_metadata_tags", "true", "true" },
	{ "general_settings.service_account_settings", "enforced_params", "[user]", "[\"user\"]" },
	{ "litellm_settings", "internal_user_budget_duration", "30d", "\"30d\"" },
	{ "litellm_settings", "default_team_params", "{max_budget: 100}", "{\"max_budget\":100}" },
	{ "general_settings", "litellm_key_header_name", "X-Key", "\"X-Key\"" },
	{ "general_settings", "background_health_checks", "true", "true" },
	{ "general_settings", "health_check_interval", "60", "\"60s\"" },
	{ "general_settings", "max_request_size_mb", "2", "\"2M\"" },
	{ "general_settings", "pass_through_endpoints",
	  "[{path: /a, target: \"https://h/b/\", headers: {X: y}, methods: [get, POST], "
	  "cost_per_request: 0.25, include_subpath: true}, {path: /o, target: \"http://h\", auth: "
	  "false}]",
	  "[{\"path\":\"/a\",\"target\":\"https://h/b\",\"headers\":{\"X\":\"********\"},"
	  "\"methods\":[\"GET\",\"POST\"],\"include_subpath\":true,\"auth\":true,"
	  "\"cost_per_request\":0.25},{\"path\":\"/o\",\"target\":\"http://h\",\"headers\":{},"
	  "\"methods\":[],\"include_subpath\":false,\"auth\":false}]" },
	{ "general_settings", "maximum_spend_logs_retention_period", "30d", "\"2592000s\"" },
	{ "general_settings", "maximum_spend_logs_retention_interval", "2h", "\"7200s\"" },
	{ "general_settings", "always_include_stream_usage", "true", "true" },
	{ "general_settings", "forward_client_headers_to_llm_api", "true", "true" },
	{ "general_settings", "include_call_id_in_error_body", "true", "true" },
	{ "router_settings", "num_retries", "7", "7" },
	{ "router_settings", "timeout", "8", "\"8s\"" },
	{ "router_settings", "stream_timeout", "9", "\"9s\"" },
	{ "router_settings", "fallbacks", "[{a: [b, c]}, {d: e}]",
	  "[{\"a\":[\"b\",\"c\"]},{\"d\":[\"e\"]}]" },
	{ "router_settings", "context_window_fallbacks", "[{a: [b]}]", "[{\"a\":[\"b\"]}]" },
	{ "router_settings", "content_policy_fallbacks", "[{a: [b]}]", "[{\"a\":[\"b\"]}]" },
	{ "router_settings", "default_fallbacks", "[a]", "[\"a\"]" },
	{ "router_settings", "max_fallbacks", "1", "1" },
	{ "router_settings", "allowed_fails", "2", "2" },
	{ "router_settings", "cooldown_time", "0.5", "\"500ms\"" },
	{ "router_settings", "retry_after", "1", "\"1s\"" },
	{ "router_settings", "hedge_after", "0.95", "0.950" },
	{ "router_settings", "stream_recovery", "continue", "\"continue\"" },
	{ "router_settings", "disable_cooldowns", "true", "true" },
	{ "router_settings", "model_group_alias", "{a: b, c: {model: d, hidden: true}}",
	  "{\"a\":{\"model\":\"b\",\"hidden\":false},\"c\":{\"model\":\"d\",\"hidden\":true}}" },
	{ "router_settings", "enable_pre_call_checks", "true", "true" },
	{ "router_settings", "enable_tag_filtering", "true", "true" },
	{ "router_settings", "single_flight", "true", "true" },
	{ "router_settings", "tag_filtering_match_any", "false", "false" },
	{ "litellm_settings", "cache", "true", "true" },
	{ "litellm_settings", "priority_reservation", "{prod: 0.75, dev: {type: rpm, value: 9}, x: {type: percent, value: 0}}",
	  "{\"prod\":0.75,\"dev\":{\"type\":\"rpm\",\"value\":9},\"x\":0}" },
	{ "litellm_settings.priority_reservation_settings", "default_priority", "0.1", "0.100" },
	{ "litellm_settings.priority_reservation_settings", "saturation_threshold", "0.8", "0.800" },
	{ "litellm_settings.cache_params", "type", "local", "\"local\"" },
	{ "litellm_settings.cache_params", "mode", "default_off", "\"default_off\"" },
	{ "litellm_settings.cache_params", "ttl", "60", "\"60s\"" },
	{ "litellm_settings.cache_params", "default_in_memory_ttl", "70", "\"70s\"" },
	{ "litellm_settings.cache_params", "namespace", "prod", "\"prod\"" },
	{ "litellm_settings.cache_params", "scope", "shared", "\"shared\"" },
	{ "litellm_settings.cache_params", "supported_call_types", "[acompletion, embedding]",
	  "[\"acompletion\",\"embedding\"]" },
	{ "litellm_settings.cache_params", "max_bytes", "8M", "\"8M\"" },
	{ "litellm_settings.cache_params", "max_answer", "64K", "\"64k\"" },
	{ "router_settings", "optional_pre_call_checks", "[prompt_caching, session_affinity]",
	  "[\"prompt_caching\",\"session_affinity\"]" },
	{ "router_settings", "default_max_parallel_requests", "9", "9" },
	{ "router_settings", "adaptive_concurrency", "true", "\"true\"" },
	{ "router_settings", "model_group_retry_policy",
	  "{g: {RateLimitErrorRetries: 3, TimeoutErrorRetries: 0}}",
	  "{\"g\":{\"TimeoutErrorRetries\":0,\"RateLimitErrorRetries\":3}}" },
	{ "router_settings", "provider_budget_config", "{openai: {budget_limit: 2.5, time_period: 1d}}",
	  "{\"openai\":{\"budget_limit\":2.5,\"time_period\":\"1d\"}}" },
	{ "router_settings", "keep_explanations", "false", "false" },
	{ "router_settings", "routing_groups", "[{group_name: x, models: [a], routing_strategy: least-busy}]",
	  "[{\"models\":[\"a\"],\"routing_strategy\":\"least-busy\"}]" },
	{ "router_settings.retry_policy", "BadRequestErrorRetries", "2", "2" },
	{ "router_settings.retry_policy", "AuthenticationErrorRetries", "2", "2" },
	{ "router_settings.retry_policy", "TimeoutErrorRetries", "2", "2" },
	{ "router_settings.retry_policy", "RateLimitErrorRetries", "2", "2" },
	{ "router_settings.retry_policy", "ContentPolicyViolationErrorRetries", "2", "2" },
	{ "router_settings.retry_policy", "InternalServerErrorRetries", "2", "2" },
	{ "router_settings.retry_policy", "ServiceUnavailableErrorRetries", "2", "2" },
	{ "router_settings.retry_policy", "NotFoundErrorRetries", "2", "2" },
	{ "router_settings.retry_policy", "BadGatewayErrorRetries", "2", "2" },
	{ "router_settings.allowed_fails_policy", "BadRequestErrorAllowedFails", "100", "100" },
	{ "router_settings.allowed_fails_policy", "AuthenticationErrorAllowedFails", "100", "100" },
	{ "router_settings.allowed_fails_policy", "TimeoutErrorAllowedFails", "100", "100" },
	{ "router_settings.allowed_fails_policy", "RateLimitErrorAllowedFails", "100", "100" },
	{ "router_settings.allowed_fails_policy", "ContentPolicyViolationErrorAllowedFails", "100", "100" },
	{ "router_settings.allowed_fails_policy", "InternalServerErrorAllowedFails", "100", "100" },
	{ "router_settings.allowed_fails_policy", "ServiceUnavailableErrorAllowedFails", "100", "100" },
	{ "router_settings.allowed_fails_policy", "NotFoundErrorAllowedFails", "100", "100" },
	{ "router_settings.allowed_fails_policy", "BadGatewayErrorAllowedFails", "100", "100" },
	{ "router_settings.routing_strategy_args", "ttl", "60", "\"60s\"" },
	{ "router_settings.routing_strategy_args", "lowest_latency_buffer", "0.5", "0.500" },
	{ "router_settings.routing_strategy_args", "max_latency_list_size", "4", "4" },
	{ "router_settings", "routing_strategy", "least-busy", "\"least-busy\"" },
	{ "router_settings", "set_verbose", "true", "true" },
	{ "litellm_settings", "num_retries", "7", "7" },
	{ "litellm_settings", "timeout", "8", "\"8s\"" },
	{ "litellm_settings", "stream_timeout", "9", "\"9s\"" },
	{ "litellm_settings", "fallbacks", "[{a: [b]}]", "[{\"a\":[\"b\"]}]" },
	{ "litellm_settings", "context_window_fallbacks", "[{a: [b]}]", "[{\"a\":[\"b\"]}]" },
	{ "litellm_settings", "content_policy_fallbacks", "[{a: [b]}]", "[{\"a\":[\"b\"]}]" },
	{ "litellm_settings", "default_fallbacks", "[a]", "[\"a\"]" },
	{ "litellm_settings", "max_fallbacks", "1", "1" },
	{ "litellm_settings", "allowed_fails", "2", "2" },
	{ "litellm_settings", "cooldown_time", "6", "\"6s\"" },
	{ "litellm_settings", "retry_after", "1", "\"1s\"" },
	{ "litellm_settings", "hedge_after", "0.9", "0.900" },
	{ "litellm_settings", "forward_traceparent_to_llm_provider", "true", "true" },
	{ "litellm_settings", "stream_recovery", "continue", "\"continue\"" },
	{ "litellm_settings", "disable_cooldowns", "true", "true" },
	{ "litellm_settings", "model_group_alias", "{a: b}",
	  "{\"a\":{\"model\":\"b\",\"hidden\":false}}" },
	{ "litellm_settings", "enable_pre_call_checks", "true", "true" },
	{ "litellm_settings", "enable_tag_filtering", "true", "true" },
	{ "litellm_settings", "tag_filtering_match_any", "false", "false" },
	{ "litellm_settings", "optional_pre_call_checks", "[prompt_caching, session_affinity]",
	  "[\"prompt_caching\",\"session_affinity\"]" },
	{ "litellm_settings", "default_max_parallel_requests", "9", "9" },
	{ "router_settings", "tag_budget_config", "{\"product:chat\": {max_budget: 3, budget_duration: 30d}}",
	  "{\"product:chat\":{\"budget_limit\":3,\"time_period\":\"30d\"}}" },
	{ "litellm_settings", "tag_budget_config", "{x: {budget_limit: 0.5, time_period: 1h}}",
	  "{\"x\":{\"budget_limit\":0.5,\"time_period\":\"1h\"}}" },
	{ "litellm_settings", "adaptive_concurrency", "true", "\"true\"" },
	{ "litellm_settings", "model_group_retry_policy",
	  "{g: {RateLimitErrorRetries: 3, TimeoutErrorRetries: 0}}",
	  "{\"g\":{\"TimeoutErrorRetries\":0,\"RateLimitErrorRetries\":3}}" },
	{ "litellm_settings", "provider_budget_config", "{openai: {budget_limit: 2.5, time_period: 1d}}",
	  "{\"openai\":{\"budget_limit\":2.5,\"time_period\":\"1d\"}}" },
	{ "litellm_settings", "routing_groups", "[{models: [a], sticky_by: header x-tenant}]",
	  "[{\"models\":[\"a\"],\"sticky_by\":\"header\",\"header\":\"x-tenant\"}]" },
	{ "litellm_settings.retry_policy", "BadRequestErrorRetries", "2", "2" },
	{ "litellm_settings.retry_policy", "AuthenticationErrorRetries", "2", "2" },
	{ "litellm_settings.retry_policy", "TimeoutErrorRetries", "2", "2" },
	{ "litellm_settings.retry_policy", "RateLimitErrorRetries", "2", "2" },
	{ "litellm_settings.retry_policy", "ContentPolicyViolationErrorRetries", "2", "2" },
	{ "litellm_settings.retry_policy", "InternalServerErrorRetries", "2", "2" },
	{ "litellm_settings.retry_policy", "ServiceUnavailableErrorRetries", "2", "2" },
	{ "litellm_settings.retry_policy", "NotFoundErrorRetries", "2", "2" },
	{ "litellm_settings.retry_policy", "BadGatewayErrorRetries", "2", "2" },
	{ "litellm_settings.allowed_fails_policy", "BadRequestErrorAllowedFails", "100", "100" },
	{ "litellm_settings.allowed_fails_policy", "AuthenticationErrorAllowedFails", "100", "100" },
	{ "litellm_settings.allowed_fails_policy", "TimeoutErrorAllowedFails", "100", "100" },
	{ "litellm_settings.allowed_fails_policy", "RateLimitErrorAllowedFails", "100", "100" },
	{ "litellm_settings.allowed_fails_policy", "ContentPolicyViolationErrorAllowedFails", "100", "100" },
	{ "litellm_settings.allowed_fails_policy", "InternalServerErrorAllowedFails", "100", "100" },
	{ "litellm_settings.allowed_fails_policy", "ServiceUnavailableErrorAllowedFails", "100", "100" },
	{ "litellm_settings.allowed_fails_policy", "NotFoundErrorAllowedFails", "100", "100" },
	{ "litellm_settings.allowed_fails_policy", "BadGatewayErrorAllowedFails", "100", "100" },
	{ "litellm_settings.routing_strategy_args", "ttl", "60", "\"60s\"" },
	{ "litellm_settings.routing_strategy_args", "lowest_latency_buffer", "0.5", "0.500" },
	{ "litellm_settings.routing_strategy_args", "max_latency_list_size", "4", "4" },
	{ "litellm_settings", "routing_strategy", "simple-shuffle", "\"simple-shuffle\"" },
	{ "litellm_settings", "request_timeout", "10", "\"10s\"" },
	{ "litellm_settings", "drop_params", "true", "true" },
	{ "litellm_settings", "modify_params", "true", "true" },
	{ "litellm_settings", "enable_json_schema_validation", "true", "true" },
	{ "litellm_settings", "include_cost_in_streaming_usage", "true", "true" },
	{ "litellm_settings", "require_auth_for_metrics_endpoint", "true", "true" },
	{ "litellm_settings", "cost_discount_config", "{openai: 0.05}", "{\"openai\":0.05}" },
	{ "litellm_settings", "cost_margin_config", "{global: {fixed_amount: 0.001}}",
	  "{\"global\":{\"fixed_amount\":0.001}}" },
	{ "litellm_settings", "callbacks", "[prometheus, x]", "[\"prometheus\",\"x\"]" },
	{ "litellm_settings", "public_model_groups", "[a, b]", "[\"a\",\"b\"]" },
	{ "general_settings", "token_rate_limit_type", "output", "\"output\"" },
	{ "general_settings", "store_prompts_in_spend_logs", "true", "true" },
	{ "litellm_settings", "turn_off_message_logging", "true", "true" },
	{ "litellm_settings", "global_disable_no_log_param", "true", "true" },
	{ "general_settings", "store_model_in_db", "true", "true" },
	{ "general_settings", "alerting", "[slack, webhook]", "[\"slack\",\"webhook\"]" },
	{ "general_settings", "alerting_threshold", "2m", "\"120s\"" },
	{ "general_settings", "alert_types", "[outage_alerts]", "[\"outage_alerts\"]" },
	{ "general_settings", "alert_to_webhook_url", "{outage_alerts: \"https://h/x\"}",
	  "\"********\"" },
	{ "general_settings", "alert_type_config", "{outage_alerts: {digest_interval: 5}}",
	  "{\"outage_alerts\":{\"digest_interval\":5}}" },
	{ "general_settings", "alert_emails", "[ops@example.org]", "[\"ops@example.org\"]" },
	{ "general_settings", "spend_report_frequency", "1d", "\"86400s\"" },
	{ "general_settings.alerting_args", "daily_report_frequency", "60", "\"60s\"" },
	{ "general_settings.alerting_args", "report_check_interval", "10", "\"10s\"" },
	{ "general_settings.alerting_args", "budget_alert_ttl", "3600", "\"3600s\"" },
	{ "general_settings.alerting_args", "outage_alert_ttl", "30", "\"30s\"" },
	{ "general_settings.alerting_args", "region_outage_alert_ttl", "30", "\"30s\"" },
	{ "general_settings.alerting_args", "minor_outage_alert_threshold", "3", "3" },
	{ "general_settings.alerting_args", "major_outage_alert_threshold", "9", "9" },
	{ "general_settings.alerting_args", "max_outage_alert_list_size", "5", "5" },
	{ "general_settings.alerting_args", "log_to_console", "true", "true" },
	{ "litellm_settings", "allow_dynamic_callback_disabling", "false", "false" },
	{ "litellm_settings", "disable_add_user_agent_to_request_tags", "true", "true" },
	{ "litellm_settings", "s3_callback_params", "{s3_bucket_name: b}", "\"********\"" },
	{ "litellm_settings", "aws_sqs_callback_params", "{sqs_queue_url: q}", "\"********\"" },
	{ "litellm_settings", "enable_end_user_cost_tracking_prometheus_only", "true", "true" },
	{ "litellm_settings", "prometheus_emit_stream_label", "true", "true" },
	{ "litellm_settings", "custom_prometheus_metadata_labels", "[metadata.x]",
	  "[\"metadata.x\"]" },
	{ "litellm_settings", "custom_prometheus_tags", "[\"a*\"]", "[\"a*\"]" },
	{ "litellm_settings", "prometheus_metrics_config", "[{metrics: [m]}]",
	  "[{\"metrics\":[\"m\"]}]" },
	{ "litellm_settings", "standard_logging_payload_excluded_fields", "[messages]",
	  "[\"messages\"]" },
	{ "litellm_settings.datadog_params", "turn_off_message_logging", "true", "true" },
	{ "litellm_settings.datadog_llm_observability_params", "turn_off_message_logging", "true",
	  "true" },
	{ "callback_settings", "<callback_name>", "{callback_type: generic_api, endpoint: \"https://h\"}",
	  "\"********\"" },
	{ "callback_settings.otel", "message_logging", "true", "true" },
	{ "litellm_settings", "success_callback", "prometheus", "[\"prometheus\"]" },
	{ "litellm_settings", "failure_callback", "[x]", "[\"x\"]" },
	{ "litellm_settings", "set_verbose", "True", "true" },
	{ "litellm_settings", "json_logs", "true", "true" },
	{ "litellm_params", "model", "ollama/y", "\"ollama/y\"" },
	{ "litellm_params", "custom_llm_provider", "ollama_chat", "\"ollama_chat\"" },
	{ "litellm_params", "api_key", "sk-x", "\"********\"" },
	{ "litellm_params", "api_base", "https://h/v1/", "\"https://h/v1\"" },
	{ "litellm_params", "base_url", "https://h:1/v1", "\"https://h:1/v1\"" },
	{ "litellm_params", "api_version", "2024-02-01", "\"2024-02-01\"" },
	{ "litellm_params", "azure_ad_token", "t", "\"********\"" },
	{ "litellm_params", "tenant_id", "t-1", "\"t-1\"" },
	{ "litellm_params", "client_id", "c-1", "\"c-1\"" },
	{ "litellm_params", "client_secret", "s", "\"********\"" },
	{ "litellm_params", "azure_scope", "x/.default", "\"x/.default\"" },
	{ "litellm_params", "vertex_project", "p-1", "\"p-1\"" },
	{ "litellm_params", "vertex_ai_project", "p-2", "\"p-2\"" },
	{ "litellm_params", "vertex_location", "eu", "\"eu\"" },
	{ "litellm_params", "vertex_ai_location", "us", "\"us\"" },
	{ "litellm_params", "vertex_credentials", "/a/b.json", "\"********\"" },
	{ "litellm_params", "vertex_ai_credentials", "{type: service_account}", "\"********\"" },
	{ "litellm_params", "region_name", "eu", "\"eu\"" },
	{ "litellm_params", "aws_access_key_id", "AKIDEXAMPLE", "\"AKIDEXAMPLE\"" },
	{ "litellm_params", "aws_secret_access_key", "s3cret", "\"********\"" },
	{ "litellm_params", "aws_session_token", "t0ken", "\"********\"" },
	{ "litellm_params", "aws_region_name", "eu-west-1", "\"eu-west-1\"" },
	{ "litellm_params", "aws_profile_name", "work", "\"work\"" },
	{ "litellm_params", "aws_bedrock_runtime_endpoint", "https://h", "\"https://h\"" },
	{ "litellm_params", "organization", "org-1", "[\"org-1\"]" },
	{ "litellm_params", "weight", "2.5", "2.500" },
	{ "litellm_params", "default_api_key_rpm_limit", "60", "60" },
	{ "litellm_params", "default_api_key_tpm_limit", "1000", "1000" },
	{ "litellm_params", "rpm", "60.0", "60" },
	{ "litellm_params", "tpm", "\"100000\"", "100000" },
	{ "litellm_params", "order", "2", "2" },
	{ "litellm_params", "max_parallel_requests", "3", "3" },
	{ "litellm_params", "adaptive_concurrency", "false", "\"false\"" },
	{ "litellm_params", "timeout", "30", "\"30s\"" },
	{ "litellm_params", "request_timeout", "31", "\"31s\"" },
	{ "litellm_params", "stream_timeout", "auto", "\"auto\"" },
	{ "litellm_params", "hedge_after", "0.99", "0.990" },
	{ "litellm_params", "num_retries", "0", "0" },
	{ "litellm_params", "cooldown_time", "0", "\"0s\"" },
	{ "litellm_params", "drop_params", "true", "true" },
	{ "litellm_params", "additional_drop_params", "[user, \"tools[*].function.strict\"]",
	  "[\"user\",\"tools[*].function.strict\"]" },
	{ "litellm_params", "allowed_openai_params", "[seed]", "[\"seed\"]" },
	{ "litellm_params", "max_budget", "1.5", "1.5" },
	{ "litellm_params", "budget_duration", "30d", "\"30d\"" },
	{ "litellm_params", "plan_windows", "[{duration: 5h, requests: 600, multiplier: 1.5, plan: p}]",
	  "[{\"duration\":18000,\"requests\":600,\"multiplier\":1.5,\"plan\":\"p\"}]" },
	{ "litellm_params", "silent_model", "m", "\"m\"" },
	{ "litellm_params", "tags", "[a, b]", "[\"a\",\"b\"]" },
	{ "litellm_params", "mock_response", "\"a\\nb\"", "\"a\\nb\"" },
	{ "litellm_params", "extra_headers", "{X-A: b}", "{\"X-A\":\"********\"}" },
	{ "litellm_params", "headers", "{X-A: b}", "{\"X-A\":\"********\"}" },
	{ "litellm_params", "extra_body", "{a: 1.50, b: [true, ~, x]}",
	  "{\"a\":1.50,\"b\":[true,null,\"x\"]}" },
	{ "model_info", "id", "one", NULL },
	{ "model_info", "mode", "embedding", NULL },
	{ "model_info", "base_model", "gpt-4o", NULL },
	{ "model_info", "max_tokens", "10", NULL },
	{ "model_info", "max_input_tokens", "20", NULL },
	{ "model_info", "max_output_tokens", "30", NULL },
	{ "model_info", "access_groups", "[a]", NULL },
	{ "model_info", "access_windows", "[{days: mon-fri, from: \"08:00\", to: \"18:00\"}]", NULL },
	{ "model_info", "health_check_model", "ollama/h", NULL },
	{ "model_info", "disable_background_health_check", "true", NULL },
	{ "price", "input_cost_per_token", "1.5e-06", "0.0000015" },
	{ "price", "output_cost_per_token", "\"0.000002\"", "0.000002" },
	{ "price", "cache_read_input_token_cost", "1e-9", "0.000000001" },
	{ "price", "input_cost_per_token_cache_hit", "2e-9", "0.000000002" },
	{ "price", "cache_creation_input_token_cost", "0", "0.0" },
	{ "price", "cache_creation_input_token_cost_above_1hr", "6e-6", "0.000006" },
	{ "price", "output_cost_per_reasoning_token", "3e-12", "0.000000000003" },
	{ "price", "input_cost_per_request", "0.01", "0.01" },
	{ "price", "input_cost_per_query", "0.002", "0.002" },
	{ "price", "input_cost_per_image", "0.04", "0.04" },
	{ "price", "output_cost_per_image", "0.05", "0.05" },
	{ "price", "input_cost_per_second", "0.0001", "0.0001" },
	{ "price", "output_cost_per_second", "0.0002", "0.0002" },
	{ "price", "input_cost_per_character", "0.000015", "0.000015" },
	{ "price", "input_cost_per_audio_token", "0.5", "0.5" },
	{ "price", "input_cost_per_image_token", "0.25", "0.25" },
	{ "price", "output_cost_per_audio_token", "0.125", "0.125" },
	{ "price", "output_cost_per_image_token", "0.75", "0.75" },
	{ "price", "input_cost_per_token_flex", "6.25e-7", "0.000000625" },
	{ "price", "output_cost_per_token_flex", "5e-6", "0.000005" },
	{ "price", "cache_read_input_token_cost_flex", "6.25e-8", "0.0000000625" },
	{ "price", "input_cost_per_token_priority", "2.5e-6", "0.0000025" },
	{ "price", "output_cost_per_token_priority", "2e-5", "0.00002" },
	{ "price", "cache_read_input_token_cost_priority", "2.5e-7", "0.00000025" },
	{ "price", "input_cost_per_token_batches", "1e-6", "0.000001" },
	{ "price", "output_cost_per_token_batches", "4e-6", "0.000004" },
	{ "price", "file_search_cost_per_1k_calls", "2.5", "0.0025" },
	{ "price", "code_interpreter_cost_per_session", "0.03", "0.03" },
};

/* A name under which `show` prints the row, where that is not its own. */
static const char *shown_name(const char *name)
{
	static const char *const twins[][2] = {
		{ "base_url", "api_base" },
		{ "headers", "extra_headers" },
		{ "request_timeout", "timeout" },
		{ "input_cost_per_token_cache_hit", "cache_read_input_token_cost" },
		{ "vertex_ai_project", "vertex_project" },
		{ "vertex_ai_location", "vertex_location" },
		{ "vertex_ai_credentials", "vertex_credentials" },
	};

	for (size_t i = 0; i < COUNT(twins); i++)
		if (strcmp(twins[i][0], name) == 0)
			return twins[i][1];
	return name;
}

static void put_entry(struct buf *b, const struct set_row *row)
{
	bool is_info = strcmp(row->section, "model_info") == 0;

	buf_printf(b, KEY "model_list: [{model_name: m, litellm_params: {");
	if (is_info || strcmp(row->name, "model") != 0)
		buf_printf(b, "model: ollama/x%s", is_info ? "" : ", ");
	if (is_info)
		buf_printf(b, "}, model_info: {");
	buf_printf(b, "%s: %s}}]\n", row->name, row->yaml);
}

static void put_setting(struct buf *b, const struct set_row *row)
{
	struct str below = str_z(row->section), section = str_cut(&below, '.');

	if (strcmp(row->name, "master_key") != 0 && !str_eq(section, STR("general_settings")))
		buf_put_z(b, KEY);
	if (strcmp(row->section, "general_settings") == 0 && strcmp(row->name, "master_key") != 0)
		buf_printf(b, "general_settings: {master_key: sk-test, %s: %s}\n", row->name,
			   row->yaml);
	else if (below.n > 0 && str_eq(section, STR("general_settings")))
		buf_printf(b, "general_settings: {master_key: sk-test, " STR_FMT ": {%s: %s}}\n",
			   STR_ARG(below), row->name, row->yaml);
	else if (below.n > 0)
		buf_printf(b, STR_FMT ": {%s" STR_FMT ": {%s: %s}}\n", STR_ARG(section),
			   str_eq(section, STR("general_settings")) ? "master_key: sk-test, " : "",
			   STR_ARG(below), row->name, row->yaml);
	else
		buf_printf(b, STR_FMT ": {%s: %s}\n", STR_ARG(section), row->name, row->yaml);
}

static bool is_of_model(const char *section)
{
	return strcmp(section, "litellm_params") == 0 || strcmp(section, "model_info") == 0 ||
	       strcmp(section, "price") == 0;
}

static void check_row(const struct set_row *row)
{
	struct buf text, out;
	struct json_error e;
	char path[128];

	buf_init(&text, 4096);
	buf_init(&out, 1 << 20);
	arena_reset(arena);
	if (is_of_model(row->section))
		put_entry(&text, row);
	else
		put_setting(&text, row);
	struct config *c = read_good(buf_z(&text));
	config_show(c, false, &out);
	const struct json *all = json_parse(arena, buf_str(&out), 0, &e);
	assert_non_null(all);
	const struct json *in = json_at(json_get(all, "model_list"), 0);
	if (is_of_model(row->section)) {
		in = json_get_path(in, row->json ? "litellm_params" : "model_info");
		in = json_get(in, shown_name(row->name));
	} else {
		snprintf(path, sizeof path, "%s.%s", row->section, row->name);
		in = json_get_path(all, path);
	}
	if (!in)
		fail_msg("%s.%s is not shown", row->section, row->name);
	if (row->json && !str_eq_z(in->raw, row->json))
		fail_msg("%s.%s is " STR_FMT ", not %s", row->section, row->name, STR_ARG(in->raw),
			 row->json);
	config_free(c);
	buf_done(&text);
	buf_done(&out);
}

static void test_every_directive_is_set_and_shown(void **state)
{
	size_t n;
	const struct directive *all = directives_all(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		bool found = false;
		for (size_t k = 0; k < COUNT(set_rows); k++) {
			if (strcmp(set_rows[k].section, all[i].section) != 0 ||
			    strcmp(set_rows[k].name, all[i].name) != 0)
				continue;
			found = true;
			check_row(&set_rows[k]);
		}
		if (!found)
			fail_msg("no test sets %s.%s", all[i].section, all[i].name);
	}
	assert_int_equal(n, COUNT(set_rows));
}

static void test_tiers_and_searches(void **state)
{
	struct config *c = read_good(
		KEY "model_list:\n"
		"- model_name: a\n  litellm_params:\n    model: openai/gpt-4o\n    api_key: k\n"
		"    output_cost_per_token_priority: 0.00002\n"	/* all else by the table */
		"- model_name: b\n  litellm_params:\n    model: openai/house\n    api_key: k\n"
		"    input_cost_per_token: 0\n    output_cost_per_token: 0\n"
		"    search_context_cost_per_query: {search_context_size_low: 0.005,"
		" search_context_size_high: \"0.01\", search_context_size_vast: 9}\n"
		"    web_search_billing_unit: per_prompt\n"
		"    file_search_cost_per_1k_calls: 2.5\n"
		"- model_name: c\n  litellm_params:\n    model: openai/house\n    api_key: k\n"
		"    input_cost_per_token: 0\n    output_cost_per_token: 0\n");
	const struct price *a = &c->models[0].price, *b = &c->models[1].price;

	(void)state;
	assert_int_equal(a->flags, PRICE_KNOWN | PRICE_TIERED);
	assert_int_equal(a->input, 2500000);
	assert_int_equal(a->tiers[TIER_PRIORITY - TIER_FLEX].output, 20000000);
	assert_int_equal(a->tiers[TIER_PRIORITY - TIER_FLEX].input, PRICE_NONE);
	assert_int_equal(a->tiers[TIER_FLEX - TIER_FLEX].output, PRICE_NONE);
	assert_int_equal(b->flags, PRICE_KNOWN | PRICE_SEARCHED | PRICE_TOOLED | PRICE_PER_PROMPT);
	assert_int_equal(b->per_file_search, INT64_C(2500000000));
	assert_int_equal(b->per_search[SEARCH_LOW - SEARCH_LOW], INT64_C(5000000000));
	assert_int_equal(b->per_search[SEARCH_MEDIUM - SEARCH_LOW], 0);
	assert_int_equal(b->per_search[SEARCH_HIGH - SEARCH_LOW], INT64_C(10000000000));
	assert_int_equal(c->models[2].price.flags, PRICE_KNOWN | PRICE_FREE);
	config_free(c);
}

static void test_defaults(void **state)
{
	struct config *c = read_good(KEY);

	(void)state;
	assert_int_equal(c->n_listen, 1);
	assert_true(str_eq(c->listen[0].host, STR("0.0.0.0")));
	assert_int_equal(c->listen[0].port, 4000);
	assert_false(c->listen[0].tls);
	assert_int_equal(c->workers, 0);
	assert_int_equal(c->set.body_max, 32 << 20);
	assert_int_equal(c->set.request_memory_max, 64 << 20);
	assert_int_equal(c->set.drain_ms, 30000);
	assert_int_equal(c->set.total_timeout_ms, 6000000);
	assert_int_equal(c->set.num_retries, 2);
	assert_int_equal(c->set.max_fallbacks, 5);
	assert_int_equal(c->set.allowed_fails, 3);
	assert_int_equal(c->set.cooldown_ms, 5000);
	assert_int_equal(c->set.default_max_tokens, 4096);
	assert_int_equal(c->set.flags, 0);
	assert_int_equal(c->set.access_log, 1);
	assert_int_equal(c->max_keys, 1000000);
	assert_int_equal(c->cors_origins.n, 1);
	assert_true(str_eq(c->cors_origins.v[0], STR("*")));
	config_free(c);
}

static void test_model_fields(void **state)
{
	struct config *c = read_good(
		KEY
		"model_list:\n- model_name: m\n  litellm_params:\n"
		"    model: groq/llama\n    api_key: gsk\n    temperature: 0.10\n    stop: [a, b]\n"
		"    seed: 9007199254740993\n    organization: o\n    extra_headers: {X-A: b}\n"
		"    input_cost_per_token: 0.000001\n    output_cost_per_token: 0.000002\n"
		"    input_cost_per_token_above_200k_tokens: 0.000003\n"
		"    cache_read_input_token_cost_above_200k_tokens: 0.000004\n"
		"    cache_creation_input_token_cost_above_200k_tokens: 0.000005\n"
		"    cache_creation_input_token_cost_above_1hr: 0.000006\n  model_info:\n"
		"    mode: responses\n    max_tokens: 7\n    access_groups: [g]\n    extra: {a: "
		"01}\n");
	const struct config_model *m = &c->models[0];

	(void)state;
	assert_int_equal(c->n_models, 1);
	assert_int_equal(m->line, 3);
	assert_int_equal(m->column, 3);
	assert_true(str_eq(m->provider, STR("groq")));
	assert_true(str_eq(m->model, STR("llama")));
	assert_true(str_eq(m->api_base, STR("https://api.groq.com/openai/v1")));
	assert_true(str_eq(m->api_key, STR("gsk")));
	assert_true(str_eq(m->params, STR("{\"temperature\":0.10,\"stop\":[\"a\",\"b\"],"
					  "\"seed\":9007199254740993}")));
	assert_int_equal(m->headers.n, 2);
	assert_true(str_eq(m->headers.v[1].name, STR("OpenAI-Organization")));
	assert_int_equal(m->price.input, 1000000);
	assert_int_equal(m->price.output, 2000000);
	assert_int_equal(m->price.input_above, 3000000);
	assert_int_equal(m->price.output_above, PRICE_NONE);
	assert_int_equal(m->price.cache_read_above, 4000000);
	assert_int_equal(m->price.cache_write_above, 5000000);
	assert_int_equal(m->price.cache_write_hour, 6000000);
	assert_int_equal(m->price.tier_tokens, 200000);
	assert_int_equal(m->price.cache_read, PRICE_NONE);
	assert_int_equal(m->price.flags, PRICE_KNOWN);
	assert_int_equal(m->mode, MODE_RESPONSES);
	assert_int_equal(m->max_output_tokens, 7);
	assert_int_equal(m->cooldown_ms, UINT64_MAX);
	assert_int_equal(m->num_retries, SNAP_NONE);
	assert_int_equal(m->id.n, 64);
	assert_true(str_find(m->info, STR("\"extra\":{\"a\":1}")) != SIZE_MAX);
	config_free(c);
}

static void test_router_settings_win_and_stream_timeout_is_handed_down(void **state)
{
	struct config *c = read_good(
		MODEL "  - model_name: n\n    litellm_params: {model: ollama/y,"
		      " stream_timeout: 5}\nrouter_settings: {num_retries: 1, stream_timeout: 9}\n"
		      "litellm_settings: {num_retries: 4, request_timeout: 100, set_verbose: true,"
		      " json_logs: true, allowed_fails: 1}\n");

	(void)state;
	assert_int_equal(c->set.num_retries, 1);
	assert_int_equal(c->set.total_timeout_ms, 100000);
	assert_int_equal(c->models[0].stream_timeout_ms, 9000);
	assert_int_equal(c->models[1].stream_timeout_ms, 5000);
	assert_true(str_eq(c->log_level, STR("debug")));
	assert_int_equal(c->set.log_level, 3);
	assert_true(str_eq(c->log_format, STR("json")));
	assert_int_equal(c->set.flags, SET_ALLOWED_FAILS);
	config_free(c);
	c = read_good(KEY "litellm_settings: {set_verbose: true}\nserver: {log: {level: warn}}\n");
	assert_true(str_eq(c->log_level, STR("warn")));
	config_free(c);
}

/* ---- environment ---- */

static void test_environment(void **state)
{
	(void)state;
	setenv("T_KEY", "sk-from-env", 1);
	setenv("T_TIMEOUT", "12.5", 1);
	unsetenv("T_UNSET");
	unsetenv("T_OUT");
	struct config *c = read_good(
		"environment_variables: {T_OUT: os.environ/T_TIMEOUT, T_PLAIN: 5, T_NULL: ~}\n"
		"general_settings: {master_key: os.environ/T_KEY}\nmodel_list:\n- model_name: m\n"
		"  litellm_params: {model: ollama/x, timeout: os.environ/T_OUT,"
		" tags: [os.environ/T_KEY, os.environ/T_UNSET, c],"
		" extra_body: {a: [{b: os.environ/T_KEY}], c: os.environ/T_UNSET}}\n");
	assert_string_equal(getenv("T_OUT"), "12.5");
	assert_string_equal(getenv("T_PLAIN"), "5");
	assert_int_equal(c->env.n, 2);
	assert_true(str_eq(c->master_key, STR("sk-from-env")));
	assert_int_equal(c->models[0].timeout_ms, 12500);
	assert_int_equal(c->models[0].tags.n, 2);
	assert_true(str_eq(c->models[0].extra_body,
			   STR("{\"a\":[{\"b\":\"sk-from-env\"}],\"c\":null}")));
	assert_int_equal(c->n_warnings, 2);
	assert_true(complains(c, "the environment variable T_UNSET is not set; this counts as null "
				 "[W004 variable-not-set]"));
	config_free(c);
	/* What a variable holds never shows. */
	setenv("T_TIMEOUT", "sk-secret-value", 1);
	c = read_text(MODEL "      timeout: os.environ/T_TIMEOUT\n");
	assert_true(complains(c, "what the environment variable holds is not a duration"));
	assert_false(complains(c, "secret-value"));
	config_free(c);
}

static void test_the_sandbox_of_the_environment(void **state)
{
	(void)state;
	setenv("LLMGW_SANDBOX", "log", 1);
	struct config *c = read_good(KEY);
	assert_int_equal(c->sandbox, SANDBOX_LOG);
	config_free(c);
	c = read_good(KEY "server: {sandbox: \"off\"}\n");	/* the configuration has the last word */
	assert_int_equal(c->sandbox, SANDBOX_OFF);
	config_free(c);
	setenv("LLMGW_SANDBOX", "none", 1);
	assert_complains(KEY, "LLMGW_SANDBOX is none of auto, enforce, log and off");
	unsetenv("LLMGW_SANDBOX");
}

static struct str base_of(const char *model, const char *base, const char *info)
{
	static char text[1024], kept[256];

	snprintf(text, sizeof text, KEY "model_list:\n- model_name: m\n  litellm_params: {model: %s, api_key: k%s%s}\n"
					"  model_info: {%s}\n", model, base[0] ? ", api_base: " : "", base, info);
	struct config *c = read_text(text);
	kept[0] = '\0';
	if (c->n_models)
		snprintf(kept, sizeof kept, STR_FMT, STR_ARG(c->models[0].api_base));
	config_free(c);
	return str_z(kept);
}

static void test_bases(void **state)
{
	static const struct {
		const char *model, *base, *info, *want;
	} rows[] = {
		{ "cohere/command-a", "", "", "https://api.cohere.com" },
		{ "cohere/command-a", "https://x.example/v2/chat/", "", "https://x.example" },
		{ "cohere/rerank-v3.5", "https://x.example/v1/rerank", "", "https://x.example" },
		{ "cloudflare/@cf/x", "https://x.example/ai/run/", "", "https://x.example/ai/v1" },
		{ "cloudflare/@cf/x", "https://x.example/ai/v1", "", "https://x.example/ai/v1" },
		{ "cloudflare/@cf/x", "", "", "" },	/* whose account? */
		{ "huggingface/x", "https://x.example/v1/chat/completions", "", "https://x.example" },
		{ "deepinfra/x", "", "", "https://api.deepinfra.com/v1/openai" },
		{ "deepinfra/Qwen3-reranker", "", "", "https://api.deepinfra.com/v1/inference" },
		{ "deepinfra/x", "https://api.deepinfra.com/v1/openai", "mode: rerank", "https://api.deepinfra.com/v1/inference" },
		{ "nvidia_nim/ranking/x", "http://nim.example:8000/v1", "mode: rerank", "http://nim.example:8000/v1" },
		{ "nvidia_nim/x-rerank", "", "mode: rerank", "https://ai.api.nvidia.com/v1" },
		{ "nvidia_nim/x-rerank", "", "mode: chat", "https://integrate.api.nvidia.com/v1" },
	};

	(void)state;
	unsetenv("CLOUDFLARE_ACCOUNT_ID");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str base = base_of(rows[i].model, rows[i].base, rows[i].info);
		if (!str_eq_z(base, rows[i].want))
			fail_msg("%s %s: " STR_FMT, rows[i].model, rows[i].base, STR_ARG(base));
	}
	setenv("CLOUDFLARE_ACCOUNT_ID", "acc1", 1);
	assert_true(str_eq(base_of("cloudflare/@cf/x", "", ""),
			   STR("https://api.cloudflare.com/client/v4/accounts/acc1/ai/v1")));
	unsetenv("CLOUDFLARE_ACCOUNT_ID");
}

static void test_a_price_per_query(void **state)
{
	(void)state;
	struct config *c = read_good(MODEL "      input_cost_per_query: 0.002\n");
	assert_int_equal(c->models[0].price.per_query, 2000000000);
	assert_int_equal(c->models[0].price.input, 0);
	assert_int_equal(c->models[0].price.flags, PRICE_KNOWN);
	config_free(c);
	c = read_good(MODEL "      input_cost_per_token: 0\n      output_cost_per_token: 0\n");
	assert_int_equal(c->models[0].price.per_query, 0);
	assert_int_equal(c->models[0].price.flags, PRICE_KNOWN | PRICE_FREE);
	config_free(c);
}

static void test_provider_defaults_come_from_the_environment(void **state)
{
	(void)state;
	setenv("GROQ_API_KEY", "gsk-env", 1);
	setenv("GROQ_API_BASE", "https://groq.example/v1/", 1);
	struct config *c = read_good(KEY "model_list:\n- model_name: m\n"
					 "  litellm_params: {model: groq/x}\n");
	assert_true(str_eq(c->models[0].api_key, STR("gsk-env")));
	assert_true(str_eq(c->models[0].api_base, STR("https://groq.example/v1")));
	config_free(c);
	setenv("GROQ_API_BASE", "groq.example", 1);
	assert_complains(KEY "model_list:\n- model_name: m\n  litellm_params: {model: groq/x}\n",
			 "t.yaml:3:3: error: GROQ_API_BASE must begin with http:// or https://");
	unsetenv("GROQ_API_BASE");
	unsetenv("GROQ_API_KEY");
	c = read_good(KEY "model_list:\n- model_name: m\n  litellm_params: {model: mistral/x,"
			  " api_base: \"https://m.example\"}\n");
	assert_true(str_eq(c->models[0].api_base, STR("https://m.example/v1")));
	config_free(c);
}

/* What clouds make of a deployment. */
static const struct cloud_row {
	const char *params;
	const char *base, *model, *version;	/* NULL: none, or not looked at */
	enum provider_family family;
	enum provider_site site;
	enum provider_auth auth;
} cloud_rows[] = {
	{ "model: vertex_ai/gemini-x, vertex_project: p, vertex_location: global, vertex_credentials: {type: compute_metadata}",
	  "https://aiplatform.googleapis.com", "gemini-x", NULL, FAMILY_GEMINI, SITE_VERTEX, AUTH_GOOGLE },
	{ "model: vertex_ai/claude-x, vertex_project: p, vertex_location: eu, vertex_credentials: {type: compute_metadata}",
	  "https://aiplatform.eu.rep.googleapis.com", "claude-x", NULL, FAMILY_ANTHROPIC, SITE_VERTEX, AUTH_GOOGLE },
	{ "model: vertex_ai/meta/llama, vertex_project: p, vertex_credentials: {type: compute_metadata}",
	  "https://us-central1-aiplatform.googleapis.com", "meta/llama", NULL, FAMILY_OPENAI, SITE_VERTEX, AUTH_GOOGLE },
	{ "model: vertex_ai/77, vertex_project: p, vertex_credentials: {type: compute_metadata}",
	  NULL, "77", NULL, FAMILY_OPENAI, SITE_VERTEX, AUTH_GOOGLE },
	{ "model: vertex_ai_beta/gemini-x, vertex_project: p, api_key: k, api_base: \"https://g.example/x/v1/projects/p/locations/l/models/m\"",
	  "https://g.example/x", "gemini-x", NULL, FAMILY_GEMINI, SITE_VERTEX, AUTH_X_GOOG_API_KEY },
	{ "model: azure/d, api_key: k, api_base: \"https://r.openai.azure.com/\", api_version: 2024-10-21",
	  "https://r.openai.azure.com", "d", "2024-10-21", FAMILY_OPENAI, SITE_AZURE, AUTH_API_KEY },
	{ "model: azure/d, api_key: k, api_base: \"https://r.openai.azure.com/openai/v1\"",
	  "https://r.openai.azure.com", "d", "v1", FAMILY_OPENAI, SITE_AZURE, AUTH_API_KEY },
	{ "model: azure/d, tenant_id: t, client_id: c, client_secret: s, api_base: \"https://r.openai.azure.com\"",
	  "https://r.openai.azure.com", "d", "2025-02-01-preview", FAMILY_OPENAI, SITE_AZURE, AUTH_ENTRA },
	{ "model: azure/d, azure_ad_token: t, api_base: \"https://r.openai.azure.com\"",
	  NULL, "d", NULL, FAMILY_OPENAI, SITE_AZURE, AUTH_BEARER },
	{ "model: azure/d, azure_ad_token: t, api_key: k, api_base: \"https://r.openai.azure.com\"",
	  NULL, "d", NULL, FAMILY_OPENAI, SITE_AZURE, AUTH_API_KEY },
	{ "model: azure_ai/m, api_key: k, api_base: \"https://r.services.ai.azure.com\"",
	  "https://r.services.ai.azure.com/models", "m", "2024-05-01-preview", FAMILY_OPENAI, SITE_FOUNDRY, AUTH_API_KEY },
	{ "model: azure_ai/m, api_key: k, api_base: \"https://r.services.ai.azure.com/openai/v1\"",
	  "https://r.services.ai.azure.com/openai/v1", "m", NULL, FAMILY_OPENAI, SITE_OWN, AUTH_API_KEY },
	{ "model: azure_ai/m, api_key: k, api_base: \"https://n.eastus.models.ai.azure.com\"",
	  "https://n.eastus.models.ai.azure.com/v1", "m", NULL, FAMILY_OPENAI, SITE_OWN, AUTH_BEARER },
	{ "model: azure_ai/m, api_key: k, api_base: \"https://r.openai.azure.com/openai/deployments/d\", api_version: v1",
	  "https://r.openai.azure.com", "d", "v1", FAMILY_OPENAI, SITE_AZURE, AUTH_API_KEY },
	{ "model: azure_ai/claude-x, api_key: k, api_base: \"https://r.services.ai.azure.com\"",
	  "https://r.services.ai.azure.com/anthropic", "claude-x", NULL, FAMILY_ANTHROPIC, SITE_OWN, AUTH_X_API_KEY },
	{ "model: gigachat/m, api_key: azE=", NULL, "m", NULL, FAMILY_OPENAI, SITE_OWN, AUTH_GIGACHAT },
};

static void test_clouds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cloud_rows); i++) {
		const struct cloud_row *row = &cloud_rows[i];
		struct buf b;
		buf_init(&b, 10000);
		buf_printf(&b, KEY "model_list:\n- model_name: m\n  litellm_params: {%s}\n", row->params);
		struct config *c = read_good(buf_z(&b));
		if (c->n_models != 1)
			fail_msg("%s: %s", row->params, buf_z(&c->complaints));
		const struct config_model *m = &c->models[0];
		if (row->base)
			assert_true(str_eq_z(m->api_base, row->base));
		assert_true(str_eq_z(m->model, row->model));
		if (row->version)
			assert_true(str_eq_z(m->api_version, row->version));
		assert_int_equal(m->family, row->family);
		assert_int_equal(m->site, row->site);
		assert_int_equal(m->auth, row->auth);
		bool has_key = row->auth == AUTH_GOOGLE || row->auth == AUTH_ENTRA || row->auth == AUTH_GIGACHAT;
		assert_int_equal(m->credentials.n > 0, has_key);
		config_free(c);
		buf_done(&b);
	}
}

static void test_places_of_providers(void **state)
{
	(void)state;
	struct config *c = read_good(KEY "model_list:\n- model_name: m\n  litellm_params: {model: bedrock_mantle/x,"
					 " api_key: k, region_name: eu-west-1}\n");
	assert_true(str_eq_z(c->models[0].api_base, "https://bedrock-mantle.eu-west-1.api.aws/openai/v1"));
	config_free(c);
	c = read_good(KEY "model_list:\n- model_name: m\n  litellm_params: {model: bedrock_mantle/x, api_key: k,"
			  " region_name: \"evil.example/\"}\n");
	assert_int_equal(c->n_models, 0);
	config_free(c);
}

static void test_master_key(void **state)
{
	const struct config_overrides dev = { .insecure_dev = true };

	(void)state;
	assert_complains("server: {workers: 1}\n", "no master key; make one with");
	assert_complains("general_settings: {master_key: abc}\n", "must begin with \"sk-\"");
	struct config *c = read_with("server: {workers: 1}\n", &dev);
	assert_int_equal(c->n_errors, 0);
	assert_int_equal(c->set.flags, SET_NO_MASTER_KEY);
	config_free(c);
	c = read_good("server: {insecure-dev: true}\n" KEY);
	assert_int_equal(c->set.flags, 0);
	config_free(c);
	write_file("master-key", "sk-credential\n");
	setenv("CREDENTIALS_DIRECTORY", folder, 1);
	c = read_good("server: {workers: 1}\n");
	assert_true(str_eq(c->master_key, STR("sk-credential")));
	config_free(c);
	setenv("LITELLM_MASTER_KEY", "sk-environment", 1);
	c = read_good("server: {workers: 1}\n");
	assert_true(str_eq(c->master_key, STR("sk-environment")));
	config_free(c);
	c = read_good(KEY);
	assert_true(str_eq(c->master_key, STR("sk-test")));
	config_free(c);
	unsetenv("LITELLM_MASTER_KEY");
	unsetenv("CREDENTIALS_DIRECTORY");
}

/* ---- files ---- */

static void test_bounds_of_keys(void **state)
{
	static const char *const bad[] = {
		"max_budget: \"5\"", "max_budget: much", "max_budget: -1", "tpm_limit: 0",
		"rpm_limit: 1.5", "max_parallel_requests: [1]", "duration: 30", "duration: soon",
		"budget_duration: true", "budget_duration: \"-1\"",
	};
	char text[256], what[128];
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct str name = str_z(bad[i]);
		name = str_cut(&name, ':');
		snprintf(what, sizeof what, "upperbound_key_generate_params: " STR_FMT " must be ",
			 STR_ARG(name));
		snprintf(text, sizeof text,
			 KEY "litellm_settings:\n  upperbound_key_generate_params: {%s}\n", bad[i]);
		assert_complains(text, what);
		snprintf(text, sizeof text,
			 KEY "litellm_settings:\n  default_key_generate_params: {%s}\n", bad[i]);
		assert_complains(text, what + strlen("upperbound_key_generate_params: "));
	}
	struct config *c = read_good(KEY "litellm_settings:\n  upperbound_key_generate_params: "
				   "{max_budget: 1.5, duration: 30d, rpm_limit: null, odd: 1}\n");
	assert_true(complains(c, "upperbound_key_generate_params: 'odd' bounds nothing"));
	assert_false(complains(c, "must be"));
	config_free(c);
}

static void test_tags_of_langfuse(void **state)
{
	(void)state;
	struct config *c = read_good(KEY "litellm_settings: {langfuse_default_tags: "
				   "[user_api_key_alias, user_api_key_user_email]}\n");
	assert_true(complains(c, "'user_api_key_user_email' is not known of a request"));
	assert_int_equal(c->langfuse_tags, export_langfuse_tag(STR("user_api_key_alias")));
	config_free(c);
}

static void test_callbacks_of_teams(void **state)
{
	static const char *const bad[][2] = {
		{ "[t]", "each must be a map with team_id" },
		{ "[{success_callback: [langfuse]}]", "each must be a map with team_id" },
		{ "[{team_id: t, success_callback: langfuse}]", "must be lists" },
	};
	char text[256];
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(text, sizeof text, KEY "litellm_settings:\n  default_team_settings: %s\n",
			 bad[i][0]);
		assert_complains(text, bad[i][1]);
	}
	struct config *c = read_good(KEY "litellm_settings: {default_team_settings: [{team_id: t, "
		"success_callback: [langfuse, nobody], max_budget: 3, langfuse_secret: s}, "
		"{team_id: u}]}\n");
	assert_int_equal(c->n_teams, 2);
	assert_true(str_eq(c->teams[0].team_id, STR("t")));
	assert_true(str_eq(c->teams[0].rule, STR("{\"plain_settings\":{\"success_callback\":["
		"\"langfuse\",\"nobody\"],\"callback_vars\":{\"langfuse_secret\":\"s\"}}}")));
	assert_true(complains(c, "'nobody' of default_team_settings is not called yet"));
	assert_true(complains(c, "max_budget of default_team_settings is not acted on"));
	assert_true(c->set.flags & SET_RECORDS && c->set.flags & SET_TEXTS_TOLD);
	config_free(c);
}

static void test_who_may_make_keys(void **state)
{
	static const char *const bad[][2] = {
		{ "team_key_generation: {allowed_team_member_roles: admin}", "a list of roles" },
		{ "team_key_generation: {allowed_team_member_roles: [king]}", "a list of roles" },
		{ "team_key_generation: {required_params: [3]}", "a list of names" },
		{ "personal_key_generation: {allowed_user_roles: {a: b}}", "a list of roles" },
		{ "personal_key_generation: {allowed_team_member_roles: [admin]}",
		  "'allowed_team_member_roles' restricts nothing" },
		{ "personal: {}", "must be a map of" },
		{ "personal_key_generation: [internal_user]", "must be a map of" },
	};
	char text[256];
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(text, sizeof text, KEY "litellm_settings:\n  key_generation_settings: {%s}\n",
			 bad[i][0]);
		assert_complains(text, bad[i][1]);
	}
	struct config *c = read_good(KEY "litellm_settings: {key_generation_settings: "
		"{team_key_generation: {allowed_team_member_roles: [admin], required_params: [tags]}, "
		"personal_key_generation: {allowed_user_roles: []}}, max_internal_user_budget: 3, "
		"default_max_internal_user_budget: 9}\n");
	assert_int_equal(c->user_budget, INT64_C(3000000000000));
	assert_false(complains(c, "key_generation"));
	config_free(c);
}

static void test_what_new_ones_get(void **state)
{
	static const char *const bad[] = {
		"max_budget: much", "budget_duration: soon", "models: m", "models: [[m]]",
		"teams: t", "teams: [{user_role: user}]", "available_teams: [1, {team_id: t}]",
		"user_role: king",
	};
	char text[256], what[128];
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct str name = str_z(bad[i]);
		name = str_cut(&name, ':');
		snprintf(what, sizeof what, "default_internal_user_params: " STR_FMT " must be ",
			 STR_ARG(name));
		snprintf(text, sizeof text,
			 KEY "litellm_settings:\n  default_internal_user_params: {%s}\n", bad[i]);
		assert_complains(text, what);
	}
	assert_complains(KEY "litellm_settings: {default_team_params: {max_budget: x}}\n",
			 "default_team_params: max_budget must be");
	assert_complains(KEY "litellm_settings: {internal_user_budget_duration: soon}\n",
			 "internal_user_budget_duration must be a duration");
	struct config *c = read_good(KEY "litellm_settings: {default_internal_user_params: {models: "
				   "[m], teams: [t, {team_id: u}], user_role: internal_user}, "
				   "upperbound_key_generate_params: {models: [m]}}\n");
	assert_true(complains(c, "upperbound_key_generate_params: 'models' bounds nothing"));
	assert_false(complains(c, "must be"));
	config_free(c);
}

static void test_a_route_is_a_path_or_a_group(void **state)
{
	static const char *const good[] = {
		"/x", "llm_api_routes", "openai_routes", "anthropic_routes", "google_routes",
		"info_routes", "management_routes", "key_management_routes",
		"spend_tracking_routes", "global_spend_tracking_routes",
		"LiteLLMRoutes.public_routes"
	};
	char text[300];
	(void)state;
	for (size_t i = 0; i <= COUNT(good); i++) {
		bool is_good = i < COUNT(good);
		snprintf(text, sizeof text, "general_settings: {master_key: sk-test, admin_only_routes: [%s]}\n",
			 is_good ? good[i] : "LiteLLMRoutes.mcp_routes");
		struct config *c = read_good(text);
		assert_int_equal(complains(c, "neither a path nor a group"), !is_good);
		config_free(c);
	}
}

static void test_trusted_proxies(void **state)
{
	(void)state;
	assert_complains(KEY "server: {trusted-proxies: [10.0.0.1/8]}\n",
			 "'10.0.0.1/8' is no address and no network");
	assert_complains(KEY "server: {trusted-proxies: [proxy]}\n", "is no address");
	struct config *c = read_good("general_settings: {master_key: sk-test, use_x_forwarded_for: true}\n");
	assert_true(complains(c, "server.trusted-proxies names nobody"));
	config_free(c);
}

static void test_include(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_folder("sub"), 0700), 0);
	write_file("sub/a.yaml", "include: b.yaml\nmodel_list: [{model_name: a, litellm_params:"
				 " {model: ollama/a}}]\nserver: {workers: 4}\n");
	write_file("sub/b.yaml", "model_list: [{model_name: b, litellm_params: {model: ollama/b,"
				 " timeout: x}}]\n");
	struct config *c =
		read_text("include: [sub/a.yaml]\nserver: {workers: 3, drain: 1}\n" MODEL);
	assert_int_equal(c->n_models, 3);
	assert_true(str_eq(c->models[0].model_name, STR("m")));
	assert_true(str_eq(c->models[1].model_name, STR("a")));
	assert_true(str_eq(c->models[2].model_name, STR("b")));
	assert_int_equal(c->workers, 4);
	assert_int_equal(c->set.drain_ms, 30000);
	assert_int_equal(c->n_errors, 1);
	assert_true(complains(c, "/sub/b.yaml:1:73: error: 'x' is not a duration"));
	assert_true(complains(c, "/sub/b.yaml is included by "));
	config_free(c);
	write_file("sub/b.yaml", "include: ../t.yaml\n");
	assert_complains("include: [sub/a.yaml]\n" KEY, "too many includes");
	assert_complains("include: t.yaml\n" KEY, "/t.yaml includes itself");
	assert_complains("include: nowhere.yaml\n" KEY, "/nowhere.yaml: No such file or directory");
}

static void test_files_that_cannot_be_read(void **state)
{
	struct config *c = NULL;

	(void)state;
	assert_int_equal(config_read(in_folder("nothing.yaml"), NULL, &c), -ENOENT);
	assert_true(complains(c, "nothing.yaml: No such file or directory"));
	config_free(c);
	assert_int_equal(config_read(folder, NULL, &c), -EISDIR);
	config_free(c);
	write_bytes("w.yaml", KEY, strlen(KEY), 0666);
	assert_int_equal(config_read(in_folder("w.yaml"), NULL, &c), 0);
	assert_true(complains(c, "w.yaml: error: everybody may write this file; chmod o-w it"));
	config_free(c);
	write_bytes("w.yaml", KEY, strlen(KEY), 0644);
	assert_int_equal(config_read(in_folder("w.yaml"), NULL, &c), 0);
	assert_int_equal(c->n_errors, 0);
	assert_true(complains(c, "w.yaml:1:32: warning: a secret stands here"));
	assert_false(complains(c, "sk-test"));
	config_free(c);
}

static char *many(size_t n, char c)
{
	char *p = mem_alloc(n);

	assert_non_null(p);
	memset(p, c, n);
	return p;
}

static struct config *read_bytes(const char *p, size_t n)
{
	struct config *c = NULL;

	write_bytes("big.yaml", p, n, 0600);
	int err = config_read(in_folder("big.yaml"), NULL, &c);
	assert_true(err == 0 || err == -EFBIG);
	assert_non_null(c);
	return c;
}

static void test_large_files(void **state)
{
	size_t n = CONFIG_FILE_MAX;
	char *p = many(n + 1, '#');
	struct config *c = read_bytes(p, n + 1);

	(void)state;
	assert_true(complains(c, "is larger than 10485760 bytes"));
	config_free(c);
	memset(p, '[', n);
	c = read_bytes(p, n);
	assert_true(complains(c, "big.yaml:1:1: error: a line of more than 256 KiB"));
	config_free(c);
	c = read_bytes(p, 200000);
	assert_true(complains(c, "big.yaml:1:65: error: nested deeper than 64 levels"));
	config_free(c);
	memset(p, '%', 1000);
	c = read_bytes(p, 1000);
	assert_true(complains(c, "big.yaml:1:1: error: a directive of more than 64 bytes"));
	config_free(c);
	for (size_t i = 0; i + 1 < n; i += 2) {
		p[i] = '#';
		p[i + 1] = '\n';
	}
	memcpy(p, KEY, strlen(KEY));
	c = read_bytes(p, n);
	assert_int_equal(c->n_errors, 0);
	config_free(c);
	for (size_t i = 0; i + 1 < n; i += 2)
		memcpy(p + i, "-\n", 2);
	c = read_bytes(p, n);
	assert_true(complains(c, "error: this file stands for more than 1000000 values"));
	config_free(c);
	mem_free(p);
}

static void test_an_alias_bomb_is_counted(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	buf_put_z(&b, KEY "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 20; i++) {
		buf_printf(&b, "a%d: &a%d [", i, i);
		for (int k = 0; k < 10; k++)
			buf_printf(&b, "*a%d, ", i - 1);
		buf_put_z(&b, "]\n");
	}
	assert_complains(buf_z(&b), "error: this file stands for more than 1000000 values");
	buf_reset(&b);
	for (int i = 0; i < 1001; i++)
		buf_printf(&b, "- &a%d x\n", i);
	assert_complains(buf_z(&b), "more than 1000 anchors");
	buf_done(&b);
}

/* ---- complaints ---- */

static void test_the_form_of_a_complaint(void **state)
{
	struct config *c = read_text(MODEL "      timeout: 30sx\n");

	(void)state;
	const char *text = buf_z(&c->complaints);
	size_t n = strlen(folder);
	assert_memory_equal(text, folder, n);
	assert_string_equal(text + n,
			    "/t.yaml:6:16: error: '30sx' is not a duration (want 30s, 5m, or auto)\n"
			    "      timeout: 30sx\n"
			    "               ^~~~\n");
	assert_int_equal(c->n_list, 1);
	assert_int_equal(c->list[0].line, 6);
	assert_int_equal(c->list[0].column, 16);
	assert_int_equal(c->list[0].end_column, 19);
	assert_true(c->list[0].is_error);
	assert_null(c->list[0].code);
	config_free(c);
}

static void test_columns_count_characters(void **state)
{
	(void)state;
	assert_complains(KEY "server: {\"x\": 1, workers: \xc3\xa4\xc3\xb6}\n",
			 "t.yaml:2:27: error: '");
	assert_complains(KEY "# \xc3\xa4\nserver: {\xc3\xa4: 1, workers: y}\n",
			 "t.yaml:3:25: error: 'y' is not");
	assert_complains("\xef\xbb\xbf" KEY "server: {workers: y}\r\n",
			 "t.yaml:2:19: error: 'y' is not");
}

static void test_all_mistakes_in_one_run(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	buf_put_z(&b, KEY "model_list:\n");
	for (int i = 0; i < 70; i++)
		buf_printf(&b, "- {model_name: m%d, litellm_params: {model: ollama/x, rpm: z}}\n",
			   i);
	struct config *c = read_text(buf_z(&b));
	assert_int_equal(c->n_errors, 70);
	assert_int_equal(c->n_list, 50);
	assert_true(complains(c, "t.yaml:52:"));
	assert_false(complains(c, "t.yaml:53:"));
	assert_true(complains(c, "llmgw: 20 more errors are not shown"));
	config_free(c);
	buf_done(&b);
}

static void test_no_secret_is_shown(void **state)
{
	static const char *const texts[] = {
		MODEL "      api_key: [sk-hidden]\n",
		MODEL "      api_kee: [sk-hidden1, \"]\n",
		MODEL "      api_key:\n        - hidden-word\n",
		MODEL "      api_base: http://user:hidden@host/v1\n",
		MODEL "      timeout: sk-hidden12345\n",
		MODEL "      extra_headers: {Authorization: [hidden]}\n",
		"general_settings: {master_key: hidden}\n",
		"general_settings:\n  master_key: \"hidden\n",
		"environment_variables: {OPENAI_API_KEY: [hidden]}\n" KEY,
		KEY "general_settings: {database_url: \"postgres://u:hidden@h/d\"}\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct config *c = read_text(texts[i]);
		assert_true(c->complaints.n > 0);
		/* A word that is the very mistake may stand in the message; the key's may not. */
		if (i != 4 && complains(c, "hidden"))
			fail_msg("%zu: %s", i, buf_z(&c->complaints));
		config_free(c);
	}
}

static void test_terminals_are_not_steered(void **state)
{
	struct config *c = read_text(KEY "server: {\"\\e[31mred\": 1, workers: \"\\u009b31m\"}\n");

	(void)state;
	assert_true(c->n_errors > 0);
	assert_true(str_find_char(buf_str(&c->complaints), '\033') == SIZE_MAX);
	assert_true(str_find(buf_str(&c->complaints), STR("\xc2\x9b")) == SIZE_MAX);
	config_free(c);
}

/* A certificate that has ended is served, and told of. */
static void test_a_certificate_that_ended(void **state)
{
	static const long seconds[] = { 3600, -3600 };
	char text[1024];
	(void)state;
	for (size_t i = 0; i < COUNT(seconds); i++) {
		struct cert pair = cert_make_for("localhost", NULL, seconds[i]);
		write_bytes("c.pem", pair.certificate.p, pair.certificate.n, 0600);
		write_bytes("k.pem", pair.key.p, pair.key.n, 0600);
		snprintf(text, sizeof text, KEY "server: {tls: {certificate: %s/c.pem, key: %s/k.pem}}\n",
			 folder, folder);
		struct config *c = read_good(text);
		assert_int_equal(complains(c, "[W014 certificate-ended]"), seconds[i] < 0);
		config_free(c);
		unlink(in_folder("c.pem"));
		unlink(in_folder("k.pem"));
		BIO_free(pair.certificate_bio);
		BIO_free(pair.key_bio);
	}
}

/* What somebody may have meant, and what is not told though it is off. */
static void test_hints(void **state)
{
	(void)state;
	assert_complains(KEY "litellm_settings: {num_retry: 3}\n",
			 "'num_retry' is not known here; did you mean 'num_retries'?");
	assert_complains(KEY "router_settings: {typo: 3}\n", "'typo' is not known here [");
	assert_complains(KEY "litellm_settings: {ssl_verify: false}\n",
			 "does not act on 'ssl_verify' yet: certificates are always checked");
	config_free(read_good(KEY "litellm_settings: {ssl_certificate: false}\n"));
}

/* A setting for a group that nobody can ask for: told by name, unless something goes by it. */
static void test_names_of_groups(void **state)
{
	static const struct {
		const char *settings, *says;
	} rows[] = {
		{ "fallbacks: [{gone: [m]}]", "fallbacks has 'gone', which no entry" },
		{ "context_window_fallbacks: [{gone: [m]}]", "context_window_fallbacks has 'gone'" },
		{ "content_policy_fallbacks: [{gone: [m]}]", "content_policy_fallbacks has 'gone'" },
		{ "model_group_retry_policy: {gone: {TimeoutErrorRetries: 1}}",
		  "model_group_retry_policy has 'gone', which no entry" },
		{ "routing_groups: [{models: [gone], sticky_by: user}]",
		  "routing_groups has 'gone', which no entry" },
		{ "fallbacks: [{x: [m]}, {w-1: [m]}], model_group_alias: {x: m}", NULL },
		{ "fallbacks: [{v-*: [m]}]", "fallbacks has 'v-*', which no entry" },
		{ "model_group_retry_policy: {w-1: {TimeoutErrorRetries: 1}}", "has 'w-1', which is an alias or fits" },
		{ "model_group_retry_policy: {bare: {TimeoutErrorRetries: 1}}", "has 'bare'" },
		{ "fallbacks: [{m: [gone]}]", "fallbacks names 'gone', which no entry" },
		{ "default_fallbacks: [gone]", "default_fallbacks names 'gone'" },
		{ "model_group_alias: {x: gone}", "model_group_alias names 'gone'" },
		{ "fallbacks: [{\"*\": [m]}, {m: [p/bare]}, {bare: [m]}, {w-*: [w-2]}]", NULL },
		{ "routing_groups: [{models: [m, w-*], sticky_by: user}], model_group_alias: {x: w-3}", NULL },
		{ "model_group_retry_policy: {p/bare: {TimeoutErrorRetries: 1}}", NULL },
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(text, sizeof text,
			 MODEL "  - {model_name: p/bare, litellm_params: {model: ollama/x}}\n"
			 "  - {model_name: w-*, litellm_params: {model: ollama/x}}\n"
			 "router_settings: {%s}\n", rows[i].settings);
		struct config *c = read_good(text);
		if (rows[i].says ? !complains(c, rows[i].says) || c->n_warnings != 1
				 : c->n_warnings > 0)
			fail_msg("%s: %s", rows[i].settings, buf_z(&c->complaints));
		config_free(c);
	}
}

/* A key whose variable is not set is told by its line, and not as missing once more. */
static void test_a_key_that_is_not_set(void **state)
{
	(void)state;
	unsetenv("T_UNSET");
	unsetenv("OPENAI_API_KEY");
	struct config *c = read_good(KEY "model_list:\n- model_name: m\n"
				     "  litellm_params: {model: openai/x, api_key: os.environ/T_UNSET}\n");
	assert_int_equal(c->n_warnings, 1);
	assert_true(complains(c, "t.yaml:4:46: warning: the environment variable T_UNSET"));
	config_free(c);
	assert_complains(KEY "model_list:\n- model_name: m\n"
			 "  litellm_params: {model: openai/x, api_key: ~}\n",
			 "no key for provider 'openai': set api_key, or the environment variable");
}

static void test_overrides(void **state)
{
	const struct config_overrides over = {.host = STR("127.0.0.1"),
					      .port = 0,
					      .has_port = true,
					      .workers = 9,
					      .quiet_warnings = true};
	const struct config_overrides port = { .port = 70000, .has_port = true };
	struct config *c = read_with(KEY "x: y\nserver: {listen: [\"1.1.1.1:1\", \"2.2.2.2:2\"]}\n",
				     &over);

	(void)state;
	assert_int_equal(c->n_listen, 1);
	assert_true(str_eq(c->listen[0].host, STR("127.0.0.1")));
	assert_int_equal(c->listen[0].port, 0);
	assert_int_equal(c->workers, 9);
	assert_int_equal(c->complaints.n, 0);
	assert_int_equal(c->n_warnings, 2);
	config_free(c);
	c = read_with(KEY, &port);
	assert_true(complains(c, "port 70000 is out of bounds"));
	config_free(c);
	const struct config_overrides local = { .host = STR("localhost"), .debug = true };
	c = read_with(KEY "server: {log: {level: warn}}\n", &local);
	assert_true(str_eq(c->listen[0].host, STR("127.0.0.1")));
	assert_int_equal(c->set.log_level, LOG_DEBUG);
	assert_int_equal(c->n_errors, 0);
	config_free(c);
	const struct config_overrides name = { .host = STR("gateway.example") };
	c = read_with(KEY, &name);
	assert_true(complains(c, "--host wants an address in numbers, or localhost"));
	config_free(c);
}

static void test_ids(void **state)
{
	static const char twice[] =
		KEY "model_list:\n"
		    "- {model_name: m, litellm_params: {model: ollama/x}}\n"
		    "- {model_name: m, litellm_params: {model: ollama/x}}\n"
		    "- {model_name: m, litellm_params: {model: ollama/x, rpm: 1}}\n"
		    "- {model_name: n, litellm_params: {model: ollama/x}, model_info: {id: own}}\n"
		    "- {model_name: o, litellm_params: {model: openai/x, api_key: k, organization: "
		    "[a, b]},"
		    " model_info: {id: org}}\n";
	struct config *a = read_good(twice), *b = read_good(twice);

	(void)state;
	assert_int_equal(a->n_models, 6);
	for (size_t i = 0; i < a->n_models; i++) {
		assert_true(str_eq(a->models[i].id, b->models[i].id));
		for (size_t k = 0; k < i; k++)
			assert_false(str_eq(a->models[i].id, a->models[k].id));
	}
	assert_true(str_eq(a->models[3].id, STR("own")));
	assert_true(str_eq(a->models[4].id, STR("org")));
	assert_true(str_eq(a->models[5].id, STR("org-2")));
	assert_true(str_eq(a->models[5].headers.v[0].value, STR("b")));
	config_free(a);
	config_free(b);
}

static void test_prices_given_halfway(void **state)
{
	struct config *c = read_good(KEY "model_list:\n"
		"- {model_name: a, litellm_params: {model: openai/gpt-4o, api_key: k,"
		" input_cost_per_token: 0}}\n"
		"- {model_name: b, litellm_params: {model: ollama/x, input_cost_per_token: 0,"
		" output_cost_per_token: 0}}\n"
		"- {model_name: c, litellm_params: {model: ollama/x, input_cost_per_request: 1}}\n"
		"- {model_name: d, litellm_params: {model: ollama/x}}\n");

	(void)state;
	assert_int_equal(c->models[0].price.input, 0);
	assert_int_equal(c->models[0].price.output, 10000000);
	assert_int_equal(c->models[0].price.flags, PRICE_KNOWN);
	assert_int_equal(c->models[1].price.flags, PRICE_KNOWN | PRICE_FREE);
	assert_int_equal(c->models[2].price.flags, PRICE_KNOWN);
	assert_int_equal(c->models[2].price.per_request, INT64_C(1000000000000));
	assert_int_equal(c->models[2].price.output, 0);
	assert_int_equal(c->models[3].price.flags, 0);
	config_free(c);
}

/* ---- vectors ---- */

static struct str read_whole(const char *name)
{
	static char text[4096];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);

	assert_true(n >= 0);
	close(fd);
	return str_of(text, (size_t)n);
}

/* "ok models=1 W003 W010", or the first line that says error. */
static void put_verdict(struct buf *out, const struct config *c)
{
	struct str all = buf_str(&c->complaints);

	if (c->n_errors == 0)
		buf_printf(out, "ok models=%zu", c->n_models);
	for (size_t i = 0; c->n_errors == 0 && i < c->n_list; i++)
		buf_printf(out, " %.4s", c->list[i].code);
	while (c->n_errors > 0 && out->n == 0 && all.n > 0) {
		struct str line = str_cut(&all, '\n');
		if (str_find(line, STR(": error: ")) != SIZE_MAX)
			buf_put(out, line);
	}
	buf_put_char(out, '\n');
}

static void check_vector(const char *name)
{
	char expect[300];
	struct config *c = NULL;
	struct buf out;

	chmod(name, 0644);
	assert_int_equal(config_read(name, NULL, &c), 0);
	buf_init(&out, 4096);
	put_verdict(&out, c);
	snprintf(expect, sizeof expect, "%.*s.expect", (int)strlen(name) - 5, name);
	struct str want = read_whole(expect);
	if (!str_eq(buf_str(&out), want))
		fail_msg("%s\nwant: " STR_FMT "got:  %s", name, STR_ARG(want), buf_z(&out));
	buf_done(&out);
	config_free(c);
}

static void test_vectors(void **state)
{
	char here[1024];
	unsigned bad = 0, good = 0;
	struct dirent *e;

	(void)state;
	assert_non_null(getcwd(here, sizeof here));
	assert_int_equal(chdir("tests/vectors/config"), 0);
	setenv("VECTOR_KEY", "sk-vector", 1);
	unsetenv("VECTOR_UNSET");
	DIR *d = opendir(".");
	assert_non_null(d);
	while ((e = readdir(d))) {
		if (!str_ends(str_z(e->d_name), STR(".yaml")))
			continue;
		check_vector(e->d_name);
		bad += str_starts(str_z(e->d_name), STR("bad-"));
		good += str_starts(str_z(e->d_name), STR("good-"));
	}
	closedir(d);
	assert_int_equal(chdir(here), 0);
	assert_true(bad >= 100 && good >= 20);
}

/* ---- what goes with it ---- */

static char *slurp(const char *path)
{
	FILE *f = fopen(path, "re");
	char *p = mem_alloc(1 << 20);

	assert_non_null(f);
	assert_non_null(p);
	assert_true(fread(p, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	return p;
}

static void test_the_manual_holds_the_table(void **state)
{
	char *page = slurp("man/llmgw.yaml.5");
	struct buf table;

	(void)state;
	buf_init(&table, 1 << 20);
	config_print_mdoc(&table);
	const char *begin = strstr(page, ".\\\" BEGIN directives"),
		   *end = strstr(page, ".\\\" END");
	assert_non_null(begin);
	assert_non_null(end);
	begin = strchr(begin, '\n') + 1;
	struct str inside = str_of(begin, (size_t)(end - begin));
	if (!str_eq(inside, buf_str(&table)))
		fail_msg("man/llmgw.yaml.5 is not what `test_config mdoc` writes");
	buf_done(&table);
	mem_free(page);
}

static void test_the_samples(void **state)
{
	char *sample = slurp("etc/llmgw.yaml");
	struct config *c = NULL;
	size_t n;
	const struct directive *all = directives_all(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		char name[64];
		snprintf(name, sizeof name, "%s:", all[i].name);
		if (strncmp(all[i].section, "server", 6) == 0 && !strstr(sample, name))
			fail_msg("etc/llmgw.yaml does not show %s.%s", all[i].section, all[i].name);
	}
	mem_free(sample);
	setenv("LLMGW_MASTER_KEY", "sk-sample", 1);
	setenv("OPENAI_API_KEY", "sk-openai", 1);
	setenv("GROQ_API_KEY", "gsk", 1);
	assert_int_equal(config_read("etc/llmgw.yaml", NULL, &c), 0);
	assert_int_equal(c->n_errors, 0);
	assert_int_equal(c->n_warnings, 0);
	assert_int_equal(c->n_models, 3);
	config_free(c);
	assert_int_equal(config_read("etc/llmgw.demo.yaml", NULL, &c), 0);
	assert_int_equal(c->n_errors + c->n_warnings, 0);
	assert_true(c->models[0].mock_response.n > 0);
	assert_true(c->models[0].price.input > 0);
	config_free(c);
	unsetenv("LLMGW_MASTER_KEY");
	unsetenv("OPENAI_API_KEY");
	unsetenv("GROQ_API_KEY");
}

static void test_the_sample_shows_the_defaults(void **state)
{
	static char section[16384];
	char *sample = slurp("etc/llmgw.yaml"), *server = strstr(sample, "\nserver:\n");
	struct config *a, *b = read_good(KEY);
	struct buf out;

	(void)state;
	assert_non_null(server);
	snprintf(section, sizeof section, "%s%s", KEY, server);
	a = read_good(section);
	buf_init(&out, 1 << 20);
	config_diff(a, b, &out);
	assert_string_equal(buf_z(&out), "[]");
	buf_done(&out);
	config_free(a);
	config_free(b);
	mem_free(sample);
}

/* Who is told of prompts and answers, and of which fields. */
static void test_what_callbacks_are_told(void **state)
{
	static const char capture[] = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
	static const struct {
		const char *variable, *setting;
		bool is_told;
	} traces[] = {
		{ "", "", false }, { "event_only", "", false }, { "SPAN_AND_EVENT", "", true },
		{ "true", "callback_settings:\n  otel:\n    message_logging: false\n", false },
		{ "", "callback_settings: {otel: {message_logging: true}}\n", true },
	};
	char text[512];
	(void)state;
	for (size_t i = 0; i < COUNT(traces); i++) {
		setenv(capture, traces[i].variable, 1);
		snprintf(text, sizeof text, KEY "%s", traces[i].setting);
		const struct config *c = read_good(text);
		assert_int_equal(export_wants_texts(c, EXPORT_OTEL), traces[i].is_told);
		assert_true(export_wants_texts(c, EXPORT_GENERIC));
		assert_false(export_wants_texts(c, EXPORT_SLACK));
		assert_int_equal(c->export_hidden, 0);
	}
	unsetenv(capture);
	struct config *c = read_good(KEY "litellm_settings:\n"
		"  datadog_params: {turn_off_message_logging: true}\n"
		"  standard_logging_payload_excluded_fields: [response, model_id, mesages]\n");
	assert_int_equal(c->export_hidden, 1u << EXPORT_DATADOG);
	assert_int_equal(c->texts_left_out, 1u << TEXT_ANSWER);
	assert_int_equal(c->payload_left_out,
			 payload_field(STR("response")) | payload_field(STR("model_id")));
	assert_true(complains(c, "the standard logging payload has no field 'mesages'"));
	c = read_text(KEY "callback_settings: {mine: {callback_type: python}}\n");
	assert_true(complains(c, "'mine' is not known here"));
}

static void test_webhooks_with_names_of_their_own(void **state)
{
	static const char settings[] =
		"callback_settings:\n"
		"  mine: {callback_type: generic_api, endpoint: os.environ/TEST_HOOK_URL,\n"
		"         headers: {Authorization: os.environ/TEST_HOOK_KEY}, event_types: [llm_api_failure]}\n"
		"  lost: {callback_type: generic_api}\n"
		"  wrong: {callback_type: generic_api, endpoint: \"https://h\", log_format: xml}\n"
		"  \"a b\": {callback_type: generic_api, endpoint: \"https://h\"}\n"
		"  unused: {callback_type: generic_api, endpoint: \"https://h\", log_format: ndjson}\n"
		"  otel: {message_logging: true}\n";
	char text[2048];
	(void)state;
	setenv("TEST_HOOK_URL", "https://hooks.example/x", 1);
	setenv("TEST_HOOK_KEY", "Bearer canary", 1);
	unsetenv("GENERIC_LOGGER_ENDPOINT");
	snprintf(text, sizeof text, KEY "litellm_settings: {callbacks: [mine, lost, wrong, other]}\n%s",
		 settings);
	struct config *c = read_text(text);
	assert_true(complains(c, "the callback lost is not called: the environment lacks "
				 "callback_settings: an endpoint"));
	assert_true(complains(c, "the webhook 'wrong' is not called: log_format wants"));
	assert_true(complains(c, "the webhook 'a b' is not called: its name has spaces"));
	assert_true(complains(c, "the callback 'wrong' of callbacks is not called yet"));
	assert_true(complains(c, "the callback 'other' of callbacks is not called yet"));
	assert_int_equal(c->n_hooks, 3);
	assert_int_equal(export_find(c, STR("unused")), EXPORT_HOOK + 2);
	assert_int_equal(c->hooks[2].format, HOOK_LINES);
	assert_int_equal(c->export_success, 0);
	assert_int_equal(c->export_failure, UINT64_C(1) << EXPORT_HOOK);
	assert_true(c->set.flags & SET_RECORDS && c->set.flags & SET_TEXTS_TOLD);
	assert_true(c->otel_texts);
	struct export_target t = { 0 };
	assert_null(export_read(c, EXPORT_HOOK, &t));
	assert_string_equal(t.url, "https://hooks.example/x");
	assert_string_equal(t.headers, "Authorization: Bearer canary");
	struct buf out;
	buf_init(&out, 1 << 20);
	config_show(c, true, &out);
	assert_true(str_find(buf_str(&out), STR("canary")) == SIZE_MAX);
	assert_true(str_find(buf_str(&out), STR("hooks.example")) == SIZE_MAX);
	buf_done(&out);
}

static void test_so_many_webhooks(void **state)
{
	struct buf text;
	(void)state;
	buf_init(&text, 1 << 16);
	buf_put_z(&text, KEY "callback_settings:\n");
	for (unsigned i = 0; i <= CONFIG_HOOKS; i++)
		buf_printf(&text, "  h%u: {callback_type: generic_api}\n", i);
	struct config *c = read_text(buf_z(&text));
	assert_int_equal(c->n_hooks, CONFIG_HOOKS);
	assert_true(complains(c, "the webhook 'h16' is not called: there are 16 already"));
	buf_done(&text);
}

static void test_metrics(void **state)
{
	static const char *const labels[] = { "e", "u", "mx.y", "tprod*" };
	(void)state;
	struct config *c = read_good(KEY "litellm_settings:\n"
		"  enable_end_user_cost_tracking_prometheus_only: true\n"
		"  custom_prometheus_metadata_labels: [metadata.x.y, metadata.x-y, team]\n"
		"  custom_prometheus_tags: [\"prod*\"]\n"
		"  prometheus_metrics_config:\n"
		"  - {group: a, metrics: [one, two], include_labels: [team, user_agent, oops]}\n"
		"  - {group: b, metrics: [three]}\n");
	assert_int_equal(c->metric_labels.n, COUNT(labels));
	for (size_t i = 0; i < COUNT(labels); i++)
		assert_true(str_eq_z(c->metric_labels.v[i], labels[i]));
	assert_int_equal(c->metric_filter.n, 3);
	assert_true(str_eq(c->metric_filter.v[0], STR("one team,user_agent,oops")));
	assert_true(str_eq(c->metric_filter.v[1], STR("two team,user_agent,oops")));
	assert_true(str_eq(c->metric_filter.v[2], STR("three")));
	assert_true(complains(c, "no metric has the label 'oops'"));
	assert_true(complains(c, "wants metadata.NAME, not 'team'"));
	c = read_text(KEY "litellm_settings: {prometheus_metrics_config: [{group: a}]}\n");
	assert_true(complains(c, "wants metrics, a list of names"));
}

static void test_diff(void **state)
{
	struct config *a =
		read_good(MODEL "      rpm: 1\n    model_info: {id: i}\nserver: {workers: 1}\n");
	struct config *b = read_good(
		"general_settings: {master_key: sk-other}\nmodel_list:\n"
		"- {model_name: m, litellm_params: {model: ollama/x, rpm: 2}, model_info: {id: "
		"i}}\n"
		"- {model_name: n, litellm_params: {model: ollama/x}, model_info: {id: j}}\n"
		"server: {workers: 1, max-keys: 2000, listen: 1}\n");
	struct json_error e;
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	config_diff(a, a, &out);
	assert_string_equal(buf_z(&out), "[]");
	buf_reset(&out);
	config_diff(a, b, &out);
	arena_reset(arena);
	const struct json *rows = json_parse(arena, buf_str(&out), 0, &e);
	assert_int_equal(rows->count, 5);
	assert_true(str_eq(json_at(rows, 0)->child->raw, STR("\"server.listen\"")));
	assert_true(str_eq(json_get_str(arena, json_at(rows, 0), "takes_effect"), STR("reload")));
	assert_true(str_eq(json_get_str(arena, json_at(rows, 1), "takes_effect"), STR("restart")));
	assert_true(str_eq(json_get(json_at(rows, 1), "after")->raw, STR("2000")));
	assert_true(str_eq(json_get_str(arena, json_at(rows, 2), "key"),
			   STR("general_settings.master_key")));
	assert_true(str_eq(json_get_str(arena, json_at(rows, 2), "after"), STR("********")));
	assert_true(str_eq(json_get_str(arena, json_at(rows, 3), "key"), STR("model_list.m.i")));
	assert_true(json_is(json_get(json_at(rows, 4), "before"), JSON_NULL));
	buf_done(&out);
	config_free(a);
	config_free(b);
}

#define Z16 "zzzzzzzzzzzzzzzz"
#define LONG_NAME Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16 Z16
/* Budgets, plans and hours: what is wrong is told, and where. */
static void test_bad_gates(void **state)
{
	static const struct {
		const char *where, *yaml, *what;
	} rows[] = {
		{ "router", "[a]", "wants a map of budgets" },
		{ "router", "{openai: {budget_limit: 1}}", "wants budget_limit and time_period" },
		{ "router", "{" LONG_NAME ": {budget_limit: 1, time_period: 1d}}", "longer than" },
		{ "router", "{openai: {budget_limit: much, time_period: 1d}}", "not an amount" },
		{ "router", "{openai: {budget_limit: 1, time_period: 1y}}", "not a period" },
		{ "router", "{openai: {budget_limit: 1, time_period: 1d, x: 1}}", "'x' is not known" },
		{ "litellm", "priority_reservation: [a]", "wants a map" },
		{ "litellm", "priority_reservation: {a: 1.5}", "share of 0 to 1" },
		{ "litellm", "priority_reservation: {a: {type: rpm}}", "share of 0 to 1" },
		{ "litellm", "priority_reservation: {a: {type: days, value: 1}}", "share of 0 to 1" },
		{ "litellm", "priority_reservation: {\"\": 1}", "1 to 64 bytes" },
		{ "params", "plan_windows: {a: b}", "wants a list of windows" },
		{ "params", "plan_windows: [{requests: 5}]", "not a duration" },
		{ "params", "plan_windows: [{duration: 1ms, requests: 5}]", "not a duration" },
		{ "params", "plan_windows: [{duration: 5h, requests: 5, kind: any}]", "no kind of window" },
		{ "params", "plan_windows: [{duration: 5h}]", "wants one of requests" },
		{ "params", "plan_windows: [{duration: 5h, requests: 1, cost: 2}]", "wants one of" },
		{ "params", "plan_windows: [{duration: 5h, requests: few}]", "not a whole number" },
		{ "params", "plan_windows: [{duration: 5h, cost: 1, multiplier: 0}]", "multiplier" },
		{ "params", "max_budget: 5", "wants both" },
		{ "params", "budget_duration: 5d", "wants both" },
		{ "params", "max_budget: 5\n      budget_duration: 5y", "not a period" },
		{ "info", "[{days: moon}]", "names no day" },
		{ "info", "[{days: []}]", "names no day" },
		{ "info", "[{from: 8}]", "not a time of the day" },
		{ "info", "[{to: \"24:01\"}]", "not a time of the day" },
		{ "info", "[{time_zone: Mars/Olympus}]", "no time zone" },
		{ "info", "[5]", "wants {days, from, to, time_zone}" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[600];
		const char *form = rows[i].where[0] == 'r'
					   ? MODEL "router_settings:\n  provider_budget_config: %s\n"
				   : rows[i].where[0] == 'l'
					   ? MODEL "litellm_settings:\n  %s\n"
				   : rows[i].where[0] == 'p'
					   ? MODEL "      %s\n"
					   : MODEL "    model_info: {access_windows: %s}\n";
		snprintf(text, sizeof text, form, rows[i].yaml);
		assert_complains(text, rows[i].what);
	}
}

static void test_show_with_origin(void **state)
{
	struct config *c = read_good(KEY "server:\n  workers: 2\n");
	struct json_error e;
	struct buf out;
	char want[300];

	(void)state;
	buf_init(&out, 1 << 20);
	config_show(c, true, &out);
	arena_reset(arena);
	const struct json *all = json_parse(arena, buf_str(&out), JSON_ONE_KEY, &e);
	assert_non_null(all);
	snprintf(want, sizeof want, "%s/t.yaml:3", folder);
	assert_true(str_eq_z(json_str(arena, json_get_path(all, "server.workers.origin")), want));
	assert_true(
		str_eq(json_str(arena, json_get_path(all, "server.drain.origin")), STR("default")));
	assert_true(str_eq(json_get_path(all, "server.limits.body.value")->raw, STR("\"32M\"")));
	config_free(c);
	buf_reset(&out);
	config_print_table_json(&out);
	assert_non_null(json_parse(arena, buf_str(&out), JSON_ONE_KEY, &e));
	buf_done(&out);
}

/* ---- discounts and margins ---- */

static struct price rated(const char *settings, const char *provider, bool *ret_rated)
{
	char text[1024];
	struct config *c;
	struct price p = price_none();
	p.input = 3000000;
	p.output = 15000001;
	p.per_request = 100;
	p.flags = PRICE_KNOWN;
	snprintf(text, sizeof text, MODEL "litellm_settings: {%s}\n", settings);
	write_file("t.yaml", text);
	assert_int_equal(config_read(in_folder("t.yaml"), NULL, &c), 0);
	struct price_rates rates = config_rates_of(c, str_z(provider));
	*ret_rated = price_apply(&rates, &p);
	assert_int_equal(p.cache_read, PRICE_NONE);
	config_free(c);
	return p;
}

static void test_discounts_and_margins(void **state)
{
	bool is_rated;
	(void)state;
	struct price p = rated("cost_discount_config: {openai: 0.05}", "openai", &is_rated);
	assert_true(is_rated);
	assert_int_equal(p.input, 2850000);
	assert_int_equal(p.output, 14250001);
	assert_int_equal(p.per_request, 95);
	p = rated("cost_discount_config: {openai: 0.05}", "groq", &is_rated);
	assert_false(is_rated);
	assert_int_equal(p.input, 3000000);
	p = rated("cost_margin_config: {global: 0.1, groq: {percentage: \"0.5\", fixed_amount: 0.001}},"
		  " cost_discount_config: {groq: 0.5}", "groq", &is_rated);
	assert_int_equal(p.input, 2250000);
	assert_int_equal(p.per_request, 75 + 1000000000);
	p = rated("cost_margin_config: {global: 0.1, groq: 0.5}, cost_discount_config: {openai: 0.5}",
		  "openai", &is_rated);
	assert_int_equal(p.input, 1650000);
	p = rated("cost_margin_config: {global: {fixed_amount: 0.002}}", "anything", &is_rated);
	assert_int_equal(p.input, 3000000);
	assert_int_equal(p.per_request, 100 + 2000000000);
	/* What has no price gets none. */
	struct price unknown = price_none();
	struct price_rates rates = { .discount = 500000 };
	assert_false(price_apply(&rates, &unknown));
}

static void test_bad_discounts(void **state)
{
	static const char *const bad[] = {
		"cost_discount_config: {openai: 1.5}", "cost_discount_config: {openai: -0.1}",
		"cost_discount_config: {openai: [1]}", "cost_margin_config: {openai: {}}",
		"cost_margin_config: {openai: {percentage: x}}", "cost_margin_config: {a: {fixed_amount: -1}}",
	};
	char text[1024];
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct config *c = NULL;
		snprintf(text, sizeof text, MODEL "litellm_settings: {%s}\n", bad[i]);
		write_file("t.yaml", text);
		int err = config_read(in_folder("t.yaml"), NULL, &c);
		if (err || c->n_errors != 1)
			fail_msg("%s is taken", bad[i]);
		config_free(c);
	}
}

#define ALERTING(more) "general_settings: {master_key: sk-test, alerting: [slack, webhook, email], " more "}\n"

static void test_alerting(void **state)
{
	(void)state;
	setenv("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T/canary", 1);
	setenv("WEBHOOK_URL", "http://127.0.0.1:9/x", 1);
	unsetenv("SMTP_HOST");
	assert_complains(ALERTING("alert_emails: [ops]"), "'ops' is no mail address");
	assert_complains(ALERTING("alert_types: [outage]"), "there is no alert type 'outage'");
	assert_complains(ALERTING("alert_type_config: {db_exceptions: {digest_interval: x}}"),
			 "has not {digest_interval: seconds}");
	assert_complains(ALERTING("alert_to_webhook_url: {outages: \"https://h\"}"),
			 "there is no alert type 'outages'");
	assert_complains(ALERTING("alert_to_webhook_url: {db_exceptions: canary}"),
			 "db_exceptions: what stands there is no address");
	assert_complains(ALERTING("alerting_args: {budget_alert_ttls: 1}"), "did you mean 'budget_alert_ttl'");
	assert_complains("general_settings: {master_key: sk-test, alerting: [pigeon]}\n",
			 "alerting knows slack, discord, teams, webhook and email");
	struct config *c = read_text(ALERTING("alert_types: [db_exceptions, outage_alerts], "
					      "alert_to_webhook_url: {db_exceptions: [\"https://discord.com/api/x\", "
					      "\"https://h/y\"]}"));
	assert_int_equal(c->n_errors, 0);
	assert_true(complains(c, "email is not told: the environment lacks SMTP_HOST"));
	assert_false(complains(c, "canary"));
	assert_int_equal(c->alerts.n_targets, 4);
	assert_int_equal(c->alerts.targets[0].format, ALERT_DISCORD);
	assert_int_equal(c->alerts.targets[1].format, ALERT_SLACK);
	assert_int_equal(c->alerts.to[ALERT_db_exceptions], 1 | 2 | 8);
	assert_int_equal(c->alerts.to[ALERT_outage_alerts], 4 | 8);
	assert_int_equal(c->alerts.kinds, 1u << ALERT_db_exceptions | 1u << ALERT_outage_alerts);
	assert_int_equal(c->alerts.quiet_ms[ALERT_budget_alerts], 86400000);
	assert_true(c->set.flags & SET_RECORDS);
	config_free(c);
	setenv("SLACK_WEBHOOK_URL", "ftp://canary", 1);
	c = read_text(ALERTING("alert_types: [new_team_created]"));
	assert_true(complains(c, "slack is not told"));
	assert_false(complains(c, "canary"));
	assert_false(c->set.flags & SET_RECORDS);
	config_free(c);
	unsetenv("SLACK_WEBHOOK_URL");
	unsetenv("WEBHOOK_URL");
}

/* Each allocation fails once; nothing leaks and nothing falls over. */
static void test_no_memory(void **state)
{
	static const char text[] = "environment_variables: {T_X: y}\n" MODEL
		"      organization: [a, b]\n      tags: [a]\n      extra_headers: {a: b}\n"
		"      extra_body: {a: [b]}\n      temperature: 1\n      input_cost_per_token: 1\n"
		"    model_info: {id: a, x: y}\nrouter_settings: {fallbacks: [{m: [n]}],"
		" model_group_alias: {a: m}, zebra: 1}\nserver: {wrokers: 3, listen: [1, 2]}\n";
	uint64_t live = mem_live();
	int err = -ENOMEM;

	(void)state;
	write_file("t.yaml", text);
	for (uint64_t nth = 1; nth < 2000; nth++) {
		struct config *c = NULL;
		uint64_t before = mem_calls();
		mem_fail_at(nth);
		err = config_read(in_folder("t.yaml"), NULL, &c);
		bool failed = mem_calls() - before >= nth;
		mem_fail_at(0);
		config_free(c);
		assert_int_equal(mem_live(), live);
		if (!failed) {
			assert_int_equal(err, 0);
			return;
		}
	}
	fail_msg("never came to an end");
}

static int set_up(void **state)
{
	(void)state;
	arena = arena_new(64 << 20);
	return arena && hash_init() == 0 && mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"t.yaml",	  "w.yaml",	"big.yaml",
					    "master-key", "sub/a.yaml", "sub/b.yaml"};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		unlink(in_folder(names[i]));
	rmdir(in_folder("sub"));
	arena = arena_free(arena);
	return rmdir(folder);
}

static int print_mdoc(void)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	config_print_mdoc(&out);
	bool ok = fwrite(out.p, 1, out.n, stdout) == out.n && fflush(stdout) == 0;
	buf_done(&out);
	return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_directive_is_set_and_shown),
		cmocka_unit_test(test_tiers_and_searches),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_model_fields),
		cmocka_unit_test(test_router_settings_win_and_stream_timeout_is_handed_down),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_the_sandbox_of_the_environment),
		cmocka_unit_test(test_bases),
		cmocka_unit_test(test_a_price_per_query),
		cmocka_unit_test(test_provider_defaults_come_from_the_environment),
		cmocka_unit_test(test_clouds),
		cmocka_unit_test(test_places_of_providers),
		cmocka_unit_test(test_master_key),
		cmocka_unit_test(test_bounds_of_keys),
		cmocka_unit_test(test_a_route_is_a_path_or_a_group),
		cmocka_unit_test(test_tags_of_langfuse),
		cmocka_unit_test(test_callbacks_of_teams),
		cmocka_unit_test(test_who_may_make_keys),
		cmocka_unit_test(test_what_new_ones_get),
		cmocka_unit_test(test_trusted_proxies),
		cmocka_unit_test(test_include),
		cmocka_unit_test(test_files_that_cannot_be_read),
		cmocka_unit_test(test_large_files),
		cmocka_unit_test(test_an_alias_bomb_is_counted),
		cmocka_unit_test(test_the_form_of_a_complaint),
		cmocka_unit_test(test_columns_count_characters),
		cmocka_unit_test(test_all_mistakes_in_one_run),
		cmocka_unit_test(test_no_secret_is_shown),
		cmocka_unit_test(test_terminals_are_not_steered),
		cmocka_unit_test(test_overrides),
		cmocka_unit_test(test_hints),
		cmocka_unit_test(test_names_of_groups),
		cmocka_unit_test(test_a_key_that_is_not_set),
		cmocka_unit_test(test_a_certificate_that_ended),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_prices_given_halfway),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_the_manual_holds_the_table),
		cmocka_unit_test(test_the_samples),
		cmocka_unit_test(test_the_sample_shows_the_defaults),
		cmocka_unit_test(test_what_callbacks_are_told), cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_what_callbacks_are_told), cmocka_unit_test(test_diff),
		cmocka_unit_test(test_webhooks_with_names_of_their_own),
		cmocka_unit_test(test_so_many_webhooks),
		cmocka_unit_test(test_bad_gates),
		cmocka_unit_test(test_show_with_origin),
		cmocka_unit_test(test_discounts_and_margins),
		cmocka_unit_test(test_bad_discounts),
		cmocka_unit_test(test_alerting),
		cmocka_unit_test(test_no_memory),
	};

	if (argc == 2 && strcmp(argv[1], "mdoc") == 0)
		return print_mdoc();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
