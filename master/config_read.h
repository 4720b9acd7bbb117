/* SPDX-License-Identifier: MIT
 * config_read.h - what the files of the configuration reader share; nobody else includes it.
 *
 * Text becomes a small tree of our own (config_yaml.c), whose nodes know where they stand; the
 * directive table (config_table.c) says what each key means; config_value.c turns nodes into
 * values; whatever is wrong is told by complain() and reading goes on. The tree lives in a
 * scratch arena and is gone when config_read() returns: results are copied. */
#ifndef CONFIG_READ_H
#define CONFIG_READ_H

#include "common/json_write.h"
#include "master/config.h"

enum {
	CONFIG_FILE_MAX = 10 * 1024 * 1024,
	CONFIG_DEPTH_MAX = 64,
	CONFIG_VALUES_MAX = 1000000	/* values a file may stand for, aliases followed */
};

/* ---- places and complaints: config_complain.c ---- */

struct config_file {
	struct str path, text;
	const struct config_file *from;	/* who included it */
	unsigned from_line;
	bool world_readable;
	const struct config_object *object;	/* no file: of the database */
	struct str field;		/* of it: "litellm_params.rpm"; .n == 0: the whole */
};
struct place {
	const struct config_file *file;	/* NULL: no place in a file */
	uint32_t at, span;		/* bytes of its text */
	uint32_t line;			/* from 1 */
};

enum complaint_code {
	COMPLAINT_ERROR,
	W_NOT_ACTED_ON,
	W_UNKNOWN_KEY,
	W_MODEL_SKIPPED,
	W_ENV_MISSING,
	W_KEY_MISSING,
	W_FORWARDED,
	W_SECRET_READABLE,
	W_YAML_WORD,
	W_PRICE_INCOMPLETE,
	W_NO_MODELS,
	W_UNKNOWN_MODEL,
	W_STORED,
	W_JWT_OPEN,
	W_CERTIFICATE_ENDED,
	W_COUNT
};

struct yaml;
struct reader {
	struct config *c;
	const struct config_overrides *over;
	struct arena *scratch;		/* the trees; dies with the reading */
	struct yaml *env_first, *env_last;	/* scalars that name an environment variable */
	struct place literal_secret;	/* the first secret that stands in a file itself */
	struct place *directive_places;	/* where each row of the directive table was set */
	struct place whole;		/* the main file, for what stands nowhere in it */
	const struct yaml *credentials;	/* credential_list, or NULL */
	bool has_stored;		/* what the database has counts */
	struct config_cloud vertex;	/* default_vertex_config */
	unsigned n_files;		/* included ones */
	struct place *model_places;	/* of the rows of c->models */
	size_t room_models;
	uint32_t n_values;
	bool out_of_memory;
	bool hides_env;			/* for the deployment that is read: config_upstream.c */
};

/* Tells what is wrong, once, with file, line, column, source line and caret. Texts that could
 * hold a secret are masked; control characters do not get through. */
void complain(struct reader *r, enum complaint_code code, const struct place *at, const char *fmt,
	      ...) PRINTF(4, 5);
unsigned place_column(const struct place *at);
/* Whether the next one would only be counted: what it costs to word it can be saved. */
bool complaints_full(const struct reader *r, enum complaint_code code);
struct known_key;
/* The warning about a key that LiteLLM has and we do not act on. */
void complain_known(struct reader *r, const struct known_key *k, const struct yaml *y);
/* The last lines: how many more there were, where something was cut. */
void complain_end(struct reader *r);
/* Whether a key of that name holds a secret. */
bool names_a_secret(struct str word);
/* Whether a word could be a key by itself: "sk-...", or long and without a space. */
bool looks_secret(struct str word);
/* A value as it may stand in a message: cut to 60 bytes. */
struct str shown(struct str s);

/* ---- files: config_file.c ---- */

struct config_file *config_file_new(struct reader *r, struct str path);	/* NULL: no memory */
/* Reads its bytes. 0, -EFBIG or another -errno, which config_file_tell() words. */
int config_file_load(struct reader *r, struct config_file *f) MUST_USE;
void config_file_tell(struct reader *r, const struct config_file *f, const struct place *at,
		      int err);
