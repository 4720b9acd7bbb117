/* SPDX-License-Identifier: MIT
 * admin.h - the side door: what a worker answers itself, from shared memory alone. Each is an
 * endpoint's `run`. */
#ifndef ADMIN_H
#define ADMIN_H

#include <stdbool.h>

#include "common/str.h"
#include "worker/step.h"

struct request;

enum step admin_alive(struct request *r);
enum step admin_ready(struct request *r);
enum step admin_models(struct request *r);
enum step admin_model(struct request *r);
enum step admin_ollama_tags(struct request *r);
enum step admin_ollama_ps(struct request *r);
enum step admin_ollama_show(struct request *r);
enum step admin_ollama_version(struct request *r);
enum step admin_metrics(struct request *r);
enum step admin_root(struct request *r);
enum step admin_openapi(struct request *r);
enum step admin_docs(struct request *r);
enum step admin_routes(struct request *r);
enum step admin_test(struct request *r);
struct str admin_openapi_text(void);
struct str admin_docs_text(void);

#endif
