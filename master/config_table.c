/* SPDX-License-Identifier: MIT
 * config_table.c - every directive of llmgw.yaml, in the order of the manual page.
 *
 * Parser, `config show`, the manual's tables and the tests come out of this one table. LiteLLM's
 * keys keep their names; where two sections know the same key, both rows point to one field and
 * the section that is read later wins: litellm_settings, router_settings, general_settings,
 * then our own server. */
#include <stddef.h>

#include "master/config_read.h"

#define AT(field) offsetof(struct config, field)
#define IN(field) offsetof(struct config_model, field)
#define HOUR UINT64_C(3600000)
#define WEEK (168 * HOUR)
#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define D(section, name, type, at, preset, min, max, flags, doc) \
	{ section, name, type, at, preset, min, max, NULL, flags, doc }
#define CHOICE(section, name, type, at, preset, choices, flags, doc) \
	{ section, name, type, at, preset, 0, 0, choices, flags, doc }
#define FLAG(section, name, bit, doc) \
	{ section, name, CT_FLAG, AT(set.flags), "false", bit, 0, NULL, CF_LIVE, doc }
#define FLAG_NOT_YET(section, name, bit, doc) \
	{ section, name, CT_FLAG, AT(set.flags), "false", bit, 0, NULL, CF_LIVE | CF_NOT_YET, doc }

/* What LiteLLM takes both in litellm_settings and in router_settings. */
#define ROUTER_KEYS(s)                                                                             \
	D(s, "num_retries", CT_U32, AT(set.num_retries), "2", 0, 100, CF_LIVE,                     \
	  "attempts after the first one fails, on other deployments of the group"),               \
	D(s, "timeout", CT_LIMIT, AT(set.total_timeout_ms), NULL, 0, WEEK, CF_LIVE,                \
	  "how long one attempt may take in all; auto: learned, see llmgw-internals(7)"),                                                 \
	D(s, "stream_timeout", CT_LIMIT, AT(stream_timeout_ms), "0", 0, WEEK, CF_LIVE,             \
	  "the same for streams; 0: as timeout"),                                                  \
	D(s, "fallbacks", CT_FALLBACKS, AT(fallbacks), NULL, 0, 0, CF_LIVE,                        \
	  "groups to go to when all of a group failed: [{group: [other, ...]}]"),                  \
	D(s, "context_window_fallbacks", CT_FALLBACKS, AT(context_fallbacks), NULL, 0, 0, CF_LIVE, \
	  "the same when the prompt is too long for the group"),                                   \
	D(s, "content_policy_fallbacks", CT_FALLBACKS, AT(policy_fallbacks), NULL, 0, 0, CF_LIVE,  \
	  "the same when the provider refuses the content"),                                       \
	D(s, "default_fallbacks", CT_NAMES, AT(default_fallbacks), NULL, 0, 0, CF_LIVE,            \
	  "groups to go to when a group has no fallbacks of its own"),                             \
	D(s, "max_fallbacks", CT_U32, AT(set.max_fallbacks), "5", 0, 100, CF_LIVE,                 \
	  "groups tried for one request after the first"),                                         \
	D(s, "allowed_fails", CT_U32, AT(set.allowed_fails), "3", 0, 1000000, CF_LIVE,             \
	  "failures within a cooldown period before a deployment cools down"),                     \
	D(s, "cooldown_time", CT_TIME, AT(set.cooldown_ms), "5", 0, WEEK, CF_LIVE,                 \
	  "how long a failing deployment is left alone"),                                          \
	D(s, "retry_after", CT_TIME, AT(set.retry_after_ms), "0", 0, HOUR, CF_LIVE,                \
	  "least wait before a retry on the same deployment"),                                     \
	FLAG(s, "disable_cooldowns", SET_DISABLE_COOLDOWNS, "never leave a deployment alone"),     \
	D(s, "hedge_after", CT_MILLI, AT(set.hedge_milli), "0", 0, 1000, CF_LIVE,                  \
	  "ask a second deployment when the first takes longer than this quantile of its own "     \
	  "times, as 0.95, and give the answer that comes first; 0: never"),                       \
	CHOICE(s, "stream_recovery", CT_CHOICE_U32, AT(set.continues_streams), "error",            \
	       "error|continue", CF_LIVE,                                                          \
	       "what becomes of a stream that its provider breaks off: an error event, or "        \
	       "another deployment goes on with it"),                                              \
	D(s, "model_group_alias", CT_ALIASES, AT(aliases), NULL, 0, 0, CF_LIVE,                    \
	  "other names of groups: {alias: group} or {alias: {model: group, hidden: true}}"),       \
	FLAG(s, "enable_pre_call_checks", SET_PRECALL,                                             \
	     "leave out deployments whose prompt limit, rpm or tpm the request would exceed"),     \
	FLAG(s, "enable_tag_filtering", SET_TAGS,                                                  \
	     "a request with tags goes to deployments that have one of them"),                     \
	D(s, "tag_filtering_match_any", CT_BOOL, AT(tags_match_any), "true", 0, 0, CF_LIVE,        \
	  "one common tag is enough; false: the deployment must have all of the request's"),       \
	D(s, "optional_pre_call_checks", CT_NAMES, AT(pre_call_checks), NULL, 0, 0, CF_LIVE,       \
	  "prompt_caching, deployment_affinity, session_affinity: back to the same deployment "    \
	  "while it is well; enforce_model_rate_limits: rpm and tpm are hard"),                    \
	D(s, "default_max_parallel_requests", CT_U32, AT(set.default_max_parallel), "0", 0,        \
	  1000000, CF_LIVE, "requests at the same time for deployments that say nothing"),         \
	CHOICE(s, "adaptive_concurrency", CT_CHOICE_U32, AT(set.adaptive), "auto",                 \
	       "auto|true|false", CF_LIVE,                                                         \
	       "learn how many requests at a time a deployment takes: auto: from its refusals; "   \
	       "true: from its latency, too"),                                                     \
	D(s, "model_group_retry_policy", CT_GROUP_POLICIES, AT(group_policies), NULL, 0, 0,        \
	  CF_LIVE, "retry_policy for single groups: {group: {RateLimitErrorRetries: 3}}"),         \
	D(s, "routing_groups", CT_ROUTING_GROUPS, AT(routing_groups), NULL, 0, 0, CF_LIVE,         \
	  "for single models: [{models: [name], routing_strategy: least-busy, sticky_by: user}]; " \
	  "sticky_by: by weights, and then the same deployment while it is well for the same "     \
	  "user, key, session or \"header x-name\""),                                              \
	POLICY_KEYS(s ".retry_policy", "Retries", retry_policy, "retries after such an error"),    \
	POLICY_KEYS(s ".allowed_fails_policy", "AllowedFails", allowed_fails_policy,               \
		    "such failures within a cooldown period before a deployment cools down"),      \
	D(s ".routing_strategy_args", "ttl", CT_TIME, AT(set.latency_ttl_ms), "3600", 0, WEEK,     \
	  CF_LIVE, "how long a latency counts when no newer one comes"),                           \
	D(s ".routing_strategy_args", "lowest_latency_buffer", CT_MILLI,                           \
	  AT(set.latency_buffer_milli), "0", 0, 100000, CF_LIVE,                                   \
	  "how much slower than the fastest is as good as it, as a share of its latency"),         \
	D(s ".routing_strategy_args", "max_latency_list_size", CT_U32, AT(set.latency_samples),    \
	  "8", 1, 1000, CF_LIVE, "latencies that the mean is of; 8 at most"),                      \
	D(s, "provider_budget_config", CT_BUDGETS, AT(provider_budgets), NULL, 0, 0, CF_LIVE,      \
	  "what may be spent at a provider in a period, then it is not chosen: "                   \
	  "{openai: {budget_limit: 100, time_period: 1d}}"),                                       \
	D(s, "tag_budget_config", CT_BUDGETS, AT(tag_budgets), NULL, 0, 0, CF_LIVE,                \
	  "what requests with a tag may spend in a period, then no deployment is chosen for them: " \
	  "{product:chat: {max_budget: 100, budget_duration: 1d}}"),                               \
	D(s, "routing_strategy", CT_STRATEGY, AT(routing_strategy), "simple-shuffle", 0, 0,        \
	  CF_LIVE, "how a deployment is chosen in its group")

/* A row for each class of errors, named as LiteLLM names them. */
#define POLICY_KEYS(s, what, field, doc)                                                           \
	POLICY(s, "BadRequestError" what, field, POLICY_BAD_REQUEST, doc),                         \
	POLICY(s, "AuthenticationError" what, field, POLICY_AUTH, doc),                            \
	POLICY(s, "TimeoutError" what, field, POLICY_TIMEOUT, doc),                                \
	POLICY(s, "RateLimitError" what, field, POLICY_RATE_LIMIT, doc),                           \
	POLICY(s, "ContentPolicyViolationError" what, field, POLICY_CONTENT, doc),                 \
	POLICY(s, "InternalServerError" what, field, POLICY_INTERNAL, doc),                        \
	POLICY(s, "ServiceUnavailableError" what, field, POLICY_UNAVAILABLE, doc),                 \
	POLICY(s, "NotFoundError" what, field, POLICY_NOT_FOUND, doc),                             \
	POLICY(s, "BadGatewayError" what, field, POLICY_BAD_GATEWAY, doc)
