/* SPDX-License-Identifier: MIT
 * ctl_pg.c - see ctl_pg.h. Each wait is ours, with a limit; libpq only ever reads what is there.
 *
 * Rows come by COPY in its text form, the same lines that pg_dump writes: one reader for both. They
 * are of one snapshot, as pg_dump's are, so that what refers to another row finds it. */
#include "master/ctl_pg.h"

#include <dlfcn.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/mem.h"

#define FUNCTIONS(X)                                                                              \
	X(PQconninfoParse) X(PQconninfoFree) X(PQconnectStartParams) X(PQconnectPoll)             \
	X(PQstatus) X(PQerrorMessage) X(PQfinish) X(PQsocket) X(PQconsumeInput) X(PQflush)        \
	X(PQisBusy) X(PQgetResult) X(PQresultStatus) X(PQresultErrorField) X(PQntuples)           \
	X(PQgetvalue) X(PQclear) X(PQgetCopyData) X(PQfreemem) X(PQsendQueryParams)               \
	X(PQescapeIdentifier) X(PQsetNoticeProcessor) X(PQconnectionNeedsPassword)

/* As the header declares them, but found when they are needed. */
struct library {
#define X(name) __typeof__(name) *name;
	FUNCTIONS(X)
#undef X
};

enum { CONNECT_MS = 15000, TEXT_ROOM = 8192, NAME_ROOM = 256 };

struct ctl_pg {
	struct ctl_pg_where at;
	struct library pq;
	PGconn *conn;
	struct str schema, password, who;	/* who: user, host and database, for messages */
	const char *table;		/* being read, or NULL */
};

static enum ctl_exit fail(struct ctl_pg *pg, enum ctl_exit exit, struct str what, const char *next)
{
	*pg->at.reterr = (struct ctl_error){ exit, what, str_z(next) };
	return exit;
}

static int load(struct library *pq)
{
	static const char *const names[] = {
#define X(name) #name,
		FUNCTIONS(X)
#undef X
	};
	void *const lib = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
	_Static_assert(sizeof *pq == COUNT(names) * sizeof(void *), "nothing but pointers");
	for (size_t i = 0; i < COUNT(names); i++) {
		void *f = lib ? dlsym(lib, names[i]) : NULL;
		if (!f)
			return -ENOENT;
		memcpy((char *)pq + i * sizeof f, &f, sizeof f);
	}
	return 0;		/* stays loaded: the process ends soon */
}

/* ---- what the server says ---- */

static void on_notice(void *data, const char *text)
{
	(void)data, (void)text;	/* libpq would print it as it is */
}

/* One line, without the password, whatever a server makes of it. */
static struct str said(struct ctl_pg *pg, const char *text)
{
	char *p = arena_dup_z(pg->at.mem, str_z(text ? text : ""));
	for (char *c = p; c && *c; c++)
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	return ctl_pg_hide(pg->at.mem, str_trim(str_z(p ? p : "out of memory")), pg->password);
}

static enum ctl_exit fail_connect(struct ctl_pg *pg)
{
	struct str why = said(pg, pg->pq.PQerrorMessage(pg->conn));
	bool needs = pg->pq.PQconnectionNeedsPassword(pg->conn) != 0;
	bool is_refused = str_find(why, STR("authentication failed")) != SIZE_MAX;
	return fail(pg, needs || is_refused ? CTL_NOT_ALLOWED : CTL_FAILED,
		    arena_printf(pg->at.mem, "cannot connect to PostgreSQL as " STR_FMT ": " STR_FMT,
				 STR_ARG(pg->who), STR_ARG(why)),
		    needs || is_refused
			    ? "give the password by DATABASE_URL, PGPASSWORD or ~/.pgpass"
			    : "is it reachable from this host (psql DATABASE_URL), and does its "
			      "pg_hba.conf let us in?");
}

/* By SQLSTATE: 42501 not allowed, 57014 stopped, 57P01 shut down, 40001 a conflict on a standby. */
static enum ctl_exit fail_query(struct ctl_pg *pg, const PGresult *r)
{
	const char *state = r ? pg->pq.PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
	const char *text = r ? pg->pq.PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	struct str code = str_z(state ? state : "");
	bool is_denied = str_eq_z(code, "42501");
	const char *next = is_denied ? "GRANT USAGE on the schema and SELECT ON ALL TABLES in it to "
				       "that user, or name LiteLLM's own"
				     : "the same call goes on; what exists is left as it is";
	if (!text)
		text = pg->pq.PQerrorMessage(pg->conn);
	return fail(pg, is_denied ? CTL_NOT_ALLOWED : CTL_FAILED,
		    arena_printf(pg->at.mem, "PostgreSQL: %s%s" STR_FMT, pg->table ? pg->table : "",
				 pg->table ? ": " : "", STR_ARG(said(pg, text))), next);
}

