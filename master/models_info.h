/* SPDX-License-Identifier: MIT
 * models_info.h - models as LiteLLM tells them: groups of deployments, and what they take. */
#ifndef MODELS_INFO_H
#define MODELS_INFO_H

#include "master/commands.h"

void models_info(struct command_call *c);	/* /model/info, /v1/model/info */
void models_info_paged(struct command_call *c);	/* /v2/model/info */
void models_hub(struct command_call *c);		/* /public/model_hub */
void models_groups(struct command_call *c);	/* /model_group/info */
void models_params(struct command_call *c);	/* /utils/supported_openai_params */

#endif
