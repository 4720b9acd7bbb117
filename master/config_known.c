/* SPDX-License-Identifier: MIT
 * config_known.c - keys that LiteLLM has and llmgw does not act on yet, and who is near whom.
 *
 * Whoever brings a LiteLLM configuration must learn at once what of it will not happen here: a
 * key in this table gives a warning, a key in no table gives one with the nearest name. */
#include "master/config_read.h"

#define GENERAL "general_settings"
#define JWT_AUTH "general_settings.litellm_jwtauth"
#define ROUTER "router_settings"
#define LITELLM "litellm_settings"
#define CACHE "litellm_settings.cache_params"
#define PARAMS "litellm_params"
#define INFO "model_info"
#define PRICE "price"

static const struct known_key known[] = {
	{ "", "guardrails", "requests are NOT checked" },
	{ "", "policies", "requests are NOT checked" },
	{ "", "policy_attachments", "requests are NOT checked" },
	{ "", "prompts", NULL },
	{ "", "mcp_servers", NULL },
	{ "", "mcp_tools", NULL },
	{ "", "agent_list", NULL },
	{ "", "search_tools", NULL },
	{ "", "vector_store_registry", NULL },
	{ "", "assistant_settings", NULL },
	{ "", "finetune_settings", NULL },
	{ "", "files_settings", NULL },

	{ GENERAL, "database_url", "llmgw keeps keys and spend in its state directory" },
	{ GENERAL, "database_connection_pool_limit", NULL },
	{ GENERAL, "database_connection_timeout", NULL },
	{ GENERAL, "database_connection_pool_timeout", NULL },
	{ GENERAL, "database_type", NULL },
	{ GENERAL, "database_args", NULL },
	{ GENERAL, "disable_prisma_schema_update", NULL },
	{ GENERAL, "allow_requests_on_db_unavailable", "keys are in memory, so they always work" },
	{ GENERAL, "supported_db_objects", NULL },
	{ GENERAL, "use_redis_transaction_buffer", NULL },
	{ GENERAL, "proxy_batch_write_at", "spend is written at once" },
	{ GENERAL, "proxy_batch_polling_interval", NULL },
	{ GENERAL, "proxy_budget_rescheduler_min_time", "budgets are reset on time" },
	{ GENERAL, "proxy_budget_rescheduler_max_time", "budgets are reset on time" },
	{ GENERAL, "disable_reset_budget", NULL },
	{ GENERAL, "disable_spend_logs", "spend is always recorded" },
	{ GENERAL, "disable_spend_updates", "spend is always recorded" },
	{ GENERAL, "disable_error_logs", NULL },
	{ GENERAL, "maximum_spend_logs_cleanup_cron", NULL },
	{ GENERAL, "completion_model", NULL },
	{ GENERAL, "embedding_model", NULL },
	{ GENERAL, "image_generation_model", NULL },
	{ GENERAL, "moderation_model", NULL },
	{ GENERAL, "infer_model_from_keys", NULL },
	{ GENERAL, "max_parallel_requests", "set it on keys" },
	{ GENERAL, "global_max_parallel_requests", NULL },
	{ GENERAL, "disable_retry_on_max_parallel_request_limit_error", NULL },
	{ GENERAL, "max_response_size_mb", NULL },
	{ GENERAL, "health_check_details", NULL },
	{ GENERAL, "health_check_concurrency", NULL },
	{ GENERAL, "use_shared_health_check", NULL },
	{ GENERAL, "enable_health_check_routing", NULL },
	{ GENERAL, "health_check_staleness_threshold", NULL },
	{ GENERAL, "health_check_ignore_transient_errors", NULL },
	{ GENERAL, "use_client_credentials_pass_through_routes", NULL },
	{ GENERAL, "user_header_name", NULL },
	{ GENERAL, "user_header_mappings", NULL },
	{ GENERAL, "forward_llm_provider_auth_headers", NULL },
	{ GENERAL, "forward_openai_org_id", NULL },
	{ GENERAL, "allow_client_side_credentials", "a client cannot give credentials" },
	{ GENERAL, "custom_auth", "Python code is not run" },
	{ GENERAL, "custom_auth_run_common_checks", NULL },
	{ GENERAL, "allow_user_auth", NULL },
	{ GENERAL, "custom_key_generate", "Python code is not run" },
	{ GENERAL, "custom_sso", "Python code is not run" },
	{ GENERAL, "custom_ui_sso_sign_in_handler", "Python code is not run" },
	{ JWT_AUTH, "virtual_key_mapping_cache_ttl", "a change counts at once" },
	{ GENERAL, "enforce_rbac", NULL },
	{ GENERAL, "enable_oauth2_auth", NULL },
	{ GENERAL, "enable_oauth2_proxy_auth", NULL },
	{ GENERAL, "oauth2_config_mappings", NULL },
	{ GENERAL, "user_api_key_cache_ttl", "a change of a key counts at once" },
	{ GENERAL, "disable_adding_master_key_hash_to_db", NULL },
	{ GENERAL, "disable_master_key_return", NULL },
	{ GENERAL, "disable_responses_id_security", NULL },
	{ GENERAL, "ui_access_mode", NULL },
	{ GENERAL, "auto_redirect_ui_login_to_sso", NULL },
	{ GENERAL, "control_plane_url", NULL },
	{ GENERAL, "enable_public_model_hub", NULL },
	{ GENERAL, "key_management_system", "secrets are read from the environment only" },
	{ GENERAL, "key_management_settings", "secrets are read from the environment only" },
	{ GENERAL, "use_google_kms", "secrets are read from the environment only" },
	{ GENERAL, "use_azure_key_vault", "secrets are read from the environment only" },
	{ GENERAL, "litellm_license", "llmgw needs no licence key" },
	{ GENERAL, "user_mcp_management_mode", NULL },
	{ GENERAL, "mcp_internal_ip_ranges", NULL },
	{ GENERAL, "mcp_trusted_proxy_ranges", NULL },
	{ GENERAL, "mcp_required_fields", NULL },
	{ GENERAL, "mcp_client_side_auth_header_name", NULL },
	{ GENERAL, "require_end_user_mcp_access_defined", NULL },
	{ GENERAL, "enable_mcp_registry", NULL },

	{ ROUTER, "deployment_affinity_ttl_seconds", NULL },
	{ ROUTER, "model_group_affinity_config", NULL },
	{ ROUTER, "tag_routing_prefix", NULL },
	{ ROUTER, "default_priority", NULL },
	{ ROUTER, "polling_interval", NULL },
	{ ROUTER, "default_litellm_params", NULL },
	{ ROUTER, "redis_host", "one box needs no Redis" },
	{ ROUTER, "redis_port", "one box needs no Redis" },
	{ ROUTER, "redis_password", "one box needs no Redis" },
	{ ROUTER, "redis_url", "one box needs no Redis" },
	{ ROUTER, "redis_db", "one box needs no Redis" },
	{ ROUTER, "cache_kwargs", NULL },
	{ ROUTER, "cache_responses", NULL },
	{ ROUTER, "caching_groups", NULL },
	{ ROUTER, "client_ttl", NULL },
	{ ROUTER, "debug_level", NULL },
	{ ROUTER, "alerting_config", NULL },
	{ ROUTER, "assistants_config", NULL },
	{ ROUTER, "search_tools", NULL },
	{ ROUTER, "guardrail_list", "requests are NOT checked" },
	{ ROUTER, "router_general_settings", NULL },
	{ ROUTER, "ignore_invalid_deployments", NULL },
	{ ROUTER, "enable_health_check_routing", NULL },
	{ ROUTER, "health_check_staleness_threshold", NULL },
	{ ROUTER, "health_check_ignore_transient_errors", NULL },
	{ ROUTER, "weights", NULL },

	{ LITELLM, "max_budget", "the gateway's own budget is NOT enforced; set budgets on keys" },
	{ LITELLM, "budget_duration", NULL },
	{ LITELLM, "model_alias_map", "use model_group_alias" },
	{ LITELLM, "max_tokens", NULL },
	{ LITELLM, "force_ipv4", NULL },
	{ LITELLM, "ssl_verify", "certificates are always checked; SSL_CERT_FILE names "
				   "authorities of your own" },
	{ LITELLM, "ssl_security_level", NULL },
	{ LITELLM, "ssl_certificate", NULL },
	{ LITELLM, "aiohttp_trust_env", NULL },
	{ LITELLM, "disable_aiohttp_transport", NULL },
	{ LITELLM, "disable_token_counter", NULL },
	{ LITELLM, "disable_hf_tokenizer_download", NULL },
	{ LITELLM, "disable_stop_sequence_limit", NULL },
	{ LITELLM, "enable_preview_features", NULL },
	{ LITELLM, "add_function_to_prompt", NULL },
	{ LITELLM, "use_chat_completions_url_for_anthropic_messages", NULL },
	{ LITELLM, "route_all_chat_openai_to_responses", NULL },
	{ LITELLM, "custom_provider_map", "Python code is not run" },
	{ LITELLM, "credential_list", "write it at the top level" },
	{ LITELLM, "global_prompt_directory", NULL },
	{ LITELLM, "responses", NULL },
	{ LITELLM, "return_response_headers", NULL },
	{ LITELLM, "timezone", NULL },
	{ LITELLM, "check_provider_endpoint", NULL },
	{ LITELLM, "max_ui_session_budget", NULL },
	{ LITELLM, "enable_key_alias_format_validation", NULL },
	{ LITELLM, "enforce_model_rate_limits", NULL },
	{ LITELLM, "service_callback", NULL },
	{ LITELLM, "service_callbacks", NULL },
	{ LITELLM, "redact_user_api_key_info", NULL },
	{ LITELLM, "redact_messages_in_exceptions", "messages are never logged" },
	{ LITELLM, "log_raw_request_response", NULL },
	{ LITELLM, "extra_spend_tag_headers", NULL },
	{ LITELLM, "disable_end_user_cost_tracking", NULL },
	{ LITELLM, "disable_end_user_cost_tracking_prometheus_only", NULL },
	{ LITELLM, "prometheus_initialize_budget_metrics", NULL },
	{ LITELLM, "store_audit_logs", NULL },
	{ LITELLM, "guardrails", "requests are NOT checked" },
	{ LITELLM, "output_parse_pii", NULL },
	{ LITELLM, "presidio_ad_hoc_recognizers", NULL },
	{ LITELLM, "prompt_injection_params", "requests are NOT checked" },
	{ LITELLM, "skip_system_message_in_guardrail", NULL },
	{ LITELLM, "banned_keywords_list", "requests are NOT checked" },
	{ LITELLM, "blocked_user_list", "users are NOT blocked by it" },
	{ LITELLM, "mcp_aliases", NULL },
	{ LITELLM, "public_mcp_servers", NULL },
	{ LITELLM, "public_agent_groups", NULL },
	{ LITELLM, "model_group_settings", NULL },
	{ LITELLM, "telemetry", "llmgw reports to nobody" },

	{ CACHE, "host", NULL },
	{ CACHE, "port", NULL },
	{ CACHE, "password", NULL },
	{ CACHE, "username", NULL },
	{ CACHE, "ssl", NULL },
	{ CACHE, "ssl_cert_reqs", NULL },
	{ CACHE, "ssl_check_hostname", NULL },
	{ CACHE, "ssl_ca_certs", NULL },
	{ CACHE, "db", NULL },
	{ CACHE, "url", NULL },
	{ CACHE, "max_connections", NULL },
	{ CACHE, "socket_timeout", NULL },
	{ CACHE, "redis_startup_nodes", NULL },
	{ CACHE, "service_name", NULL },
	{ CACHE, "sentinel_nodes", NULL },
	{ CACHE, "sentinel_password", NULL },
	{ CACHE, "gcp_service_account", NULL },
	{ CACHE, "gcp_ssl_ca_certs", NULL },
	{ CACHE, "redis_flush_size", NULL },
	{ CACHE, "default_in_redis_ttl", NULL },
	{ CACHE, "similarity_threshold", NULL },
	{ CACHE, "redis_semantic_cache_embedding_model", NULL },
	{ CACHE, "redis_semantic_cache_index_name", NULL },
	{ CACHE, "qdrant_api_base", NULL },
	{ CACHE, "qdrant_api_key", NULL },
	{ CACHE, "qdrant_collection_name", NULL },
	{ CACHE, "qdrant_quantization_config", NULL },
	{ CACHE, "qdrant_semantic_cache_embedding_model", NULL },
	{ CACHE, "qdrant_semantic_cache_vector_size", NULL },
	{ CACHE, "s3_bucket_name", NULL },
	{ CACHE, "s3_region_name", NULL },
	{ CACHE, "s3_api_version", NULL },
	{ CACHE, "s3_use_ssl", NULL },
	{ CACHE, "s3_verify", NULL },
	{ CACHE, "s3_endpoint_url", NULL },
	{ CACHE, "s3_aws_access_key_id", NULL },
	{ CACHE, "s3_aws_secret_access_key", NULL },
	{ CACHE, "s3_aws_session_token", NULL },
	{ CACHE, "s3_path", NULL },
	{ CACHE, "gcs_bucket_name", NULL },
	{ CACHE, "gcs_path_service_account", NULL },
	{ CACHE, "gcs_path", NULL },
	{ CACHE, "azure_account_url", NULL },
	{ CACHE, "azure_blob_container", NULL },
	{ CACHE, "disk_cache_dir", NULL },

	{ PARAMS, "max_retries", "num_retries counts" },
	{ PARAMS, "itpm", NULL },
	{ PARAMS, "otpm", NULL },
	{ PARAMS, "tag_regex", NULL },
	{ PARAMS, "configurable_clientside_auth_params", "a client cannot give credentials" },
	{ PARAMS, "merge_reasoning_content_in_choices", NULL },
	{ PARAMS, "use_in_pass_through", NULL },
	{ PARAMS, "use_litellm_proxy", NULL },
	{ PARAMS, "use_chat_completions_api", NULL },
	{ PARAMS, "cache_control_injection_points", NULL },
	{ PARAMS, "max_file_size_mb", NULL },
	{ PARAMS, "model_info", "write it beside litellm_params" },
	{ PARAMS, "keepalive_seconds", NULL },
	{ PARAMS, "allow_client_keepalive_override", NULL },
	{ PARAMS, "provider_affinity_header", NULL },
	{ PARAMS, "guardrails", "requests are NOT checked" },
	{ PARAMS, "prompt_id", NULL },
	{ PARAMS, "prompt_variables", NULL },
	{ PARAMS, "auto_router_config", NULL },
	{ PARAMS, "auto_router_config_path", NULL },
	{ PARAMS, "auto_router_default_model", NULL },
	{ PARAMS, "auto_router_embedding_model", NULL },
	{ PARAMS, "complexity_router_config", NULL },
	{ PARAMS, "azure_username", NULL },
	{ PARAMS, "azure_password", NULL },
	{ PARAMS, "aws_session_name", "roles are not assumed; give keys" },
	{ PARAMS, "aws_role_name", "roles are not assumed; give keys" },
	{ PARAMS, "aws_web_identity_token", "roles are not assumed; give keys" },
	{ PARAMS, "aws_sts_endpoint", "roles are not assumed; give keys" },
	{ PARAMS, "aws_external_id", "roles are not assumed; give keys" },
	{ PARAMS, "s3_bucket_name", NULL },
	{ PARAMS, "s3_encryption_key_id", NULL },
	{ PARAMS, "s3_output_bucket_name", NULL },
	{ PARAMS, "gcs_bucket_name", NULL },
	{ PARAMS, "watsonx_region_name", NULL },
	{ PARAMS, "dry_run", NULL },

	{ INFO, "team_id", "the model is NOT kept to that team; give keys a list of models" },
	{ INFO, "team_public_model_name", NULL },
	{ INFO, "tier", NULL },
	{ INFO, "supported_environments", "the model is served in every environment" },
	{ INFO, "health_check_timeout", "server.upstream.health-check-timeout counts" },
	{ INFO, "health_check_voice", NULL },
	{ INFO, "health_check_max_tokens", NULL },
	{ INFO, "blocked", "the model is NOT blocked; take it out of model_list" },
	{ INFO, "discoverable", NULL },
	{ INFO, "access_windows", "access is NOT restricted by time" },
	{ INFO, "allowed_fails", NULL },
	{ INFO, "allowed_fails_policy", NULL },
	{ INFO, "enable_tag_filtering", NULL },
	{ INFO, "allow_fail_open", NULL },
	{ INFO, "internal_router_model", NULL },

	{ PRICE, "tiered_pricing", NULL },
	{ PRICE, "ocr_cost_per_page", NULL },
	{ PRICE, "annotation_cost_per_page", NULL },
	{ PRICE, "citation_cost_per_token", NULL },
	{ PRICE, "file_search_cost_per_1k_calls", NULL },
	{ PRICE, "file_search_cost_per_gb_per_day", NULL },
	{ PRICE, "vector_store_cost_per_gb_per_day", NULL },
	{ PRICE, "code_interpreter_cost_per_session", NULL },
	{ PRICE, "computer_use_input_cost_per_1k_tokens", NULL },
	{ PRICE, "computer_use_output_cost_per_1k_tokens", NULL },
	{ PRICE, "cache_creation_input_audio_token_cost", NULL },
};

