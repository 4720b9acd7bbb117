/* SPDX-License-Identifier: MIT
 * request_fuzz.h - what holds for any client dialect, whatever body it reads: a refusal names a
 * place, and what a provider adapter writes of a request is a fixed point. */
#ifndef REQUEST_FUZZ_H
#define REQUEST_FUZZ_H

#include <errno.h>

#include "worker/client/dialect.h"
#include "worker/exchange/provider.h"

enum { REQUEST_MEMORY = 32 << 20 };

static inline void check_refusal(const struct dialect_error *err)
{
	MUST(err->outcome == OUTCOME_BAD_REQUEST);
	MUST(err->message.n > 0 && err->param.n > 0 && str_is_utf8(err->message));
}

static inline int write_request_to(struct arena *a, const struct provider *p, const struct llm_request *q,
				   struct str *ret)
{
	struct provider_target t = { .model = q->model, .drop_params = true };
	struct provider_call call = { 0 };
	struct llm_error err = { 0 };
	buf_init(&call.path, 256);
	buf_init(&call.body, REQUEST_MEMORY);
	int r = p->write_request(a, q, &t, &call, &err);
	*ret = r == 0 ? arena_dup(a, buf_str(&call.body)) : STR_NONE;
	buf_done(&call.path);
	buf_done(&call.body);
	MUST(r != -EINVAL || (err.message.n && err.param.n));
	return r == 0 && !ret->p ? -ENOMEM : r;
}

/* Written for p, read by d and written again: the same to the byte. */
static inline void check_written_twice(struct arena *a, const struct provider *p,
				       const struct dialect *d, const struct llm_request *q)
{
	struct dialect_error err = { 0 };
	struct llm_request again = { 0 };
	struct json_error error;
	struct str first, second;
	if (write_request_to(a, p, q, &first))
		return;
	const struct json *root = json_parse(a, first, JSON_ONE_KEY, &error);
	if (!root)
		return;			/* deeper than the parser goes, or no memory */
	int r = d->read_request(a, first, root, &again, &err);
	if (r == -ENOMEM)
		return;
	MUST(r == 0);
	r = write_request_to(a, p, &again, &second);
	MUST(r == -ENOMEM || (r == 0 && str_eq(first, second)));
}

#endif
