/* SPDX-License-Identifier: MIT
 * provider_anthropic.h - between the files of the Anthropic adapter. */
#ifndef PROVIDER_ANTHROPIC_H
#define PROVIDER_ANTHROPIC_H

#include "common/json_write.h"
#include "worker/anthropic.h"
#include "worker/exchange/provider.h"

/* Goes with every call, as the header anthropic-version. */
#define ANTHROPIC_VERSION "2023-06-01"

/* What a model can do, as far as its name tells. */
struct ant_model {
	bool may_think;			/* by a budget of tokens */
	bool thinks_adaptively;		/* thinking.type "adaptive", and output_config.effort */
	bool knows_format;		/* output_config.format */
	bool samples_freely;		/* takes temperature, top_p and top_k */
};
struct ant_model ant_model_of(struct str name);

/* What a request is made into. */
struct ant_writing {
	const char *provider;		/* named in refusals */
	bool has_own_format;		/* the site has its own member for the answer's format */
	struct arena *mem;
	const struct llm_request *q;
	const struct provider_target *target;
	struct llm_error *err;
	struct ant_model model;
	struct json_out o;
	struct llm_other *members;	/* of the body, each name once */
	/* What members are made of. JSON texts; .p NULL: not given. */
	struct str limit, temperature, top_p, top_k, stop, search;
	struct str effort, user, tier;	/* plain texts */
	bool forces_tool;		/* the choice leaves the model no other way */
	bool thinks;
};

/* Fills members from the deployment's extra_body, then the request, then its params; refuses what
 * cannot be done, unless such parameters are to be dropped. 0, -EINVAL, -ENOMEM. */
int ant_sort_members(struct ant_writing *w);
/* Makes members of the rest of struct ant_writing. */
int ant_settle_members(struct ant_writing *w);
const struct json *ant_parse(struct ant_writing *w, struct str text);	/* NULL: no JSON */
/* What has been written to a buf, in the arena; the buf is done with. .p NULL: no memory. */
struct str ant_take_text(struct ant_writing *w, struct buf *b);
/* Adds a member; the first to come wins, and null is nothing. 0, -EINVAL (too many), -ENOMEM. */
int ant_add(struct ant_writing *w, struct str name, struct str json);
struct str ant_find(const struct ant_writing *w, struct str name);	/* .p NULL: not there */

/* What is said, in turns of user and assistant that alternate; the system's words apart. */
struct ant_block {
	struct ant_block *next;
	const struct llm_part *part;
	struct str text;		/* of a text: what of it is written */
	struct str cache;		/* JSON: the message's own mark, on its last block */
	bool has_inner;			/* a result: the parts behind it belong to it */
};
struct ant_blocks {
	struct ant_block *first, *last;
};
struct ant_turn {
	struct ant_turn *next;
	bool is_assistant;
	struct ant_blocks results, said;	/* in this order */
};
struct ant_script {
	struct ant_writing *w;
	struct ant_blocks system;
	struct ant_turn *first, *last;
	struct ant_block *latest;	/* of the message under way */
};
/* What is wrong with a part, as the end of a sentence: "is sound, which nobody takes"; or NULL. */
typedef const char *ant_complaint_fn(struct ant_writing *w, const struct llm_part *p);
int ant_check_parts(struct ant_writing *w, ant_complaint_fn *complaint_about_part);
int ant_make_script(struct ant_script *s);	/* s->w is given; 0 or -ENOMEM */
struct str ant_trim_end(struct str s);
/* "input": {...} of a call. */
void ant_put_input(struct ant_writing *w, const struct llm_part *p);

int ant_put_messages(struct ant_writing *w);	/* "system" and "messages" */
int ant_check_tools(struct ant_writing *w);	/* 0, or -EINVAL: the vendor does not know one */
void ant_put_tools(struct ant_writing *w);	/* "tools" and "tool_choice" */
bool ant_uses_format_tool(const struct ant_writing *w);
bool ant_forces_tool(const struct ant_writing *w);
bool ant_has_calls(const struct llm_request *q);	/* among what was said */
/* "auto", "any", "tool", "none"; NULL: nothing needs to be said. *ret_name: of the "tool". */
const char *ant_choice_of(const struct ant_writing *w, struct str *ret_name);
/* "name": and the schema of a tool's arguments, an object in any case. */
void ant_put_schema(struct ant_writing *w, const char *name, struct str schema);
/* The tools that the history calls, each once, as functions without arguments. */
void ant_each_remembered(struct ant_writing *w,
			 void (*put)(struct ant_writing *w, const struct llm_tool *t));
/* The format tool, of which the answer's JSON is the input. */
struct llm_tool ant_format_tool(const struct ant_writing *w);
/* An id that the vendor takes: itself, or one made from it, always the same. .p NULL: no memory. */
struct str ant_call_id(struct arena *a, struct str id);
/* Members that the neutral form does not know, from a part or a tool as the client wrote it. */
void ant_put_extras(struct json_out *o, const struct json *raw, const struct str *names, size_t n);
/* The schema with all objects closed, as output_config.format wants it. */
void ant_put_closed(struct buf *out, const struct json *schema);

/* Always -EINVAL. */
int ant_refuse(struct ant_writing *w, enum outcome o, struct str param, const char *fmt, ...)
	PRINTF(4, 5);
/* 0 where such parameters are to be dropped. */
int ant_refuse_param(struct ant_writing *w, struct str name);

#endif
