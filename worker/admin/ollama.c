/* SPDX-License-Identifier: MIT
 * ollama.c - the models that the caller's key may ask for, as Ollama tells of models on its disk.
 *
 * What a gateway cannot know of a model (its size, its weights) is empty; its digest stands for its
 * name, since clients cut and compare digests. */
#include "common/clock.h"
#include "common/hash.h"
#include "common/json_write.h"
#include "worker/admin/admin.h"
#include "worker/admin/names.h"
#include "worker/client/intake.h"
#include "worker/request.h"

/* Clients look at the version for what they may ask; it is the one whose API is spoken here. */
#define API_VERSION "0.12.6"

enum { ANSWER_MAX = 16 << 20 };
static const uint64_t modified_ns = 1677610602 * NS_PER_S, for_ever_ns = 4102444800 * NS_PER_S;

static void put_digest(struct json_out *o, struct str name)
{
	struct sha256 h = hash_sha256(name);
	char hex[2 * sizeof h.b + 1];
	hash_hex(hex, h.b, sizeof h.b);
	json_put_z(o, "digest", hex);
}

static void put_details(struct json_out *o)
{
	json_open(o, "details");
	json_put_z(o, "parent_model", "");
	json_put_z(o, "format", "");
	json_put_z(o, "family", "");
	json_open_array(o, "families");
	json_close_array(o);
	json_put_z(o, "parameter_size", "");
	json_put_z(o, "quantization_level", "");
	json_close(o);
}

static const struct snap_deployment *first_of(const struct request *r, const struct snap_group *g)
{
	if (g->alias_of != SNAP_NONE)
		g = snap_group(r->snap, g->alias_of);
	return g->members.count ? snap_deployment(r->snap, snap_member(r->snap, g, 0)) : NULL;
}

static bool is_embedding(const struct request *r, const struct snap_group *g)
{
	const struct snap_deployment *d = first_of(r, g);
	return d && d->mode == MODE_EMBEDDING;
}

/* What a deployment can do nobody has said: a model that cannot says so itself, when asked. */
static void put_capabilities(struct json_out *o, bool is_embed)
{
	static const char *const chat[] = { "completion", "tools", "vision", "thinking" };
	json_open_array(o, "capabilities");
	if (is_embed)
		json_put_z(o, NULL, "embedding");
	for (size_t i = 0; i < COUNT(chat) && !is_embed; i++)
		json_put_z(o, NULL, chat[i]);
	json_close_array(o);
}

static void put_model(struct json_out *o, const struct request *r, const struct model_name *m,
		      bool is_loaded)
{
	struct str name = m->name;
	json_open(o, NULL);
	json_put_str(o, "name", name);
	json_put_str(o, "model", name);
	json_put_u64(o, "size", 0);
	put_digest(o, name);
	put_details(o);
	if (is_loaded) {
		json_put_time(o, "expires_at", for_ever_ns);
		json_put_u64(o, "size_vram", 0);
	} else {
		json_put_time(o, "modified_at", modified_ns);
		put_capabilities(o, is_embedding(r, m->group));
	}
	json_close(o);
}

static enum step list(struct request *r, bool is_loaded)
{
	size_t n = 0;
	const struct model_name *names = names_list(r, NAMES_ALIASES, &n);
	struct buf body;
	if (!names)
		return names_refuse(r);
	buf_init(&body, ANSWER_MAX);
	struct json_out o = json_out(&body);
	json_open(&o, NULL);
	json_open_array(&o, "models");
	for (size_t i = 0; i < n; i++)
		put_model(&o, r, &names[i], is_loaded);
	json_close_array(&o);
	json_close(&o);
	enum step step = request_reply_buf(r, 200, "application/json", &body);
	buf_done(&body);
	return step;
}

enum step admin_ollama_tags(struct request *r)
{
	return list(r, false);
}

enum step admin_ollama_ps(struct request *r)
{
	return list(r, true);
}

static void put_shown(struct json_out *o, const struct request *r, const struct snap_group *g)
{
	const struct snap_deployment *d = first_of(r, g);
	json_open(o, NULL);
	json_put_z(o, "license", "");
	json_put_z(o, "modelfile", "");
	json_put_z(o, "parameters", "");
	json_put_z(o, "template", "{{ .Prompt }}");
	put_details(o);
	json_open(o, "model_info");
	json_put_z(o, "general.architecture", "llmgw");
	if (d && d->max_input_tokens)
		json_put_u64(o, "llmgw.context_length", d->max_input_tokens);
	json_close(o);
	put_capabilities(o, is_embedding(r, g));
	json_put_time(o, "modified_at", modified_ns);
	json_close(o);
}

enum step admin_ollama_show(struct request *r)
{
	const struct json *root;
	struct buf body;
	if (!intake_json(r, &root))
		return STEP_DONE;
	struct str name = json_get_str(r->mem, root, "model");
	if (!name.n)
		name = json_get_str(r->mem, root, "name");	/* its older name */
	if (!name.n)
		return request_fail(r, OUTCOME_BAD_REQUEST, "model", "model must be a name");
	const struct snap_group *g = names_find(r, name);
	if (!g)
		return request_fail(r, OUTCOME_NOT_FOUND, "model", "model '" STR_FMT "' not found",
				    STR_ARG(name));
	buf_init(&body, 65536);
	struct json_out o = json_out(&body);
	put_shown(&o, r, g);
	enum step step = request_reply_buf(r, 200, "application/json", &body);
	buf_done(&body);
	return step;
}

enum step admin_ollama_version(struct request *r)
{
	return request_reply(r, 200, "application/json", STR("{\"version\":\"" API_VERSION "\"}"));
}
