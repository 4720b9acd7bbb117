/* SPDX-License-Identifier: MIT
 * test_stored.c - objects of the database: written, read again, sealed anew, taken back; and what the
 * reader of the configuration makes of them, also when memory fails. */
#include "master/stored.h"

#include "money_fixture.h"

#include "master/config.h"

#define YAML "general_settings: {master_key: sk-test, store_model_in_db: true}\n" \
	     "model_list:\n- model_name: file\n  litellm_params: {model: ollama/x}\n"

static int setup(void **st)
{
	static struct place p;
	place_make(&p);
	place_open(&p);
	*st = &p;
	return 0;
}

static int teardown(void **st)
{
	place_remove(*st);
	return 0;
}

static struct config_object object(enum object_kind kind, const char *name, const char *label,
				   const char *secret, const char *info)
{
	return (struct config_object){ .kind = kind, .name = str_z(name), .label = str_z(label),
				       .secret = str_z(secret), .info = str_z(info),
				       .created_at = 1, .updated_at = 2, .created_by = STR("me") };
}

struct writing {
	struct stored_op *ops;
	size_t n;
};

static int write_job(struct store_db *db, void *data)
{
	struct writing *w = data;
	return stored_write(db, w->ops, w->n);
}

static void change(struct place *p, struct stored *s, struct stored_op *ops, size_t n)
{
	struct writing w = { ops, n };
	assert_int_equal(stored_prepare(s, ops, n), 0);
	assert_int_equal(store_write_wait(p->store, write_job, &w), 0);
	assert_int_equal(stored_apply(s, ops, n), 0);
}

static void put(struct place *p, struct stored *s, struct config_object o)
{
	struct stored_op op = { .kind = o.kind, .to = stored_copy(&o) };
	op.name = op.to->name;
	change(p, s, &op, 1);
	stored_op_done(&op);
}

static struct stored *open_with(struct place *p, const char *secret, const char *previous)
{
	struct stored *s = NULL;
	assert_int_equal(stored_open(p->store, str_z(secret), str_z(previous), &s), 0);
	return s;
}

static void test_they_are_there_again(void **st)
{
	struct place *p = *st;
	struct stored *s = open_with(p, "k1", NULL);
	put(p, s, object(OBJECT_MODEL, "id", "name", "{\"model\":\"ollama/y\"}", "{\"a\":1}"));
	put(p, s, object(OBJECT_CREDENTIAL, "id", NULL, "{\"api_key\":\"sk-1\"}", "{}"));
	put(p, s, object(OBJECT_MODEL, "id", "other", "{\"model\":\"ollama/z\"}", "{\"a\":2}"));
	stored_free(s);
	s = open_with(p, "k1", NULL);
	const struct config_object *o = stored_find(s, OBJECT_MODEL, STR("id"));
	assert_int_equal(stored_view(s)->n, 2);
	assert_true(o && str_eq_z(o->label, "other") && str_eq_z(o->info, "{\"a\":2}"));
	assert_true(str_eq_z(o->secret, "{\"model\":\"ollama/z\"}") && str_eq_z(o->created_by, "me"));
	assert_null(stored_find(s, OBJECT_SETTING, STR("id")));
	assert_int_equal(place_number(p, "SELECT count(*) FROM objects WHERE"
					 " instr(sealed, CAST('ollama' AS BLOB)) > 0"), 0);
	stored_free(s);
}

static void test_another_key_and_back(void **st)
{
	struct place *p = *st;
	struct stored *s = open_with(p, "k1", NULL);
	put(p, s, object(OBJECT_MODEL, "id", "name", "{\"model\":\"ollama/y\"}", "{}"));
	stored_free(s);
	s = open_with(p, "k2", NULL);
	assert_int_equal(stored_unreadable(s), 1);
	const struct config_object *o = stored_find(s, OBJECT_MODEL, STR("id"));
	assert_true(o && !o->secret.p && o->sealed.n);
	put(p, s, object(OBJECT_CREDENTIAL, "c", NULL, "{}", "{}"));
	stored_free(s);
	s = open_with(p, "k1", NULL);	/* what k2 sealed is not lost, and k1's not either */
	assert_int_equal(stored_unreadable(s), 1);
	stored_free(s);
	s = open_with(p, "k2", "k1");
	assert_int_equal(stored_unreadable(s), 0);
	stored_free(s);
	s = open_with(p, "k2", NULL);
	assert_int_equal(stored_unreadable(s), 0);
	assert_int_equal(stored_rekey(s, STR("k3")), 0);
	store_drain(p->store);
	stored_free(s);
	s = open_with(p, "k3", NULL);
	assert_int_equal(stored_unreadable(s), 0);
	stored_free(s);
}