#define POLICY(s, name, field, class, doc)                                                         \
	D(s, name, CT_U32, AT(field) + (class) * sizeof(uint32_t), NULL, 0, 1000000, CF_LIVE, doc)

/* Who comes with a token, as LiteLLM has it. */
#define JWT_KEYS(s)                                                                             \
	D(s ".litellm_jwtauth", "admin_jwt_scope", CT_STR, AT(jwt.admin_scope),                 \
	  "litellm_proxy_admin", 0, 0, CF_LIVE,                                                 \
	  "who has this in scope is administrator"),                                            \
	D(s ".litellm_jwtauth", "admin_allowed_routes", CT_NAMES, AT(jwt.admin_routes),         \
	  NULL, 0, 0, CF_LIVE,                                                                  \
	  "where such an administrator may call; management_routes, "                           \
	  "spend_tracking_routes, global_spend_tracking_routes and info_routes"),               \
	D(s ".litellm_jwtauth", "team_id_jwt_field", CT_STR, AT(jwt.team_claim), NULL, 0,       \
	  0, CF_LIVE,                                                                           \
	  "the claim with the team's id, with dots for one within objects"),                    \
	D(s ".litellm_jwtauth", "team_ids_jwt_field", CT_STR, AT(jwt.teams_claim), NULL,        \
	  0, 0, CF_LIVE,                                                                        \
	  "the claim with a list of them: the first team counts that may use the model"),       \
	D(s ".litellm_jwtauth", "team_alias_jwt_field", CT_STR, AT(jwt.team_alias_claim),       \
	  NULL, 0, 0, CF_LIVE,                                                                  \
	  "the claim with the team's alias, where no id is"),                                   \
	D(s ".litellm_jwtauth", "org_alias_jwt_field", CT_STR, AT(jwt.org_alias_claim),         \
	  NULL, 0, 0, CF_LIVE,                                                                  \
	  "the claim with the organization's alias, where no id is"),                           \
	D(s ".litellm_jwtauth", "sync_user_role_and_teams", CT_BOOL, AT(jwt.syncs), "false",    \
	  0, 0, CF_LIVE,                                                                        \
	  "the user's role and teams are made those of the token"),                             \
	D(s ".litellm_jwtauth", "jwt_litellm_role_map", CT_JSON_LIST, AT(jwt.role_map),         \
	  NULL, 0, 0, CF_LIVE,                                                                  \
	  "which role: [{jwt_role: pattern, litellm_role: a user's}], by roles_jwt_field"),     \
	D(s ".litellm_jwtauth", "upsert_sso_user_to_team", CT_BOOL, AT(jwt.joins), "false",     \
	  0, 0, CF_LIVE,                                                                        \
	  "the user becomes a member of the teams in team_ids_jwt_field, and leaves none"),     \
	D(s ".litellm_jwtauth", "team_id_default", CT_STR, AT(jwt.team_default), NULL, 0,       \
	  0, CF_LIVE,                                                                           \
	  "the team where the token names none"),                                               \
	D(s ".litellm_jwtauth", "team_allowed_routes", CT_NAMES, AT(jwt.team_routes),           \
	  NULL, 0, 0, CF_LIVE,                                                                  \
	  "where a token of a team may call; openai_routes, info_routes and mcp_routes"),       \
	D(s ".litellm_jwtauth", "team_id_upsert", CT_BOOL, AT(jwt.upserts_teams), "false",      \
	  0, 0, CF_LIVE,                                                                        \
	  "a team that there is not is made"),                                                  \
	D(s ".litellm_jwtauth", "org_id_jwt_field", CT_STR, AT(jwt.org_claim), NULL, 0, 0,      \
	  CF_LIVE,                                                                              \
	  "the claim with the organization's id"),                                              \
	D(s ".litellm_jwtauth", "user_id_jwt_field", CT_STR, AT(jwt.user_claim), NULL, 0,       \
	  0, CF_LIVE,                                                                           \
	  "the claim with the user's id"),                                                      \
	D(s ".litellm_jwtauth", "user_email_jwt_field", CT_STR, AT(jwt.email_claim), NULL,      \
	  0, 0, CF_LIVE,                                                                        \
	  "the claim with the user's address"),                                                 \
	D(s ".litellm_jwtauth", "user_allowed_email_domain", CT_STR, AT(jwt.email_domain),      \
	  NULL, 0, 0, CF_LIVE,                                                                  \
	  "whoever has an address there is made a user, and nobody else, whatever "                \
	  "user_id_upsert says"),                                                                \
	D(s ".litellm_jwtauth", "user_id_upsert", CT_BOOL, AT(jwt.upserts_users), "false",      \
	  0, 0, CF_LIVE,                                                                        \
	  "a user that there is not is made"),                                                  \
	D(s ".litellm_jwtauth", "user_roles_jwt_field", CT_STR, AT(jwt.user_roles_claim),       \
	  NULL, 0, 0, CF_LIVE,                                                                  \
	  "the claim with the user's roles"),                                                   \
	D(s ".litellm_jwtauth", "user_allowed_roles", CT_NAMES, AT(jwt.user_roles), NULL,       \
	  0, 0, CF_LIVE,                                                                        \
	  "of which the token must have one"),                                                  \
	D(s ".litellm_jwtauth", "end_user_id_jwt_field", CT_STR, AT(jwt.end_user_claim),        \
	  NULL, 0, 0, CF_LIVE,                                                                  \
	  "the claim with the customer's id"),                                                  \
	D(s ".litellm_jwtauth", "roles_jwt_field", CT_STR, AT(jwt.roles_claim), NULL, 0,        \
	  0, CF_LIVE,                                                                           \
	  "the claim with the roles that role_mappings are about"),                             \
	D(s ".litellm_jwtauth", "role_mappings", CT_JSON_LIST, AT(jwt.role_mappings),           \
	  NULL, 0, 0, CF_LIVE,                                                                  \
	  "what a role is here: [{role: name, internal_role: proxy_admin, team or "             \
	  "internal_user}]"),                                                                   \
	D(s ".litellm_jwtauth", "object_id_jwt_field", CT_STR, AT(jwt.object_claim), NULL,      \
	  0, 0, CF_LIVE,                                                                        \
	  "the claim with the id of the team or the user, as the role says"),                   \
	D(s ".litellm_jwtauth", "enforce_rbac", CT_BOOL, AT(jwt.enforces_roles), "false",       \
	  0, 0, CF_LIVE,                                                                        \
	  "a token must have a role that is mapped, or one of user_allowed_roles"),             \
	D(s ".litellm_jwtauth", "scope_mappings", CT_JSON_LIST, AT(jwt.scope_mappings),         \
	  NULL, 0, 0, CF_LIVE,                                                                  \
	  "what a scope is good for: [{scope: name, models: [name], routes: [path]}]"),         \
	D(s ".litellm_jwtauth", "enforce_scope_based_access", CT_BOOL,                          \
	  AT(jwt.enforces_scopes), "false", 0, 0, CF_LIVE,                                      \
	  "a token may use the models of its scopes and no others"),                            \
	D(s ".litellm_jwtauth", "enforce_team_based_model_access", CT_BOOL,                     \
	  AT(jwt.enforces_team), "false", 0, 0, CF_LIVE,                                        \
	  "a token must name a team"),                                                          \
	D(s ".litellm_jwtauth", "public_key_ttl", CT_TIME, AT(jwt.ttl_ms), "600", 1000,         \
	  WEEK, CF_LIVE,                                                                        \
	  "how long public keys are used before they are fetched again"),                       \
	D(s ".litellm_jwtauth", "public_allowed_routes", CT_NAMES, AT(jwt.public_routes),       \
	  NULL, 0, 0, CF_LIVE,                                                                  \
	  "where a token may call that names nobody here, but for models and what is "          \
	  "administrators'; public_routes"),                                                    \
	D(s ".litellm_jwtauth", "virtual_key_claim_field", CT_STR, AT(jwt.key_claim), NULL, 0,  \
	  0, CF_LIVE,                                                                           \
	  "the claim whose value /jwt/key/mapping/new has given a key: that governs then"),     \
	D(s ".litellm_jwtauth", "custom_validate", CT_STR, AT(jwt.custom), NULL, 0, 0,          \
	  CF_LIVE,                                                                              \
	  "Python code, which is not run: with enable_jwt_auth an error"),                       \
	D(s ".litellm_jwtauth", "oidc_userinfo_enabled", CT_BOOL, AT(jwt.asks_userinfo),        \
	  "false", 0, 0, CF_LIVE,                                                               \
	  "the identity provider is asked who comes with a token that is no JSON web token"),   \
	D(s ".litellm_jwtauth", "oidc_userinfo_endpoint", CT_STR, AT(jwt.userinfo_url), NULL,   \
	  0, 0, CF_LIVE,                                                                        \
	  "where: its userinfo endpoint, or the issuer's /.well-known/openid-configuration, which says "  \
	  "it; without it, that of server.jwt.issuer, where there is one"),                                                      \
	D(s ".litellm_jwtauth", "oidc_userinfo_cache_ttl", CT_TIME, AT(jwt.userinfo_ttl_ms),    \
	  "300", 1000, HOUR * 24, CF_LIVE,                                                      \
	  "how long each worker remembers its answer")

