/* SPDX-License-Identifier: MIT
 * admin.c - /mock/log and /mock/stats: what a test asks the mock itself. Not logged. */
#include "tests/mock/mock.h"

/* The value of a parameter in a query; .p NULL: it is not there. */
static struct span query_find(struct span url, const char *name)
{
	size_t n = strlen(name);
	const char *p = memchr(url.p, '?', url.n), *end = url.p + url.n;
	while (p) {
		p++;
		const char *next = memchr(p, '&', (size_t)(end - p));
		size_t len = (size_t)((next ? next : end) - p);
		if (len > n && p[n] == '=' && memcmp(p, name, n) == 0)
			return (struct span){ p + n + 1, len - n - 1 };
		p = next;
	}
	return (struct span){ 0 };
}

static uint64_t number_of(struct span s)
{
	uint64_t v = 0;
	for (size_t i = 0; i < s.n && i < 18 && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	return v;
}

static void write_stats(struct buf *out, const struct stats *s)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "requests", s->requests },
		{ "accepted", s->accepted },
		{ "open", s->open },
		{ "aborted", s->aborted },
		{ "last_abort_ms", s->last_abort_ms },
		{ "last_abort_monotonic_us", s->last_abort_us },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_put_z(out, i ? ",\"" : "{\"");
		buf_put_z(out, rows[i].name);
		BUF_PUT_LIT(out, "\":");
		buf_put_u64(out, rows[i].value);
	}
	BUF_PUT_LIT(out, "}\n");
}

static bool path_is(struct span url, const char *path)
{
	size_t n = strlen(path);
	return url.n >= n && memcmp(url.p, path, n) == 0 && (url.n == n || url.p[n] == '?');
}

unsigned admin_answer(struct mock *m, const char *method, struct span url)
{
	bool get = strcmp(method, "GET") == 0;
	if (get && path_is(url, "/mock/log")) {
		log_write(&m->log, &m->body, number_of(query_find(url, "n")), query_find(url, "h"));
		return 200;
	}
	if (get && path_is(url, "/mock/stats")) {
		write_stats(&m->body, &m->stats);
		return 200;
	}
	if (strcmp(method, "DELETE") == 0 && path_is(url, "/mock/log")) {
		log_clear(&m->log);
		memset(m->failn, 0, sizeof m->failn);
		BUF_PUT_LIT(&m->body, "{}\n");
		return 200;
	}
	BUF_PUT_LIT(&m->body, "{\"error\":\"GET /mock/log?n=N&h=a,b, DELETE /mock/log, "
			      "GET /mock/stats\"}\n");
	return 404;
}