static void test_nothing_to_seal_with(void **st)
{
	struct place *p = *st;
	struct stored *s = open_with(p, "", NULL);
	struct config_object o = object(OBJECT_MODEL, "id", "n", "{}", "{}");
	struct stored_op op = { .kind = o.kind, .to = stored_copy(&o) };
	op.name = op.to->name;
	assert_int_equal(stored_prepare(s, &op, 1), -ENOKEY);
	stored_op_done(&op);
	stored_free(s);
}

/* A change, and all of it taken back: a new one, another one, one that is gone. */
static void test_taken_back(void **st)
{
	struct place *p = *st;
	struct stored *s = open_with(p, "k", NULL);
	struct config_object a = object(OBJECT_MODEL, "a", "a", "{\"v\":1}", "{}"),
			     b = object(OBJECT_MODEL, "b", "b", "{\"v\":2}", "{}");
	put(p, s, a);
	put(p, s, b);
	a.secret = STR("{\"v\":3}");
	struct config_object c = object(OBJECT_SETTING, "s.c", NULL, "true", "{}");
	struct stored_op ops[3] = { { .kind = OBJECT_MODEL, .to = stored_copy(&a) },
				    { .kind = OBJECT_MODEL, .name = STR("b") },
				    { .kind = OBJECT_SETTING, .to = stored_copy(&c) } };
	ops[0].name = ops[0].to->name;
	ops[2].name = ops[2].to->name;
	struct config_stored would;
	assert_int_equal(stored_try(s, ops, 3, &would), 0);
	assert_int_equal(would.n, 2);
	mem_free((void *)(uintptr_t)would.v);
	change(p, s, ops, 3);
	assert_null(stored_find(s, OBJECT_MODEL, STR("b")));
	assert_non_null(stored_find(s, OBJECT_SETTING, STR("s.c")));
	stored_reverse(ops, 3);
	change(p, s, ops, 3);
	for (size_t i = 0; i < 3; i++)
		stored_op_done(&ops[i]);
	for (int again = 0; again < 2; again++) {
		const struct config_object *o = stored_find(s, OBJECT_MODEL, STR("a"));
		assert_true(o && str_eq_z(o->secret, "{\"v\":1}"));
		o = stored_find(s, OBJECT_MODEL, STR("b"));
		assert_true(o && str_eq_z(o->secret, "{\"v\":2}"));
		assert_int_equal(stored_view(s)->n, 2);
		if (!again) {
			stored_free(s);
			s = open_with(p, "k", NULL);
		}
	}
	stored_free(s);
}

/* ---- what the configuration makes of them ---- */

static struct config *read_with(struct place *p, const struct config_object *const *v, size_t n,
				const char *yaml)
{
	struct config_text file = { .text = str_z(yaml) };
	char path[128];
	struct config *c = NULL;
	place_path(p, "given.yaml", path);
	file.path = str_z(path);
	const struct config_stored stored = { v, n, &file, 1 };
	const struct config_overrides over = { .stored = &stored };
	int err = config_read(path, &over, &c);	/* no such file is on the disk */
	assert_true(err == 0 || err == -ENOMEM);
	return c;
}

