/* SPDX-License-Identifier: MIT
 * snapshot.h - an immutable picture of the configuration, one sealed memfd per generation.
 *
 * Written once by the master, before anyone sees it; read-only in workers. Everything in it is
 * an offset from its start; nothing is a pointer. snap_map() checks all offsets once; after
 * that rows are used without a check. A request holds one snapshot from start to end. */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include "common/price.h"
#include "common/str.h"

#define TIMEOUT_AUTO UINT64_MAX		/* a time limit that is learned */
#define SNAP_MAGIC UINT64_C(0x31304e5347574d4c)
enum { SNAP_LAYOUT = 20, SNAP_NONE = 0xffffffff };

struct snap_str {
	uint32_t at, n;			/* at == 0: there is none */
};
struct snap_part {
	uint32_t at, count;		/* where an array starts, and its rows */
};

enum provider_family {
	FAMILY_OPENAI,			/* the OpenAI wire format, under any base */
	FAMILY_OLLAMA_CHAT,		/* /api/chat */
	FAMILY_OLLAMA_GENERATE,		/* /api/generate */
	FAMILY_MOCK,			/* mock_response: answered in the worker */
	FAMILY_ANTHROPIC,		/* Messages */
	FAMILY_GEMINI,			/* generateContent */
	FAMILY_RESPONSES,		/* OpenAI's Responses */
	FAMILY_COHERE,			/* Cohere's v2 */
	FAMILY_BEDROCK,			/* Converse, and InvokeModel for vectors */
	FAMILY_TGI,			/* Hugging Face's /generate */
	FAMILY_FIM,			/* Mistral's /fim/completions */
	FAMILY_REPLICATE,		/* predictions that are waited for */
	FAMILY_COUNT
};
/* Where a family's calls go: another site has other paths, and wants the same body in another
 * envelope (worker/exchange/site.h). */
enum provider_site {
	SITE_OWN,			/* the vendor's own, or anybody's copy of it */
	SITE_AZURE,			/* /openai/deployments/{model}/... ?api-version= */
	SITE_VERTEX,			/* /v1/projects/{project}/locations/{location}/... */
	SITE_BEDROCK,			/* /model/{model}/invoke */
	SITE_FOUNDRY,			/* Azure AI: as the vendor has it, and ?api-version= */
	SITE_COUNT
};
enum provider_auth {
	AUTH_NONE,
	AUTH_BEARER,			/* Authorization: Bearer */
	AUTH_API_KEY,			/* api-key: */
	AUTH_X_API_KEY,			/* x-api-key: */
	AUTH_X_GOOG_API_KEY,		/* x-goog-api-key: */
	AUTH_TOKEN,			/* Authorization: Token */
	AUTH_BASIC,			/* Authorization: Basic; the key is "user:password" */
	AUTH_XI_API_KEY,		/* xi-api-key: */
	AUTH_SUBSCRIPTION_KEY,		/* api-subscription-key: */
	AUTH_SIGV4,			/* AWS Signature Version 4, made of `credentials` */
	AUTH_GOOGLE,			/* a bearer token got for a service account */
	AUTH_ENTRA,			/* a bearer token got by client credentials */
	AUTH_IBM,			/* a bearer token got for an IAM API key */
	AUTH_GIGACHAT,			/* a bearer token got for an authorization key */
	AUTH_COUNT
};

enum {
	DEPLOY_DROP_PARAMS = 1,
	DEPLOY_WILDCARD = 2,		/* model holds '*' that the request's name fills */
	DEPLOY_DEFAULT = 4,		/* model_name: "*": never cooled */
	DEPLOY_KNOWN_PRICE = 8,
	DEPLOY_NO_LIMIT = 16,		/* max_tokens does not reach the provider */
	DEPLOY_RESPONSES = 32,		/* FAMILY_OPENAI: /responses is served there, too */
	DEPLOY_GATED = 64,		/* it has gates */
	DEPLOY_SILENT = 128,		/* it has `silent` */
	DEPLOY_PRICE_BY_NAME = 256,	/* a wildcard without a price: snap_model_price() */
	DEPLOY_PUBLIC = 512,		/* its host is a vendor's: no private address is its */
	DEPLOY_STRANGER = 1024,	/* an administrator's without the master key: likewise */
	DEPLOY_CL100K = 1 << 14,	/* OpenAI's model, and its encoding (common/tokenizer.h) */
	DEPLOY_O200K = 1 << 15
};

