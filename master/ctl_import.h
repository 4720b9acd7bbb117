/* SPDX-License-Identifier: MIT
 * ctl_import.h - `llmgwctl import litellm`: LiteLLM's rows as calls of `import rows`. */
#ifndef CTL_IMPORT_H
#define CTL_IMPORT_H

#include "common/json_write.h"
#include "common/hash.h"
#include "common/pgdump.h"
#include "master/ctl.h"
#include "master/ctl_pg.h"

/* -- ctl_litellm.c: pure -- */

enum litellm_type {
	LITELLM_TEXT, LITELLM_NUMBER, LITELLM_BOOL, LITELLM_JSON, LITELLM_LIST, LITELLM_TIME,
	LITELLM_SECRETS,		/* an object whose texts are encrypted */
	LITELLM_INFO			/* model_info, which gets the model's id */
};
struct litellm_column {
	const char *column, *arg;
	enum litellm_type type;
};
struct litellm_table {
	const char *table, *kind;
	const char *name;		/* column that names a row */
	const struct litellm_column *columns;	/* ends with column NULL */
	const char *constant;		/* a member that is false in each row; or NULL */
};
extern const struct litellm_table litellm_tables[];	/* in the order of import */
extern const size_t litellm_tables_count;

struct litellm_key {
	struct sha256 key;
	bool is_given;
};
/* Appends one row as an object. 0; -EINVAL: *reterr says what of it cannot be imported. */
int litellm_put_row(struct buf *to, struct arena *a, const struct litellm_table *t,
		    const struct pg_block *b, const struct str *values,
		    const struct litellm_key *key, struct str *reterr) MUST_USE;
struct str litellm_value(const struct pg_block *b, const struct str *values, const char *column);
/* One text that LiteLLM has encrypted. .p NULL: another key, or no such text. */
struct str litellm_decrypt(struct arena *a, const struct litellm_key *key, struct str text);

/* -- ctl_import.c -- */

/* The whole import; out gets a JSON answer, to be shown as the command's. */
enum ctl_exit ctl_import(struct arena *mem, const char *socket, const struct ctl_request *q,
			 bool is_tty, struct buf *out, struct ctl_error *reterr) MUST_USE;

#endif