/* Price keys with a unit or condition that no column exists for. */
static const char *const price_patterns[] = {
	"input_cost_per_*",	      "output_cost_per_*", "cache_read_input_*_cost*",
	"cache_creation_input_*_cost*", "input_dbu_cost_per_token", "output_dbu_cost_per_token",
};

/* Parameters of the OpenAI API and what compatible servers add; they are sent on as they are. */
static const char *const openai_params[] = {
	"temperature",
	"max_tokens",
	"max_completion_tokens",
	"top_p",
	"n",
	"stop",
	"seed",
	"presence_penalty",
	"frequency_penalty",
	"logit_bias",
	"logprobs",
	"top_logprobs",
	"stream",
	"stream_options",
	"response_format",
	"tools",
	"tool_choice",
	"parallel_tool_calls",
	"functions",
	"function_call",
	"reasoning_effort",
	"verbosity",
	"modalities",
	"audio",
	"prediction",
	"web_search_options",
	"service_tier",
	"store",
	"metadata",
	"user",
	"safety_identifier",
	"prompt_cache_key",
	"prompt_cache_retention",
	"prompt_cache_options",
	"moderation",
	"thinking",
	"dimensions",
	"encoding_format",
	"input_type",
	"suffix",
	"echo",
	"best_of",
	"top_k",
	"top_a",
	"min_p",
	"typical_p",
	"repetition_penalty",
	"length_penalty",
	"min_tokens",
	"ignore_eos",
	"stop_token_ids",
	"chat_template_kwargs",
	"guided_json",
	"guided_regex",
	"guided_choice",
	"guided_grammar",
	"provider",
	"transforms",
	"models",
	"route",
	"reasoning",
	"include_reasoning",
	"reasoning_format",
	"enable_thinking",
	"keep_alive",
	"num_ctx",
	"num_predict",
	"format",
	"options",
	"think",
	"truncate",
};