/* What a deployment may use in a while, or when it may be used at all: common/gate.h. */
enum snap_gate_kind {
	GATE_BUDGET,			/* of a period: money that is booked, or about to be */
	GATE_REQUESTS, GATE_TOKENS, GATE_COST,	/* of a plan: in any window of its length */
	GATE_HOURS,			/* open or closed by the hour */
	GATE_INPUT, GATE_OUTPUT,	/* as GATE_TOKENS: of prompts, of answers */
	GATE_KINDS
};
#define GATE_SPAN_MIN_NS UINT64_C(1000000000)
struct snap_gate {
	struct snap_str name;		/* what it is called: "provider openai" */
	uint32_t kind;			/* enum snap_gate_kind */
	uint32_t row;			/* in the board's gates */
	uint64_t limit;			/* requests, tokens or nano-dollars */
	uint64_t span_ns;		/* of a plan; else 0 */
	uint64_t factor_milli;		/* of a plan: one use counts as so many, x 1000 */
	uint32_t is_fixed;		/* of a plan: its window does not roll, it begins anew */
	uint32_t pad;
};

struct snap_header {			/* one header sent upstream */
	struct snap_str name, value;
};
struct snap_deployment {
	/* What a choice among many looks at comes first: a line of the cache. */
	uint64_t id_hash; /* hash_stable(id): its name on the board and in the journal */
	struct snap_part tags;		/* struct snap_str */
	uint64_t weight_milli;		/* weight x 1000; 0 = not given */
	uint64_t rpm, tpm;		/* 0 = not given */
	uint32_t order;			/* 0 = not given */
	uint32_t max_parallel;		/* 0 = no limit */
	uint32_t board_row;		/* row in the board's deployments */
	uint32_t flags;			/* DEPLOY_* */
	uint32_t adaptive;		/* 1 + enum adaptive; 0 = the settings' */
	uint32_t max_input_tokens, max_output_tokens;	/* 0 = unknown */
	uint32_t num_retries;		/* SNAP_NONE = not given */
	struct snap_str id;		/* model_info.id, or a SHA-256 in hex */
	struct snap_str group;		/* model_name */
	struct snap_str provider;	/* "openai", "groq", "ollama" ... */
	struct snap_str model;		/* what the provider calls it; may hold '*' */
	struct snap_str base;		/* scheme://host[:port]/path, no '/' at the end */
	struct snap_str api_key;	/* SECRET: read by exchange/upstream.c alone */
	struct snap_str params; /* JSON object: defaults used unless the client sends them */
	struct snap_str extra_body;	/* JSON object: merged into every body */
	struct snap_str rules;		/* for parameters, as common/params.h reads them; or none */
	struct snap_str mock_response;
	struct snap_str region;
	struct snap_str api_version;	/* Azure's query, or none */
	struct snap_str project, location;	/* Vertex AI */
	struct snap_str paths;		/* "chat=/a text=/b": other paths than the family's */
	struct snap_str silent;		/* the group that gets a copy of what comes here, or none */
	/* SECRET: a JSON object, what AUTH_SIGV4 and those from AUTH_GOOGLE on need
	 * (worker/exchange/credential.h); read by exchange/credential.c alone. */
	struct snap_str credentials;
	struct snap_part headers;	/* struct snap_header: extra headers for the provider */
	struct snap_part gates;		/* struct snap_gate; DEPLOY_GATED: there are some */
	struct price price;
	struct price_rates rates;	/* that are in the price, or go into one by name */
	uint64_t credential;	/* the same for all that use one key at one address; 0 = no key */
	uint64_t timeout_ms, stream_timeout_ms;	/* 0 = not given; may be TIMEOUT_AUTO */
	uint64_t cooldown_ms;		/* UINT64_MAX = not given */
	uint64_t hedge_milli;		/* as in the settings; 0 = not given */
	uint32_t family, auth, site;	/* enum provider_family, provider_auth, provider_site */
	uint32_t mode;			/* enum snap_mode */
};
/* What a model costs by the table, without rates. */
struct snap_price {
	struct snap_str model;
	uint32_t max_input_tokens, max_output_tokens;	/* 0 = unknown */
	struct price price;
};
/* Whether a limit of requests at a time is learned (common/limiter.h). */
enum adaptive {
	ADAPTIVE_AUTO,			/* by refusals alone */
	ADAPTIVE_ON,			/* by latency, too */
	ADAPTIVE_OFF
};
enum snap_mode {
	MODE_CHAT,
	MODE_COMPLETION,
	MODE_EMBEDDING,
	MODE_OTHER,
	MODE_RESPONSES,
	MODE_RERANK,
	MODE_COUNT
};

