/* SPDX-License-Identifier: MIT
 * config_stored.c - what the database adds to the files: its objects become nodes of the same tree,
 * so that a model given by API is read, checked and complained about by the code that reads
 * model_list. What is wrong with one costs that one, never the start. */
#include <stdlib.h>

#include "common/json.h"
#include "master/config_read.h"

enum { OBJECT_MEMORY = 8 << 20, LEVELS_MAX = 48 };

/* ---- JSON as nodes ---- */

struct growing {
	struct reader *r;
	const struct config_file *file;
	struct arena *json;
};

/* What seals, and what everybody obeys, goes to no provider. */
static bool is_own_secret(struct str name)
{
	static const char *const names[] = {
		"LLMGW_MASTER_KEY", "LITELLM_MASTER_KEY", "LLMGW_SALT_KEY", "LITELLM_SALT_KEY",
		"LLMGW_SALT_KEY_PREVIOUS", "LITELLM_SALT_KEY_PREVIOUS"};

	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq_z(name, names[i]))
			return true;
	return false;
}

/* Whether a provider's key is looked for in that variable. */
static bool is_key_variable(struct str name)
{
	size_t n;
	const struct provider_row *all = providers_all(&n);

	for (size_t i = 0; i < n; i++)
		for (struct str names = all[i].key_env; names.n;)
			if (str_eq(str_cut(&names, ','), name))
				return true;
	return false;
}

bool stored_may_name(struct reader *r, const struct place *at, struct str name)
{
	if (!at->file || !at->file->object)
		return true;
	if (is_own_secret(name))
		return false;
	/* Anywhere else than as a key it could come back to who asks for it: in an answer that is
	 * made up here, in a header, in an address. */
	return !stored_by_stranger(r, at) ||
	       (str_ends(at->file->field, STR(".api_key")) && is_key_variable(name));
}

static void take_text(struct growing *g, struct yaml *y, const struct json *j)
{
	struct str s = json_str(g->json, j), env = STR("os.environ/");

	y->kind = YAML_SCALAR;
	y->text = arena_dup(g->r->scratch, s);
	g->r->out_of_memory |= !s.p || !y->text.p;
	if (!str_starts(y->text, env))
		return;
	if (!stored_may_name(g->r, &y->place, str_skip(y->text, env.n)))
		complain(g->r, COMPLAINT_ERROR, &y->place,
			 "'" STR_FMT "' must not be used by an object of the database%s",
			 STR_ARG(shown(y->text)),
			 is_own_secret(str_skip(y->text, env.n)) ? "" :
				 " that came without the master key");
	else
		yaml_resolve_one(g->r, y);
}

static struct yaml *grow(struct growing *g, const struct json *j);

static void grow_child(struct growing *g, struct yaml *y, const struct json *j)
{
	struct yaml *child = grow(g, j);

	if (!child)
		return;
	child->key = arena_dup(g->r->scratch, j->key.p ? j->key : STR(""));
	g->r->out_of_memory |= !child->key.p;
	yaml_append(y, child);
}

static struct yaml *grow(struct growing *g, const struct json *j)
{
	struct yaml *y = arena_alloc(g->r->scratch, sizeof *y);

	if (!y) {
		g->r->out_of_memory = true;
		return NULL;
	}
	y->place = y->key_place = (struct place){.file = g->file};
	y->size = 1;
	switch ((enum json_type)j->type) {
	case JSON_NULL:
		break;
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NUMBER:
		y->kind = YAML_SCALAR;
		y->plain = true;
		y->text = arena_dup(g->r->scratch, j->raw);
		g->r->out_of_memory |= !y->text.p;
		break;
	case JSON_STRING:
		take_text(g, y, j);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		y->kind = j->type == JSON_ARRAY ? YAML_LIST : YAML_MAP;
		for (const struct json *c = j->child; c && !g->r->out_of_memory; c = c->next)
			grow_child(g, y, c);
	}
	return y;
}

/* The same place, and which member it is. */
static const struct config_file *file_at(struct reader *r, const struct config_file *file,
					 const char *what, struct str key)
{
	struct config_file *f = arena_alloc(r->scratch, sizeof *f);

	r->out_of_memory |= !f;
	if (!f)
		return file;
	*f = *file;
	f->field = key.n ? arena_printf(r->scratch, "%s." STR_FMT, what, STR_ARG(shown(key)))
			 : str_z(what);
	return f;
}

static struct yaml *grow_members(struct growing *g, const struct json *j, const char *what)
{
	struct yaml *y = arena_alloc(g->r->scratch, sizeof *y);
	const struct config_file *whole = file_at(g->r, g->file, what, STR_NONE);