bool param_is_openai(struct str name)
{
	for (size_t i = 0; i < COUNT(openai_params); i++)
		if (str_eq_z(name, openai_params[i]))
			return true;
	return false;
}

const struct known_key *known_find(const char *section, struct str name)
{
	static const struct known_key other_price = { PRICE, "*", "it does not enter the cost" };

	for (size_t i = 0; i < COUNT(known); i++)
		if (same_name(name, known[i].name) && str_eq_z(str_z(section), known[i].section))
			return &known[i];
	for (size_t i = 0; str_eq_z(STR(PRICE), section) && i < COUNT(price_patterns); i++)
		if (str_matches(str_z(price_patterns[i]), name))
			return &other_price;
	return NULL;
}

/* "cert" for certificate, "num_retry" for num_retries. */
static bool shares_beginning(struct str a, struct str b)
{
	size_t least = a.n < b.n ? a.n : b.n, n = 0;

	while (n < least && (a.p[n] == b.p[n] || (a.p[n] == '-' && b.p[n] == '_')))
		n++;
	return n >= 3 && (n == a.n || (n >= 6 && a.n - n <= 2 && b.n - n <= 3));
}

static void consider(struct str name, const char *other, const char **best, unsigned *distance)
{
	unsigned d = str_distance(name, str_z(other), 2);

	if (name.n <= 4 && d == 2)
		d = 3;			/* half of it is another word */
	if (d > 2 && *distance > 2 && shares_beginning(name, str_z(other)))
		*best = other;
	if (d < *distance && d < name.n) {
		*distance = d;
		*best = other;
	}
}

const char *name_near(const char *section, struct str name)
{
	static const char *const top[] = {
		"model_list", "litellm_settings", "router_settings",	   "general_settings",
		"server",     "include",	  "environment_variables", "credential_list",
		"default_vertex_config"};
	const char *best = NULL;
	unsigned distance = 3;
	size_t n;
	const struct directive *all = directives_all(&n);
	struct str in = str_z(section);

	if (name.n > 64)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (str_eq_z(in, all[i].section))
			consider(name, all[i].name, &best, &distance);
		if (str_eq(in, STR("server")) && str_starts(str_z(all[i].section), STR("server.")))
			consider(name, all[i].section + STR("server.").n, &best, &distance);
	}
	for (size_t i = 0; i < COUNT(known); i++)
		if (str_eq_z(in, known[i].section))
			consider(name, known[i].name, &best, &distance);
	for (size_t i = 0; in.n == 0 && i < COUNT(top); i++)
		consider(name, top[i], &best, &distance);
	return best;
}
