/* SPDX-License-Identifier: MIT
 * params.h - etc/params.tsv: which of OpenAI's parameters the models of a provider take.
 *
 * A row is provider, pattern of models, rules, reason; what rules are says common/params.h. All
 * rows that fit count: the first one that says something about a name. */
#ifndef MASTER_PARAMS_H
#define MASTER_PARAMS_H

#include "master/config.h"

enum { PARAMS_RULES_MAX = 65536 };

/* The rules of a deployment: its own additional_drop_params and allowed_openai_params, then the
 * rows. Where the model is a pattern the rows' patterns stay, for the worker to decide. Nothing
 * is written where nothing is to be checked. */
void params_write_rules(const struct config_model *m, struct buf *out);
/* Its default parameters, with the names that the provider knows; without what it refuses, when
 * drops is set: what the operator wrote is otherwise sent, as asked. */
void params_write_defaults(struct str rules, const struct config_model *m, bool drops,
			   struct buf *out);
/* Whether max_tokens never gets there, so that it cannot bound the cost. */
bool params_lose_limit(const struct config_model *m);
/* OpenAI's parameters that a model takes, as an array: LiteLLM's supported_openai_params. */
struct json_out;
void params_put_supported(struct json_out *o, const char *key, struct str provider,
			  struct str model, enum snap_mode mode);

#endif