#define SWITCH_VERBOSE(s)                                                                          \
	D(s, "set_verbose", CT_BOOL, AT(verbose), "false", 0, 0, CF_LIVE,                          \
	  "log at level debug, unless server.log.level says otherwise")

static const struct directive directives[] = {
	/* server */
	D("server", "listen", CT_LISTEN, AT(listen), "0.0.0.0:4000", 0, 0, CF_LIVE,
	  "where clients connect: \"host:port\", or {address, port, tls}; one or a list"),
	D("server", "workers", CT_WORKERS, AT(workers), "auto", 1, 32, CF_LIVE,
	  "worker processes; auto: one per CPU"),
	D("server", "drain", CT_TIME, AT(set.drain_ms), "30s", 0, 24 * HOUR, CF_LIVE,
	  "how long an old worker may finish its streams"),
	D("server", "stream-heartbeat", CT_TIME, AT(set.stream_heartbeat_ms), "15s", 0, HOUR,
	  CF_LIVE, "a comment line is sent on a stream that is silent that long; 0: never"),
	D("server", "max-keys", CT_U64, AT(max_keys), "1000000", 1000, 100000000, CF_RESTART,
	  "virtual keys that there is room for"),
	FLAG("server", "old-statuses", SET_OLD_STATUSES,
	     "answer with LiteLLM 1.81's status codes: budget 400, model 401, expired key 400"),
	D("server", "trusted-proxies", CT_NAMES, AT(trusted_proxies), NULL, 0, 0, CF_LIVE,
	  "addresses and networks of reverse proxies, whose X-Forwarded-For is believed with "
	  "general_settings.use_x_forwarded_for"),
	D("server", "allow-private", CT_NAMES, AT(allow_private), NULL, 0, 0, CF_LIVE,
	  "addresses and networks, at most 32, that may be connected to though they are not public; see "
	  "Where the gateway connects to"),
	D("server", "insecure-dev", CT_BOOL, AT(insecure_dev), "false", 0, 0, CF_RESTART,
	  "start without a master key: whoever can connect is administrator, but for web pages from "
	  "elsewhere, whose origin server.cors.origins does not name"),
	CHOICE("server", "sandbox", CT_CHOICE_U32, AT(sandbox), "auto", "auto|enforce|log|off", CF_LIVE,
	       "what workers give up, see llmgw(8): auto: what the kernel can take from them; enforce: all of it, or do "
	       "not start; log: the kernel logs what it would refuse"),
	/* server.tls */
	D("server.tls", "certificate", CT_STR, AT(tls_certificate), NULL, 0, 0, CF_LIVE,
	  "PEM file with the certificate chain; with it listeners speak TLS; each reload reads it anew"),
	D("server.tls", "key", CT_STR, AT(tls_key), NULL, 0, 0, CF_LIVE,
	  "PEM file with its private key; each reload reads it anew"),
	/* server.log */
	CHOICE("server.log", "level", CT_CHOICE, AT(log_level), "info", "error|warn|info|debug",
	       CF_LIVE, "the least that is worth a line"),
	CHOICE("server.log", "format", CT_CHOICE, AT(log_format), "auto", "auto|text|logfmt|json",
	       CF_RESTART, "form of the log; auto: text on a terminal, otherwise json"),
	D("server.log", "access", CT_BOOL, AT(access_log), "true", 0, 0, CF_LIVE,
	  "one line per request"),
	/* server.limits */
	D("server.limits", "body", CT_SIZE, AT(set.body_max), "32M", KIB, GIB, CF_LIVE,
	  "largest request body"),
	D("server.limits", "request-memory", CT_SIZE, AT(set.request_memory_max), "64M", 64 * KIB,
	  4 * GIB, CF_LIVE, "memory that one request may take in all"),
	D("server.limits", "memory", CT_SIZE, AT(set.memory_max), "0", 0, 1024 * GIB, CF_LIVE,
	  "memory that one worker may take for bodies, requests and answers; 0: its share of half "
	  "of what the machine or the service's control group has"),
	D("server.limits", "connections", CT_U32, AT(set.connections_max), "10000", 1, 1000000,
	  CF_LIVE, "clients connected to one worker"),
	D("server.limits", "header-timeout", CT_TIME, AT(set.header_timeout_ms), "10s", 100, HOUR,
	  CF_LIVE, "how long the head of a request may take"),
	D("server.limits", "body-timeout", CT_TIME, AT(set.body_timeout_ms), "60s", 100, HOUR,
	  CF_LIVE, "how long a body may stand still"),
	D("server.limits", "idle-timeout", CT_TIME, AT(set.idle_timeout_ms), "75s", 100, 24 * HOUR,
	  CF_LIVE, "how long a connection may stay open between requests"),
	D("server.limits", "write-timeout", CT_TIME, AT(set.write_timeout_ms), "60s", 100, HOUR,
	  CF_LIVE, "how long a client may take nothing of its answer"),
	/* server.upstream */
	D("server.upstream", "connect-timeout", CT_TIME, AT(set.connect_timeout_ms), "10s", 10,
	  HOUR, CF_LIVE, "how long connecting to a provider may take, TLS included"),
	D("server.upstream", "first-token-timeout", CT_TIME, AT(set.first_token_timeout_ms), "600s",
	  0, WEEK, CF_LIVE, "how long a provider may think before its first byte; 0: no limit"),
	D("server.upstream", "chunk-timeout", CT_TIME, AT(set.chunk_timeout_ms), "300s", 0, WEEK,
	  CF_LIVE, "how long a stream may be silent between two chunks; 0: no limit"),
	D("server.upstream", "total-timeout", CT_TIME, AT(set.total_timeout_ms), "6000s", 0, WEEK,
	  CF_LIVE, "how long one attempt may take in all; 0: no limit"),
	D("server.upstream", "keep-warm", CT_TIME, AT(set.keep_warm_ms), "0", 0, HOUR, CF_LIVE,
	  "how often HEAD / is asked of providers whose models, or fallbacks to them, are in use, so "
	  "that connections stay open; below 60s to be of use; 0: never"),
	D("server.upstream", "health-check-timeout", CT_TIME, AT(health_check_timeout_ms), "60s",
	  100, HOUR, CF_LIVE, "how long a health check may take"),
	/* server.ledger */
	CHOICE("server.ledger", "durability", CT_CHOICE_U32, AT(set.ledger_strict), "default",
	       "default|strict", CF_LIVE,
	       "strict: the last byte of an answer waits until its cost is on disk"),
	/* server.reserve */
	CHOICE("server.reserve", "estimation", CT_CHOICE_U32, AT(set.reserve_mode), "strict",
	       "strict|typical", CF_LIVE,
	       "what a request reserves of a budget: the most it can cost, or what is usual"),
	D("server.reserve", "default-max-tokens", CT_U64, AT(set.default_max_tokens), "4096", 1,
	  10000000, CF_LIVE, "length of an answer when neither request nor model says one"),
	/* server.router */
	D("server.router", "retry-budget", CT_MILLI, AT(set.retry_share_milli), "0.2", 0, 100000,
	  CF_LIVE, "retries there may be for each request, beside ten a second for each worker"),
	D("server.router", "queue-wait", CT_TIME, AT(set.queue_wait_ms), "10s", 0, HOUR, CF_LIVE,
	  "how long a request waits when all its deployments have as many as they take; 0: not"),
	D("server.router", "queue-length", CT_U32, AT(set.queue_length), "1000", 1, 100000,
	  CF_LIVE, "requests that may wait so in one worker"),
	/* server.responses */
	D("server.responses", "keep", CT_TIME, AT(responses_keep_ms), "30d", 0, 520 * WEEK, CF_LIVE,
	  "how long a conversation of /v1/responses is kept; 0: not at all"),
	D("server.responses", "max-bytes", CT_SIZE, AT(responses_max_bytes), "1G", 0, 1024 * GIB,
	  CF_LIVE, "what all of them together may take on disk: the oldest go first; 0: none is kept"),
	/* server.texts */
	D("server.texts", "keep", CT_TIME, AT(texts_keep_ms), "0", 0, 520 * WEEK, CF_LIVE,
	  "how long prompts and answers are kept with general_settings.store_prompts_in_spend_logs; "
	  "0: as long as their requests, and never longer"),
	D("server.texts", "max-text", CT_SIZE, AT(set.text_max), "256K", 1024, 1 << 20, CF_LIVE,
	  "what is kept of one prompt, and of one answer, or told to callbacks; the rest is cut off, and "
	  "how much is said"),
	D("server.texts", "max-bytes", CT_SIZE, AT(texts_max_bytes), "1G", 1 << 20, 1024 * GIB, CF_LIVE,
	  "what all of them together may take on disk, compressed: the oldest go first"),
	/* server.idempotency */
	D("server.idempotency", "keep", CT_TIME, AT(answers_keep_ms), "24h", 0, 520 * WEEK, CF_LIVE,
	  "how long a retry with the same Idempotency-Key is given the same answer; 0: it is a new request"),
	D("server.idempotency", "max-answer", CT_SIZE, AT(set.answer_max), "4M", 1024, 15 << 20,
	  CF_LIVE, "the longest answer that is kept for a retry; one to a longer answer gets 409"),
	D("server.idempotency", "max-bytes", CT_SIZE, AT(answers_max_bytes), "256M", 0, 1024 * GIB,
	  CF_LIVE, "what all of them together may take on disk: the oldest go first; 0: none is kept"),
	/* server.jwt */
	D("server.jwt", "keys-url", CT_NAMES, AT(jwt.urls), NULL, 0, 0, CF_LIVE,
	  "where the public keys of who signs tokens are (JWKS, or an issuer's "
	  "/.well-known/openid-configuration); JWT_PUBLIC_KEY_URL; without any, each issuer "
	  "says where its own are"),
	D("server.jwt", "audience", CT_NAMES, AT(jwt.audiences), NULL, 0, 0, CF_LIVE,
	  "what a token's aud must name, one of these; JWT_AUDIENCE"),
	D("server.jwt", "issuer", CT_NAMES, AT(jwt.issuers), NULL, 0, 0, CF_LIVE,
	  "what its iss must be, one of these; JWT_ISSUER"),
	D("server.jwt", "providers", CT_JSON_LIST, AT(jwt.providers), NULL, 0, 0, CF_LIVE,
	  "issuers with audiences of their own: [{issuer: url, audience: name or list, "
	  "keys-url: url}]; without keys-url the issuer says where its keys are"),
	D("server.jwt", "leeway", CT_TIME, AT(jwt.leeway_ms), "10s", 0, 300000, CF_LIVE,
	  "how far the issuer's clock may be from ours"),
	D("server.jwt", "refresh-wait", CT_TIME, AT(jwt.refresh_wait_ms), "10s", 100, HOUR, CF_LIVE,
	  "least time between two fetches because of a key id that is not known"),
	D("server.jwt", "max-stale", CT_TIME, AT(jwt.stale_ms), "1d", 0, 52 * WEEK, CF_LIVE,
	  "how long public keys are used while they cannot be fetched again"),
	/* server.metrics */
	D("server.metrics", "series", CT_U32, AT(set.metric_series), "2000", 10, 100000, CF_LIVE,
	  "deployments, and rows of key, deployment, route and end, that /metrics tells apart; others "
	  "are one"),
	D("server.metrics", "otlp", CT_BOOL, AT(otlp_metrics), "false", 0, 0, CF_LIVE,
	  "send metrics by OTLP, too, as OTEL_METRICS_EXPORTER=otlp does; where, and how often, the "
	  "environment says: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_METRIC_EXPORT_INTERVAL"),
	/* server.cors */
	D("server.cors", "origins", CT_NAMES, AT(cors_origins), "*", 0, 0, CF_LIVE,
	  "origins that browsers may call from; \"*\": any; an empty list: none"),

	/* general_settings */
	D("general_settings", "master_key", CT_STR, AT(master_key), NULL, 0, 0, CF_LIVE | CF_SECRET,
	  "the administrator's key; begins with sk-"),
	D("general_settings", "litellm_key_header_name", CT_STR, AT(key_header), NULL, 0, 0,
	  CF_LIVE, "one more header that a key may come in"),
	D("general_settings", "allowed_ips", CT_NAMES, AT(allowed_ips), NULL, 0, 0, CF_LIVE,
	  "addresses and networks (10.0.0.0/8) that may use keys; without it: all"),
	D("general_settings", "allowed_routes", CT_NAMES, AT(routes[ROUTES_ALLOWED]), NULL, 0, 0,
	  CF_LIVE, "the only paths that are answered, beside those of health checks and pages: "
	  "paths, patterns with *, groups such as llm_api_routes"),
	D("general_settings", "public_routes", CT_NAMES, AT(routes[ROUTES_PUBLIC]), NULL, 0, 0,
	  CF_LIVE, "paths, patterns and groups that want no key: who comes without one may look, "
	  "and ask models at the master key's expense"),
	D("general_settings", "admin_only_routes", CT_NAMES, AT(routes[ROUTES_ADMIN]), NULL, 0, 0,
	  CF_LIVE, "paths, patterns and groups that want an administrator's key"),
	FLAG("general_settings", "use_x_forwarded_for", SET_FORWARDED,
	     "who calls is said by X-Forwarded-For, in requests of server.trusted-proxies alone"),
	D("general_settings", "enforced_params", CT_NAMES, AT(enforced_params), NULL, 0, 0, CF_LIVE,
	  "members that each request to a model must have, with dots for those within: "
	  "metadata.project"),
	D("general_settings", "enforce_user_param", CT_BOOL, AT(wants_customer), "false", 0, 0,
	  CF_LIVE, "each request to a model must name its customer: by user, or another way that customers are "
	  "named; not forms"),
	D("general_settings", "reject_clientside_metadata_tags", CT_BOOL, AT(refuses_tags), "false",
	  0, 0, CF_LIVE, "requests with tags of their own are refused, so that those of the key "
	  "and its team alone count"),
	D("general_settings.service_account_settings", "enforced_params", CT_NAMES,
	  AT(service_params), NULL, 0, 0, CF_LIVE,
	  "enforced_params for keys of service accounts alone"),
	D("general_settings", "default_team_disabled", CT_BOOL, AT(no_personal_keys), "false", 0, 0,
	  CF_LIVE, "only administrators make keys without a team"),
	D("general_settings", "alerting", CT_NAMES, AT(alerts.channels), NULL, 0, 0, CF_LIVE,
	  "who is told when something goes wrong: slack, discord, teams, webhook, email; where they "
	  "are, the environment says"),
	D("general_settings", "alerting_threshold", CT_TIME, AT(alerts.threshold_ms), "300", 1,
	  WEEK, CF_LIVE, "how long a request may take before it is told of"),
	D("general_settings", "alert_types", CT_NAMES, AT(alerts.types), NULL, 0, 0, CF_LIVE,
	  "what is told; without it all but the changes of keys, teams and users"),
	D("general_settings", "alert_to_webhook_url", CT_JSON, AT(alerts.urls), NULL, 0, 0,
	  CF_LIVE | CF_SECRET,
	  "where a kind of alert goes instead of SLACK_WEBHOOK_URL: {kind: url or list}"),
	D("general_settings", "alert_type_config", CT_JSON, AT(alerts.type_config), NULL, 0, 0,
	  CF_LIVE, "for how many seconds the same is not told again: {kind: {digest_interval: 60}}"),
	D("general_settings", "alert_emails", CT_NAMES, AT(alerts.emails), NULL, 0, 0, CF_LIVE,
	  "who gets the mails of email; of a budget its owner does, too"),
	D("general_settings", "spend_report_frequency", CT_TIME, AT(alerts.spend_report_ms), "7d",
	  1000, 52 * WEEK, CF_LIVE, "time between two reports of what teams have spent"),
	D("general_settings", "enable_jwt_auth", CT_BOOL, AT(jwt.is_on), "false", 0, 0, CF_LIVE,
	  "take JSON web tokens beside keys"),
	D("general_settings", "role_permissions", CT_JSON_LIST, AT(jwt.role_permissions), NULL, 0,
	  0, CF_LIVE, "what a token may use by its role, with enforce_rbac: [{role: proxy_admin, "
	  "team or internal_user, models: [name], routes: [path]}]"),
	D("general_settings", "background_health_checks", CT_BOOL, AT(background_health_checks),
	  "false", 0, 0, CF_LIVE, "ask every deployment from time to time"),
	D("general_settings", "health_check_interval", CT_TIME, AT(health_check_interval_ms), "300",
	  1000, WEEK, CF_LIVE, "time between two such rounds"),
	D("general_settings", "max_request_size_mb", CT_MEGABYTES, AT(set.body_max), NULL, MIB, GIB,
	  CF_LIVE, "largest request body, in megabytes"),
	D("general_settings", "pass_through_endpoints", CT_PASSES, AT(passes), NULL, 0, 0, CF_LIVE,
	  "paths that lead elsewhere: [{path, target, headers, methods, include_subpath, auth, "
	  "cost_per_request}]; headers take os.environ/NAME, auth: false wants no key"),
	D("general_settings", "maximum_spend_logs_retention_period", CT_TIME, AT(spend_keep_ms), "0",
	  0, 2600 * WEEK, CF_LIVE,
	  "how long single requests are kept for /spend/logs and exports; 0: for ever; sums stay"),
	D("general_settings", "maximum_spend_logs_retention_interval", CT_TIME, AT(spend_prune_ms),
	  "1d", 60000, 52 * WEEK, CF_LIVE, "time between two rounds of deleting those that are older"),
	FLAG("general_settings", "store_prompts_in_spend_logs", SET_TEXTS,
	     "keep prompts and answers beside the ledger, sealed, for administrators alone; "
	     "server.texts says how long, and how much"),
	FLAG("general_settings", "always_include_stream_usage", SET_ALWAYS_STREAM_USAGE,
	     "end every stream with its usage, asked or not"),
	FLAG("general_settings", "forward_client_headers_to_llm_api", SET_CLIENT_HEADERS,
	     "pass a client's x- headers and extra_headers on, but for what carries keys"),
	FLAG("general_settings", "include_call_id_in_error_body", SET_CALL_ID_IN_ERRORS,
	     "put the call's id into error bodies"),
	CHOICE("general_settings", "token_rate_limit_type", CT_CHOICE_U32, AT(set.token_rate),
	       "total", "total|input|output", CF_LIVE,
	       "which tokens count in limits of tokens a minute, of keys and all others who pay"),
	D("general_settings", "store_model_in_db", CT_BOOL, AT(store_models), "false", 0, 0,
	  CF_LIVE, "models, credentials and settings may be given by API, and count beside the "
	  "files; STORE_MODEL_IN_DB in the environment does the same"),

	D("general_settings.alerting_args", "daily_report_frequency", CT_TIME, AT(alerts.daily_ms),
	  "43200", 1000, WEEK, CF_LIVE, "time between two reports of deployments"),
	D("general_settings.alerting_args", "report_check_interval", CT_TIME, AT(alerts.check_ms),
	  "300", 1000, HOUR, CF_LIVE, "how often it is looked whether a report is due"),
	D("general_settings.alerting_args", "budget_alert_ttl", CT_TIME,
	  AT(alerts.budget_quiet_ms), "86400", 1, 52 * WEEK, CF_LIVE,
	  "how long the same is not said again of a budget"),
	D("general_settings.alerting_args", "outage_alert_ttl", CT_TIME, AT(alerts.outage_ms), "60",
	  1000, WEEK, CF_LIVE, "how long failures of a deployment are counted together"),
	D("general_settings.alerting_args", "region_outage_alert_ttl", CT_TIME,
	  AT(alerts.region_outage_ms), "60", 1000, WEEK, CF_LIVE, "the same of a provider's region"),
	D("general_settings.alerting_args", "minor_outage_alert_threshold", CT_U32,
	  AT(alerts.minor), "5", 1, 1000000, CF_LIVE, "failures in that time that are an outage"),
	D("general_settings.alerting_args", "major_outage_alert_threshold", CT_U32,
	  AT(alerts.major), "10", 1, 1000000, CF_LIVE, "failures that are a major one"),
	D("general_settings.alerting_args", "max_outage_alert_list_size", CT_U32,
	  AT(alerts.list_max), "10", 1, 16, CF_LIVE, "most deployments named in one message"),
	D("general_settings.alerting_args", "log_to_console", CT_BOOL, AT(alerts.logs), "false", 0,
	  0, CF_LIVE, "log each alert, too"),
	/* general_settings.litellm_jwtauth */
	JWT_KEYS("general_settings"),

	/* router_settings */
	ROUTER_KEYS("router_settings"),
	FLAG("router_settings", "single_flight", SET_SINGLE_FLIGHT,
	     "ask once for requests of one key that are the same and come while the first runs"),
	SWITCH_VERBOSE("router_settings"),
	D("router_settings", "keep_explanations", CT_BOOL, AT(keep_explanations), "true", 0, 0, CF_LIVE,
	  "keep for each worker's last 512 requests that had a choice, or failed, why they went where "
	  "they went: llmgwctl route explain --call-id"),

	/* litellm_settings */
	ROUTER_KEYS("litellm_settings"),
	D("litellm_settings", "request_timeout", CT_TIME, AT(set.total_timeout_ms), NULL, 0, WEEK,
	  CF_LIVE, "how long one attempt may take in all"),
	FLAG("litellm_settings", "drop_params", SET_DROP_PARAMS,
	     "leave out parameters that a provider does not know, instead of refusing the request"),
	FLAG("litellm_settings", "modify_params", SET_MODIFY_PARAMS,
	     "lower max_tokens to the longest answer that the model can give"),
	FLAG("litellm_settings", "enable_json_schema_validation", SET_CHECK_SCHEMA,
	     "an answer that does not fit the schema asked for is an error; not of streams"),
	FLAG("litellm_settings", "include_cost_in_streaming_usage", SET_COST_IN_STREAM,
	     "put the cost into the usage at the end of a stream"),
	D("litellm_settings", "turn_off_message_logging", CT_BOOL, AT(texts_redacted), "false", 0, 0,
	  CF_LIVE, "tell callbacks of no prompt or answer, nor keep them, but of requests with the header "
	  "litellm-disable-message-redaction: true; callbacks get redacted-by-litellm in their place"),
	D("litellm_settings", "global_disable_no_log_param", CT_BOOL, AT(texts_always), "false", 0, 0,
	  CF_LIVE, "do not listen to no-log in bodies, which else keeps that request's texts out, and the "
	  "request from all callbacks"),
	D("litellm_settings", "public_model_groups", CT_NAMES, AT(public_groups), NULL, 0, 0,
	  CF_LIVE, "models that /public/model_hub shows to everybody"),
	D("litellm_settings", "callbacks", CT_NAMES, AT(callbacks), NULL, 0, 0, CF_LIVE,
	  "who is told of each request that has ended: otel, generic_api, langfuse, datadog, "
	  "datadog_llm_observability, langfuse_otel, langsmith, s3, gcs_bucket, sqs, helicone, rubrik, "
	  "sumologic, slack (failures only), or a webhook of callback_settings; all but otel and "
	  "slack with its prompt and answer, too; with prometheus /metrics has LiteLLM's names"),
	D("litellm_settings", "success_callback", CT_NAMES, AT(success_callbacks), NULL, 0, 0,
	  CF_LIVE, "the same, of requests that went well"),
	D("litellm_settings", "failure_callback", CT_NAMES, AT(failure_callbacks), NULL, 0, 0,
	  CF_LIVE, "the same, of those that failed"),
	D("litellm_settings", "allow_dynamic_callback_disabling", CT_BOOL, AT(may_skip_callbacks),
	  "true", 0, 0, CF_LIVE,
	  "the header x-litellm-disable-callbacks names callbacks that are not told of its request"),
	D("litellm_settings", "standard_logging_payload_excluded_fields", CT_NAMES,
	  AT(payload_without), NULL, 0, 0, CF_LIVE,
	  "fields that the standard logging payload is without, whoever is told; without messages or "
	  "response no callback of any form is told of the prompt, or of the answer"),
	D("litellm_settings", "langfuse_default_tags", CT_NAMES, AT(langfuse_names), NULL, 0, 0,
	  CF_LIVE, "tags that langfuse and langfuse_otel get beside the request's, each with its value: "
	  "cache_hit, cache_key, proxy_base_url (of PROXY_BASE_URL), user_api_key_alias, "
	  "user_api_key_user_id, user_api_key_team_id, user_api_key_team_alias, user_api_key_org_id, "
	  "user_api_key_end_user_id"),
	D("litellm_settings", "generic_logger_headers", CT_PAIRS, AT(generic_headers), NULL, 0, 0,
	  CF_LIVE | CF_SECRET, "headers that generic_api is sent, beside those of GENERIC_LOGGER_HEADERS"),
	D("litellm_settings", "disable_add_user_agent_to_request_tags", CT_BOOL,
	  AT(agent_is_no_tag), "false", 0, 0, CF_LIVE,
	  "callbacks are told no client's User-Agent among the tags of its request"),
	D("litellm_settings", "enable_end_user_cost_tracking_prometheus_only", CT_BOOL,
	  AT(has_end_user_label), "false", 0, 0, CF_LIVE,
	  "with prometheus: metrics of requests have the label end_user, too"),
	D("litellm_settings", "prometheus_emit_stream_label", CT_BOOL, AT(has_stream_label), "false",
	  0, 0, CF_LIVE, "with prometheus: metrics of requests have the label stream, True or False"),
	D("litellm_settings", "custom_prometheus_metadata_labels", CT_NAMES, AT(metric_metadata),
	  NULL, 0, 0, CF_LIVE,
	  "with prometheus: members of the request's metadata, metadata.NAME, that are labels of its "
	  "metrics, metadata_NAME"),
	D("litellm_settings", "custom_prometheus_tags", CT_NAMES, AT(metric_tags), NULL, 0, 0,
	  CF_LIVE,
	  "with prometheus: tags, with * for any text, that are labels of metrics, tag_NAME: true where "
	  "the request has it, else false"),
	D("litellm_settings", "prometheus_metrics_config", CT_JSON_LIST, AT(metric_groups), NULL, 0,
	  0, CF_LIVE,
	  "with prometheus: [{group, metrics: [name], include_labels: [name]}]: of LiteLLM's metrics "
	  "these alone, with these labels, and client_ip and user_agent where they are named"),
	D("litellm_settings", "s3_callback_params", CT_JSON, AT(s3_params), NULL, 0, 0,
	  CF_LIVE | CF_SECRET,
	  "where the callback s3 puts them: {s3_bucket_name, s3_region_name, s3_path, "
	  "s3_endpoint_url, s3_aws_access_key_id, s3_aws_secret_access_key, s3_aws_session_token, "
	  "s3_object_per_request: true for objects as LiteLLM has them, and not one a batch}; "
	  "without keys those of the environment"),
	D("litellm_settings", "aws_sqs_callback_params", CT_JSON, AT(sqs_params), NULL, 0, 0,
	  CF_LIVE | CF_SECRET,
	  "the queue of the callback sqs: {sqs_queue_url, sqs_region_name, sqs_endpoint_url, "
	  "sqs_aws_access_key_id, sqs_aws_secret_access_key, sqs_aws_session_token}; without keys "
	  "those of the environment"),
	D("litellm_settings", "forward_traceparent_to_llm_provider", CT_FLAG, AT(set.trace_flags),
	  "false", TRACE_FORWARD, 0, CF_LIVE,
	  "with otel: providers get a traceparent header, too, which names their attempt's span"),
	D("litellm_settings", "cost_discount_config", CT_JSON, AT(cost_discounts), NULL, 0, 0,
	  CF_LIVE, "what a provider takes off its prices: {provider: 0.05}"),
	D("litellm_settings", "cost_margin_config", CT_JSON, AT(cost_margins), NULL, 0, 0, CF_LIVE,
	  "what is put on top: {provider or global: 0.1, or {percentage: 0.1, fixed_amount: 0.001}}"),
	FLAG("litellm_settings", "cache", SET_CACHE,
	     "keep answers in shared memory, and give them to whoever asks the same again"),
	FLAG("litellm_settings", "require_auth_for_metrics_endpoint", SET_METRICS_AUTH,
	     "/metrics wants a key"),
	D("litellm_settings", "max_end_user_budget", CT_PRICE, AT(customer_budget), NULL, 0, 0,
	  CF_LIVE, "dollars that each customer may spend who has no budget of its own"),
	D("litellm_settings", "max_end_user_budget_id", CT_STR, AT(customer_budget_id), NULL, 0, 0,
	  CF_LIVE, "the budget of customers that have none of their own; goes before max_end_user_budget"),
	D("litellm_settings", "default_key_generate_params", CT_JSON, AT(key_defaults), NULL, 0, 0,
	  CF_LIVE, "what new keys get where nothing is said: {max_budget: 10, models: [name]}"),
	D("litellm_settings", "upperbound_key_generate_params", CT_JSON, AT(key_bounds), NULL, 0, 0,
	  CF_LIVE, "the most that a key may be given: max_budget, budget_duration, duration, tpm_limit, "
	  "rpm_limit, max_parallel_requests; where nothing is said, it is given that"),
	D("litellm_settings", "key_generation_settings", CT_JSON, AT(key_generation), NULL, 0, 0,
	  CF_LIVE, "who but administrators may make keys: {team_key_generation: "
	  "{allowed_team_member_roles: [admin, user], required_params: [name]}, "
	  "personal_key_generation: {allowed_user_roles: [internal_user, org_admin], "
	  "required_params: [name]}}; without a list of roles all who else could, an empty one: nobody"),
	D("litellm_settings", "default_internal_user_params", CT_JSON, AT(user_defaults), NULL, 0, 0,
	  CF_LIVE, "what new internal users get where nothing is said: {user_role: internal_user, "
	  "max_budget: 10, budget_duration: 30d, models: [name], teams: [id]}; available_teams: "
	  "that they may join by themselves"),
	D("litellm_settings", "max_internal_user_budget", CT_PRICE, AT(user_budget), NULL, 0, 0,
	  CF_LIVE, "dollars that new internal users may spend where nothing else is said"),
	D("litellm_settings", "default_max_internal_user_budget", CT_PRICE, AT(user_budget_default),
	  NULL, 0, 0, CF_LIVE, "the same, where max_internal_user_budget is not set"),
	D("litellm_settings", "internal_user_budget_duration", CT_STR, AT(user_duration), NULL, 0, 0,
	  CF_LIVE, "when the budgets of new internal users start anew, where nothing else is said: 30d"),
	D("litellm_settings", "default_team_params", CT_JSON, AT(team_defaults), NULL, 0, 0,
	  CF_LIVE, "what new teams get where nothing is said: {max_budget: 100, models: [name], "
	  "team_member_permissions: [path]}"),
	D("litellm_settings", "default_team_settings", CT_JSON_LIST, AT(team_settings), NULL, 0, 0,
	  CF_LIVE | CF_SECRET, "callbacks of teams that name none themselves: [{team_id: id, "
	  "success_callback: [langfuse], failure_callback: [langfuse], langfuse_public_key: key, "
	  "langfuse_secret_key: os.environ/NAME, langfuse_host: https://...}]"),
	D("litellm_settings", "priority_reservation", CT_SHARES, AT(priorities), NULL, 0, 0, CF_LIVE,
	  "shares of a model's rpm and tpm that keys of a priority may use once it is saturated: "
	  "{prod: 0.9, dev: 0.1}, or {prod: {type: rpm, value: 90}}; a key or team has "
	  "metadata.priority: prod"),
	D("litellm_settings.priority_reservation_settings", "default_priority", CT_MILLI,
	  AT(set.default_priority_milli), "0.25", 0, 1000, CF_LIVE,
	  "the share of all keys together that have no priority, or one that has no share"),
	D("litellm_settings.priority_reservation_settings", "saturation_threshold", CT_MILLI,
	  AT(set.saturation_milli), "0.5", 0, 1000, CF_LIVE,
	  "how much of a model's limit must have been used in the last minute for shares to hold"),
	SWITCH_VERBOSE("litellm_settings"),
	D("litellm_settings", "json_logs", CT_BOOL, AT(json_logs), "false", 0, 0, CF_RESTART,
	  "log as JSON, unless server.log.format says otherwise"),

	/* litellm_settings.cache_params */
	CHOICE("litellm_settings.cache_params", "type", CT_CHOICE, AT(cache_type), "local",
	       "local|disk|redis|redis-semantic|qdrant-semantic|s3|gcs|azure-blob", CF_LIVE,
	       "where answers are kept; whatever is asked for, it is this machine's memory"),
	CHOICE("litellm_settings.cache_params", "mode", CT_CHOICE_U32, AT(set.cache_mode),
	       "default_on", "default_on|default_off", CF_LIVE,
	       "which requests are cached: all, or those that say use-cache: true"),
	D("litellm_settings.cache_params", "ttl", CT_TIME, AT(set.cache_ttl_ms), "600", 1, 520 * WEEK,
	  CF_LIVE, "how long an answer is kept, where the request does not say"),
	D("litellm_settings.cache_params", "default_in_memory_ttl", CT_TIME, AT(set.cache_ttl_ms),
	  NULL, 1, 520 * WEEK, CF_LIVE, "the same"),
	D("litellm_settings.cache_params", "namespace", CT_STR, AT(cache_namespace), NULL, 0, 0,
	  CF_LIVE, "answers of another one are not found; a request may name its own"),
	CHOICE("litellm_settings.cache_params", "scope", CT_CHOICE_U32, AT(set.cache_scope), "team",
	       "team|key|shared", CF_LIVE,
	       "who gets an answer: keys of the team that asked (a key without one: itself), the "
	       "key, or everybody"),
	D("litellm_settings.cache_params", "supported_call_types", CT_NAMES, AT(cache_calls), NULL,
	  0, 0, CF_LIVE, "what is cached: completion, text_completion, embedding, rerank, "
	  "responses, each also with an a before it; without it: all of these"),
	D("litellm_settings.cache_params", "max_bytes", CT_SIZE, AT(cache_max_bytes), "64M", MIB,
	  64 * GIB, CF_LIVE, "memory for all answers together: the oldest go first"),
	D("litellm_settings.cache_params", "max_answer", CT_SIZE, AT(set.cache_answer_max), "1M", KIB,
	  16 * MIB, CF_LIVE, "the longest answer that is kept; never more than about 1/64 of max_bytes"),
	D("litellm_settings.datadog_params", "turn_off_message_logging", CT_BOOL, AT(datadog_hidden),
	  "false", 0, 0, CF_LIVE, "tell datadog redacted-by-litellm in the place of prompts and answers"),
	D("litellm_settings.datadog_llm_observability_params", "turn_off_message_logging", CT_BOOL,
	  AT(datadog_llm_hidden), "false", 0, 0, CF_LIVE,
	  "the same of datadog_llm_observability"),
	D("callback_settings", "<callback_name>", CT_JSON, AT(hooks_text), NULL, 0, 0,
	  CF_LIVE | CF_SECRET,
	  "a webhook that callbacks names by any name of yours: {callback_type: generic_api, "
	  "endpoint: https://..., headers: {Authorization: Bearer ...}, event_types: "
	  "[llm_api_success, llm_api_failure], log_format: json_array, ndjson or single}"),
	D("callback_settings.otel", "message_logging", CT_BOOL, AT(otel_texts), NULL, 0, 0, CF_LIVE,
	  "tell otel of prompts and answers, or not, whatever "
	  "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT says"),

	/* litellm_params, per deployment */
	D("litellm_params", "model", CT_STR, IN(litellm_model), NULL, 0, 0, CF_LIVE,
	  "\"provider/name\": where the request goes and what the provider calls the model"),
	D("litellm_params", "custom_llm_provider", CT_STR, IN(provider), NULL, 0, 0, CF_LIVE,
	  "the provider, where model does not begin with it"),
	D("litellm_params", "api_key", CT_STR, IN(api_key), NULL, 0, 0, CF_LIVE | CF_SECRET,
	  "the provider's key; without it the provider's usual environment variable is read"),
	D("litellm_params", "api_base", CT_STR, IN(api_base), NULL, 0, 0, CF_LIVE,
	  "where the provider's API begins, without the endpoint's path"),
	D("litellm_params", "base_url", CT_STR, IN(api_base), NULL, 0, 0, CF_LIVE,
	  "another name of api_base"),
	D("litellm_params", "api_version", CT_STR, IN(api_version), NULL, 0, 0, CF_LIVE,
	  "version of the API, where a provider wants one"),
	D("litellm_params", "azure_ad_token", CT_STR, IN(cloud.azure_ad_token), NULL, 0, 0,
	  CF_LIVE | CF_SECRET, "a token of Entra ID, sent as it is instead of an api_key"),
	D("litellm_params", "tenant_id", CT_STR, IN(cloud.tenant_id), NULL, 0, 0, CF_LIVE,
	  "tenant of Entra ID, to get tokens for client_id and client_secret; AZURE_TENANT_ID"),
	D("litellm_params", "client_id", CT_STR, IN(cloud.client_id), NULL, 0, 0, CF_LIVE,
	  "application of Entra ID; AZURE_CLIENT_ID"),
	D("litellm_params", "client_secret", CT_STR, IN(cloud.client_secret), NULL, 0, 0,
	  CF_LIVE | CF_SECRET, "its secret; AZURE_CLIENT_SECRET"),
	D("litellm_params", "azure_scope", CT_STR, IN(cloud.azure_scope), NULL, 0, 0, CF_LIVE,
	  "what tokens of Entra ID are for; https://cognitiveservices.azure.com/.default"),
	D("litellm_params", "vertex_project", CT_STR, IN(cloud.vertex_project), NULL, 0, 0, CF_LIVE,
	  "project of Vertex AI; VERTEXAI_PROJECT, or that of the credentials"),
	D("litellm_params", "vertex_ai_project", CT_STR, IN(cloud.vertex_project), NULL, 0, 0,
	  CF_LIVE, "another name of vertex_project"),
	D("litellm_params", "vertex_location", CT_STR, IN(cloud.vertex_location), NULL, 0, 0,
	  CF_LIVE, "location of Vertex AI: us-central1, eu, global, ...; VERTEXAI_LOCATION"),
	D("litellm_params", "vertex_ai_location", CT_STR, IN(cloud.vertex_location), NULL, 0, 0,
	  CF_LIVE, "another name of vertex_location"),
	D("litellm_params", "vertex_credentials", CT_DOCUMENT, IN(cloud.vertex_credentials), NULL, 0,
	  0, CF_LIVE | CF_SECRET,
	  "a service account's JSON, or the file that holds it; VERTEXAI_CREDENTIALS, "
	  "GOOGLE_APPLICATION_CREDENTIALS"),
	D("litellm_params", "vertex_ai_credentials", CT_DOCUMENT, IN(cloud.vertex_credentials), NULL,
	  0, 0, CF_LIVE | CF_SECRET, "another name of vertex_credentials"),
	D("litellm_params", "region_name", CT_STR, IN(region), NULL, 0, 0, CF_LIVE,
	  "region of the deployment"),
	D("litellm_params", "aws_access_key_id", CT_STR, IN(aws_access_key_id), NULL, 0, 0, CF_LIVE,
	  "AWS: the key that calls are signed with; without it AWS_ACCESS_KEY_ID, or a profile"),
	D("litellm_params", "aws_secret_access_key", CT_STR, IN(aws_secret_access_key), NULL, 0, 0,
	  CF_LIVE | CF_SECRET, "AWS: its secret"),
	D("litellm_params", "aws_session_token", CT_STR, IN(aws_session_token), NULL, 0, 0,
	  CF_LIVE | CF_SECRET, "AWS: goes with keys that are good for a while"),
	D("litellm_params", "aws_region_name", CT_STR, IN(aws_region), NULL, 0, 0, CF_LIVE,
	  "AWS: region; without it that of the model's name, AWS_REGION_NAME, AWS_REGION, or us-west-2"),
	D("litellm_params", "aws_profile_name", CT_STR, IN(aws_profile), NULL, 0, 0, CF_LIVE,
	  "AWS: section of ~/.aws/credentials and ~/.aws/config that has keys and region"),
	D("litellm_params", "aws_bedrock_runtime_endpoint", CT_STR, IN(aws_endpoint), NULL, 0, 0,
	  CF_LIVE, "AWS: another address of Bedrock"),
	D("litellm_params", "organization", CT_NAMES, IN(organizations), NULL, 0, 0, CF_LIVE,
	  "sent as OpenAI-Organization; a list makes one deployment of each"),
	D("litellm_params", "weight", CT_MILLI, IN(weight_milli), NULL, 0, 1000000000, CF_LIVE,
	  "share of the requests, against the other deployments of the group"),
	D("litellm_params", "default_api_key_rpm_limit", CT_U64, IN(key_rpm), NULL, 0, UINT32_MAX,
	  CF_LIVE, "requests a minute of each key for this group, unless it has a "
	  "model_rpm_limit for it"),
	D("litellm_params", "default_api_key_tpm_limit", CT_U64, IN(key_tpm), NULL, 0, UINT32_MAX,
	  CF_LIVE, "the same of tokens"),
	D("litellm_params", "rpm", CT_U64, IN(rpm), NULL, 0, UINT32_MAX, CF_LIVE,
	  "requests per minute that the deployment takes; its share where there is no weight"),
	D("litellm_params", "tpm", CT_U64, IN(tpm), NULL, 0, UINT64_C(1) << 50, CF_LIVE,
	  "tokens per minute; its share where there is neither weight nor rpm"),
	D("litellm_params", "order", CT_U32, IN(order), NULL, 0, 1000000, CF_LIVE,
	  "deployments with the smallest order are used first"),
	D("litellm_params", "max_parallel_requests", CT_U32, IN(max_parallel), NULL, 0, 1000000,
	  CF_LIVE, "requests at the same time; 0: no limit"),
	CHOICE("litellm_params", "adaptive_concurrency", CT_CHOICE_U32, IN(adaptive), NULL,
	       "default|auto|true|false", CF_LIVE,
	       "the same as in router_settings, for this deployment"),
	D("litellm_params", "timeout", CT_LIMIT, IN(timeout_ms), NULL, 0, WEEK, CF_LIVE,
	  "how long one attempt may take in all; auto: learned"),
	D("litellm_params", "request_timeout", CT_LIMIT, IN(timeout_ms), NULL, 0, WEEK, CF_LIVE,
	  "another name of timeout"),
	D("litellm_params", "stream_timeout", CT_LIMIT, IN(stream_timeout_ms), NULL, 0, WEEK,
	  CF_LIVE, "the same for streams"),
	D("litellm_params", "hedge_after", CT_MILLI, IN(hedge_milli), NULL, 0, 1000, CF_LIVE,
	  "hedge_after of router_settings for this deployment; 1: never"),
	D("litellm_params", "num_retries", CT_U32, IN(num_retries), NULL, 0, 100, CF_LIVE,
	  "attempts after the first one fails here"),
	D("litellm_params", "cooldown_time", CT_TIME, IN(cooldown_ms), NULL, 0, WEEK, CF_LIVE,
	  "how long this deployment is left alone when it fails"),
	D("litellm_params", "drop_params", CT_BOOL, IN(drop_params), NULL, 0, 0, CF_LIVE,
	  "leave out parameters that the provider does not know"),
	D("litellm_params", "tags", CT_NAMES, IN(tags), NULL, 0, 0, CF_LIVE,
	  "with enable_tag_filtering: requests with one of these tags come here; \"default\": those "
	  "that find nobody else"),
	D("litellm_params", "max_budget", CT_PRICE, IN(max_budget), NULL, 0, 0, CF_LIVE,
	  "dollars that may be spent here in a budget_duration; then others are chosen"),
	D("litellm_params", "budget_duration", CT_STR, IN(budget_duration), NULL, 0, 0, CF_LIVE,
	  "period of max_budget: 30s, 12h, 1d from midnight, 7d from Monday, 30d and 1mo from the first, "
	  "all UTC"),
	D("litellm_params", "plan_windows", CT_PLANS, IN(plans), NULL, 0, 0, CF_LIVE,
	  "what the provider's plan gives in any window of a length, so that we stop before it refuses: "
	  "[{duration: 5h, requests: 600}], or tokens, or cost in dollars; kind: rolling, or fixed, which "
	  "begins anew at each multiple of its length since a Monday's midnight, UTC; multiplier: one use "
	  "counts as so many; plan: a name that deployments share, without one those with the same key do"),
	D("litellm_params", "silent_model", CT_STR, IN(silent_model), NULL, 0, 0, CF_LIVE,
	  "a group that gets a copy of each request that comes here; its answer is thrown away, and "
	  "compared with what the client got: event silent.compared"),
	D("litellm_params", "additional_drop_params", CT_NAMES, IN(dropped_params), NULL, 0, 0, CF_LIVE,
	  "parameters never sent here; also nested ones: \"tools[*].function.strict\""),
	D("litellm_params", "allowed_openai_params", CT_NAMES, IN(allowed_params), NULL, 0, 0, CF_LIVE,
	  "parameters sent although the table of providers says that they are not taken"),
	D("litellm_params", "mock_response", CT_TEXT, IN(mock_response), NULL, 0, 0, CF_LIVE,
	  "answer with this text and ask no provider"),
	D("litellm_params", "extra_headers", CT_PAIRS, IN(headers), NULL, 0, 0, CF_LIVE | CF_SECRET,
	  "headers sent to the provider"),
	D("litellm_params", "headers", CT_PAIRS, IN(headers), NULL, 0, 0, CF_LIVE | CF_SECRET,
	  "another name of extra_headers"),
	D("litellm_params", "extra_body", CT_JSON, IN(extra_body), NULL, 0, 0, CF_LIVE,
	  "members added to every request body"),

	/* model_info, per deployment */
	D("model_info", "id", CT_STR, IN(id), NULL, 0, 0, CF_LIVE,
	  "name of the deployment; without it a hash of its parameters"),
	D("model_info", "mode", CT_MODE, IN(mode), NULL, 0, 0, CF_LIVE,
	  "chat, completion, embedding, ...: what the model does"),
	D("model_info", "base_model", CT_STR, IN(base_model), NULL, 0, 0, CF_LIVE,
	  "name in the price table, where model is not it"),
	D("model_info", "max_tokens", CT_U32, IN(max_tokens), NULL, 0, 0, CF_LIVE,
	  "counts where max_output_tokens is missing"),
	D("model_info", "max_input_tokens", CT_U32, IN(max_input_tokens), NULL, 0, 0, CF_LIVE,
	  "longest prompt"),
	D("model_info", "max_output_tokens", CT_U32, IN(max_output_tokens), NULL, 0, 0, CF_LIVE,
	  "longest answer"),
	D("model_info", "access_groups", CT_NAMES, IN(access_groups), NULL, 0, 0, CF_LIVE,
	  "groups that keys may name instead of the model"),
	D("model_info", "access_windows", CT_HOURS, IN(hours), NULL, 0, 0, CF_LIVE,
	  "hours at which the deployment is used: [{days: mon-fri, from: \"08:00\", to: \"18:00\", "
	  "time_zone: Europe/Zurich}]; without days all, without time_zone UTC"),
	D("model_info", "health_check_model", CT_STR, IN(health_check_model), NULL, 0, 0,
	  CF_LIVE | CF_NOT_YET,
	  "model that a health check asks for; for names with '*'"),
	D("model_info", "disable_background_health_check", CT_BOOL, IN(health_check_off), NULL, 0,
	  0, CF_LIVE, "leave this deployment out of health checks"),

	/* prices, in litellm_params or model_info */
	D("price", "input_cost_per_token", CT_PRICE, IN(price.input), NULL, 0, 0, CF_LIVE,
	  "dollars per token of the prompt"),
	D("price", "output_cost_per_token", CT_PRICE, IN(price.output), NULL, 0, 0, CF_LIVE,
	  "dollars per token of the answer"),
	D("price", "cache_read_input_token_cost", CT_PRICE, IN(price.cache_read), NULL, 0, 0,
	  CF_LIVE, "dollars per token that the provider had cached"),
	D("price", "input_cost_per_token_cache_hit", CT_PRICE, IN(price.cache_read), NULL, 0, 0,
	  CF_LIVE, "another name of cache_read_input_token_cost"),
	D("price", "cache_creation_input_token_cost", CT_PRICE, IN(price.cache_write), NULL, 0, 0,
	  CF_LIVE, "dollars per token that the provider puts into its cache"),
	D("price", "cache_creation_input_token_cost_above_1hr", CT_PRICE,
	  IN(price.cache_write_hour), NULL, 0, 0, CF_LIVE,
	  "dollars per token that the provider keeps in its cache for an hour"),
	D("price", "output_cost_per_reasoning_token", CT_PRICE, IN(price.reasoning), NULL, 0, 0,
	  CF_LIVE, "dollars per token of reasoning"),
	D("price", "input_cost_per_request", CT_PRICE, IN(price.per_request), NULL, 0, 0, CF_LIVE,
	  "dollars per request"),
	D("price", "input_cost_per_query", CT_PRICE, IN(price.per_query), NULL, 0, 0, CF_LIVE,
	  "dollars per search unit of reranking"),
	D("price", "file_search_cost_per_1k_calls", CT_PRICE, IN(price.per_file_search), NULL, 0, 0,
	  CF_LIVE, "dollars per thousand searches in files that a model makes by itself"),
	D("price", "code_interpreter_cost_per_session", CT_PRICE, IN(price.per_session), NULL, 0, 0,
	  CF_LIVE, "dollars per container of a code interpreter that an answer names"),
	D("price", "input_cost_per_image", CT_PRICE, IN(price.per_image), NULL, 0, 0, CF_LIVE,
	  "dollars per image that is made"),
	D("price", "output_cost_per_image", CT_PRICE, IN(price.per_image), NULL, 0, 0, CF_LIVE,
	  "another name of input_cost_per_image"),
	D("price", "input_cost_per_second", CT_PRICE, IN(price.per_second), NULL, 0, 0, CF_LIVE,
	  "dollars per second of sound that is transcribed"),
	D("price", "output_cost_per_second", CT_PRICE, IN(price.per_second), NULL, 0, 0, CF_LIVE,
	  "another name of input_cost_per_second"),
	D("price", "input_cost_per_character", CT_PRICE, IN(price.per_character), NULL, 0, 0,
	  CF_LIVE, "dollars per character that is spoken"),
	D("price", "input_cost_per_audio_token", CT_PRICE, IN(price.media_input), NULL, 0, 0,
	  CF_LIVE, "dollars per token of sound in the prompt"),
	D("price", "input_cost_per_image_token", CT_PRICE, IN(price.media_input), NULL, 0, 0,
	  CF_LIVE, "dollars per token of images in the prompt"),
	D("price", "output_cost_per_audio_token", CT_PRICE, IN(price.media_output), NULL, 0, 0,
	  CF_LIVE, "dollars per token of sound in the answer"),
	D("price", "output_cost_per_image_token", CT_PRICE, IN(price.media_output), NULL, 0, 0,
	  CF_LIVE, "dollars per token of images in the answer"),
	D("price", "input_cost_per_token_flex", CT_PRICE,
	  IN(price.tiers[TIER_FLEX - TIER_FLEX].input), NULL, 0, 0, CF_LIVE,
	  "dollars per token of the prompt at service tier flex"),
	D("price", "output_cost_per_token_flex", CT_PRICE,
	  IN(price.tiers[TIER_FLEX - TIER_FLEX].output), NULL, 0, 0, CF_LIVE,
	  "dollars per token of the answer at service tier flex"),
	D("price", "cache_read_input_token_cost_flex", CT_PRICE,
	  IN(price.tiers[TIER_FLEX - TIER_FLEX].cache_read), NULL, 0, 0, CF_LIVE,
	  "dollars per token that the provider had cached, at service tier flex"),
	D("price", "input_cost_per_token_priority", CT_PRICE,
	  IN(price.tiers[TIER_PRIORITY - TIER_FLEX].input), NULL, 0, 0, CF_LIVE,
	  "dollars per token of the prompt at service tier priority"),
	D("price", "output_cost_per_token_priority", CT_PRICE,
	  IN(price.tiers[TIER_PRIORITY - TIER_FLEX].output), NULL, 0, 0, CF_LIVE,
	  "dollars per token of the answer at service tier priority"),
	D("price", "cache_read_input_token_cost_priority", CT_PRICE,
	  IN(price.tiers[TIER_PRIORITY - TIER_FLEX].cache_read), NULL, 0, 0, CF_LIVE,
	  "dollars per token that the provider had cached, at service tier priority"),
	D("price", "input_cost_per_token_batches", CT_PRICE,
	  IN(price.tiers[TIER_BATCH - TIER_FLEX].input), NULL, 0, 0, CF_LIVE,
	  "dollars per token of the prompt in batches"),
	D("price", "output_cost_per_token_batches", CT_PRICE,
	  IN(price.tiers[TIER_BATCH - TIER_FLEX].output), NULL, 0, 0, CF_LIVE,
	  "dollars per token of the answer in batches"),
};

const struct directive *directives_all(size_t *ret_n)
{
	*ret_n = COUNT(directives);
	return directives;
}

const struct directive *directive_find(const char *section, struct str name)
{
	for (size_t i = 0; i < COUNT(directives); i++)
		if (same_name(name, directives[i].name) &&
		    str_eq_z(str_z(section), directives[i].section))
			return &directives[i];
	return NULL;
}
