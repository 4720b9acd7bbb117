/* SPDX-License-Identifier: MIT
 * params.h - rules for OpenAI's parameters: which a deployment takes, and under what name.
 *
 * Rules are one line of words. The master writes a deployment's (etc/params.tsv), the worker
 * applies them; most deployments have few, many have none.
 *
 *   -name         refused                     name=VALUE    any other value is refused
 *   ~name         goes unsaid                 name!VALUE    this value is refused
 *   +name         taken, whatever follows     name>other    has another name there
 *   ~a[*].b.c     a nested member: unsaid     name:X>Y      value X is written Y; null: unsaid
 *   [pattern]     what follows holds for models of this name; [*] ends that
 *
 * Values are JSON without spaces. The first word that has something to say about a name and its
 * value counts; a name that no word knows is kept. */
#ifndef PARAMS_H
#define PARAMS_H

#include "common/json.h"

struct params_rules {
	struct str text;		/* the deployment's rules; may be empty */
	struct str model;		/* what the provider calls it */
	const struct json *dropped, *allowed;	/* the request's own names; or NULL */
	bool drops;			/* drop_params: what is refused is left out */
	struct str longest;		/* modify_params: the most for max_tokens; or none */
};
enum params_act {
	PARAMS_KEEP,
	PARAMS_DROP,			/* goes unsaid */
	PARAMS_RENAME,			/* to `with` */
	PARAMS_REPLACE,			/* by the JSON value `with` */
	PARAMS_REFUSE			/* an error, or dropped where drop_params says so */
};
struct params_verdict {
	enum params_act act;
	struct str with;
};
/* NULL is no rules. */
bool params_has_rules(const struct params_rules *p);
/* value: as JSON text. An unknown name, a null and what the gateway itself decides (model,
 * messages, stream ...) are kept. */
struct params_verdict params_judge(const struct params_rules *p, struct str name,
				   struct str value);
/* The value as it goes on: a limit beyond the longest answer is lowered to that. */
struct str params_value(const struct params_rules *p, struct str name, struct str value);
/* Whether another member of the body is to take this one's name, and replaces it. */
bool params_is_replaced(const struct params_rules *p, const struct json *root, struct str name);

/* The words that count for the model, one by one. */
struct params_words {
	struct str rest, model;
	bool counts;
};
struct params_words params_words(const struct params_rules *p);
bool params_next_word(struct params_words *w, struct str *ret);	/* false: no more */

#endif