static enum ctl_exit fail_slow(struct ctl_pg *pg, uint64_t ms)
{
	return fail(pg, CTL_TIMED_OUT,
		    arena_printf(pg->at.mem, "PostgreSQL has said nothing for %llu s",
				 (unsigned long long)(ms / 1000)),
		    "--timeout waits longer");
}

/* ---- waiting ---- */

static enum ctl_exit wait_for(struct ctl_pg *pg, short events, uint64_t until_ns, uint64_t ms)
{
	for (;;) {
		struct pollfd one = { .fd = pg->pq.PQsocket(pg->conn), .events = events };
		int n = poll(&one, 1, CTL_TICK_MS);
		ctl_progress_tick(pg->at.progress);
		if (n > 0)
			return CTL_DONE;
		if (n < 0 && errno != EINTR)
			return fail(pg, CTL_FAILED, STR("cannot wait for PostgreSQL"), "");
		if (clock_ns() > until_ns)
			return fail_slow(pg, ms);
	}
}

static enum ctl_exit wait_for_data(struct ctl_pg *pg)
{
	uint64_t ms = pg->at.timeout_ms;
	enum ctl_exit e = wait_for(pg, POLLIN, clock_ns() + ms * NS_PER_MS, ms);
	if (e == CTL_DONE && !pg->pq.PQconsumeInput(pg->conn))
		e = fail_query(pg, NULL);
	return e;
}

static enum ctl_exit connect_db(struct ctl_pg *pg, const char *uri)
{
	const char *const names[] = { "dbname", "client_encoding", "application_name", NULL };
	const char *const values[] = { uri, "UTF8", "llmgwctl", NULL };
	uint64_t ms = pg->at.timeout_ms < CONNECT_MS ? pg->at.timeout_ms : CONNECT_MS;
	uint64_t until = clock_ns() + ms * NS_PER_MS;
	pg->conn = pg->pq.PQconnectStartParams(names, values, 1);
	if (!pg->conn)
		return fail(pg, CTL_FAILED, STR("out of memory"), "");
	pg->pq.PQsetNoticeProcessor(pg->conn, on_notice, NULL);
	PostgresPollingStatusType want = PGRES_POLLING_WRITING;
	while (pg->pq.PQstatus(pg->conn) != CONNECTION_BAD && want != PGRES_POLLING_FAILED &&
	       want != PGRES_POLLING_OK) {
		enum ctl_exit e = wait_for(pg, want == PGRES_POLLING_READING ? POLLIN : POLLOUT,
					   until, ms);
		if (e != CTL_DONE)
			return e;
		want = pg->pq.PQconnectPoll(pg->conn);
	}
	return pg->pq.PQstatus(pg->conn) == CONNECTION_OK ? CTL_DONE : fail_connect(pg);
}

/* ---- queries ---- */

/* The next result of what was sent; NULL: there is no more. */
static enum ctl_exit next_result(struct ctl_pg *pg, PGresult **ret)
{
	int left;
	while ((left = pg->pq.PQflush(pg->conn)) > 0) {
		uint64_t ms = pg->at.timeout_ms;
		enum ctl_exit e = wait_for(pg, POLLIN | POLLOUT, clock_ns() + ms * NS_PER_MS, ms);
		if (e != CTL_DONE)
			return e;
		if (!pg->pq.PQconsumeInput(pg->conn))
			return fail_query(pg, NULL);
	}
	if (left < 0)
		return fail_query(pg, NULL);
	while (pg->pq.PQisBusy(pg->conn)) {
		enum ctl_exit e = wait_for_data(pg);
		if (e != CTL_DONE)
			return e;
	}
	*ret = pg->pq.PQgetResult(pg->conn);
	return CTL_DONE;
}

/* Takes what is left of the last query's results, of which none may be an error. */
static enum ctl_exit drain(struct ctl_pg *pg)
{
	PGresult *r = NULL;
	enum ctl_exit e;
	while ((e = next_result(pg, &r)) == CTL_DONE && r) {
		if (pg->pq.PQresultStatus(r) == PGRES_FATAL_ERROR)
			e = fail_query(pg, r);
		pg->pq.PQclear(r);
		if (e != CTL_DONE)
			return e;
	}
	return e;
}

/* One statement and its first result, of the status that is expected. */
static enum ctl_exit ask(struct ctl_pg *pg, const char *text, const char *const *args, int n_args,
			 ExecStatusType must, PGresult **ret)
{
	PGresult *r = NULL;
	if (!pg->pq.PQsendQueryParams(pg->conn, text, n_args, NULL, args, NULL, NULL, 0))
		return fail_query(pg, NULL);
	enum ctl_exit e = next_result(pg, &r);
	if (e == CTL_DONE && (!r || pg->pq.PQresultStatus(r) != must)) {
		e = fail_query(pg, r);
		pg->pq.PQclear(r);
		r = NULL;
	}
	*ret = r;
	return e;
}