enum route_strategy {
	STRATEGY_SHUFFLE,		/* simple-shuffle */
	STRATEGY_BUSY,			/* least-busy */
	STRATEGY_USAGE,			/* usage-based-routing, and -v2 */
	STRATEGY_LATENCY,		/* latency-based-routing */
	STRATEGY_COST,			/* cost-based-routing */
	STRATEGY_COUNT
};
/* What sends a request back to where it, or its kin, was before. */
enum { AFFINITY_PREFIX = 1, AFFINITY_KEY = 2, AFFINITY_SESSION = 4 };
/* Classes of errors that retry_policy and allowed_fails_policy tell apart. */
enum policy_class {
	POLICY_BAD_REQUEST,
	POLICY_AUTH,
	POLICY_TIMEOUT,
	POLICY_RATE_LIMIT,
	POLICY_CONTENT,
	POLICY_INTERNAL,
	POLICY_UNAVAILABLE,
	POLICY_NOT_FOUND,
	POLICY_BAD_GATEWAY,
	POLICY_CLASSES
};

struct snap_group {			/* a model name that clients may ask for */
	struct snap_str name;
	struct snap_part members;	/* uint32_t: deployments, in config order */
	uint32_t alias_of;		/* group index, or SNAP_NONE */
	uint32_t flags;			/* GROUP_* */
	struct snap_part fallbacks;	/* struct snap_str: groups to go to, in order */
	struct snap_part context_fallbacks;
	struct snap_part policy_fallbacks;
	struct snap_part access;	/* struct snap_str: what a key's list may name instead */
	uint32_t strategy;		/* 1 + enum route_strategy; 0 = the settings' */
	uint32_t retry_policy[POLICY_CLASSES];	/* 1 + how many; 0 = the settings' */
	uint32_t sticky;		/* enum snap_sticky */
	struct snap_str sticky_header;	/* STICKY_HEADER: its name */
	uint32_t key_rpm, key_tpm;	/* of each key without its own ones for it; 0 = none */
	/* struct snap_gate, of requests, then of tokens: the whole, the share of those without a
	 * class, then each class by its name. SET_RESERVATION: there may be some. */
	struct snap_part reserved;
	uint32_t pad;
};
_Static_assert(sizeof(struct snap_group) % 8 == 0, "patterns stand right behind the groups");
/* What keeps a request at the same deployment of its group, by weights, while that is well. */
enum snap_sticky {
	STICKY_NOT, STICKY_USER, STICKY_KEY, STICKY_SESSION, STICKY_HEADER, STICKY_KINDS
};
enum { GROUP_HIDDEN = 1, GROUP_PATTERN = 2 };

