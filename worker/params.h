/* SPDX-License-Identifier: MIT
 * params.h - what becomes of parameters that a deployment does not take, or knows by another name.
 *
 * The rules are common/params.h's. A name that none knows travels untouched. Pure. */
#ifndef WORKER_PARAMS_H
#define WORKER_PARAMS_H

#include "common/params.h"
#include "worker/llm.h"

enum { PARAMS_LISTED_MAX = 64 };	/* names in additional_drop_params, allowed_openai_params */

/* Nested members that are dropped: "tools[*].function.strict". Calls `cut` with the edit of `text`
 * that takes out each one that stands somewhere in `member`, in order, until it returns false.
 * Members of objects go, never elements of arrays. */
typedef bool params_cut_fn(void *data, const struct json_edit *edit);
void params_find_nested(const struct params_rules *p, struct str text, const struct json *member,
			params_cut_fn *cut, void *data);

/* 0, or -EINVAL with *reterr naming what the deployment does not take: of the body's members, or
 * of the neutral form's. provider: for the message. */
int params_check_body(struct arena *a, const struct params_rules *p, const struct json *root,
		      struct str provider, struct llm_error *reterr) MUST_USE;
/* The same; what is dropped is taken out of *q, whose list of others is replaced. -ENOMEM. */
int params_settle_neutral(struct arena *a, const struct params_rules *p, struct llm_request *q,
			  struct str provider, struct llm_error *reterr) MUST_USE;
/* Whether more is to be done than that: names, values or nested members to be changed in what is
 * written in OpenAI's words. NULL is no rules. */
bool params_change_words(const struct params_rules *p);

#endif
