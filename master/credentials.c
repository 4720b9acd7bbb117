/* SPDX-License-Identifier: MIT
 * credentials.c - see credentials.h. Values come in and never go out: answers have masks. */
#include "master/credentials.h"

#include <errno.h>

#include "common/hash.h"
#include "common/mem.h"
#include "master/master.h"
#include "master/objects.h"

struct credential_call {
	struct object_call oc;		/* first */
	const struct json *values, *info;
	struct str model_id;
	bool is_new;
};

static const struct config_credential *find(const struct config *c, struct str name)
{
	for (size_t i = 0; i < c->n_credentials; i++)
		if (str_eq(c->credentials[i].name, name))
			return &c->credentials[i];
	return NULL;
}

/* ---- answers ---- */

static void put_credential(struct json_out *o, const struct config_credential *k)
{
	json_open(o, NULL);
	json_put_str(o, "credential_name", k->name);
	json_put_raw(o, "credential_values", k->values.n ? k->values : STR("{}"));
	json_put_raw(o, "credential_info", k->info.n ? k->info : STR("{}"));
	json_put_bool(o, "stored_in_db", k->is_stored);
	json_close(o);
}

void credentials_list(struct command_call *c)
{
	const struct config *k = c->master->config;
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_bool(&o, "success", true);
	json_open_array(&o, "credentials");
	for (size_t i = 0; i < k->n_credentials; i++)
		put_credential(&o, &k->credentials[i]);
	json_close_array(&o);
	json_close(&o);
	command_finish(c);
}

void credentials_by_name(struct command_call *c)
{
	struct str name;
	if (object_name(c, "credential_name", &name) < 0)
		return;
	const struct config_credential *k = find(c->master->config, name);
	if (!k) {
		command_fail(c, 404, "not_found_error", "credential_name",
			     "Credential not found. Got credential name: " STR_FMT, STR_ARG(name));
		return;
	}
	struct json_out o = json_out(&c->out);
	put_credential(&o, k);
	command_finish(c);
}

static void put_if(struct json_out *o, const char *key, struct str s, bool hide)
{
	if (s.n)
		json_put_str(o, key, hide ? STR("********") : s);
}

/* What a model authenticates with: masked, or, to make a credential of it, as it is. */
static void put_values(struct json_out *o, const struct config_model *m, bool hide)
{
	json_open(o, NULL);
	put_if(o, "api_key", m->api_key, hide);
	put_if(o, "api_base", m->api_base, false);
	put_if(o, "api_version", m->api_version, false);
	put_if(o, "tenant_id", m->cloud.tenant_id, false);
	put_if(o, "client_id", m->cloud.client_id, false);
	put_if(o, "client_secret", m->cloud.client_secret, hide);
	put_if(o, "vertex_project", m->cloud.vertex_project, false);
	put_if(o, "vertex_location", m->cloud.vertex_location, false);
	put_if(o, "vertex_credentials", m->cloud.vertex_credentials, hide);
	put_if(o, "aws_access_key_id", m->aws_access_key_id, hide);
	put_if(o, "aws_secret_access_key", m->aws_secret_access_key, hide);
	put_if(o, "aws_session_token", m->aws_session_token, hide);
	put_if(o, "aws_region_name", m->aws_region, false);
	json_close(o);
}

void credentials_by_model(struct command_call *c)
{
	struct str id;
	if (object_name(c, "model_id", &id) < 0)
		return;
	const struct config_model *m = config_find_model(c->master->config, id);
	if (!m) {
		command_fail(c, 404, "not_found_error", "model_id", "Model not found");
		return;
	}
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_str(&o, "credential_name",
		     arena_printf(c->mem, STR_FMT "-credential", STR_ARG(m->model_name)));
	json_key(&o, STR("credential_values"));
	put_values(&o, m, true);
	json_open(&o, "credential_info");
	json_close(&o);
	json_close(&o);
	command_finish(c);
}

static void put_success(struct command_call *c, const char *message)
{
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_bool(&o, "success", true);
	json_put_z(&o, "message", message);
	json_close(&o);
}

static void put_created(struct object_call *oc)
{
	put_success(oc->c, "Credential created successfully");
}

static void put_updated(struct object_call *oc)
{
	put_success(oc->c, "Credential updated successfully");
}

static void put_deleted(struct object_call *oc)
{
	put_success(oc->c, "Credential deleted successfully");
}

/* ---- what is made ---- */

static struct str values_of_model(struct object_call *oc, const struct config_model *m)
{
	struct buf text;
	buf_init(&text, STORED_TEXT_MAX);
	struct json_out o = json_out(&text);
	put_values(&o, m, false);
	struct str s = text.failed ? STR_NONE : arena_dup(oc->c->mem, buf_str(&text));
	if (text.p)
		mem_wipe(text.p, text.room);
	buf_done(&text);
	return s;
}