/* Where calls go that name no model: to a provider, or where a configured path leads. */
struct snap_pass {
	struct snap_str name;		/* "openai", or "/v1/rerank" */
	struct snap_part members;	/* one uint32_t: the deployment that has base and key */
	uint32_t kind;			/* enum snap_pass_kind */
	uint32_t flags;			/* PASS_* */
	uint32_t methods;		/* METHOD_*; 0 = all */
	uint32_t pad;
};
enum snap_pass_kind { PASS_PROVIDER, PASS_TARGET, PASS_KINDS };
enum { PASS_SUBPATH = 1, PASS_OPEN = 2 /* wants no key */ };
enum { METHOD_GET = 1, METHOD_POST = 2, METHOD_PUT = 4, METHOD_PATCH = 8, METHOD_DELETE = 16 };

struct snap_settings { /* what is not a row: litellm_, router_ and general_settings, server */
	uint64_t body_max, request_memory_max;		/* bytes */
	uint64_t memory_max;		/* of a worker; 0: its share, which stands on the board */
	uint64_t header_timeout_ms, body_timeout_ms, idle_timeout_ms, write_timeout_ms;
	uint64_t connect_timeout_ms, first_token_timeout_ms, chunk_timeout_ms, total_timeout_ms;
	uint64_t stream_heartbeat_ms;			/* 0 = off */
	uint64_t drain_ms;
	uint64_t cooldown_ms, retry_after_ms;
	uint64_t answer_max;		/* bytes of an answer that a retry is given again */
	uint64_t default_max_tokens;	/* reserve for an answer when nothing else says */
	uint32_t num_retries, max_fallbacks, allowed_fails;
	uint32_t connections_max;	/* per worker */
	uint32_t flags;			/* SET_* */
	uint32_t log_level, access_log;	/* enum log_level; 1 = one line a request */
	uint32_t reserve_mode;		/* 0 strict (default), 1 typical */
	uint32_t ledger_strict;		/* 1: the last byte waits for the journal's flush */
	/* routing */
	uint64_t latency_ttl_ms;
	uint64_t latency_buffer_milli;	/* lowest_latency_buffer x 1000 */
	uint64_t retry_share_milli;	/* retries per request x 1000 */
	uint64_t hedge_milli;	/* a second attempt after this quantile x 1000; 0, 1000 = none */
	uint32_t strategy;		/* enum route_strategy */
	uint32_t latency_samples;	/* at most BOARD_SAMPLES */
	uint32_t default_max_parallel;	/* 0 = no limit */
	uint32_t affinity;		/* AFFINITY_* */
	uint32_t metric_series;		/* label sets that a metric may have */
	uint32_t continues_streams;	/* 1: what breaks off goes on with another deployment */
	uint32_t is_idempotent;		/* 1: a retry with its Idempotency-Key is known again */
	uint32_t token_rate;		/* enum token_rate */
	uint64_t keep_warm_ms;		/* how often connections are exercised; 0 = never */
	uint64_t queue_wait_ms;		/* for room at a provider; 0 = nobody waits */
	uint32_t queue_length;		/* requests that wait in one worker */
	uint32_t adaptive;		/* enum adaptive */
	uint32_t retry_policy[POLICY_CLASSES];		/* 1 + how many; 0 = not given */
	uint32_t allowed_fails_policy[POLICY_CLASSES];	/* 1 + how many; 0 = not given */
	uint64_t trace_share;		/* of 2^63: traces sampled without a parent that says so */
	uint32_t trace_flags;		/* TRACE_* */
	uint32_t body_rules;		/* BODY_*, with SET_ENFORCED_PARAMS */
	/* The response cache; with SET_CACHE. */
	uint64_t cache_ttl_ms, cache_answer_max;
	uint64_t text_max;	/* bytes kept or told of a prompt and of an answer */
	uint32_t cache_mode;		/* enum snap_cache_mode */
	uint32_t cache_scope;		/* enum snap_cache_scope */
	uint32_t cache_calls;		/* bits by enum snap_cache_call */
	uint32_t text_flags;		/* TEXTS_* */
	struct snap_str cache_namespace;
	struct snap_part default_fallbacks;	/* struct snap_str */
	struct snap_part cors_origins;		/* struct snap_str; "*" = any */
	struct snap_part allowed_ips, enforced_params;	/* struct snap_str */
	struct snap_part service_params;	/* the same, of keys with RULE_SERVICE */
	/* struct snap_str by enum snap_routes: names with a NUL behind each; 0: none of them. */
	struct snap_part routes;
	struct snap_part trusted_proxies;	/* struct snap_str */
	struct snap_part allow_private;		/* struct snap_str: networks */
	/* struct snap_str: METRIC_LABEL_* and a name; a family of LiteLLM's that is shown, and
	 * behind a space the labels that it has, with commas. */
	struct snap_part metric_labels, metric_filter;
	struct snap_part tag_budgets;	/* struct snap_gate: GATE_BUDGET, named as the tag */
	struct snap_part jwt;	/* struct snap_str by enum snap_jwt; 0: no tokens */
	uint32_t jwt_flags, jwt_leeway_s;	/* JWT_* */
	/* With SET_RESERVATION: thousandths of a model's limits. */
	uint64_t default_priority_milli, saturation_milli;
	struct snap_str key_header;	/* litellm_key_header_name, or none */
	struct snap_str version;	/* for x-litellm-version */
	struct snap_str tls_certificate, tls_key;	/* PEM; the key is a SECRET */
};
/* Labels of requests that are told where they are asked for. Of a member of the request's metadata
 * its path follows, of a tag its pattern. */
