/* SPDX-License-Identifier: MIT
 * ctl_import.c - `llmgwctl import litellm`: a dump or a database, table by table, in the order in
 * which rows refer to each other, sent in pages that fit a frame. */
#include "master/ctl_import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/frame.h"
#include "common/mem.h"

enum {
	PAGE_BYTES = FRAME_MAX - 1024,
	PAGE_ROWS = 100,
	PAGE_SPEND = 1000,		/* rows of one job of the store */
	SAY_ROWS = 256,
	URL_MAX = 4096,
	ROW_MEMORY = 128 << 20,
	REFUSALS_SHOWN = 1000
};

struct counts {
	uint64_t found, created, replaced, exists, refused;
};
struct import {
	struct arena *mem, *row_mem, *page_mem;
	const char *socket;
	const struct ctl_request *q;
	struct ctl_error *reterr;
	struct litellm_key key;
	struct ctl_progress progress;
	char what[96];			/* what it says */
	struct ctl_pg *pg;		/* the database; NULL: a dump */
	int64_t total;			/* rows of the table; -1: not known */
	struct str dump;		/* or its text, which is read once for each table */
	uint64_t dump_at, pass, passes;	/* bytes read of this time, of so many */
	bool is_dry, overwrite, spend_logs;
	const struct litellm_table *table;
	struct counts *counts;		/* of the table */
	struct buf page, row, refusals;
	size_t page_rows, n_refusals;
};

static enum ctl_exit fail(struct import *im, enum ctl_exit exit, struct str what, struct str next)
{
	*im->reterr = (struct ctl_error){ exit, what, next };
	return exit;
}

static void note_refusal(struct import *im, struct str name, struct str why)
{
	im->counts->refused++;
	if (im->n_refusals++ >= REFUSALS_SHOWN)
		return;
	struct json_out o = json_out(&im->refusals);
	buf_put_char(&im->refusals, im->refusals.n ? ',' : '[');
	json_open(&o, NULL);
	json_put_z(&o, "kind", im->table->kind);
	json_put_str(&o, "name", name);
	json_put_str(&o, "why", why);
	json_close(&o);
}

static bool is_spend(const struct litellm_table *t)
{
	return strcmp(t->kind, "spend") == 0;
}

/* There may be millions of them: who wants them says so. */
static bool is_wanted(const struct import *im, const struct litellm_table *t)
{
	return im->spend_logs || !is_spend(t);
}

/* Of a database it is known how many rows a table has, of a dump where the reader stands. */
static void say(struct import *im)
{
	uint64_t n = im->counts->found;
	bool is_known = im->total > 0 && n <= (uint64_t)im->total;
	snprintf(im->what, sizeof im->what, "importing: %s %llu,", im->table->kind,
		 (unsigned long long)n);
	im->progress.what = im->what;
	if (im->dump.n)
		ctl_progress_at(&im->progress, im->pass * im->dump.n + im->dump_at,
				im->passes * im->dump.n);
	else
		ctl_progress_at(&im->progress, is_known ? n : 0,
				is_known ? (uint64_t)im->total : 0);
}

/* ---- pages ---- */

static void take_results(struct import *im, const struct json *rows)
{
	const struct json *j = json_is(rows, JSON_ARRAY) ? rows->child : NULL;
	for (; j; j = j->next) {
		struct str result = json_get_str(im->page_mem, j, "result");
		if (str_eq_z(result, "created"))
			im->counts->created++;
		else if (str_eq_z(result, "replaced"))
			im->counts->replaced++;
		else if (str_eq_z(result, "exists"))
			im->counts->exists++;
		else
			note_refusal(im, json_get_str(im->page_mem, j, "name"),
				     json_get_str(im->page_mem, j, "why"));
	}
}

static enum ctl_exit ask(struct import *im, struct str args)
{
	struct ctl_request q = *im->q;
	struct json_error e;
	struct buf answer;
	int status = 0;
	q.command = ctl_find(STR("import rows"));
	q.args = args;
	say(im);
	buf_init(&answer, CTL_ANSWER_MAX);
	enum ctl_exit r = ctl_socket_call(im->page_mem, im->socket, &q, &im->progress, &status,
					  &answer, im->reterr);
	if (r == CTL_DONE) {
		const struct json *j = json_parse(im->page_mem, buf_str(&answer), 0, &e);
		if (status < 300 && j) {
			take_results(im, json_get(j, "rows"));
		} else {
			*im->reterr = ctl_error_of(im->mem, &q, status, j);
			r = im->reterr->exit;
		}
	}
	buf_done(&answer);
	return r;
}

