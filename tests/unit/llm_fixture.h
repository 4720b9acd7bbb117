/* SPDX-License-Identifier: MIT
 * llm_fixture.h - what tests of dialects and providers share: memory for each test program, bodies
 * that are read, requests that are written, and events that are read back. */
#ifndef LLM_FIXTURE_H
#define LLM_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/hash.h"
#include "tests/unit/llm_text.h"
#include "worker/client/dialect.h"
#include "worker/exchange/provider.h"

static struct arena *mem;
static struct str path_model;		/* what a path has named beside the body; or nothing */

static inline int setup(void **state)
{
	(void)state;
	mem = arena_new(256 << 20);
	return mem ? hash_init() : -1;
}

static inline int teardown(void **state)
{
	(void)state;
	mem = arena_free(mem);
	return 0;
}

static inline void expect_str(struct str got, const char *want)
{
	if (!str_eq_z(got, want))
		fail_msg("got  " STR_FMT "\nwant %s", STR_ARG(got), want);
}

/* ---- bodies ---- */

static inline int read_body(const struct dialect *d, struct str body, struct llm_request *q,
			    struct dialect_error *err)
{
	struct json_error error;
	const struct json *root = json_parse(mem, body, JSON_ONE_KEY, &error);
	if (!root)
		fail_msg("not JSON at %zu: " STR_FMT, error.at, STR_ARG(body));
	*q = (struct llm_request){ .model = path_model };
	*err = (struct dialect_error){ 0 };
	return d->read_request(mem, body, root, q, err);
}

static inline struct llm_request read_good(const struct dialect *d, struct str body)
{
	struct dialect_error err;
	struct llm_request q;
	if (read_body(d, body, &q, &err))
		fail_msg(STR_FMT "\n refused: " STR_FMT, STR_ARG(body), STR_ARG(err.message));
	return q;
}

/* A chat in OpenAI's words that says hi, with more members. */
static inline struct llm_request request_of(const char *more)
{
	return read_good(&dialect_openai_chat,
			 arena_printf(mem, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
				      "\"content\":\"hi\"}]%s}", more));
}

static inline void expect_refused(const struct dialect *d, const char *body, const char *param,
				  const char *says)
{
	struct dialect_error err;
	struct llm_request q;
	int r = read_body(d, str_z(body), &q, &err);
	if (r != -EINVAL || !str_eq_z(err.param, param) ||
	    str_find(err.message, str_z(says)) == SIZE_MAX)
		fail_msg("%s: %d, " STR_FMT " of " STR_FMT, body, r, STR_ARG(err.message),
			 STR_ARG(err.param));
	assert_int_equal(err.outcome, OUTCOME_BAD_REQUEST);
}

/* ---- providers ---- */

/* What is asked of a deployment. Where it cannot be asked: -EINVAL, and the parameter's name as
 * *ret_body. ret_path may be NULL. */
static inline int write_with(const struct provider *p, const struct llm_request *q,
			     const char *model, const char *params, const char *extra,
			     struct str *ret_path, struct str *ret_body)
{
	struct provider_target t = { .model = str_z(model), .params = str_z(params),
				     .extra_body = str_z(extra) };
	struct provider_call call = { 0 };
	struct llm_error err = { 0 };
	buf_init(&call.path, 1024);
	buf_init(&call.body, 32 << 20);
	int r = p->write_request(mem, q, &t, &call, &err);
	assert_true(r == 0 || (r == -EINVAL && err.message.n && err.outcome != OUTCOME_OK));
	if (ret_path)
		*ret_path = arena_dup(mem, buf_str(&call.path));
	*ret_body = r ? err.param : arena_dup(mem, buf_str(&call.body));
	buf_done(&call.path);
	buf_done(&call.body);
	return r;
}

/* One event of a stream: what is read of it, and what comes back. */
static inline void expect_event(const struct provider *p, enum llm_kind kind, const char *data,
				int r, const char *events)
{
	struct llm_request q = { .kind = kind, .n = 1 };
	struct provider_reader rd = { .mem = mem, .q = &q };
	struct sse_event ev = { .data = str_z(data) };
	struct arena *scratch = arena_new(1 << 20);
	struct buf b;
	buf_init(&b, 1 << 20);
	struct said s = { .to = &b };
	int got = provider_read_event(p, &rd, scratch, &ev, say_event, &s);
	if (got != r || !str_eq_z(buf_str(&b), events))
		fail_msg("%s gave %d\n%s\nnot %d\n%s", data, got, buf_z(&b), r, events);
	buf_done(&b);
	arena_free(scratch);
}

#endif
