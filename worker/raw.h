/* SPDX-License-Identifier: MIT
 * raw.h - calls whose bytes go through as they came: what is relayed, and one such call.
 *
 * The gateway's key is checked and the provider's put in; of the body only the model's name is
 * looked for, and changed where the deployment has another. Nothing is translated. */
#ifndef RAW_H
#define RAW_H

#include "common/snapshot.h"
#include "worker/llm.h"

enum raw_source {			/* what says where a call goes */
	RAW_MODEL,			/* the model that it names, as everywhere else */
	RAW_PROVIDER,			/* the provider that it names, else openai; or a model */
	RAW_PREFIX,			/* the provider that its path begins with */
	RAW_TARGET			/* a row of general_settings.pass_through_endpoints */
};
enum raw_measure { RAW_TOKENS, RAW_IMAGES, RAW_SOUND, RAW_SPEECH };	/* what is sold */

struct raw {
	const char *name;		/* "moderations" */
	enum raw_source source;
	enum raw_measure measure;
	const char *path;		/* behind a provider's base; NULL: what the client has */
	const char *providers;		/* RAW_PREFIX: "cohere,cohere_chat", the first that is */
	const char *preset;		/* the model where none is named; NULL: one is required */
	unsigned call;			/* enum journal_call */
};

/* One call. Everything lives in the request's arena or points into the client's head or body. */
struct raw_call {
	const struct raw *raw;
	const char *method;		/* a literal */
	struct str path;		/* behind the base, checked: "/files/f-1"; or "" */
	struct str query;		/* without what is for the gateway; .n 0: none */
	struct str body, content_type;
	const struct json *root;	/* of a JSON object; NULL: it is none */
	bool is_form;
	bool is_tunnel;			/* a WebSocket: the model stands in the query */
	struct json_edit edits[4];	/* what must change: the model, and what is for us alone */
	unsigned n_edits;
	int model_edit;			/* the one whose text is the model's name; -1: none */
	struct str provider;		/* that the client names; .p NULL: none */
	struct str model;		/* that the client names; .p NULL: none was seen */
	struct str second_model;	/* another one, where path and body differ */
	bool is_target;			/* model is from target_model_names: where, and not what */
	bool is_read;			/* GET, DELETE, counting tokens: it costs nothing */
	struct usage known;		/* by the request: images, characters, a likely prompt */
	struct usage most;		/* the same, at most; output 0: as of any answer */
	bool is_sized;			/* a size or quality is named: each has its own price */
	const struct snap_pass *pass;	/* where it goes, when no model decides */
	struct str missing;		/* the provider that it would go to; .p NULL: it is there */
	const struct price *price;	/* instead of the deployment's; NULL: that one */
	struct snap_group group;	/* of one member, when no model decides */
	uint64_t answer_bytes;
	struct buf heard;		/* the answer's beginning, where it is kept: texts.h */
	bool is_heard, is_cut;		/* it is a text, and so it is there; it was longer */
};

/* What is relayed: client/raw.c. */
extern const struct raw raw_moderations, raw_images, raw_image_edits, raw_image_variations,
	raw_speech, raw_transcriptions, raw_translations, raw_realtime, raw_resource, raw_target;
extern const struct raw raw_pass_openai, raw_pass_anthropic, raw_pass_gemini, raw_pass_vertex,
	raw_pass_bedrock, raw_pass_cohere, raw_pass_azure, raw_pass_azure_ai, raw_pass_mistral,
	raw_pass_vllm, raw_pass_assemblyai;

/* Whether a client's path may stand behind a provider's base: it begins with '/' and cannot lead
 * out of it, whoever decodes it. No dot segment, empty segment, backslash, control character,
 * encoded slash, dot or percent sign, no '?', '#' or half an escape. "" may, too. */
bool raw_path_ok(struct str path);
/* Appends the query without the members that are for the gateway (keys, custom_llm_provider),
 * and '@' of the path as %40. */
void raw_put_query(struct buf *out, struct str query, bool with_model);
void raw_put_path(struct buf *out, struct str path);
/* False: a character that cannot stand in a query. */
bool raw_query_ok(struct str query);
/* A member of a query, undecoded; .p NULL: it is not there. */
struct str raw_query_get(struct str query, struct str name);
/* The model that a path names: "/models/NAME:verb", "/deployments/NAME/...", "/model/NAME/...",
 * "/engines/NAME/...". .p NULL: none. */
struct str raw_path_model(struct str path);
/* %XX undone, in the arena; the same where there is none. .p NULL: out of memory. */
struct str raw_decode(struct arena *a, struct str s);
/* The base with the path behind it. Where both name a version ("/v1", "/v1beta") the path's
 * counts, so that a client may write it or not. */
void raw_put_url(struct buf *out, struct str base, struct str path);

#endif