	if (!y || j->type != JSON_OBJECT) {
		g->r->out_of_memory |= !y;
		g->file = whole;
		return y ? grow(g, j) : NULL;
	}
	*y = (struct yaml){.kind = YAML_MAP, .size = 1, .place = {.file = whole}};
	for (const struct json *c = j->child; c && !g->r->out_of_memory; c = c->next) {
		g->file = file_at(g->r, whole, what, c->key);
		grow_child(g, y, c);
	}
	return y;
}

static struct yaml *grow_text(struct reader *r, const struct config_file *file, const char *what,
			      struct str text)
{
	struct growing g = {.r = r, .file = file, .json = arena_new(OBJECT_MEMORY)};
	const struct place at = {.file = file};
	struct json_error e = {0};
	struct json *j = g.json ? json_parse(g.json, text, JSON_ONE_KEY, &e) : NULL;
	struct yaml *y = j ? grow_members(&g, j, what) : NULL;

	r->out_of_memory |= !g.json;
	if (!j && g.json)
		complain(r, COMPLAINT_ERROR, &at, "%s at byte %zu", e.what ? e.what : "too large",
			 e.at);
	arena_free(g.json);
	return r->out_of_memory ? NULL : y;
}

static struct yaml *new_map(struct reader *r, const struct config_file *file)
{
	struct yaml *y = arena_alloc(r->scratch, sizeof *y);

	r->out_of_memory |= !y;
	if (y)
		*y = (struct yaml){.kind = YAML_MAP, .size = 1, .place = {.file = file}};
	return y;
}

static void put_member(struct reader *r, struct yaml *map, const char *key, struct yaml *y)
{
	if (!map || !y)
		return;
	y->key = str_z(key);
	y->key_place = y->place;
	yaml_append(map, y);
	(void)r;
}

static struct yaml *new_text(struct reader *r, const struct config_file *file, struct str s)
{
	struct yaml *y = new_map(r, file);

	if (!y)
		return NULL;
	y->kind = YAML_SCALAR;
	y->text = arena_dup(r->scratch, s);
	r->out_of_memory |= !y->text.p;
	return y;
}

/* What complaints name in place of a file. */
static const struct config_file *file_of(struct reader *r, const struct config_object *o)
{
	static const char *const what[OBJECT_KINDS] = {"model", "credential", "setting",
						       "access group"};
	struct str name = o->label.n ? o->label : o->name;
	struct config_file *f = config_file_new(
		r, arena_printf(r->scratch, "the database, %s '" STR_FMT "'", what[o->kind],
				STR_ARG(shown(name))));

	if (f)
		f->object = o;
	return f;
}

/* ---- what counts ---- */

bool stored_counts(const struct yaml *root)
{
	const struct yaml *y = yaml_get(yaml_get(root, "general_settings"), "store_model_in_db");
	const char *env = getenv("STORE_MODEL_IN_DB");

	if (y && y->kind == YAML_SCALAR)
		return value_is_true(y->text);
	return env && value_is_true(str_z(env));
}

static const struct config_object *object_at(const struct reader *r, size_t i,
					     enum object_kind kind)
{
	const struct config_stored *s = r->over->stored;
	const struct config_object *o = r->has_stored && s && i < s->n ? s->v[i] : NULL;

	return o && o->kind == kind && o->secret.p ? o : NULL;
}

static size_t object_count(const struct reader *r)
{
	return r->has_stored && r->over->stored ? r->over->stored->n : 0;
}

bool stored_by_stranger(struct reader *r, const struct place *at)
{
	const struct config_object *o = at && at->file ? at->file->object : NULL;
	struct json_error e;
	const struct json *info = o && o->info.n ? json_parse(r->scratch, o->info, 0, &e) : NULL;
	const struct json *j = json_get(info, STORED_STRANGERS);

	/* What cannot be read is nobody's of whom we know. */
	return o && o->info.n && (!info || (j && j->type == JSON_TRUE));
}

/* ---- settings ---- */

static struct yaml *section_of(struct reader *r, struct yaml *root, struct str name,
			       const struct config_file *file)
{
	struct yaml *old = yaml_find(root, name), *map;

	if (old && old->kind == YAML_MAP)
		return old;
	map = new_map(r, file);
	if (!map)
		return NULL;
	map->key = arena_dup(r->scratch, name);
	map->key_place = map->place;
	if (old)
		yaml_replace(root, old, map);
	else
		yaml_append(root, map);
	return map;
}

static struct yaml *grow_setting(struct reader *r, const struct config_file *file,
				 const struct config_object *o)
{
	const char *name = arena_dup_z(r->scratch, o->name);

	r->out_of_memory |= !name;
	return name ? grow_text(r, file, name, o->secret) : NULL;
}

static struct str path_of(const struct yaml *row)
{
	const struct yaml *y = yaml_get(row, "path");
	return y && y->kind == YAML_SCALAR ? y->text : STR_NONE;
}