static int make_new(struct object_call *oc)
{
	struct credential_call *cc = (struct credential_call *)oc;
	struct arena *mem = oc->c->mem;
	const struct config_model *m = NULL;
	if (find(oc->c->master->config, oc->name) || object_now(oc, OBJECT_CREDENTIAL, oc->name))
		return object_refuse(oc, 409, "credential_name",
				     "there is a credential '" STR_FMT "' already",
				     STR_ARG(oc->name));
	if (cc->model_id.n && object_by_stranger(oc))
		return object_refuse(oc, 403, "model_id",
				     "a model's key is copied for the master key alone");
	if (cc->model_id.n && !(m = config_find_model(oc->c->master->config, cc->model_id)))
		return object_refuse(oc, 404, "model_id", "Model not found");
	struct str values = m ? values_of_model(oc, m) : object_merge(mem, STR("{}"), cc->values);
	struct str info = object_merge(mem, STR("{}"), cc->info);
	return values.p && info.p
		       ? object_put(oc, OBJECT_CREDENTIAL, oc->name, STR_NONE, values, info)
		       : -ENOMEM;
}

static int refuse_unknown(struct object_call *oc)
{
	bool in_file = find(oc->c->master->config, oc->name);
	return object_refuse(oc, in_file ? 400 : 404, "credential_name",
			     in_file ? "the credential '" STR_FMT "' stands in the configuration "
				       "file: it is changed there"
				     : "Credential not found. Got credential name: " STR_FMT,
			     STR_ARG(oc->name));
}

static int make_update(struct object_call *oc)
{
	struct credential_call *cc = (struct credential_call *)oc;
	const struct config_object *old = object_now(oc, OBJECT_CREDENTIAL, oc->name);
	struct arena *mem = oc->c->mem;
	if (!old)
		return refuse_unknown(oc);
	int err = object_check_move(oc, old, cc->values);
	if (err)
		return err;
	struct str values = object_merge(mem, old->secret.p ? old->secret : STR("{}"), cc->values);
	struct str info = object_merge(mem, old->info, cc->info);
	return values.p && info.p
		       ? object_put(oc, OBJECT_CREDENTIAL, oc->name, STR_NONE, values, info)
		       : -ENOMEM;
}

static int make_delete(struct object_call *oc)
{
	return object_now(oc, OBJECT_CREDENTIAL, oc->name)
		       ? object_delete(oc, OBJECT_CREDENTIAL, oc->name) : refuse_unknown(oc);
}

/* ---- arguments ---- */

static struct credential_call *begin(struct command_call *c)
{
	struct credential_call *cc = object_begin(c, sizeof *cc);
	if (!cc || object_name(c, "credential_name", &cc->oc.name) < 0 ||
	    object_json(c, "credential_values", JSON_OBJECT, &cc->values) == -EINVAL ||
	    object_json(c, "credential_info", JSON_OBJECT, &cc->info) == -EINVAL ||
	    command_str(c, "model_id", &cc->model_id) == -EINVAL)
		return NULL;
	return cc;
}

void credentials_new(struct command_call *c)
{
	struct credential_call *cc = begin(c);
	if (!cc)
		return;
	if (!cc->values && !cc->model_id.n) {
		command_fail(c, 400, "invalid_request_error", "credential_values",
			     "Credential values or model_id is required");
		return;
	}
	cc->oc.make = make_new;
	cc->oc.answer = put_created;
	object_start(&cc->oc, "credential.new");
}

void credentials_update(struct command_call *c)
{
	struct credential_call *cc = begin(c);
	if (!cc)
		return;
	cc->oc.make = make_update;
	cc->oc.answer = put_updated;
	object_start(&cc->oc, "credential.update");
}

void credentials_delete(struct command_call *c)
{
	struct object_call *oc = object_begin(c, sizeof *oc);
	if (!oc || object_name(c, "credential_name", &oc->name) < 0)
		return;
	oc->make = make_delete;
	oc->answer = put_deleted;
	object_start(oc, "credential.delete");
}

/* ---- what is sealed ---- */

void secrets_status(struct command_call *c)
{
	const struct config_stored *s = stored_view(c->master->stored);
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_z(&o, "sealed_with", stored_secret_name());
	json_put_u64(&o, "objects", s->n);
	json_put_u64(&o, "unreadable", stored_unreadable(c->master->stored));
	json_open_array(&o, "secrets");
	for (size_t i = 0; i < s->n; i++) {
		json_open(&o, NULL);
		json_put_z(&o, "kind", object_kind_name(s->v[i]->kind));
		json_put_str(&o, "name", s->v[i]->name);
		json_put_str(&o, "label", s->v[i]->label);
		json_put_bool(&o, "readable", s->v[i]->secret.p);
		json_put_time(&o, "updated_at", s->v[i]->updated_at);
		json_put_str(&o, "updated_by", s->v[i]->updated_by);
		json_close(&o);
	}
	json_close_array(&o);
	json_close(&o);
	command_finish(c);
}
