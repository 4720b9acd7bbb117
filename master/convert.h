/* SPDX-License-Identifier: MIT
 * convert.h - other gateways' configurations as one of ours. Pure: text in, text out.
 *
 * What has no equal here is never dropped in silence: it becomes a note, and stands as a comment
 * at the top of what is made. A secret that stands in the source does not come out of here unless
 * it is asked for: os.environ/NAME takes its place, and a note says what the variable has to hold.
 * Whatever else the source says may get into comments and values, but never out of them: bytes
 * that could end a comment or a value are escaped. */
#ifndef CONVERT_H
#define CONVERT_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/json.h"

enum convert_from { CONVERT_LITELLM, CONVERT_BIFROST, CONVERT_PORTKEY, CONVERT_FROM_COUNT };

enum {
	CONVERT_TEXT_MAX = 16 << 20,
	CONVERT_NOTES_MAX = 500,
	CONVERT_SECRETS_MAX = 1000,
	CONVERT_MODELS_MAX = 20000
};

struct convert_note {
	struct str where, what;		/* "providers.azure.keys[0]", "region is not ..." */
};
struct convert_secret {
	struct str name, where;		/* of the variable; where its value stands in the source */
	struct str value;		/* SECRET: only to know it again */
};

struct convert {
	struct arena *mem;
	bool with_secrets;
	struct str model;		/* name for models that the source leaves to the caller */
	struct buf models;		/* entries of model_list */
	struct buf settings[3];		/* lines of the sections, in the order of enum */
	struct buf rest;		/* whole sections */
	struct convert_note notes[CONVERT_NOTES_MAX];
	size_t n_notes, n_more_notes;
	struct convert_secret secrets[CONVERT_SECRETS_MAX];
	size_t n_secrets;
	size_t n_models;
	bool failed;			/* out of memory, or over a limit */
	struct str why;			/* the source cannot be read; .n == 0: it could */
};
enum convert_section { CONVERT_ROUTER, CONVERT_LITELLM_SETTINGS, CONVERT_GENERAL };

const char *convert_name(enum convert_from from);
int convert_find(struct str name, enum convert_from *ret) MUST_USE;	/* 0 or -EINVAL */
/* What the text seems to be. 0, or -EINVAL. */
int convert_guess(struct arena *a, struct str text, enum convert_from *ret) MUST_USE;

/* Zeroed by the caller but for mem, with_secrets and model, which live as long. 0; -EINVAL with
 * c->why; -ENOMEM. path: for the complaints about a LiteLLM configuration, which is read again. */
int convert_text(struct convert *c, enum convert_from from, const char *path, struct str text,
		 struct buf *out) MUST_USE;
void convert_done(struct convert *c);

/* ---- for those who read a source ---- */

void convert_bifrost(struct convert *c, const struct json *root);
void convert_portkey(struct convert *c, const struct json *root);
/* Writes all of it: the text stays as it is but for what has to change. */
int convert_litellm(struct convert *c, const char *path, struct str text, struct buf *out) MUST_USE;

void convert_note(struct convert *c, struct str where, const char *fmt, ...) PRINTF(3, 4);
/* A note for each member but those named, which end with NULL. */
void convert_note_others(struct convert *c, struct str where, const struct json *object,
			 const char *const *known, const char *fmt);
/* What is written for a secret: "os.environ/NAME", or itself when that was asked for. like: the
 * variable's name, as "OPENAI_API_KEY"; others of that name get a number. */
struct str convert_secret(struct convert *c, struct str where, struct str like, struct str value);
struct str convert_variable(struct convert *c, struct str name);	/* os.environ/NAME */
/* Letters as capitals, all else as '_'. */
struct str convert_upper(struct convert *c, struct str s, const char *behind);

/* One entry of model_list; parameters follow until the end. */
bool convert_model_begin(struct convert *c, struct str name, struct str model);
void convert_param(struct convert *c, const char *key, struct str text);	/* .n 0: nothing */
void convert_param_json(struct convert *c, const char *key, const struct json *j);
void convert_param_number(struct convert *c, const char *key, double v);
/* A line of a section. */
void convert_set(struct convert *c, enum convert_section s, const char *line);
/* A value of JSON on one line. */
void convert_put_json(struct buf *to, struct str json);

#endif
