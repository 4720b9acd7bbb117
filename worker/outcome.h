/* SPDX-License-Identifier: MIT
 * outcome.h - how a request can end. One row decides the status line, the error's type and code
 * in every dialect, the metric label, and what it says of a deployment that was asked.
 *
 * Statuses and types are LiteLLM's of late 2026, but that 429 is for the caller's own limits and
 * those of a provider that says so: where nobody can be asked it is 503. `old` is the status of
 * its v1.81, given when server.old-statuses is set. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <stdbool.h>

/*        name                  status old  openai type                code blame */
#define OUTCOMES(X)                                                                                \
	X(OK,                   200, 200, "",                        "",                         NONE) \
	X(CLIENT_GONE,          499, 499, "client_disconnected",     "client_disconnected",      NONE) \
	X(BAD_REQUEST,          400, 400, "invalid_request_error",   "",                         NONE) \
	X(BAD_JSON,             400, 400, "invalid_request_error",   "",                         NONE) \
	X(UNKNOWN_MODEL,        400, 400, "invalid_request_error",   "",                         NONE) \
	X(UNSUPPORTED_PARAM,    400, 400, "invalid_request_error",   "unsupported_parameter",    NONE) \
	X(CONTEXT_LENGTH,       400, 400, "invalid_request_error",   "context_length_exceeded",  NONE) \
	X(CONTENT_POLICY,       400, 400, "invalid_request_error",   "content_policy_violation", NONE) \
	X(NO_KEY,               401, 401, "auth_error",              "",                         NONE) \
	X(KEY_MALFORMED,        401, 401, "auth_error",              "",                         NONE) \
	X(KEY_UNKNOWN,          401, 401, "token_not_found_in_db",   "",                         NONE) \
	X(KEY_EXPIRED,          401, 400, "expired_key",             "",                         NONE) \
	X(KEY_BLOCKED,          401, 401, "auth_error",              "",                         NONE) \
	X(MODEL_DENIED,         403, 401, "key_model_access_denied", "",                         NONE) \
	X(ROUTE_DENIED,         403, 403, "auth_error",              "",                         NONE) \
	X(ADMIN_ONLY,           401, 401, "auth_error",              "",                         NONE) \
	X(BUDGET_SPENT,         429, 400, "budget_exceeded",         "",                         NONE) \
	X(RATE_LIMITED,         429, 429, "throttling_error",        "",                         NONE) \
	X(NOT_FOUND,            404, 404, "not_found_error",         "",                         NONE) \
	X(METHOD,               405, 405, "invalid_request_error",   "",                         NONE) \
	X(TOO_LARGE,            413, 413, "invalid_request_error",   "request_too_large",        NONE) \
	X(MEDIA_TYPE,           415, 415, "invalid_request_error",   "",                         NONE) \
	X(TIMEOUT_BODY,         408, 408, "invalid_request_error",   "",                         NONE) \
	X(UP_BAD_REQUEST,       400, 400, "invalid_request_error",   "",                         NONE) \
	X(UP_AUTH,              401, 401, "authentication_error",    "",                         USE)  \
	X(UP_PERMISSION,        403, 403, "permission_error",        "",                         USE)  \
	X(UP_NOT_FOUND,         404, 404, "not_found_error",         "",                         USE)  \
	X(UP_UNPROCESSABLE,     422, 422, "invalid_request_error",   "",                         NONE) \
	X(UP_RATE_LIMITED,      429, 429, "throttling_error",        "",                         USE)  \
	X(UP_TIMEOUT,           408, 408, "timeout_error",           "",                         DOWN) \
	X(UP_CONNECT,           500, 500, "api_connection_error",    "",                         DOWN) \
	X(UP_ERROR,             500, 500, "internal_server_error",   "",                         DOWN) \
	X(UP_MALFORMED,         502, 502, "bad_gateway_error",       "",                         DOWN) \
	X(UP_BROKEN,            502, 502, "bad_gateway_error",       "",                         DOWN) \
	X(UP_UNAVAILABLE,       503, 503, "service_unavailable_error", "",                       DOWN) \
	X(NO_DEPLOYMENT,        503, 429, "service_unavailable_error", "no_deployment",          NONE) \
	X(QUEUE_FULL,           503, 429, "service_unavailable_error", "queue_full",             NONE) \
	X(TAGS_DENIED,          401, 401, "auth_error",              "",                         NONE) \
	X(COST_LIMIT,           400, 400, "invalid_request_error",   "max_cost_exceeded",        NONE) \
	X(ALL_COOLING,          503, 429, "all_deployments_in_cooldown", "",                     NONE) \
	X(MONEY_DOWN,           503, 503, "service_unavailable_error", "spend_unavailable",      NONE) \
	X(OVERLOADED,           503, 503, "service_unavailable_error", "overloaded",             NONE) \
	X(DRAINING,             503, 503, "service_unavailable_error", "draining",               NONE) \
	X(MASTER_AWAY,          503, 503, "service_unavailable_error", "master_away",            NONE) \
	X(INTERNAL,             500, 500, "internal_server_error",   "",                         NONE) \
	X(KEY_REUSED,           422, 422, "invalid_request_error",   "idempotency_key_reused",   NONE) \
	X(KEY_IN_USE,           409, 409, "invalid_request_error",   "idempotency_key_in_use",   NONE) \
	X(KEY_FLOOD,            429, 429, "throttling_error",        "too_many_unknown_keys",    NONE) \
	X(UP_BARRED,            502, 502, "bad_gateway_error",       "address_refused",          USE)  \
	X(SUSPECT,              422, 422, "invalid_request_error",   "query_of_death",           NONE)

enum outcome {
#define X(name, ...) OUTCOME_##name,
	OUTCOMES(X)
#undef X
	OUTCOME_COUNT			/* always last */
};

/* What is wrong with the deployment that answered so. Where anything is, another one may do. */
enum outcome_blame {
	BLAME_NONE,			/* nothing: it is the request, or ourselves */
	BLAME_USE,			/* how it is used: key, model, address, limits */
	BLAME_DOWN			/* it does not work */
};

struct outcome_row {
	const char *name;		/* "RATE_LIMITED" */
	int status, old_status;
	const char *type, *code;	/* code "": the status as a string, as LiteLLM does */
	enum outcome_blame blame;
	bool may_retry;			/* somebody else is to be asked */
};
extern const struct outcome_row outcome_rows[OUTCOME_COUNT];

/* What a provider's HTTP status means before its body is looked at. */
enum outcome outcome_of_upstream(int status);

#endif