enum { METRIC_LABEL_END_USER = 'e', METRIC_LABEL_STREAM = 's', METRIC_LABEL_IP = 'i',
       METRIC_LABEL_AGENT = 'u', METRIC_LABEL_METADATA = 'm', METRIC_LABEL_TAG = 't' };
enum {
	TEXTS_REDACTED = 1,	/* turn_off_message_logging: unless the request says otherwise */
	TEXTS_ALWAYS = 2	/* global_disable_no_log_param: no-log is not listened to */
};
enum {
	BODY_WANTS_CUSTOMER = 1,	/* enforce_user_param */
	BODY_WITHOUT_TAGS = 2		/* reject_clientside_metadata_tags */
};
/* general_settings: the paths that there are, that want no key, that want an administrator. */
enum snap_routes { ROUTES_ALLOWED, ROUTES_PUBLIC, ROUTES_ADMIN, ROUTES_COUNT };
/* Each has a bit of its own: in their order. */
enum {
	SET_DISABLE_COOLDOWNS = 1 << 0,
	SET_ALWAYS_STREAM_USAGE = 1 << 1,
	SET_METRICS_AUTH = 1 << 2,	/* /metrics wants a key */
	SET_DROP_PARAMS = 1 << 3,
	/* LiteLLM v1.81's status codes: budget 400, model 401, expired 400 */
	SET_OLD_STATUSES = 1 << 4,
	SET_NO_MASTER_KEY = 1 << 5,	/* --insecure-dev: everybody is admin */
	SET_CALL_ID_IN_ERRORS = 1 << 6,
	SET_ALLOWED_FAILS = 1 << 7,	/* allowed_fails was given: LiteLLM's legacy counter */
	SET_COST_IN_STREAM = 1 << 8,	/* include_cost_in_streaming_usage */
	SET_PRECALL = 1 << 9,	/* enable_pre_call_checks */
	SET_TAGS = 1 << 10,	/* enable_tag_filtering */
	SET_TAGS_ALL = 1 << 11,	/* a deployment must have all tags of the request */
	/* enforce_model_rate_limits: rpm and tpm of deployments are hard */
	SET_RATE_LIMITS = 1 << 12,
	SET_CHECK_SCHEMA = 1 << 13,	/* enable_json_schema_validation */
	SET_MODIFY_PARAMS = 1 << 14,
	SET_CLIENT_HEADERS = 1 << 15,	/* forward_client_headers_to_llm_api */
	SET_NO_RESPONSES = 1 << 16,	/* conversations of /v1/responses are not kept */
	SET_LITELLM_METRICS = 1 << 17,	/* /metrics has LiteLLM's names, too */
	SET_LEARN_TIMES = 1 << 18,	/* a deployment hedges, or has a limit that is learned */
	SET_AUTO_TIMEOUT = 1 << 19,	/* timeout: auto, for deployments that say nothing else */
	SET_NO_EXPLANATIONS = 1 << 20,	/* why a request went where it went is not kept */
	SET_CACHE = 1 << 21,	/* answers are kept for whoever asks the same */
	SET_TEXTS = 1 << 22,	/* prompts and answers are kept: store_prompts_in_spend_logs */
	SET_RESERVATION = 1 << 23,	/* classes of keys have shares of a model's limits */
	SET_JWT = 1 << 24,	/* tokens are taken beside keys: jwt */
	SET_FORWARDED = 1 << 25,	/* X-Forwarded-For of trusted proxies says who calls */
	SET_ENFORCED_PARAMS = 1 << 26,
	SET_TEXTS_TOLD = 1 << 27,	/* a callback is given prompts and answers */
	SET_SINGLE_FLIGHT = 1 << 28,	/* what is the same and comes meanwhile is asked once */
	SET_RECORDS = 1 << 29,	/* callbacks want finished requests */
	/* One of allowed_ips, allowed_routes, public_routes and admin_only_routes is given. */
	SET_GUARDED = 1 << 30
};

