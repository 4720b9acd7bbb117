/* SPDX-License-Identifier: MIT
 * outcome.h - how a request can end. One row decides the status line, the error's type and code
 * in every dialect, the metric label and whether another attempt makes sense.
 *
 * Statuses and types are LiteLLM's of late 2026, but that 429 is for the caller's own limits and
 * those of a provider that says so: where nobody can be asked it is 503. `old` is the status of
 * its v1.81, given when server.old-statuses is set. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <stdbool.h>

/*        name                  status old  openai type                code retry */
#define OUTCOMES(X)                                                                                \
	X(OK,                   200, 200, "",                        "",                         false) \
	X(CLIENT_GONE,          499, 499, "client_disconnected",     "client_disconnected",      false) \
	X(BAD_REQUEST,          400, 400, "invalid_request_error",   "",                         false) \
	X(BAD_JSON,             400, 400, "invalid_request_error",   "",                         false) \
	X(UNKNOWN_MODEL,        400, 400, "invalid_request_error",   "",                         false) \
	X(UNSUPPORTED_PARAM,    400, 400, "invalid_request_error",   "unsupported_parameter",    false) \
	X(CONTEXT_LENGTH,       400, 400, "invalid_request_error",   "context_length_exceeded",  false) \
	X(CONTENT_POLICY,       400, 400, "invalid_request_error",   "content_policy_violation", false) \
	X(NO_KEY,               401, 401, "auth_error",              "",                         false) \
	X(KEY_MALFORMED,        401, 401, "auth_error",              "",                         false) \
	X(KEY_UNKNOWN,          401, 401, "token_not_found_in_db",   "",                         false) \
	X(KEY_EXPIRED,          401, 400, "expired_key",             "",                         false) \
	X(KEY_BLOCKED,          401, 401, "auth_error",              "",                         false) \
	X(MODEL_DENIED,         403, 401, "key_model_access_denied", "",                         false) \
	X(ROUTE_DENIED,         403, 403, "auth_error",              "",                         false) \
	X(ADMIN_ONLY,           401, 401, "auth_error",              "",                         false) \
	X(BUDGET_SPENT,         429, 400, "budget_exceeded",         "",                         false) \
	X(RATE_LIMITED,         429, 429, "throttling_error",        "",                         false) \
	X(NOT_FOUND,            404, 404, "not_found_error",         "",                         false) \
	X(METHOD,               405, 405, "invalid_request_error",   "",                         false) \
	X(TOO_LARGE,            413, 413, "invalid_request_error",   "request_too_large",        false) \
	X(MEDIA_TYPE,           415, 415, "invalid_request_error",   "",                         false) \
	X(TIMEOUT_BODY,         408, 408, "invalid_request_error",   "",                         false) \
	X(UP_BAD_REQUEST,       400, 400, "invalid_request_error",   "",                         false) \
	X(UP_AUTH,              401, 401, "authentication_error",    "",                         true)  \
	X(UP_PERMISSION,        403, 403, "permission_error",        "",                         true)  \
	X(UP_NOT_FOUND,         404, 404, "not_found_error",         "",                         true)  \
	X(UP_UNPROCESSABLE,     422, 422, "invalid_request_error",   "",                         false) \
	X(UP_RATE_LIMITED,      429, 429, "throttling_error",        "",                         true)  \
	X(UP_TIMEOUT,           408, 408, "timeout_error",           "",                         true)  \
	X(UP_CONNECT,           500, 500, "api_connection_error",    "",                         true)  \
	X(UP_ERROR,             500, 500, "internal_server_error",   "",                         true)  \
	X(UP_MALFORMED,         502, 502, "bad_gateway_error",       "",                         true)  \
	X(UP_BROKEN,            502, 502, "bad_gateway_error",       "",                         true)  \
	X(UP_UNAVAILABLE,       503, 503, "service_unavailable_error", "",                       true)  \
	X(NO_DEPLOYMENT,        503, 429, "service_unavailable_error", "no_deployment",          false) \
	X(QUEUE_FULL,           503, 429, "service_unavailable_error", "queue_full",             false) \
	X(TAGS_DENIED,          401, 401, "auth_error",              "",                         false) \
	X(COST_LIMIT,           400, 400, "invalid_request_error",   "max_cost_exceeded",        false) \
	X(ALL_COOLING,          503, 429, "all_deployments_in_cooldown", "",                     false) \
	X(MONEY_DOWN,           503, 503, "service_unavailable_error", "spend_unavailable",      false) \
	X(OVERLOADED,           503, 503, "service_unavailable_error", "overloaded",             false) \
	X(DRAINING,             503, 503, "service_unavailable_error", "draining",               false) \
	X(MASTER_AWAY,          503, 503, "service_unavailable_error", "master_away",            false) \
	X(INTERNAL,             500, 500, "internal_server_error",   "",                         false) \
	X(KEY_REUSED,           422, 422, "invalid_request_error",   "idempotency_key_reused",   false) \
	X(KEY_IN_USE,           409, 409, "invalid_request_error",   "idempotency_key_in_use",   false) \
	X(KEY_FLOOD,            429, 429, "throttling_error",        "too_many_unknown_keys",    false) \
	X(UP_BARRED,            502, 502, "bad_gateway_error",       "address_refused",          true) \
	X(SUSPECT,              422, 422, "invalid_request_error",   "query_of_death",           false)

enum outcome {
#define X(name, ...) OUTCOME_##name,
	OUTCOMES(X)
#undef X
	OUTCOME_COUNT			/* always last */
};

struct outcome_row {
	const char *name;		/* "RATE_LIMITED" */
	int status, old_status;
	const char *type, *code;	/* code "": the status as a string, as LiteLLM does */
	bool may_retry;
};
extern const struct outcome_row outcome_rows[OUTCOME_COUNT];

/* What a provider's HTTP status means before its body is looked at. */
enum outcome outcome_of_upstream(int status);

#endif