static enum ctl_exit send_page(struct import *im)
{
	struct buf args;
	if (!im->page_rows)
		return CTL_DONE;
	buf_init(&args, FRAME_MAX);
	struct json_out o = json_out(&args);
	json_open(&o, NULL);
	json_put_z(&o, "kind", im->table->kind);
	json_put_bool(&o, "overwrite", im->overwrite);
	json_key(&o, STR("rows"));
	buf_put_char(&args, '[');
	buf_put(&args, buf_str(&im->page));
	BUF_PUT_LIT(&args, "]}");
	enum ctl_exit r = args.failed ? fail(im, CTL_FAILED, STR("out of memory"), STR(""))
				      : ask(im, buf_str(&args));
	if (args.p)
		mem_wipe(args.p, args.room);
	if (im->page.p)
		mem_wipe(im->page.p, im->page.room);
	buf_done(&args);
	buf_reset(&im->page);
	arena_reset(im->page_mem);
	im->page_rows = 0;
	return r;
}

static enum ctl_exit add_row(struct import *im, struct str row, struct str name)
{
	size_t most = is_spend(im->table) ? PAGE_SPEND : PAGE_ROWS;
	enum ctl_exit r = CTL_DONE;
	im->counts->found++;
	if (row.n > PAGE_BYTES - 2) {
		note_refusal(im, name, STR("it is larger than 63 KiB"));
		return r;
	}
	if (im->is_dry) {
		if (im->counts->found % SAY_ROWS == 0)
			say(im);
		return r;
	}
	if (im->page_rows == most || im->page.n + row.n + 1 > PAGE_BYTES)
		r = send_page(im);
	if (im->page_rows)
		buf_put_char(&im->page, ',');
	buf_put(&im->page, row);
	im->page_rows++;
	return r;
}

/* ---- rows ---- */

/* A team's list of members gives a row for each. */
static enum ctl_exit add_members(struct import *im, struct str row, struct str team)
{
	struct json_error e;
	const struct json *j = json_parse(im->row_mem, row, 0, &e), *list = json_get(j, "member");
	enum ctl_exit r = CTL_DONE;
	for (j = json_is(list, JSON_ARRAY) ? list->child : NULL; j && r == CTL_DONE; j = j->next) {
		struct buf one;
		buf_init(&one, PG_VALUE_MAX);
		struct json_out o = json_out(&one);
		json_open(&o, NULL);
		json_put_str(&o, "team_id", team);
		json_put_raw(&o, "member", j->raw);
		json_close(&o);
		r = add_row(im, buf_str(&one), team);
		buf_done(&one);
	}
	return r;
}

static enum ctl_exit take_row(struct import *im, const struct pg_block *b,
			      const struct str *values)
{
	struct str why, name = litellm_value(b, values, im->table->name);
	buf_reset(&im->row);
	int err = litellm_put_row(&im->row, im->row_mem, im->table, b, values, &im->key, &why);
	enum ctl_exit r = CTL_DONE;
	if (err) {
		im->counts->found++;
		note_refusal(im, name, why);
	} else if (strcmp(im->table->kind, "member") == 0) {
		r = add_members(im, buf_str(&im->row), name);
	} else {
		r = add_row(im, buf_str(&im->row), name);
	}
	if (im->row.p)
		mem_wipe(im->row.p, im->row.room);
	return r;
}

static enum ctl_exit take_block(struct import *im, struct pg_block *b)
{
	struct str values[PG_COLUMNS_MAX];
	const char *why = NULL;
	enum ctl_exit r = CTL_DONE;
	int got;
	while (r == CTL_DONE && (got = pg_row_next(b, im->row_mem, values, &why)) != 0) {
		if (got < 0)
			return fail(im, CTL_FAILED,
				    arena_printf(im->mem, "line %zu of the dump: %s", b->line - 1,
						 why ? why : "out of memory"),
				    STR("what came before it may have been imported; the same call "
					"goes on"));
		im->dump_at = im->dump.n ? (uint64_t)(b->rows.p - im->dump.p) : 0;
		r = take_row(im, b, values);
		arena_reset(im->row_mem);
	}
	return r;
}