static bool has_path(const struct yaml *list, struct str path)
{
	for (const struct yaml *y = list->child; y; y = y->next)
		if (path.n && str_eq(path_of(y), path))
			return true;
	return false;
}

/* The file's paths that lead elsewhere go on beside the database's, but for those of the same
 * name. */
static void keep_others(struct reader *r, struct yaml *value, const struct yaml *old)
{
	if (value->kind != YAML_LIST || old->kind != YAML_LIST)
		return;
	for (const struct yaml *y = old->child; y; y = y->next) {
		struct yaml *copy = has_path(value, path_of(y)) ? NULL : yaml_copy(r, y);
		if (copy)
			yaml_append(value, copy);
	}
}

static void merge_setting(struct reader *r, struct yaml *root, const struct config_object *o)
{
	const struct config_file *file = file_of(r, o);
	struct str key = o->name, section = str_cut(&key, '.');
	struct yaml *map = file ? section_of(r, root, section, file) : NULL;
	struct yaml *value = map ? grow_setting(r, file, o) : NULL, *old;

	if (!value)
		return;
	value->key = arena_dup(r->scratch, key);
	r->out_of_memory |= !value->key.p;
	old = yaml_find(map, key);
	if (old && str_eq(o->name, STR("general_settings.pass_through_endpoints")))
		keep_others(r, value, old);
	if (old)
		yaml_replace(map, old, value);
	else
		yaml_append(map, value);
}

void stored_merge_settings(struct reader *r, struct yaml *root)
{
	for (size_t i = 0; i < object_count(r); i++) {
		const struct config_object *o = object_at(r, i, OBJECT_SETTING);
		if (o)
			merge_setting(r, root, o);
	}
}

/* ---- credentials ---- */

enum showing { MASK, LEAVE_OUT };

static void show_values(struct reader *r, struct json_out *o, const struct yaml *y,
			enum showing secrets, bool hide);

static void show_value(struct reader *r, struct json_out *o, const struct yaml *y,
		       enum showing secrets, bool hide)
{
	if (o->level >= LEVELS_MAX) {
		json_put_null(o, NULL);
		return;
	}
	switch (y->kind) {
	case YAML_NULL:
		json_put_null(o, NULL);
		break;
	case YAML_SCALAR:
		if (hide || y->from_env)
			json_put_z(o, NULL, "********");
		else
			value_json(NULL, o, NULL, y);
		break;
	case YAML_LIST:
		json_open_array(o, NULL);
		for (const struct yaml *c = y->child; c; c = c->next)
			show_value(r, o, c, secrets, hide);
		json_close_array(o);
		break;
	case YAML_MAP:
		json_open(o, NULL);
		show_values(r, o, y, secrets, hide);
		json_close(o);
	}
}

static void show_values(struct reader *r, struct json_out *o, const struct yaml *map,
			enum showing secrets, bool hide)
{
	for (const struct yaml *y = map->child; y; y = y->next) {
		bool is_name = str_eq(y->key, STR("litellm_credential_name"));
		bool is_secret = names_a_secret(y->key) || str_ends(y->key, STR("headers"));
		bool hidden = hide || (is_secret && !is_name);
		if (y->kind == YAML_NULL || (secrets == LEAVE_OUT && (hidden || y->from_env)))
			continue;
		json_key(o, y->key);
		show_value(r, o, y, secrets, hidden);
	}
}

static struct str map_text(struct reader *r, const struct yaml *map, enum showing secrets)
{
	struct buf text;
	struct str s;

	buf_init(&text, CONFIG_FILE_MAX);
	struct json_out o = json_out(&text);
	json_open(&o, NULL);
	if (map && map->kind == YAML_MAP)
		show_values(r, &o, map, secrets, false);
	json_close(&o);
	r->out_of_memory |= text.failed;
	s = keep(r, buf_str(&text));
	buf_done(&text);
	return s;
}

struct str without_secrets(struct reader *r, const struct yaml *map)
{
	return map_text(r, map, LEAVE_OUT);
}

static struct str info_of(struct reader *r, const struct yaml *y)
{
	struct buf text;
	struct str s;

	if (!y || y->kind != YAML_MAP)
		return STR("{}");
	buf_init(&text, CONFIG_FILE_MAX);
	struct json_out o = json_out(&text);
	value_json(r, &o, NULL, y);
	r->out_of_memory |= text.failed;
	s = keep(r, buf_str(&text));
	buf_done(&text);
	return s;
}

static struct yaml *credential_node(struct reader *r, const struct config_object *o)
{
	const struct config_file *file = file_of(r, o);
	struct yaml *map = file ? new_map(r, file) : NULL;

	put_member(r, map, "credential_name", new_text(r, file, o->name));
	put_member(r, map, "credential_values", grow_text(r, file, "credential_values", o->secret));
	put_member(r, map, "credential_info",
		   grow_text(r, file, "credential_info", o->info.n ? o->info : STR("{}")));
	return map;
}

