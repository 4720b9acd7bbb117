/* SPDX-License-Identifier: MIT
 * models_info.h - models as LiteLLM tells them: groups of deployments, and what they take. */
#ifndef MODELS_INFO_H
#define MODELS_INFO_H

#include "master/commands.h"

void models_groups(struct command_call *c);	/* /model_group/info */
void models_params(struct command_call *c);	/* /utils/supported_openai_params */

#endif