/* Which tokens count in limits of tokens a minute. */
enum token_rate { TOKENS_TOTAL, TOKENS_INPUT, TOKENS_OUTPUT };
/* What is asked of a token, and which claims say what (worker/decide/claims.h). Lists are names
 * with a NUL behind each. */
enum snap_jwt {
	JWT_AUDIENCES, JWT_ISSUERS,		/* one of them; none: any */
	JWT_ADMIN_SCOPE, JWT_ADMIN_ROUTES, JWT_TEAM_ROUTES,
	JWT_TEAM_CLAIM, JWT_TEAMS_CLAIM, JWT_TEAM_DEFAULT,
	JWT_USER_CLAIM, JWT_EMAIL_CLAIM, JWT_EMAIL_DOMAIN,
	JWT_USER_ROLES_CLAIM, JWT_USER_ROLES,
	JWT_ORG_CLAIM, JWT_END_USER_CLAIM,
	JWT_ROLES_CLAIM, JWT_ROLE_MAPPINGS,	/* JSON: [{role, internal_role}] */
	JWT_OBJECT_CLAIM,			/* the team's or the user's id, as the role says */
	JWT_SCOPE_MAPPINGS,			/* JSON: [{scope, models, routes}] */
	JWT_PROVIDERS,				/* JSON: [{issuer, audience}] */
	JWT_TEAM_ALIAS_CLAIM, JWT_ORG_ALIAS_CLAIM,
	JWT_ROLE_MAP,				/* JSON: [{jwt_role, litellm_role}] */
	JWT_ROLE_PERMISSIONS,			/* JSON: [{role, models, routes}] */
	JWT_KEY_CLAIM,				/* its value names a key: DIR_TOKEN_KEY */
	JWT_PUBLIC_ROUTES,			/* of a token that names nobody here */
	JWT_TEXTS
};
enum {
	JWT_ENFORCE_ROLES = 1,			/* enforce_rbac */
	JWT_ENFORCE_SCOPES = 2,			/* enforce_scope_based_access */
	JWT_ENFORCE_TEAM = 4,			/* enforce_team_based_model_access */
	JWT_USER_UPSERT = 8, JWT_TEAM_UPSERT = 16,
	JWT_SYNC = 32,				/* sync_user_role_and_teams */
	JWT_JOIN = 64,				/* upsert_sso_user_to_team */
	JWT_USERINFO = 128,			/* the provider is asked about what is no JWT */
	JWT_USERINFO_ALL = 256			/* and about those that are: there are no keys */
};
enum snap_cache_mode { CACHE_DEFAULT_ON, CACHE_DEFAULT_OFF };
enum snap_cache_scope { CACHE_OF_TEAM, CACHE_OF_KEY, CACHE_OF_ALL };
enum snap_cache_call { CACHED_CHAT, CACHED_TEXT, CACHED_EMBED, CACHED_RERANK, CACHED_RESPONSES };