static void test_read(void **st)
{
	const struct config_object cred = object(OBJECT_CREDENTIAL, "c", NULL,
						 "{\"api_key\":\"sk-secret\",\"api_base\":\"http://h/v1\"}", "{}"),
		m = object(OBJECT_MODEL, "id-1", "stored",
			   "{\"model\":\"openai/x\",\"litellm_credential_name\":\"c\",\"rpm\":5}",
			   "{\"id\":\"not this\",\"note\":\"\\ud83d\\ude00\"}"),
		bad = object(OBJECT_MODEL, "id-2", "bad", "{\"model\":\"openai/x\",\"rpm\":\"many\"}", "{}"),
		odd = object(OBJECT_MODEL, "id-3", "odd", "[1]", "{}"),
		group = object(OBJECT_ACCESS_GROUP, "g", NULL, "{}", "{\"model_names\":[\"file\",\"none\"]}"),
		set = object(OBJECT_SETTING, "router_settings.num_retries", NULL, "7", "{}");
	const struct config_object *const v[] = { &m, &bad, &cred, &odd, &group, &set };
	struct config *c = read_with(*st, v, COUNT(v), YAML);
	assert_int_equal(c->n_errors, 0);
	assert_true(c->n_unfit >= 2 && !c->unfit.n);	/* told, and left out or mended */
	assert_int_equal(c->set.num_retries, 7);
	const struct config_model *x = NULL;
	for (size_t i = 0; i < c->n_models; i++)
		if (str_eq_z(c->models[i].model_name, "stored"))
			x = &c->models[i];
	assert_true(x && x->is_stored && str_eq_z(x->id, "id-1") && x->rpm == 5);
	assert_true(str_eq_z(x->api_key, "sk-secret") && str_eq_z(x->api_base, "http://h/v1"));
	assert_true(str_find(x->info, STR("\xf0\x9f\x98\x80")) != SIZE_MAX);
	assert_true(str_find(x->given, STR("sk-")) == SIZE_MAX);
	assert_true(c->models[0].access_groups.n == 1 && !c->models[0].is_stored);
	assert_int_equal(c->n_credentials, 1);
	assert_true(str_find(c->credentials[0].values, STR("sk-secret")) == SIZE_MAX);
	config_free(c);
	c = read_with(*st, v, COUNT(v), "general_settings: {master_key: sk-test}\n");
	assert_true(c->n_models == 0 && !c->n_unfit);	/* it does not count */
	config_free(c);
}

static void test_what_is_new_is_named(void **st)
{
	struct config_object m = object(OBJECT_MODEL, "id", "new", "{\"model\":\"openai/x\",\"rpm\":\"many\"}", "{}");
	const struct config_object *const v[] = { &m };
	m.is_new = true;
	struct config *c = read_with(*st, v, 1, YAML);
	assert_true(str_starts(c->unfit, STR("litellm_params.rpm: ")));
	config_free(c);
	m.secret = STR("{\"model\":\"openai/x\",\"api_key\":\"os.environ/LLMGW_SALT_KEY\"}");
	c = read_with(*st, v, 1, YAML);
	assert_true(str_find(c->unfit, STR("must not be used")) != SIZE_MAX);
	config_free(c);
	m.secret = STR("{\"model\":");
	c = read_with(*st, v, 1, YAML);
	assert_true(c->unfit.n && c->n_models == 1);
	config_free(c);
}

static void test_memory_fails(void **st)
{
	const struct config_object m = object(OBJECT_MODEL, "id", "m", "{\"model\":\"ollama/x\",\"tags\":[\"a\"]}",
					      "{\"a\":{\"b\":[1,2]}}"),
		cred = object(OBJECT_CREDENTIAL, "c", NULL, "{\"api_key\":\"k\"}", "{}"),
		group = object(OBJECT_ACCESS_GROUP, "g", NULL, "{}", "{\"model_names\":[\"m\"]}");
	const struct config_object *const v[] = { &m, &cred, &group };
	bool is_through = false;
	for (uint64_t n = 1; !is_through; n++) {
		uint64_t live = mem_live();
		mem_fail_at(n);
		struct config *c = read_with(*st, v, COUNT(v), YAML);
		mem_fail_at(0);
		is_through = c && !c->n_errors && c->n_models == 2;
		config_free(c);
		assert_int_equal(mem_live(), live);
		assert_true(n < 2000);
	}
}

static int init(void **st)
{
	(void)st;
	return hash_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_they_are_there_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_key_and_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_to_seal_with, setup, teardown),
		cmocka_unit_test_setup_teardown(test_taken_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_new_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory_fails, setup, teardown),
	};
	return cmocka_run_group_tests(tests, init, NULL);
}
