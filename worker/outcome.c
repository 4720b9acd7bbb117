/* SPDX-License-Identifier: MIT
 * outcome.c - the outcome table as data, and the reading of a provider's status. */
#include "worker/outcome.h"

const struct outcome_row outcome_rows[OUTCOME_COUNT] = {
#define X(name, status, old, type, code, blame)                                                   \
	[OUTCOME_##name] = { #name, status, old, type, code, BLAME_##blame,                       \
			     BLAME_##blame != BLAME_NONE },
	OUTCOMES(X)
#undef X
};

enum outcome outcome_of_upstream(int status)
{
	switch (status) {
	case 400:
		return OUTCOME_UP_BAD_REQUEST;
	case 401:
		return OUTCOME_UP_AUTH;
	case 402:
	case 403:
		return OUTCOME_UP_PERMISSION;
	case 404:
		return OUTCOME_UP_NOT_FOUND;
	case 408:
	case 504:
	case 524:
		return OUTCOME_UP_TIMEOUT;
	case 413:
	case 422:
		return OUTCOME_UP_UNPROCESSABLE;
	case 429:
	case 498:
		return OUTCOME_UP_RATE_LIMITED;
	case 502:
		return OUTCOME_UP_MALFORMED;
	case 503:
	case 529:
		return OUTCOME_UP_UNAVAILABLE;
	default:
		if (status >= 200 && status < 300)
			return OUTCOME_OK;
		if (status >= 400 && status < 500)
			return OUTCOME_UP_BAD_REQUEST;
		return OUTCOME_UP_ERROR;
	}
}
