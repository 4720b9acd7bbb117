/* SPDX-License-Identifier: MIT
 * objects.c - see objects.h. */
#include "master/objects.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/mem.h"
#include "master/command_job.h"
#include "master/config_read.h"
#include "master/keys_private.h"

void *object_begin(struct command_call *c, size_t size)
{
	MUST(size >= sizeof(struct object_call));
	if (c->master->config->store_models)
		return command_state(c, size);
	command_fail(c, 400, "invalid_request_error", NULL,
		     "nothing is stored: set general_settings.store_model_in_db to true, "
		     "or STORE_MODEL_IN_DB='True' in the environment");
	return NULL;
}

int object_refuse(struct object_call *oc, int status, const char *param, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(oc->why, sizeof oc->why, fmt, ap);
	va_end(ap);
	oc->status = status;
	oc->param = param;
	oc->type = status == 404 ? "not_found_error" : "invalid_request_error";
	return -EINVAL;
}

static int make(void *data, struct publish_change *ret)
{
	struct object_call *oc = data;
	ret->ops = mem_array(OBJECT_OPS_MAX, sizeof *ret->ops);
	if (!ret->ops)
		return -ENOMEM;
	oc->change = ret;
	int err = oc->make(oc);
	oc->change = NULL;
	return err;
}

/* The field that a complaint begins with: "litellm_params.rpm: ...". */
static const char *field_of(struct arena *a, struct str complaint)
{
	size_t n = str_find(complaint, STR(": "));
	struct str field = str_of(complaint.p, n == SIZE_MAX ? 0 : n);
	return field.n && str_find_char(field, ' ') == SIZE_MAX ? arena_dup_z(a, field) : NULL;
}

static void fail(struct object_call *oc, int err, struct str complaints)
{
	struct command_call *c = oc->c;
	if (!oc->param)
		oc->param = field_of(c->mem, complaints);
	while (complaints.n && complaints.p[complaints.n - 1] == '\n')
		complaints.n--;
	if (oc->status)
		command_fail(c, oc->status, oc->type, oc->param, "%s", oc->why);
	else if (err == -EINVAL || err == -ECANCELED)
		command_fail(c, 400, "invalid_request_error", oc->param, STR_FMT "%s",
			     STR_ARG(complaints.n ? complaints : STR("it is refused")),
			     err == -ECANCELED ? " (workers crash with it; it was taken back)" : "");
	else if (err == -ENOKEY)
		command_fail(c, 400, "invalid_request_error", NULL,
			     "there is neither LLMGW_SALT_KEY nor a master key to seal secrets with");
	else if (err == -ESHUTDOWN)
		command_fail(c, 503, "service_unavailable_error", NULL,
			     "it is stored, and counts from the next start: the gateway is stopping");
	else
		command_fail_store(c, err);
}

static void on_done(void *data, int err, struct str complaints)
{
	struct object_call *oc = data;
	if (err < 0 && err != -ETIMEDOUT) {
		fail(oc, err, complaints);
		return;
	}
	oc->answer(oc);
	command_finish(oc->c);
}

void object_start(struct object_call *oc, const char *what)
{
	struct command_call *c = oc->c;
	struct str line = arena_printf(c->mem, "%s " STR_FMT, what,
				       STR_ARG(oc->label.n ? oc->label : oc->name));
	int err = line.p ? publish_change(c->master, key_caller_name(c), line, make, on_done, oc)
			 : -ENOMEM;
	if (err == -EBUSY)
		command_fail(c, 503, "service_unavailable_error", NULL,
			     "too many changes of the configuration stand in line");
	else if (err < 0)
		command_fail_store(c, err);
}

/* ---- ops ---- */

bool object_by_stranger(const struct object_call *oc)
{
	return oc->c->kind == CALLER_HTTP && !oc->c->has_master_key;
}

static bool says_where(const struct json *by)
{
	static const char *const names[] = { "api_base", "base_url",
					     "aws_bedrock_runtime_endpoint" };
	for (const struct json *j = by ? by->child : NULL; j; j = j->next)
		for (size_t i = 0; i < COUNT(names); i++)
			if (json_is_given(j) && same_name(j->key, names[i]))
				return true;
	return false;
}

static bool has_member(const struct json *by, struct str name)
{
	for (const struct json *j = by->child; j; j = j->next)
		if (json_is_given(j) && str_eq(j->key, name))
			return true;
	return false;
}

int object_check_move(struct object_call *oc, const struct config_object *old,
		      const struct json *by)
{
	struct json_error e;
	if (!object_by_stranger(oc) || !says_where(by) || !old->secret.p)
		return 0;
	const struct json *kept = json_parse(oc->c->mem, old->secret, 0, &e);
	if (!kept)
		return -ENOMEM;
	for (const struct json *j = kept->child; j; j = j->next) {
		bool is_secret = names_a_secret(j->key) || same_name(j->key, "headers") ||
				 same_name(j->key, "extra_headers");
		if (is_secret && json_is_given(j) && !has_member(by, j->key))
			return object_refuse(oc, 403, "api_base",
					     "whoever has no master key must give '" STR_FMT
					     "' along with another address",
					     STR_ARG(j->key));
	}
	return 0;
}

