/* SPDX-License-Identifier: MIT
 * test_roles.c - who reaches its own by which command of the real table: all that is not written
 * here is for administrators. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "master/master.h"
#include "master/roles.h"
#include "master/worker_link.h"

/* Of main.c, which no command of this test needs. */
unsigned master_workers(const struct master *m)
{
	(void)m;
	return 0;
}

void master_workers_changed(struct master *m)
{
	(void)m;
}
/* In the order of the commands: i an internal user, v one that only looks, o an admin of an
 * organization besides. */
static const char golden[] =
	"keys create i--\n"
	"keys list iv-\n"
	"keys show iv-\n"
	"keys update i--\n"
	"keys rotate i--\n"
	"keys regenerate i--\n"
	"keys block --o\n"
	"keys unblock --o\n"
	"keys delete i--\n"
	"teams create --o\n"
	"teams list iv-\n"
	"teams list v2 iv-\n"
	"teams show iv-\n"
	"teams available iv-\n"
	"teams update --o\n"
	"teams block --o\n"
	"teams unblock --o\n"
	"teams delete --o\n"
	"teams add i--\n"
	"teams member i--\n"
	"teams remove i--\n"
	"teams bulk i--\n"
	"teams allow --o\n"
	"teams disallow --o\n"
	"teams permissions iv-\n"
	"teams permit i--\n"
	"users create --o\n"
	"users list --o\n"
	"users show iv-\n"
	"users show v2 iv-\n"
	"orgs list --o\n"
	"orgs show --o\n"
	"orgs add --o\n"
	"orgs member --o\n"
	"orgs remove --o\n"
	"spend logs iv-\n"
	"spend logs v2 iv-\n"
	"spend logs ui iv-\n"
	"spend logs session iv-\n";

static void test_the_table(void **state)
{
	struct buf found;
	(void)state;
	buf_init(&found, 8192);
	for (size_t i = 0; i < commands_count; i++) {
		const char *words = commands[i].words;
		bool may = role_reaches_own(ROLE_INTERNAL, words);
		bool may_look = role_reaches_own(ROLE_INTERNAL_VIEWER, words);
		bool for_organizations = role_reaches_own(ROLE_ORGANIZATION_ADMIN, words);
		assert_false(role_reaches_own(ROLE_OF_NOBODY, words));
		if (may || may_look || for_organizations)
			buf_printf(&found, "%s %s%s%s\n", words, may ? "i" : "-",
				   may_look ? "v" : "-", for_organizations ? "o" : "-");
		if (may_look)
			assert_string_equal(commands[i].method, "GET");
	}
	assert_string_equal(buf_z(&found), golden);
	buf_done(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_the_table) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