enum { TRACE_ON = 1, TRACE_BY_PARENT = 2, TRACE_FORWARD = 4 /* to providers */,
       TRACE_ALONE = 8 /* no client's traceparent is heard */ };

struct snap_head {
	uint64_t magic;
	uint32_t layout, pad;
	uint64_t generation, size, built_wall_ns;
	struct snap_settings settings;
	struct snap_part groups;	/* sorted by name (str_cmp); patterns apart */
	struct snap_part patterns;	/* snap_group with '*' in the name, best first */
	struct snap_part deployments;
	struct snap_part passes;	/* struct snap_pass */
	struct snap_part prices;	/* struct snap_price, sorted; none where nobody asks them */
	struct snap_part text;		/* bytes; byte 0 is unused so that at == 0 means none */
};

struct snap;				/* a mapping in this process; counted */

/* Maps and checks. Takes the descriptor (closes it, also on failure).
 * 0, -EBADMSG (damaged or another layout), or -errno of fstat/mmap/seals missing. */
int snap_map(int fd, struct snap **ret) MUST_USE;
/* Checks bytes that need not come from a memfd; what fuzzers call. 0 or -EBADMSG. */
int snap_check(const void *p, size_t n) MUST_USE;
struct snap *snap_ref(struct snap *s);
struct snap *snap_unref(struct snap *s); /* NULL is fine; returns NULL; the last one unmaps */

const struct snap_head *snap_head(const struct snap *s);
const struct snap_settings *snap_settings(const struct snap *s);
struct str snap_text(const struct snap *s, struct snap_str t);	/* NUL follows every text */
const struct snap_deployment *snap_deployment(const struct snap *s, uint32_t index);
/* Groups are counted first, then patterns: an index names either, in alias_of too. */
const struct snap_group *snap_group(const struct snap *s, uint32_t index);
uint32_t snap_member(const struct snap *s, const struct snap_group *g, uint32_t i);
/* All of them at once, for who goes through many: rows in order of their indices. */
const struct snap_deployment *snap_deployments(const struct snap *s, uint32_t *ret_n);
const uint32_t *snap_members(const struct snap *s, const struct snap_group *g);
struct str snap_name(const struct snap *s, struct snap_part names, uint32_t i);
const struct snap_header *snap_headers(const struct snap *s, const struct snap_deployment *d);
const struct snap_gate *snap_gates(const struct snap *s, const struct snap_deployment *d);
const struct snap_gate *snap_tag_budgets(const struct snap *s);
const struct snap_gate *snap_reserved(const struct snap *s, const struct snap_group *g);
/* The group of exactly that name (aliases not followed), or NULL. Binary search. */
const struct snap_group *snap_find_group(const struct snap *s, struct str name);
/* Exact name, then alias, then the best pattern, then "*"; NULL when nobody serves it. A pattern
 * must match all of the name, where LiteLLM is content with its beginning. */
const struct snap_group *snap_resolve(const struct snap *s, struct str name);
/* Where a request goes to that g serves by that name: what is written for the name itself, an
 * alias or one that a pattern serves, goes before what is written for the group. */