/* What is stored remembers whether it came with the master key, or from the machine itself: where
 * the gateway connects to for others is more narrow. No argument says that. */
static int put_origin(const struct object_call *oc, struct str *info)
{
	bool is_strangers = object_by_stranger(oc);
	struct json_error e;
	if (!is_strangers && str_find(*info, STR("\"" STORED_STRANGERS "\"")) == SIZE_MAX)
		return 0;
	const struct json *by = json_parse(
		oc->c->mem, is_strangers ? STR("{\"" STORED_STRANGERS "\":true}")
					 : STR("{\"" STORED_STRANGERS "\":false}"), 0, &e);
	if (by)
		*info = object_merge(oc->c->mem, info->n ? *info : STR("{}"), by);
	return by && info->p ? 0 : -ENOMEM;
}

const struct config_object *object_now(const struct object_call *oc, enum object_kind kind,
				       struct str name)
{
	return stored_find(oc->c->master->stored, kind, name);
}

int object_put(struct object_call *oc, enum object_kind kind, struct str name, struct str label,
	       struct str secret, struct str info)
{
	const struct config_object *old = object_now(oc, kind, name);
	struct publish_change *ch = oc->change;
	struct str who = key_caller_name(oc->c);
	uint64_t now = clock_wall_ns();
	int err = put_origin(oc, &info);
	struct config_object o = {
		.kind = kind, .is_new = true, .name = name, .label = label, .secret = secret,
		.info = info, .created_at = old ? old->created_at : now,
		.created_by = old ? old->created_by : who, .updated_at = now, .updated_by = who,
	};
	if (secret.n + info.n > STORED_TEXT_MAX || name.n > STORED_NAME_MAX)
		return object_refuse(oc, 400, NULL, "it is too large to be stored");
	if (err < 0 || !secret.p || ch->n_ops == OBJECT_OPS_MAX)
		return -ENOMEM;
	struct stored_op *op = &ch->ops[ch->n_ops];
	op->to = stored_copy(&o);
	if (!op->to)
		return -ENOMEM;
	op->kind = kind;
	op->name = op->to->name;
	ch->n_ops++;
	return 0;
}

int object_delete(struct object_call *oc, enum object_kind kind, struct str name)
{
	const struct config_object *old = object_now(oc, kind, name);
	struct publish_change *ch = oc->change;
	if (!old || ch->n_ops == OBJECT_OPS_MAX)
		return -ENOMEM;
	ch->ops[ch->n_ops++] = (struct stored_op){ .kind = kind, .name = old->name };
	return 0;
}

/* ---- arguments ---- */

int object_name(struct command_call *c, const char *arg, struct str *ret)
{
	int err = 0;
	*ret = c->path_name;
	if (!ret->n)
		err = command_str(c, arg, ret);
	if (err == -EINVAL)
		return err;
	if (ret->n && ret->n <= STORED_NAME_MAX && str_is_utf8(*ret))
		return 0;
	command_fail(c, 400, "invalid_request_error", arg, ret->n ? "%s is too long, or not UTF-8"
								  : "%s is missing", arg);
	return -EINVAL;
}

int object_json(struct command_call *c, const char *arg, enum json_type type,
		const struct json **ret)
{
	const struct json *j = json_get(c->args, arg);
	struct json_error e;
	*ret = NULL;
	if (!json_is_given(j))
		return -ENOENT;
	if (j->type == JSON_STRING)
		j = json_parse(c->mem, json_str(c->mem, j), JSON_ONE_KEY, &e);
	if (j && j->type == type) {
		*ret = j;
		return 0;
	}
	command_fail(c, 400, "invalid_request_error", arg, "%s must be %s", arg,
		     json_type_name(type));
	return -EINVAL;
}

struct str object_merge(struct arena *a, struct str old, const struct json *by)
{
	struct json_error e;
	const struct json *was = json_parse(a, old, 0, &e);
	struct buf text;
	buf_init(&text, 2 * STORED_TEXT_MAX);
	struct json_out o = json_out(&text);
	json_open(&o, NULL);
	for (const struct json *j = was ? was->child : NULL; j; j = j->next) {
		const struct json *over = NULL;
		for (const struct json *n = by ? by->child : NULL; n; n = n->next)
			if (str_eq(n->key, j->key))
				over = n;
		if (json_is_given(over))
			continue;
		json_key(&o, j->key);
		json_put_raw(&o, NULL, j->raw);
	}
	for (const struct json *n = by ? by->child : NULL; n; n = n->next) {
		if (n->type == JSON_NULL)
			continue;
		json_key(&o, n->key);
		json_put_raw(&o, NULL, n->raw);
	}
	json_close(&o);
	struct str s = was && !text.failed ? arena_dup(a, buf_str(&text)) : STR_NONE;
	if (text.p)
		mem_wipe(text.p, text.room);
	buf_done(&text);
	return s;
}