static enum ctl_exit command(struct ctl_pg *pg, const char *text)
{
	PGresult *r;
	enum ctl_exit e = ask(pg, text, NULL, 0, PGRES_COMMAND_OK, &r);
	pg->pq.PQclear(r);
	return e == CTL_DONE ? drain(pg) : e;
}

/* ---- tables ---- */

static const char *const in_schema[] = {
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
	"SET LOCAL datestyle = 'ISO'", "SET LOCAL timezone = 'UTC'",
	"SET LOCAL extra_float_digits = 3", "SET LOCAL lock_timeout = '15s'",
	"SET LOCAL statement_timeout = 0", "SET LOCAL idle_in_transaction_session_timeout = 0",
};

static enum ctl_exit name_of(struct ctl_pg *pg, const char *name, size_t n, char out[NAME_ROOM])
{
	char *quoted = pg->pq.PQescapeIdentifier(pg->conn, name, n);
	int len = quoted ? snprintf(out, NAME_ROOM, "%s", quoted) : -1;
	pg->pq.PQfreemem(quoted);
	return len > 0 && len < NAME_ROOM ? CTL_DONE
					  : fail(pg, CTL_FAILED, STR("a name is too long"), "");
}

static enum ctl_exit table_of(struct ctl_pg *pg, const char *table, char out[2 * NAME_ROOM])
{
	char schema[NAME_ROOM], name[NAME_ROOM];
	enum ctl_exit e = name_of(pg, pg->schema.p, pg->schema.n, schema);
	if (e == CTL_DONE)
		e = name_of(pg, table, strlen(table), name);
	if (e == CTL_DONE)
		snprintf(out, 2 * NAME_ROOM, "%s.%s", schema, name);
	return e;
}

enum ctl_exit ctl_pg_count(struct ctl_pg *pg, const char *table, int64_t *ret)
{
	char name[2 * NAME_ROOM], text[TEXT_ROOM];
	const char *const args[] = { name };
	uint64_t rows = 0;
	PGresult *r = NULL;
	pg->table = table;
	enum ctl_exit e = table_of(pg, table, name);
	if (e == CTL_DONE)
		e = ask(pg, "SELECT 1 WHERE to_regclass($1) IS NOT NULL", args, 1, PGRES_TUPLES_OK, &r);
	bool exists = e == CTL_DONE && pg->pq.PQntuples(r) > 0;
	pg->pq.PQclear(r);
	if (e == CTL_DONE)
		e = drain(pg);
	*ret = -1;
	if (e != CTL_DONE || !exists)
		return e;
	snprintf(text, sizeof text, "SELECT count(*) FROM %s", name);
	e = ask(pg, text, NULL, 0, PGRES_TUPLES_OK, &r);
	if (e == CTL_DONE && pg->pq.PQntuples(r) == 1 &&
	    str_read_u64(str_z(pg->pq.PQgetvalue(r, 0, 0)), &rows) == 0 && rows <= INT64_MAX)
		*ret = (int64_t)rows;
	pg->pq.PQclear(r);
	return e == CTL_DONE ? drain(pg) : e;
}

/* Those of the columns that the table has, into b and as the list of a SELECT. */
static enum ctl_exit find_columns(struct ctl_pg *pg, const char *name, const char *const *columns,
				  size_t n_columns, struct pg_block *b, struct buf *list)
{
	const char *const args[] = { name };
	PGresult *r = NULL;
	enum ctl_exit e = ask(pg,
		"SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1)"
		" AND attnum > 0 AND NOT attisdropped", args, 1, PGRES_TUPLES_OK, &r);
	int n = e == CTL_DONE ? pg->pq.PQntuples(r) : 0;
	for (size_t i = 0; i < n_columns; i++)
		for (int row = 0; row < n && b->n_columns < PG_COLUMNS_MAX; row++) {
			if (strcmp(pg->pq.PQgetvalue(r, row, 0), columns[i]) != 0)
				continue;
			buf_printf(list, "%s\"%s\"", b->n_columns ? "," : "", columns[i]);
			b->columns[b->n_columns++] = str_z(columns[i]);
		}
	pg->pq.PQclear(r);
	return e == CTL_DONE ? drain(pg) : e;
}

static enum ctl_exit take_lines(struct ctl_pg *pg, struct pg_block *b, ctl_pg_row_fn *row,
				void *data)
{
	enum ctl_exit e = CTL_DONE;
	while (e == CTL_DONE) {
		char *line = NULL;
		int n = pg->pq.PQgetCopyData(pg->conn, &line, 1);
		if (n == -1)
			return drain(pg);
		if (n < 0)
			return fail_query(pg, NULL);
		if (n > 0) {
			b->rows = str_of(line, (size_t)n);
			e = row(data, b);
			b->line++;
			mem_wipe(line, (size_t)n);
			pg->pq.PQfreemem(line);
		} else {
			e = wait_for_data(pg);
		}
	}
	return e;
}