static enum ctl_exit take_table(struct import *im, struct str text)
{
	struct pg_dump d = pg_dump(text);
	struct pg_block b;
	enum ctl_exit r = CTL_DONE;
	int got = 0;
	im->dump = text;
	while (r == CTL_DONE && (got = pg_dump_next(&d, &b)) > 0)
		if (str_eq_z(b.table, im->table->table))
			r = take_block(im, &b);
	im->pass++;
	if (got < 0)
		return fail(im, CTL_FAILED,
			    arena_printf(im->mem, "line %zu of the dump: %s", d.line, d.what),
			    STR(""));
	return r == CTL_DONE ? send_page(im) : r;
}

/* ---- a database ---- */

static enum ctl_exit on_row(void *data, struct pg_block *b)
{
	return take_block(data, b);
}

static enum ctl_exit ask_table(struct import *im)
{
	const char *names[PG_COLUMNS_MAX] = { im->table->name };
	size_t n = 1;
	for (const struct litellm_column *c = im->table->columns; c->column; c++)
		if (strcmp(c->column, im->table->name) != 0 && n < COUNT(names))
			names[n++] = c->column;
	enum ctl_exit r = ctl_pg_count(im->pg, im->table->table, &im->total);
	if (r != CTL_DONE || im->total < 0)	/* LiteLLM's older databases have fewer tables */
		return r;
	r = ctl_pg_read(im->pg, im->table->table, names, n, on_row, im);
	return r == CTL_DONE ? send_page(im) : r;
}

/* ---- the answer ---- */

static void put_answer(struct import *im, const struct counts *counts, struct buf *out)
{
	struct json_out o = json_out(out);
	json_open(&o, NULL);
	json_put_bool(&o, "dry_run", im->is_dry);
	json_open_array(&o, "kinds");
	for (size_t i = 0; i < litellm_tables_count; i++) {
		if (!is_wanted(im, &litellm_tables[i]))
			continue;
		json_open(&o, NULL);
		json_put_z(&o, "kind", litellm_tables[i].kind);
		json_put_u64(&o, "found", counts[i].found);
		json_put_u64(&o, "created", counts[i].created);
		json_put_u64(&o, "replaced", counts[i].replaced);
		json_put_u64(&o, "exists", counts[i].exists);
		json_put_u64(&o, "refused", counts[i].refused);
		json_close(&o);
	}
	json_close_array(&o);
	if (!im->refusals.n)
		buf_put_char(&im->refusals, '[');
	buf_put_char(&im->refusals, ']');
	json_put_raw(&o, "refused", im->refusals.failed ? STR("[]") : buf_str(&im->refusals));
	json_close(&o);
}

/* text: the dump; without one the database is asked. */
static enum ctl_exit take_all(struct import *im, struct str text, struct buf *out)
{
	struct counts *counts = arena_array(im->mem, litellm_tables_count, sizeof *counts);
	enum ctl_exit r = CTL_DONE;
	const char *why = im->pg ? NULL : pg_dump_refuse(text);
	if (why)
		return fail(im, CTL_USAGE,
			    arena_printf(im->mem, "the dump cannot be read: %s", why), STR(""));
	for (size_t i = 0; i < litellm_tables_count; i++)
		im->passes += is_wanted(im, &litellm_tables[i]);
	for (size_t i = 0; counts && i < litellm_tables_count && r == CTL_DONE; i++) {
		if (!is_wanted(im, &litellm_tables[i]))
			continue;
		im->table = &litellm_tables[i];
		im->counts = &counts[i];
		im->total = -1;
		r = im->pg ? ask_table(im) : take_table(im, text);
	}
	if (counts && r == CTL_DONE)
		put_answer(im, counts, out);
	return r;
}