/* Of two with one name the first is used: the database's. */
static void keep_credential(struct reader *r, const struct yaml *y)
{
	const struct yaml *name = yaml_get(y, "credential_name");
	struct config *c = r->c;

	if (!name || name->kind != YAML_SCALAR)
		return;
	for (size_t i = 0; i < c->n_credentials; i++)
		if (str_eq(c->credentials[i].name, name->text))
			return;
	c->credentials[c->n_credentials++] = (struct config_credential){
		.name = keep(r, name->text),
		.values = map_text(r, yaml_get(y, "credential_values"), MASK),
		.info = info_of(r, yaml_get(y, "credential_info")),
		.is_stored = y->place.file && y->place.file->object,
	};
}

void stored_read_credentials(struct reader *r, const struct yaml *list)
{
	struct yaml *all = arena_alloc(r->scratch, sizeof *all);

	if (list && list->kind != YAML_LIST && list->kind != YAML_NULL)
		complain(r, COMPLAINT_ERROR, &list->place, "credential_list wants a list, not %s",
			 yaml_kind_name(list));
	r->out_of_memory |= !all;
	if (!all)
		return;
	all->kind = YAML_LIST;
	for (size_t i = 0; i < object_count(r) && !r->out_of_memory; i++) {
		const struct config_object *o = object_at(r, i, OBJECT_CREDENTIAL);
		struct yaml *y = o ? credential_node(r, o) : NULL;
		if (y)
			yaml_append(all, y);
	}
	for (const struct yaml *y = list && list->kind == YAML_LIST ? list->child : NULL; y;
	     y = y->next) {
		struct yaml *copy = yaml_copy(r, y);
		if (copy)
			yaml_append(all, copy);
	}
	r->credentials = all;
	r->c->credentials = keep_array(r, all->count + 1, sizeof *r->c->credentials);
	for (const struct yaml *y = all->child; y && !r->out_of_memory; y = y->next)
		keep_credential(r, y);
}

/* ---- models ---- */

/* The id is the object's, whatever model_info says. */
static struct yaml *info_node(struct reader *r, const struct config_file *file,
			      const struct config_object *o)
{
	struct yaml *info = grow_text(r, file, "model_info", o->info.n ? o->info : STR("{}")), *old;
	struct yaml *id = new_text(r, file, o->name);

	if (!info || !id || info->kind != YAML_MAP)
		return info;
	old = yaml_find(info, STR("id"));
	id->key = STR("id");
	if (old)
		yaml_replace(info, old, id);
	else
		yaml_append(info, id);
	return info;
}

const struct yaml *stored_entry(struct reader *r, size_t i)
{
	const struct config_object *o = object_at(r, i, OBJECT_MODEL);
	const struct config_file *file = o ? file_of(r, o) : NULL;
	struct yaml *map = file ? new_map(r, file) : NULL;
	struct yaml *params = map ? grow_text(r, file, "litellm_params", o->secret) : NULL;
	struct yaml *info = map ? info_node(r, file, o) : NULL;

	if (!params || !info)
		return NULL;
	put_member(r, map, "model_name", new_text(r, file, o->label));
	put_member(r, map, "litellm_params", params);
	put_member(r, map, "model_info", info);
	return r->out_of_memory ? NULL : map;
}

/* ---- access groups ---- */

static void add_group(struct reader *r, struct config_model *m, struct str group)
{
	struct config_names *g = &m->access_groups;
	struct str *v;

	for (size_t i = 0; i < g->n; i++)
		if (str_eq(g->v[i], group))
			return;
	v = keep_array(r, g->n + 1, sizeof *v);
	if (!v)
		return;
	if (g->n)
		memcpy(v, g->v, g->n * sizeof *v);
	v[g->n] = keep(r, group);
	*g = (struct config_names){v, g->n + 1};
}

static void add_to_models(struct reader *r, const struct yaml *names, struct str group)
{
	for (const struct yaml *y = names ? names->child : NULL; y; y = y->next)
		for (size_t i = 0; i < r->c->n_models && y->kind == YAML_SCALAR; i++)
			if (str_eq(r->c->models[i].model_name, y->text))
				add_group(r, &r->c->models[i], group);
}

void stored_add_groups(struct reader *r)
{
	for (size_t i = 0; i < object_count(r) && !r->out_of_memory; i++) {
		const struct config_object *o = object_at(r, i, OBJECT_ACCESS_GROUP);
		const struct config_file *file = o ? file_of(r, o) : NULL;
		struct yaml *y = file ? grow_text(r, file, "model_names", o->info) : NULL;
		if (y)
			add_to_models(r, yaml_get(y, "model_names"), o->name);
	}
}
