/* SPDX-License-Identifier: MIT
 * fuzz_stored.c - an object of the database, whatever it holds, never makes the files invalid; a new
 * model is served or refused with a reason; what is shown of it is valid JSON.
 *
 * The first byte picks the kind (and the setting), the rest is its JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/json.h"
#include "master/config_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const char yaml[] = "general_settings: {store_model_in_db: true}\n"
			   "model_list:\n- model_name: file\n  litellm_params: {model: ollama/x}\n";

static struct config *read_with(const struct config_object *o)
{
	const struct config_object *const v[] = { o };
	const struct config_text file = { STR("/nowhere/f.yaml"), str_z(yaml) };
	const struct config_stored stored = { v, 1, &file, 1 };
	const struct config_overrides over = { .insecure_dev = true, .stored = &stored };
	struct config *c = NULL;
	MUST(config_read("/nowhere/f.yaml", &over, &c) == 0 && c);
	return c;
}

static struct config_object object_of(uint8_t pick, struct str text)
{
	static char name[128];
	size_t n;
	const struct directive *all = directives_all(&n), *d = &all[pick % n];
	struct config_object o = { .is_new = true, .secret = text, .info = STR("{}"),
				   .label = STR("new") };
	o.kind = pick < 64 ? OBJECT_MODEL : pick < 96 ? OBJECT_CREDENTIAL
		 : pick < 112 ? OBJECT_ACCESS_GROUP : OBJECT_SETTING;
	snprintf(name, sizeof name, "%s.%s", d->section, d->name);
	o.name = o.kind == OBJECT_SETTING ? str_z(name) : STR("id");
	if (pick % 2 && o.kind != OBJECT_SETTING) {	/* the other half of it */
		o.info = text;
		o.secret = STR("{\"model\":\"openai/x\",\"api_base\":\"http://h/v1\"}");
	}
	return o;
}

static void check_shown(const struct config *c)
{
	struct arena *a = arena_new(256 << 20);
	struct json_error e;
	struct buf out;
	MUST(a);
	buf_init(&out, 64 << 20);
	config_show(c, true, &out);
	MUST(json_parse(a, buf_str(&out), 0, &e));
	for (size_t i = 0; i < c->n_models; i++)
		MUST(json_parse(a, c->models[i].given, 0, &e));
	for (size_t i = 0; i < c->n_credentials; i++)
		MUST(json_parse(a, c->credentials[i].values, 0, &e) &&
		     json_parse(a, c->credentials[i].info, 0, &e));
	buf_done(&out);
	arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (!n || hash_init() < 0)
		return 0;
	struct config_object o = object_of(p[0], str_of((const char *)p + 1, n - 1));
	struct config *c = read_with(&o);
	if (o.kind != OBJECT_SETTING) {
		MUST(c->n_errors == 0 && str_eq(c->models[0].model_name, STR("file")));
		bool is_served = c->n_models > 1;
		MUST(o.kind != OBJECT_MODEL || is_served || c->unfit.n);
	}
	check_shown(c);
	config_free(c);
	return 0;
}
