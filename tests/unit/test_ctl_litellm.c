/* SPDX-License-Identifier: MIT
 * test_ctl_litellm.c - LiteLLM's rows: COPY's escapes and arrays, times, texts that it
 * sealed; the URL of its database. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/hash.h"
#include "master/ctl_import.h"

static struct arena *mem;

static int set_up(void **state)
{
	(void)state;
	mem = arena_new(16 << 20);
	return mem && hash_init() == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	mem = arena_free(mem);
	return 0;
}

static void assert_text(struct str s, const char *is)
{
	assert_non_null(s.p);
	assert_int_equal(s.n, strlen(is));
	assert_memory_equal(s.p, is, s.n);
}

static void values_are_as_copy_writes_them(void **state)
{
	(void)state;
	struct pg_dump d = pg_dump(STR("--\nCOPY public.\"T\" (a, \"b c\", d) FROM stdin;\n"
				       "x\\ty\\\\\\101\\x42\t\\N\t\n\\.\n"));
	struct pg_block b;
	struct str v[PG_COLUMNS_MAX];
	const char *why;
	assert_int_equal(pg_dump_next(&d, &b), 1);
	assert_text(b.table, "T");
	assert_int_equal(b.n_columns, 3);
	assert_text(b.columns[1], "b c");
	assert_int_equal(pg_row_next(&b, mem, v, &why), 1);
	assert_text(v[0], "x\ty\\AB");
	assert_null(v[1].p);
	assert_text(v[2], "");
	assert_int_equal(pg_row_next(&b, mem, v, &why), 0);
	assert_int_equal(pg_dump_next(&d, &b), 0);
}

static void arrays_are_read_and_nested_ones_refused(void **state)
{
	(void)state;
	struct str s = STR("{a,\"b,\\\"\\\\\",NULL,\"NULL\"}"), one;
	assert_int_equal(pg_array_open(&s), 0);
	assert_int_equal(pg_array_next(&s, mem, &one), 1);
	assert_text(one, "a");
	assert_int_equal(pg_array_next(&s, mem, &one), 1);
	assert_text(one, "b,\"\\");
	assert_int_equal(pg_array_next(&s, mem, &one), 1);
	assert_null(one.p);
	assert_int_equal(pg_array_next(&s, mem, &one), 1);
	assert_text(one, "NULL");
	assert_int_equal(pg_array_next(&s, mem, &one), 0);
	s = STR("{{1},{2}}");
	assert_int_equal(pg_array_open(&s), 0);
	assert_int_equal(pg_array_next(&s, mem, &one), -EINVAL);
	s = STR("{}");
	assert_int_equal(pg_array_open(&s), 0);
	assert_int_equal(pg_array_next(&s, mem, &one), 0);
}

static void times_are_utc(void **state)
{
	(void)state;
	uint64_t ns = 0;
	assert_int_equal(pg_read_time(STR("2024-01-31 12:00:00.5"), &ns), 0);
	assert_int_equal(ns, UINT64_C(1706702400500000000));
	assert_int_equal(pg_read_time(STR("2024-01-31 12:00:00+02"), &ns), -EINVAL);
	assert_int_equal(pg_read_time(STR("infinity"), &ns), -EINVAL);
}

static void sealed_texts_open_with_their_key_alone(void **state)
{
	(void)state;
	struct litellm_key key = { .key = hash_sha256(STR("salt of old")), .is_given = true };
	assert_text(litellm_decrypt(mem, &key, STR("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXgcpcqc_ySkGBCgFsl1F3BIrJNOSePkhOKMee")), "sk-provider");
	key.key = hash_sha256(STR("another"));
	assert_null(litellm_decrypt(mem, &key, STR("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXgcpcqc_ySkGBCgFsl1F3BIrJNOSePkhOKMee")).p);
	assert_null(litellm_decrypt(mem, &key, STR("no base64!")).p);
	assert_null(litellm_decrypt(mem, &key, STR("")).p);
}

static void prismas_parameters_are_taken_out_of_a_url(void **state)
{
	static const struct {
		const char *url, *libpqs, *schema;
	} cases[] = {
		{ "postgresql://u:p@h:5432/db", "postgresql://u:p@h:5432/db", "public" },
		{ "postgres://h/db?schema=x", "postgres://h/db", "x" },
		{ "postgres://h/db?schema=", "postgres://h/db", "public" },
		{ "postgres://h/db?connection_limit=1&sslmode=require&schema=a&application_name=b",
		  "postgres://h/db?sslmode=require&application_name=b", "a" },
		{ "postgres://h/db?&&pgbouncer=true", "postgres://h/db", "public" },
		{ "mysql://h/db", NULL, "public" },
		{ "host=h password=p", NULL, "public" },
		{ "", NULL, "public" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str schema, url = ctl_pg_url(mem, str_z(cases[i].url), &schema);
		if (cases[i].libpqs)
			assert_text(url, cases[i].libpqs);
		else
			assert_null(url.p);
		assert_text(schema, cases[i].schema);
	}
}

static void a_secret_is_hidden_wherever_it_stands(void **state)
{
	(void)state;
	assert_text(ctl_pg_hide(mem, STR("ab secret, secretsecret"), STR("secret")),
		    "ab ***, ******");
	assert_text(ctl_pg_hide(mem, STR("aaaa"), STR("a")), "************");
	assert_text(ctl_pg_hide(mem, STR("text"), STR("")), "text");
	assert_text(ctl_pg_hide(mem, STR(""), STR("x")), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_are_as_copy_writes_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(arrays_are_read_and_nested_ones_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(times_are_utc, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sealed_texts_open_with_their_key_alone, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(prismas_parameters_are_taken_out_of_a_url, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_secret_is_hidden_wherever_it_stands, set_up,
						tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
