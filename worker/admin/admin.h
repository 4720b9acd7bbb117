/* SPDX-License-Identifier: MIT
 * admin.h - the side door: what a worker answers itself, from shared memory alone. Each is an
 * endpoint's `run`. */
#ifndef ADMIN_H
#define ADMIN_H

#include "worker/step.h"

struct request;

enum step admin_alive(struct request *r);
enum step admin_ready(struct request *r);
enum step admin_models(struct request *r);
enum step admin_model(struct request *r);
enum step admin_metrics(struct request *r);
enum step admin_root(struct request *r);

#endif
