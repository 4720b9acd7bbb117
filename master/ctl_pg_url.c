/* SPDX-License-Identifier: MIT
 * ctl_pg_url.c - a URL as LiteLLM has it, for libpq: Prisma's parameters are no parameters of
 * libpq's, which refuses what it does not know. */
#include "common/mem.h"
#include "master/ctl_pg.h"

static const char *const prismas[] = {
	"schema", "connection_limit", "pool_timeout", "sslaccept", "sslidentity", "socket_timeout",
	"pgbouncer", "statement_cache_size", "max_idle_connection_lifetime",
};

static bool is_prismas(struct str name)
{
	for (size_t i = 0; i < COUNT(prismas); i++)
		if (str_eq_z(name, prismas[i]))
			return true;
	return false;
}

struct str ctl_pg_url(struct arena *a, struct str url, struct str *ret_schema)
{
	struct buf out;
	*ret_schema = STR("public");
	if (!str_starts(url, STR("postgresql://")) && !str_starts(url, STR("postgres://")))
		return STR_NONE;
	struct str query = url, base = str_cut(&query, '?');
	buf_init(&out, url.n + 2);
	buf_put(&out, base);
	char before = '?';
	while (query.n) {
		struct str one = str_cut(&query, '&'), value = one, name = str_cut(&value, '=');
		if (str_eq_z(name, "schema") && value.n)
			*ret_schema = arena_dup(a, value);
		if (!one.n || is_prismas(name))
			continue;
		buf_put_char(&out, before);
		buf_put(&out, one);
		before = '&';
	}
	struct str made = out.failed ? STR_NONE : arena_dup(a, buf_str(&out));
	if (out.p)
		mem_wipe(out.p, out.room);
	buf_done(&out);
	return made;
}

struct str ctl_pg_hide(struct arena *a, struct str s, struct str secret)
{
	struct buf out;
	size_t at;
	if (!secret.n)
		return s;
	buf_init(&out, s.n * 4 + 4);
	while ((at = str_find(s, secret)) != SIZE_MAX) {
		buf_put(&out, str_of(s.p, at));
		BUF_PUT_LIT(&out, "***");
		s = str_skip(s, at + secret.n);
	}
	buf_put(&out, s);
	struct str made = arena_dup(a, buf_str(&out));
	buf_done(&out);
	return made;
}