enum ctl_exit ctl_pg_read(struct ctl_pg *pg, const char *table, const char *const *columns,
			  size_t n_columns, ctl_pg_row_fn *row, void *data)
{
	char name[2 * NAME_ROOM];
	struct pg_block b = { .table = str_z(table), .line = 1 };
	struct buf text;
	PGresult *r = NULL;
	pg->table = table;
	buf_init(&text, TEXT_ROOM);
	BUF_PUT_LIT(&text, "COPY (SELECT ");
	enum ctl_exit e = table_of(pg, table, name);
	if (e == CTL_DONE)
		e = find_columns(pg, name, columns, n_columns, &b, &text);
	if (e == CTL_DONE && b.n_columns) {
		buf_printf(&text, " FROM %s) TO STDOUT", name);
		e = text.failed ? fail(pg, CTL_FAILED, STR("out of memory"), "")
				: ask(pg, buf_z(&text), NULL, 0, PGRES_COPY_OUT, &r);
		pg->pq.PQclear(r);
		if (e == CTL_DONE)
			e = take_lines(pg, &b, row, data);
	}
	buf_done(&text);
	pg->table = NULL;
	return e;
}

/* ---- opening ---- */

static struct str option(const PQconninfoOption *o, const char *name)
{
	for (; o && o->keyword; o++)
		if (strcmp(o->keyword, name) == 0)
			return str_z(o->val ? o->val : "");
	return STR("");
}

/* A password with a sign in it that has a meaning in URLs is torn: its rest is taken for a port, a
 * host or a database, and would be shown as such. */
static bool is_torn(const PQconninfoOption *o)
{
	struct str port = option(o, "port");
	for (size_t i = 0; i < port.n; i++)
		if (!strchr("0123456789,", port.p[i]))
			return true;
	return str_find_char(option(o, "host"), '@') != SIZE_MAX ||
	       str_find_char(option(o, "dbname"), '@') != SIZE_MAX;
}

/* What libpq says of a URL that it cannot read may quote it, and is not shown. */
static enum ctl_exit read_url(struct ctl_pg *pg, char **ret_uri)
{
	struct arena *a = pg->at.mem;
	char *why = NULL;
	struct str uri = ctl_pg_url(a, str_z(pg->at.url), &pg->schema);
	*ret_uri = uri.p ? arena_dup_z(a, uri) : NULL;
	PQconninfoOption *o = *ret_uri ? pg->pq.PQconninfoParse(*ret_uri, &why) : NULL;
	pg->pq.PQfreemem(why);
	if (!o || is_torn(o)) {
		pg->pq.PQconninfoFree(o);
		return fail(pg, CTL_USAGE,
			    STR("the database's URL cannot be read (it is not shown: it may have a "
				"password in it)"),
			    "postgresql://USER@HOST:5432/DATABASE; signs like @ / : ? in a password "
			    "stand there as %40 %2F %3A %3F");
	}
	pg->password = arena_dup(a, option(o, "password"));
	pg->who = arena_printf(a, "'" STR_FMT "' at " STR_FMT "/" STR_FMT,
			       STR_ARG(option(o, "user")), STR_ARG(option(o, "host")),
			       STR_ARG(option(o, "dbname")));
	pg->pq.PQconninfoFree(o);
	return CTL_DONE;
}

enum ctl_exit ctl_pg_open(const struct ctl_pg_where *at, struct ctl_pg **ret)
{
	struct ctl_pg *pg = arena_alloc(at->mem, sizeof *pg);
	char *uri = NULL;
	*ret = pg;
	if (!pg) {
		*at->reterr = (struct ctl_error){ CTL_FAILED, STR("out of memory"), STR("") };
		return CTL_FAILED;
	}
	pg->at = *at;
	if (load(&pg->pq) != 0) {
		*ret = NULL;
		return fail(pg, CTL_FAILED,
			    STR("PostgreSQL's library, libpq.so.5, is not on this machine"),
			    "apt install libpq5, or dnf install libpq; or import a file: pg_dump "
			    "--format=plain, and --dump");
	}
	enum ctl_exit e = read_url(pg, &uri);
	if (e == CTL_DONE)
		e = connect_db(pg, uri);
	for (size_t i = 0; i < COUNT(in_schema) && e == CTL_DONE; i++)
		e = command(pg, in_schema[i]);
	return e;
}

void ctl_pg_close(struct ctl_pg *pg)
{
	if (pg && pg->conn)
		pg->pq.PQfinish(pg->conn);
}
