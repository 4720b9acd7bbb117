/* SPDX-License-Identifier: MIT
 * gemini.h - the Gemini wire format, for whoever speaks it: the dialect, which stands before the
 * client, and the provider family, which stands before the model. Pure.
 *
 * Requests may write each name in camelCase or in snake_case; answers come in camelCase. */
#ifndef GEMINI_H
#define GEMINI_H

#include "common/json_write.h"
#include "common/snapshot.h"
#include "worker/llm.h"

/* A text that should be JSON: *ret is NULL where it is not. 0 or -ENOMEM. */
int gemini_parse(struct arena *a, struct str text, const struct json **ret) MUST_USE;

/* --- names --- */

/* Whether a member's name is this camelCase one, in either spelling. */
bool gemini_is(struct str name, const char *camel);
bool gemini_same(struct str name, struct str camel);
/* snake_case made camelCase; any other name stays. .p NULL: no memory. */
struct str gemini_camel(struct arena *a, struct str name) MUST_USE;
/* The member of that name; NULL: no object, or not there. */
const struct json *gemini_get(const struct json *object, const char *camel);
/* Lists may be written as their only element: the first of them, and how many. */
const struct json *gemini_first(const struct json *list, size_t *ret_n);

/* Whether a model's name says that it is of the third generation, or later. */
bool gemini_is_third(struct str model);

/* "/v1beta/models/NAME:VERB", the name escaped; "tunedModels/NAME" stays what it is. */
void gemini_put_path(struct buf *out, struct str model, const char *verb);
/* For the short way: the verb that the client's own body is for. */
void gemini_write_path(const struct llm_request *q, struct str model, struct buf *out);

/* A thought's signature has to come back with the call that it belongs to. Clients of other
 * dialects have no place for it but the call's id: ID__thought__SIGNATURE, URL-safe. */
struct str gemini_join_id(struct arena *a, struct str id, struct str signature) MUST_USE;
/* The other way round; *ret .p NULL: there is no signature. 0 or -ENOMEM. */
struct str gemini_bare_id(struct str id);
int gemini_id_signature(struct arena *a, struct str id, struct str *ret) MUST_USE;

/* --- schemas --- */

/* JSON Schema in Gemini's words, which are fewer: references are put in place, what has no word
 * is left out. 0; -ENOENT: nothing to say (an object without properties); -EINVAL: not JSON, or
 * beyond measure; -ENOMEM. Appends nothing unless it returns 0. */
int gemini_write_schema(struct arena *a, struct str schema, struct buf *out) MUST_USE;
/* Gemini's schema as JSON Schema. .p NULL: no memory. */
struct str gemini_read_schema(struct arena *a, const struct json *schema) MUST_USE;

/* --- parameters --- */

/* Parameters sorted to where Gemini looks for them. Lists hold each name once, in camelCase; who
 * comes first wins. */
struct gemini_sorting {
	struct arena *mem;
	struct str model;		/* what thinking is called depends on it */
	struct llm_other *config;	/* members of generationConfig */
	struct llm_other *top;		/* members beside contents and generationConfig */
	bool wants_search;		/* web_search_options */
	struct str refused;		/* the first one that Gemini cannot do; .p NULL: none */
	int err;			/* -ENOMEM: on the way to one of them */
};
/* A member in Gemini's words. null is nothing. 0 or -ENOMEM. */
int gemini_add_config(struct gemini_sorting *s, struct str name, struct str json) MUST_USE;
int gemini_add_top(struct gemini_sorting *s, struct str name, struct str json) MUST_USE;
/* One in OpenAI's words, LiteLLM's or Gemini's. 0 or -ENOMEM. */
int gemini_sort_member(struct gemini_sorting *s, struct str name, struct str json) MUST_USE;
/* Each member of a JSON object (or none, where it is no object): as above, or in Gemini's own
 * words only. */
int gemini_sort_object(struct gemini_sorting *s, struct str text) MUST_USE;
int gemini_sort_own(struct gemini_sorting *s, struct str text) MUST_USE;
int gemini_sort_effort(struct gemini_sorting *s, struct str effort) MUST_USE;
int gemini_sort_format(struct gemini_sorting *s, enum llm_format format,
		       struct str schema) MUST_USE;
const struct llm_other *gemini_find(const struct llm_other *list, struct str name);

/* --- answers --- */

struct gemini_choice;
struct gemini_reader {			/* the state of reading one answer; begin with zeros */
	struct arena *mem;		/* lives as long as the answer */
	const struct llm_request *q;
	bool is_started, is_ended;
	struct gemini_choice *choices;
	uint64_t seed;			/* of the ids of calls that come without one */
};
/* What one stream event's data says, as neutral events: there is no EV_END, since the provider
 * just ends its stream. scratch: for decoded text. *ret_root: the parsed event. An error gives
 * EV_ERROR, and nothing else. 0, -EBADMSG, -ENOMEM, or what emit returned. */
int gemini_read_event(struct gemini_reader *rd, struct arena *scratch, struct str data,
		      const struct json **ret_root, llm_emit_fn *emit, void *emit_data) MUST_USE;
/* A whole answer, or a stream's answers in an array, with EV_END. *ret_root as above. */
int gemini_read_answer(struct gemini_reader *rd, struct str body, const struct json **ret_root,
		       llm_emit_fn *emit, void *emit_data) MUST_USE;
/* One embedding or several, or the predictions of Vertex AI; usage, estimated where none is told;
 * and the end. */
int gemini_read_vectors(struct gemini_reader *rd, struct str body, llm_emit_fn *emit,
			void *emit_data) MUST_USE;
void gemini_read_usage(const struct json *usage, struct usage *ret);

#endif