static enum ctl_exit take_database(struct import *im, const char *url, struct buf *out)
{
	const struct ctl_pg_where at = {
		.mem = im->mem, .url = url, .timeout_ms = im->q->opt.timeout_ms,
		.progress = &im->progress, .reterr = im->reterr,
	};
	enum ctl_exit r = ctl_pg_open(&at, &im->pg);
	if (r == CTL_DONE)
		r = ctl_pg_count(im->pg, "LiteLLM_VerificationToken", &im->total);
	if (r == CTL_DONE && im->total < 0)
		r = fail(im, CTL_FAILED, STR("there is no table LiteLLM_VerificationToken: this is "
					     "not LiteLLM's database, or another schema of it"),
			 STR("the URL names the database, and ?schema=NAME another schema than "
			     "public"));
	if (r == CTL_DONE)
		r = take_all(im, STR_NONE, out);
	ctl_pg_close(im->pg);
	return r;
}

static enum ctl_exit take_file(struct import *im, const char *path, struct buf *out)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		return fail(im, CTL_FAILED, arena_printf(im->mem, "cannot read %s: %s", path,
							 strerrordesc_np(errno)), STR(""));
	void *p = st.st_size ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
	close(fd);
	if (p == MAP_FAILED)
		return fail(im, CTL_FAILED, arena_printf(im->mem, "cannot read %s: %s", path,
							 strerrordesc_np(errno)), STR(""));
	enum ctl_exit r = take_all(im, str_of(p, (size_t)st.st_size), out);
	if (p)
		munmap(p, (size_t)st.st_size);
	return r;
}

/* Of the option, of a line of standard input, or of the variable that LiteLLM has it in. */
static enum ctl_exit find_url(struct import *im, struct str given, const char **ret)
{
	char line[URL_MAX];
	const char *url = given.n ? arena_dup_z(im->mem, given) : getenv("DATABASE_URL");
	if (url && strcmp(url, "-") == 0) {
		url = fgets(line, sizeof line, stdin) ?
			arena_dup_z(im->mem, str_trim(str_of(line, strcspn(line, "\r\n")))) : NULL;
		mem_wipe(line, sizeof line);
	}
	*ret = url;
	return url && *url ? CTL_DONE
			   : fail(im, CTL_USAGE, STR("import litellm: say from where"),
				  STR("--dump FILE, --database-url URL, or the variable "
				      "DATABASE_URL"));
}

static void read_key(struct import *im)
{
	const char *salt = getenv("LITELLM_SALT_KEY");
	if (!salt || !*salt)
		salt = getenv("LITELLM_MASTER_KEY");
	im->key.is_given = salt && *salt;
	if (im->key.is_given)
		im->key.key = hash_sha256(str_z(salt));
}

enum ctl_exit ctl_import(struct arena *mem, const char *socket, const struct ctl_request *q,
			 bool is_tty, struct buf *out, struct ctl_error *reterr)
{
	struct import im = { .mem = mem, .socket = socket, .q = q, .reterr = reterr };
	struct json_error e;
	const struct json *args = json_parse(mem, q->args, 0, &e);
	struct str dump = json_get_str(mem, args, "dump");
	const char *path = dump.n ? arena_dup_z(mem, dump) : NULL, *url = NULL;
	enum ctl_exit r = CTL_FAILED;
	im.row_mem = arena_new(ROW_MEMORY);
	im.page_mem = arena_new(ROW_MEMORY);
	im.is_dry = json_is_true(json_get(args, "dry_run"));
	im.overwrite = json_is_true(json_get(args, "overwrite"));
	im.spend_logs = json_is_true(json_get(args, "spend_logs"));
	buf_init(&im.page, PAGE_BYTES + 1);
	buf_init(&im.row, PG_VALUE_MAX);
	buf_init(&im.refusals, 4 << 20);
	read_key(&im);
	ctl_progress_start(&im.progress, "importing", is_tty);
	if (!im.row_mem || !im.page_mem)
		fail(&im, r, STR("out of memory"), STR(""));
	else if (path)
		r = take_file(&im, path, out);
	else if ((r = find_url(&im, json_get_str(mem, args, "database_url"), &url)) == CTL_DONE)
		r = take_database(&im, url, out);
	ctl_progress_end(&im.progress);
	mem_wipe(&im.key, sizeof im.key);
	buf_done(&im.page);
	buf_done(&im.row);
	buf_done(&im.refusals);
	arena_free(im.row_mem);
	arena_free(im.page_mem);
	return r;
}
