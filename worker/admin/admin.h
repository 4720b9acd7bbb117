/* SPDX-License-Identifier: MIT
 * admin.h - the side door: what a worker answers itself, from shared memory alone. Each is an
 * endpoint's `run` and returns an enum step. */
#ifndef ADMIN_H
#define ADMIN_H

struct request;

int admin_alive(struct request *r);
int admin_ready(struct request *r);
int admin_models(struct request *r);
int admin_model(struct request *r);
int admin_metrics(struct request *r);
int admin_root(struct request *r);

#endif
