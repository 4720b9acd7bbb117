/* SPDX-License-Identifier: MIT
 * commands_ops.h - commands about the running service: status, reload, workers, models, health. */
#ifndef COMMANDS_OPS_H
#define COMMANDS_OPS_H

#include "master/commands.h"

void ops_status(struct command_call *c);
void ops_backlog(struct command_call *c);	/* GET /health/backlog */
void ops_reload(struct command_call *c); /* answers when every worker has switched, or why not */
void ops_check(struct command_call *c);		/* file: another than the one in force */
void ops_workers(struct command_call *c);
void ops_workers_restart(struct command_call *c);
void ops_workers_drain(struct command_call *c);
void ops_upgrade(struct command_call *c);
void ops_models(struct command_call *c);
void ops_models_show(struct command_call *c);
void ops_health(struct command_call *c);	/* as GET /health */
void ops_health_probe(struct command_call *c);
void ops_health_clear(struct command_call *c);	/* ends cooldowns */
void ops_config_show(struct command_call *c);
void ops_config_discounts(struct command_call *c);
void ops_config_margins(struct command_call *c);
void ops_config_diff(struct command_call *c);
void ops_config_explain(struct command_call *c);
/* -- commands_watch.c -- */
void watch_top(struct command_call *c);
void watch_logs(struct command_call *c);
void ops_backup(struct command_call *c);
/* In builds for tests: common/fault.h. */
void ops_fault_set(struct command_call *c);
void ops_fault_list(struct command_call *c);

#endif