struct snap_fallbacks {
	struct snap_part general, context, policy;
};
struct snap_fallbacks snap_fallbacks(const struct snap *s, struct str asked,
				     const struct snap_group *g);
const struct snap_pass *snap_find_provider(const struct snap *s, struct str name); /* or NULL */
/* The configured path that `path` is, or (PASS_SUBPATH) stands under; the longest one. *ret_rest:
 * what stands behind it, .n 0 or from its '/' on. NULL: none. */
const struct snap_pass *snap_find_target(const struct snap *s, struct str path,
					 struct str *ret_rest);
bool snap_pass_takes(const struct snap_pass *p, struct str method);
/* What a wildcard deployment calls upstream: '*'s of d->model filled from what the '*'s of the
 * pattern matched in `asked`. Lies in the snapshot, in `asked` or in the arena; .p NULL when that
 * is full. */
struct arena;
struct str snap_upstream_model(const struct snap *s, const struct snap_group *g,
			       const struct snap_deployment *d, struct str asked,
			       struct arena *a) MUST_USE;

/* What `asked` costs at a deployment of DEPLOY_PRICE_BY_NAME, with its rates, by the name that it
 * has there: "provider/model", the model, the model without what stands before its first '/'.
 * False: no such name has a price. Only ->model of *ret is not to be read. */
bool snap_model_price(const struct snap *s, const struct snap_group *g,
		      const struct snap_deployment *d, struct str asked, struct snap_price *ret);
/* The same of a model as d's provider calls it. */
bool snap_named_price(const struct snap *s, const struct snap_deployment *d, struct str model,
		      struct snap_price *ret);
/* The same of any deployment: its own price, or one found by name, which lies in *room. */
static inline const struct price *snap_price_of(const struct snap *s, const struct snap_group *g,
						const struct snap_deployment *d, struct str asked,
						struct snap_price *room)
{
	bool is_named = d->flags & DEPLOY_PRICE_BY_NAME && snap_model_price(s, g, d, asked, room);
	return is_named ? &room->price : &d->price;
}
/* '*'s of `model` filled from what those of the pattern match in `asked`: the model itself where
 * either has none, `asked` where the pattern does not match. .n 0: it is longer than the room. */
struct str snap_fill_model(struct str pattern, struct str model, struct str asked, char *room,
			   size_t n);

/* Building, in the master: rows are appended to heap arrays, then sealed into a memfd. */
struct snap_build;
struct snap_build *snap_build_new(void) MUST_USE;
void snap_build_free(struct snap_build *b);
struct snap_str snap_build_text(struct snap_build *b, struct str s);	/* .p NULL gives none */
struct snap_part snap_build_names(struct snap_build *b, const struct str *names, size_t n);
struct snap_part snap_build_headers(struct snap_build *b, const struct snap_header *h, size_t n);
struct snap_part snap_build_gates(struct snap_build *b, const struct snap_gate *g, size_t n);
/* Those of all models, in the order of their names. */
void snap_build_price(struct snap_build *b, struct str model, const struct snap_price *p);
uint32_t snap_build_deployment(struct snap_build *b, const struct snap_deployment *d);
/* A group or pattern with its members; alias_of is resolved by name in snap_build_seal(). */
void snap_build_group(struct snap_build *b, const struct snap_group *g, const uint32_t *members,
		      size_t n, struct str alias_of);
/* A pass with its one member. */
void snap_build_pass(struct snap_build *b, const struct snap_pass *p, uint32_t deployment);
struct snap_settings *snap_build_settings(struct snap_build *b);
/* Memory failures on the way surface here. An alias of nothing, or in a circle, leads nowhere.
 * 0 and a sealed, CLOEXEC descriptor; -EEXIST: two groups of one name; or -errno. */
int snap_build_seal(struct snap_build *b, uint64_t generation, int *ret_fd) MUST_USE;

#endif