/* Another file than of YAML that reading wants: the doctor looks whether it will be let at it. */
void config_needs_file(struct reader *r, struct str path);
/* A loaded file with all that it includes, as one map; NULL after complaints. */
struct yaml *config_file_read(struct reader *r, struct config_file *f);

/* ---- trees: config_yaml.c ---- */

enum yaml_kind { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml {
	struct place place;
	enum yaml_kind kind;
	bool plain;			/* a scalar without quotes: may be a number, true, false */
	bool from_env;			/* text came from the environment: never shown */
	uint32_t count, size;		/* children; values it stands for, itself included */
	struct str text;		/* of a scalar */
	struct str key;			/* in a map */
	struct place key_place;
	struct yaml *next, *child, *last;
	struct yaml *env_next;
};

/* Reads one file's text. NULL after complaints, or with r->out_of_memory. An empty file is an
 * empty map. */
struct yaml *yaml_read(struct reader *r, const struct config_file *file);
/* os.environ/NAME in one scalar, or in all read so far; each is resolved once. A variable that
 * is not set makes the scalar null. */
void yaml_resolve_one(struct reader *r, struct yaml *y);
void yaml_resolve_env(struct reader *r);
const struct yaml *yaml_get(const struct yaml *map, const char *key);
struct yaml *yaml_find(const struct yaml *map, struct str key);
const char *yaml_kind_name(const struct yaml *y);	/* "a list" ... */
struct yaml *yaml_copy(struct reader *r, const struct yaml *y);	/* shares its children */
void yaml_replace(struct yaml *map, struct yaml *old, struct yaml *with);
void yaml_append(struct yaml *parent, struct yaml *child);

/* ---- values: config_value.c ---- */

enum conf_type {			/* numbers, texts, and from CT_NAMES on lists and maps */
	CT_BOOL, CT_FLAG, CT_U32, CT_U64, CT_MILLI, CT_SIZE, CT_MEGABYTES, CT_TIME,
	CT_LIMIT, CT_PRICE,
	CT_WORKERS, CT_STR, CT_TEXT, CT_CHOICE, CT_CHOICE_U32, CT_STRATEGY, CT_MODE, CT_NAMES,
	CT_PAIRS, CT_JSON, CT_JSON_LIST, CT_DOCUMENT, CT_LISTEN, CT_FALLBACKS, CT_ALIASES,
	CT_GROUP_POLICIES, CT_ROUTING_GROUPS, CT_PASSES, CT_BUDGETS, CT_PLANS, CT_HOURS,
	CT_SHARES, CT_COUNT
};
enum { CF_LIVE = 1, CF_RESTART = 2, CF_SECRET = 4, CF_NOT_YET = 8 /* read, not acted on */ };

struct directive {
	const char *section, *name;
	enum conf_type type;
	size_t at;			/* offset into struct config or struct config_model */
	const char *preset;		/* as it would be written; NULL: none */
	uint64_t min, max;		/* bounds; max 0: none. CT_FLAG: min is the bit */
	const char *choices;		/* "a|b|c" */
	unsigned flags;
	const char *doc;
};

/* Whether two names are the same with '-' and '_' alike. */
bool same_name(struct str a, const char *b);
bool same_key(struct str a, struct str b);
/* Sets one directive from a node; complains. A null leaves the field. True when it was set. */
bool value_set(struct reader *r, void *base, const struct directive *d, const struct yaml *y);
/* Sets a scalar directive's default. */
void value_preset(struct reader *r, void *base, const struct directive *d);
/* A scalar's text, or .p NULL after a complaint; null gives .p NULL without one. */
struct str value_text(struct reader *r, const struct yaml *y, const char *name);
struct str keep(struct reader *r, struct str s);	/* a copy in the config's arena */
void *keep_array(struct reader *r, size_t count, size_t size);
/* The types from CT_NAMES on; used by value_set() only: config_list.c. */
bool list_set(struct reader *r, void *base, const struct directive *d, const struct yaml *y);
/* "localhost" as its address, any other host as it is; whether it is an address. */
struct str listen_host(struct str host);
bool listen_is_numeric(struct str host);
bool value_has_control(struct str s);
/* Whether s could be a host: 1 to 253 letters, digits and `others`. */
bool value_is_host(struct str s, const char *others);
const char *value_type_wrong(enum conf_type type);	/* "is not a duration (want 30s, 5m)" */
/* What a type is called, for manual and complaints: "duration", "size" ... */
const char *value_type_name(enum conf_type type);
/* A node as JSON. Numbers keep their text. r NULL: of a scalar, without complaints. */
void value_json(struct reader *r, struct json_out *o, const char *key, const struct yaml *y);
/* JSON with masks where a member's name says that its value is secret. */
void json_put_masked(struct json_out *o, const char *key, struct str text);
bool value_is_true(struct str s);
bool value_is_false(struct str s);

/* ---- tables: config_table.c, config_known.c ---- */

const struct directive *directives_all(size_t *ret_n);
/* A bound as one would write it: "10m", "64k". */
void config_bound_text(const struct directive *d, uint64_t v, char *text, size_t room);
const struct directive *directive_find(const char *section, struct str name);
struct known_key {
	const char *section, *name, *note;	/* note may be NULL */
};
const struct known_key *known_find(const char *section, struct str name);
/* The nearest name of the section within distance 2, or NULL. */
const char *name_near(const char *section, struct str name);
bool param_is_openai(struct str name);	/* a parameter of OpenAI's chat, embeddings ... API */

/* Where a directive was set; the whole file when it was not. */
const struct place *given_place(const struct reader *r, const char *section, const char *name);

/* ---- routing: config_route.c ---- */

bool route_set_policies(struct reader *r, struct config *c, const struct directive *d,
			const struct yaml *y);
bool route_set_groups(struct reader *r, struct config *c, const struct directive *d,
		      const struct yaml *y);
/* A strategy's number; false: there is none of that name. */
bool route_read_strategy(struct str s, uint32_t *ret);
void route_put_policies(struct json_out *o, const char *key, const struct config *c);
void route_put_groups(struct json_out *o, const char *key, const struct config *c);
/* What follows for the workers from strategy, checks and policies. */
void route_finish(struct reader *r);

/* ---- budgets, plans and hours of deployments: config_gates.c ---- */

bool gates_set_budgets(struct reader *r, struct config_gates *at, const struct directive *d,
		       const struct yaml *y);
bool gates_set_plans(struct reader *r, struct config_gates *at, const struct directive *d,
		     const struct yaml *y);
bool gates_set_hours(struct reader *r, struct config_hours *at, const struct directive *d,
		     const struct yaml *y);
void gates_put_budgets(struct json_out *o, const char *key, const struct config_gates *g);
void gates_put_plans(struct json_out *o, const char *key, const struct config_gates *g);
void gates_put_hours(struct json_out *o, const char *key, const struct config_hours *h);
/* Budgets of deployments want an amount and a period. */
void gates_check(struct reader *r, const struct config_model *m, const struct place *at);

/* ---- the response cache: config_cache.c ---- */

void cache_finish(struct reader *r);

/* ---- who is told of requests: config_callbacks.c ---- */

/* The name of the directive that all webhooks are. */
#define CALLBACKS_HOOK "<callback_name>"
/* Whether it is one, of callback_settings. */
bool callbacks_is_hook(const char *section, const struct yaml *y);
/* What follows for the workers from the names in callbacks. */
void callbacks_finish(struct reader *r);
void metrics_finish(struct reader *r);	/* config_metrics.c */
void teams_finish(struct reader *r);	/* config_teams.c; after callbacks_finish() */

/* ---- who is told when something goes wrong: config_alerts.c ---- */

void alerts_finish(struct reader *r);

/* ---- who may call, and how: config_rules.c ---- */

void rules_finish(struct reader *r);

/* ---- what keys may be given: config_bounds.c ---- */

void bounds_finish(struct reader *r);
/* ---- tokens: config_jwt.c ---- */

/* What the environment adds, and whether it all can be held to. */
void jwt_finish(struct reader *r);

/* ---- discounts and margins: config_cost.c ---- */

void costs_finish(struct reader *r);

/* ---- certificate and key: config_tls.c ---- */

/* Both files are named: reads them, and looks whether they belong together. */
void tls_read(struct reader *r);

/* ---- paths and providers that are passed through: config_pass.c ---- */

bool passes_set(struct reader *r, struct config *c, const struct yaml *y);
/* When all models are read: adds the providers that only the environment has a key for. */
void passes_finish(struct reader *r);

/* ---- models: config_model.c ---- */

/* The entries of model_list (NULL: there is none), then those of the database. */
void models_read(struct reader *r, const struct yaml *list);
/* Checks that need all of the configuration: ids, and names that fallbacks and aliases use. */
void models_check(struct reader *r);

/* ---- where a model goes, with what key and at what price: config_upstream.c ---- */

/* NULL when `base` is one we can use, else what is wrong with it. */
const char *base_problem(struct str base);
/* Warns of names of groups in other settings that no entry serves. When all models are read. */
void names_check(struct reader *r);
/* Provider, upstream name, base and key of a model whose litellm_params are read. `base` is
 * where api_base stands, `at` the entry; is_key_told: that it has no key was told. False after a
 * complaint: the model is left out. */
bool upstream_detect(struct reader *r, struct config_model *m, const struct place *at);
bool upstream_resolve(struct reader *r, struct config_model *m, const struct place *at,
		      const struct place *base, bool is_key_told);
/* What clouds want, from litellm_params, default_vertex_config and the environment: family, site,
 * authorization and credentials; a base where the place names it. Before the base is resolved.
 * False after a complaint: the model is left out. config_cloud.c. */
bool cloud_resolve(struct reader *r, struct config_model *m, const struct place *at);
/* When the base is known: what of it is no base, and what follows from its host. */
void cloud_finish(struct reader *r, struct config_model *m);
void cloud_read_defaults(struct reader *r, const struct yaml *map);
/* A complaint that a model is left out, and why. False. */
bool left_out(struct reader *r, const struct config_model *m, const struct place *at,
	      struct str why);
/* The value of the first variable of "A,B" that is set and not empty; "A+B" is passed over. */
struct str env_first_set(struct str names, struct str *ret_name);
/* One price key. False: `y->key` is none. */
bool model_price_key(struct reader *r, struct config_model *m, const struct yaml *y);
void model_price_finish(struct reader *r, struct config_model *m, const struct place *at);

/* ---- what the database adds: config_stored.c ---- */

/* Whether it counts: store_model_in_db, in the file or the environment. */
bool stored_counts(const struct yaml *root);
/* Settings take the place of the file's. */
void stored_merge_settings(struct reader *r, struct yaml *root);
/* credential_list with those of the database before it, and c->credentials. */
void stored_read_credentials(struct reader *r, const struct yaml *list);
/* The i-th object as an entry of model_list; NULL: it is no model, or cannot be one. */
const struct yaml *stored_entry(struct reader *r, size_t i);
/* Whether it is of the database, and was given there without the master key. */
bool stored_by_stranger(struct reader *r, const struct place *at);
/* Whether what stands there may name that variable of the environment: nothing of the database one
 * that seals or that everybody obeys; what came without the master key none but a provider's key,
 * as the key of a deployment. */
bool stored_may_name(struct reader *r, const struct place *at, struct str name);
/* Adds access groups to the models that they name. */
void stored_add_groups(struct reader *r);
/* A map as JSON without what may be secret. */
struct str without_secrets(struct reader *r, const struct yaml *map);

/* ---- AWS: config_aws.c ---- */

/* Takes a region off the model's name ("us-east-1/...", an ARN). m->row is known. */
void aws_detect(struct config_model *m);
/* Region, base, and credentials or API key of a model whose provider wants AWS's signature. False
 * after a complaint. */
bool aws_resolve(struct reader *r, struct config_model *m, const struct place *at);

#endif
