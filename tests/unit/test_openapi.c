/* SPDX-License-Identifier: MIT
 * test_openapi.c - the OpenAPI document has every row of the tables that it is made from, and its
 * examples are requests that the gateway takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/hash.h"
#include "common/json.h"
#include "master/commands.h"
#include "worker/admin/admin.h"
#include "worker/client/dialect.h"
#include "worker/client/endpoint.h"
#include "worker/request.h"

/* The endpoint table names the whole worker, which knows its main program. */
struct snap *worker_snap(struct worker *w)
{
	(void)w;
	return NULL;
}

static struct arena *mem;
static const struct json *doc;

static int read_document(void **st)
{
	struct json_error e = { 0 };
	(void)st;
	if (hash_init() != 0)
		return -1;
	mem = arena_new(64 << 20);
	doc = json_parse(mem, admin_openapi_text(), JSON_ONE_KEY, &e);
	return doc ? 0 : -1;
}

static int forget_document(void **st)
{
	(void)st;
	arena_free(mem);
	return 0;
}

static const struct json *below(const struct json *j, const char *name)
{
	return json_is(j, JSON_OBJECT) ? json_get(j, name) : NULL;
}

static const char *lower(const char *method, char out[8])
{
	size_t n = 0;
	for (; method[n] && n < 7; n++)
		out[n] = (char)(method[n] | 0x20);
	out[n] = '\0';
	return out;
}

static const struct json *operation(const char *method, const char *path)
{
	char word[8];
	return below(below(below(doc, "paths"), path), lower(method, word));
}

static void assert_operation(const struct endpoint *e, const char *method, const char *path)
{
	const struct json *op = operation(method, path), *security;
	if (!op)
		fail_msg("the document lacks %s %s", method, path);
	assert_true(str_eq_z(json_get_str(mem, op, "summary"), e->doc));
	security = below(op, "security");
	assert_true(json_is(security, JSON_ARRAY));
	assert_int_equal(security->count > 0, (e->flags & EP_KEY) != 0);
	assert_int_equal(below(op, "requestBody") != NULL,
			 (e->flags & EP_BODY) && !str_eq(str_z(method), STR("GET")));
}

static void test_every_endpoint_is_there(void **st)
{
	(void)st;
	for (size_t i = 0; i < endpoints_count; i++) {
		const struct endpoint *e = &endpoints[i];
		struct str path = str_z(e->path);
		char text[256];
		if (str_ends(path, STR("{path}"))) {
			snprintf(text, sizeof text, "%.*s/{path}", (int)(path.n - 6), path.p);
			assert_operation(e, "DELETE", text);
			path.n -= 6;
		}
		snprintf(text, sizeof text, "%.*s", (int)path.n, path.p);
		assert_operation(e, e->method[0] == '*' ? "PATCH" : e->method, text);
	}
}

static bool has_parameter(const struct json *op, const char *name)
{
	const struct json *list = below(op, "parameters");
	for (const struct json *p = list ? list->child : NULL; p; p = p->next)
		if (str_eq_z(json_get_str(mem, p, "name"), name))
			return true;
	return false;
}

static bool has_member(const struct json *op, const char *name)
{
	const struct json *type = below(below(below(op, "requestBody"), "content"),
					"application/json");
	return below(below(below(type, "schema"), "properties"), name) != NULL;
}

static void test_every_command_is_there_with_all_it_takes(void **st)
{
	(void)st;
	for (size_t i = 0; i < commands_count; i++) {
		const struct command *c = &commands[i];
		if (!c->path || (c->flags & CMD_NO_HTTP))
			continue;
		const struct json *op = operation(c->method, c->path);
		if (!op)
			fail_msg("no endpoint leads to '%s' (%s %s)", c->words, c->method, c->path);
		assert_true(str_eq_z(json_get_str(mem, op, "x-llmgw-command"), c->words));
		for (const struct command_arg *a = c->args; a && a->name; a++)
			if (!has_parameter(op, a->name) && !has_member(op, a->name) &&
			    !((has_parameter(op, "id") || has_parameter(op, "name")) &&
			      (a->flags & ARG_POSITIONAL)))
				fail_msg("%s %s lacks %s", c->method, c->path, a->name);
	}
}

static void test_every_relayed_path_has_a_command(void **st)
{
	(void)st;
	for (size_t i = 0; i < endpoints_count; i++) {
		const struct endpoint *e = &endpoints[i];
		if ((e->flags & EP_RELAY) && !below(operation(e->method, e->path), "x-llmgw-command"))
			fail_msg("no command answers %s %s", e->method, e->path);
	}
}

static const struct dialect *dialect_named(struct str name)
{
	for (size_t i = 0; i < endpoints_count; i++)
		if (endpoints[i].dialect && str_eq_z(name, endpoints[i].dialect->name))
			return endpoints[i].dialect;
	return NULL;
}

static void test_examples_are_taken(void **st)
{
	const struct json *schemas = below(below(doc, "components"), "schemas");
	unsigned n = 0;
	(void)st;
	for (const struct json *s = schemas->child; s; s = s->next) {
		const struct dialect *d = dialect_named(s->key);
		const struct json *list = below(s, "examples");
		struct dialect_error e = { 0 };
		struct llm_request q = { .model = STR("m") };
		if (!d)
			continue;
		assert_true(json_is(list, JSON_ARRAY) && list->count == 1);
		if (d->read_request(mem, list->child->raw, list->child, &q, &e) != 0)
			fail_msg("%s: " STR_FMT, d->name, STR_ARG(e.message));
		n++;
	}
	assert_in_range(n, 10, 100);
}

static void test_every_dialect_has_a_body(void **st)
{
	const struct json *schemas = below(below(doc, "components"), "schemas");
	(void)st;
	for (size_t i = 0; i < endpoints_count; i++) {
		const struct endpoint *e = &endpoints[i];
		if (e->dialect && (e->flags & EP_LLM) && !e->raw && !below(schemas, e->dialect->name))
			fail_msg("bodies.c lacks %s", e->dialect->name);
	}
}

static void test_the_page_has_every_path_and_nothing_from_elsewhere(void **st)
{
	struct str page = admin_docs_text();
	(void)st;
	for (size_t i = 0; i < endpoints_count; i++)
		assert_true(str_find(page, str_z(endpoints[i].path)) != SIZE_MAX);
	assert_true(str_find(page, STR("<script")) == SIZE_MAX);
	assert_true(str_find(page, STR("src=")) == SIZE_MAX);
	assert_true(str_find(page, STR("href=\"http")) == SIZE_MAX);
	assert_true(str_find(page, STR("href=\"//")) == SIZE_MAX);
	assert_true(str_find(page, STR("url(")) == SIZE_MAX);
	assert_true(str_find(page, STR("@import")) == SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_endpoint_is_there),
		cmocka_unit_test(test_every_command_is_there_with_all_it_takes),
		cmocka_unit_test(test_every_relayed_path_has_a_command),
		cmocka_unit_test(test_examples_are_taken),
		cmocka_unit_test(test_every_dialect_has_a_body),
		cmocka_unit_test(test_the_page_has_every_path_and_nothing_from_elsewhere),
	};
	return cmocka_run_group_tests(tests, read_document, forget_document);
}
