/* SPDX-License-Identifier: MIT
 * openapi.h - what the files of the program openapi-make share.
 *
 * It runs once, in the build: out of the tables of endpoints and of commands it makes the OpenAPI
 * document and the page that shows it, which the worker then carries as they are. */
#ifndef OPENAPI_H
#define OPENAPI_H

#include "common/json_write.h"
#include "master/commands.h"
#include "worker/client/endpoint.h"

/* -- bodies.c: what the calls to models take, which the tables do not say -- */

enum field_type { FIELD_STRING, FIELD_NUMBER, FIELD_INTEGER, FIELD_FLAG, FIELD_OBJECT, FIELD_LIST,
		  FIELD_ANY, FIELD_FILE };
struct field {
	const char *name;
	enum field_type type;
	bool is_needed;
	const char *doc;
};
struct body {
	const char *name;		/* of the dialect, or of what is relayed */
	const char *content_type;
	const struct field *fields;	/* ends with name NULL */
	const char *example;		/* JSON; NULL: none */
};
extern const struct body bodies[];
extern const size_t bodies_count;
/* What a row's body is; NULL: a command's, or none that is known. */
const struct body *body_of(const struct endpoint *e);

/* -- document.c -- */

/* The command behind a row of the table of endpoints; NULL: it is no command's. */
const struct command *openapi_command(const struct endpoint *e);
/* What it is shown among. Good until the next call. */
const char *openapi_tag(const struct endpoint *e);
const char *openapi_type(enum command_arg_type type);	/* a word of JSON Schema */
const char *openapi_field_type(enum field_type type);
/* The whole document, OpenAPI 3.1. Failure is the buf's. */
void openapi_write_document(struct buf *out);

/* -- page.c -- */

/* One page without scripts, and the value of the header content-security-policy for it. */
void openapi_write_page(struct buf *out);
void openapi_write_policy(struct buf *out);

#endif
