/* SPDX-License-Identifier: MIT
 * members.h - parameters in OpenAI's words, made by a table into the members that a provider's
 * own format has for them.
 *
 * The deployment's extra_body wins over the client, the client over the deployment's params: each
 * member is there once, and the first to come stays. Pure. */
#ifndef MEMBERS_H
#define MEMBERS_H

#include "common/json_write.h"
#include "worker/exchange/provider.h"

enum member_fate {
	MEMBER_AS,			/* goes as `there`; NULL: under its own name */
	MEMBER_BESIDE,			/* goes into the other list, under its own name */
	MEMBER_MAKE,			/* make() adds what becomes of it */
	MEMBER_DROP,			/* has no meaning here, and harms nobody */
	MEMBER_FIXED,			/* the adapter writes it itself, whoever names it */
	MEMBER_REFUSE			/* unless its value asks for nothing */
};
struct members;
struct member_row {
	struct str name;
	enum member_fate fate;
	const char *there;
	int (*make)(struct members *m, struct str json);	/* 0, -EINVAL, -ENOMEM */
};
struct members {
	struct arena *mem;
	const struct provider_target *target;
	const struct llm_request *q;
	struct llm_error *err;		/* why -EINVAL */
	const char *vendor;		/* for refusals: "cohere" */
	const struct member_row *rows;
	size_t n_rows;
	struct llm_other *first;	/* what has been made, in order */
	struct llm_other *beside;	/* what stands beside it, where parameters are nested */
};

/* Everything that q (but for what is said, and tools) and the deployment's params ask for. What no
 * row names goes under its own name. 0, -EINVAL, -ENOMEM. */
int members_sort(struct members *m);
/* An object whose members are taken as they are, but those that are MEMBER_FIXED. */
int members_add_raw(struct members *m, const struct json *object);
/* The deployment's extra_body, where parameters are nested under that name. */
int members_add_extra(struct members *m, struct str nested);
int members_add(struct members *m, struct str name, struct str json);
int members_add_beside(struct members *m, struct str name, struct str json);
struct str members_find(const struct members *m, struct str name);	/* .p NULL: not there */
const struct json *members_parse(struct members *m, struct str json);	/* NULL: no JSON */
void members_put(const struct members *m, struct json_out *o);
void members_put_beside(const struct members *m, struct json_out *o);
/* A string's JSON as an array of it; an array as it is. .p NULL: no memory. */
struct str members_list(struct members *m, struct str json);

/* Always -EINVAL. */
int members_refuse(struct members *m, enum outcome o, const char *param, const char *fmt, ...)
	PRINTF(4, 5);
/* 0 where such parameters are to be dropped. */
int members_refuse_param(struct members *m, struct str name);

#endif
