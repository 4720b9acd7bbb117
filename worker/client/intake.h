/* SPDX-License-Identifier: MIT
 * intake.h - the stages that take a request in: endpoint, body, dialect. */
#ifndef INTAKE_H
#define INTAKE_H

#include "worker/request.h"

enum step intake_endpoint(struct request *r);
enum step intake_body(struct request *r);
enum step intake_own(struct request *r);	/* endpoints that the gateway answers itself */
enum step intake_parse(struct request *r);

/* A call that is relayed (worker/raw.h) made ready: path, body, model. Instead of the dialect. */
enum step raw_read(struct request *r);

/* The body, a JSON object; false: it is none, and the client has been told so. */
struct json;
/* A member of an object that some decoders would take for one that says what is asked for and
 * paid ("Model"): the name it looks like; NULL: there is none. */
const char *intake_disguised(const struct json *root);
/* LiteLLM's request headers that stand for body members. False: out of memory. */
bool intake_headers(struct request *r);
bool intake_json(struct request *r, const struct json **ret);

/* Ends with what a dialect had to say against the request. */
enum step intake_refuse(struct request *r, const struct dialect_error *e);

#endif
