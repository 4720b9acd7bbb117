/* SPDX-License-Identifier: MIT
 * ledger_bench.c - records folded a second on the writer thread, and keys created a second.
 *
 * ledger_bench [--json] [records [keys [long [active [pace]]]]]: `long` of 100 requests are still
 * open when their journal is folded, as long streams are; `active` keys ask in turn; `pace` records
 * are written a second, 0: as fast as they are folded. --json: for `run`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/board.h"
#include "common/clock.h"
#include "common/directory.h"
#include "common/hash.h"
#include "common/journal.h"
#include "master/commands.h"
#include "master/keys.h"
#include "master/ledger.h"
#include "master/master.h"
#include "master/store_sql.h"

enum { COUNT_OF_RING = 16384, IN_FLIGHT = 256 };

const struct command commands[] = { { "keys create", "POST", "/key/generate", ROLE_ADMIN, 0,
				      keys_generate, NULL, NULL, NULL, "", "" } };
const size_t commands_count = 1;

static struct master m;
static struct {			/* what was found */
	uint64_t keys, records, rows;
	double keys_s, records_s, record_cpu_us;
} found;
static uint64_t active_keys = 1000, pace;
static bool is_json;
static uv_loop_t loop;
static uv_timer_t pulse;

static void need(int err, const char *what)
{
	if (err) {
		fprintf(stderr, "%s: %s\n", what, strerror(-err));
		exit(1);
	}
}

static void on_pulse(uv_timer_t *t)
{
	(void)t;
}

static double cpu_s(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void start(const char *dir)
{
	char why[256] = "";
	int fd;
	need(hash_init(), "hash");
	uv_loop_init(&loop);
	m.loop = &loop;
	if (store_open(dir, &loop, &m.store, why) != 0) {
		fprintf(stderr, "%s\n", why);
		exit(1);
	}
	need(board_create(&m.board, &fd), "board");
	need(dir_create(200000, &m.dir, &fd), "directory");
	need(ledger_start(m.store, &m.board, &loop, &m.ledger), "ledger");
	need(keys_start(m.store, m.dir, &m.board, STR("sk-master"), &m.keys), "keys");
	uv_timer_init(&loop, &pulse);
	uv_timer_start(&pulse, on_pulse, 1, 1);
}

static struct journal *open_ring(int dirfd)
{
	struct journal *writer, *reader;
	char path[64];
	int fd;
	need(journal_create(dirfd, 0, 1, COUNT_OF_RING, &fd), "journal");
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	FILE *again = fopen(path, "re");
	need(journal_map(fd, true, &writer), "map");
	need(journal_map(dup(fileno(again)), false, &reader), "map");
	fclose(again);
	ledger_attach(m.ledger, 0, reader);
	return writer;
}

/* As a worker makes them: they begin with the time, in milliseconds. */
static void make_id(uint8_t id[16], uint64_t start_ns, uint64_t number)
{
	uint64_t mixed = number * UINT64_C(0x9e3779b97f4a7c15);
	for (unsigned i = 0; i < 6; i++)
		id[i] = (uint8_t)(start_ns / NS_PER_MS >> (40 - 8 * i));
	memset(id + 6, 0x70, 2);
	memcpy(id + 8, &mixed, sizeof mixed);
}

static void append(struct journal *j, enum journal_kind kind, uint64_t number)
{
	struct journal_record r;
	memset((void *)&r, 0, sizeof r);
	r.kind = (uint8_t)kind;
	r.status = 200;
	r.key_id = number % active_keys + 1;
	r.deployment = number % 8 + 1;
	r.start_ns = UINT64_C(1790000000000000000) + number * 40000;
	make_id(r.request_id, r.start_ns, number);
	r.end_ns = r.start_ns + 1000000;
	r.reserve_nano = 5000;
	r.cost_nano = kind == JOURNAL_SETTLE ? 1234 : 0;
	r.input = 100;
	r.output = 200;
	memcpy(r.model, "gpt-4o-mini", 11);
	journal_append(j, &r);
}

static bool is_early(const struct journal *j, uint64_t begin)
{
	return pace && journal_last(j) > (clock_ns() - begin) * pace / NS_PER_S;
}

static void fold_records(uint64_t records, uint64_t long_ones, int dirfd)
{
	struct journal *j = open_ring(dirfd);
	uint64_t begin = clock_ns(), held = 0, from = 0;
	double cpu = cpu_s();
	_Atomic uint64_t *done = &m.board.workers[0].journal_committed;
	for (uint64_t i = 1; journal_last(j) < records; i++) {
		while (journal_room(j, atomic_load(done)) < IN_FLIGHT || is_early(j, begin))
			uv_run(&loop, UV_RUN_ONCE);
		append(j, JOURNAL_INTENT, i);
		atomic_store(&m.board.workers[0].journal_last, journal_last(j));
		held += i % 100 < long_ones;
		if (i % 100 >= long_ones)
			append(j, JOURNAL_SETTLE, i);
		/* what was long settles some thousand requests later */
		for (; i > from + 20000 && held; from++) {
			if (from % 100 < long_ones && from) {
				append(j, JOURNAL_SETTLE, from);
				held--;
			}
		}
	}
	while (atomic_load(done) < journal_last(j))
		uv_run(&loop, UV_RUN_ONCE);
	double s = (double)(clock_ns() - begin) / 1e9;
	found.records = journal_last(j);
	found.rows = atomic_load(&m.board.head->ledger_rows);
	found.records_s = s;
	found.record_cpu_us = (cpu_s() - cpu) * 1e6 / (double)found.records;
	journal_free(j);
}

static uint64_t created, failed;

static void on_created(struct command_call *c)
{
	created++;
	failed += c->status != 200;
}

static void create_keys(uint64_t n)
{
	uint64_t begin = clock_ns(), sent = 0;
	char args[128];
	while (created < n) {
		for (; sent < n && sent < created + 64; sent++) {
			snprintf(args, sizeof args,
				 "{\"key_alias\":\"k%llu\",\"max_budget\":5,\"models\":[\"gpt-4o\"]}",
				 (unsigned long long)sent);
			struct command_call *c = command_new(&m, &commands[0], str_z(args),
							     on_created, NULL);
			c->kind = CALLER_SOCKET;
			c->is_admin = true;
			command_run(c);
		}
		uv_run(&loop, UV_RUN_ONCE);
	}
	found.keys = n;
	found.keys_s = (double)(clock_ns() - begin) / 1e9;
	need(failed ? -EIO : 0, "keys");
}

static void load_keys(void)
{
	struct dir *d;
	struct board b;
	struct keys *k;
	int fd;
	need(dir_create(200000, &d, &fd), "directory");
	need(board_create(&b, &fd), "board");
	uint64_t begin = clock_ns();
	need(keys_start(m.store, d, &b, STR("sk-master"), &k), "keys");
	if (!is_json)
		printf("%llu keys published at start in %.1f ms\n",
		       (unsigned long long)keys_count(k), (double)(clock_ns() - begin) / 1e6);
	keys_stop(k);
}

static void remove_all(const char *dir)
{
	static const char *const names[] = { "llmgw.db", "llmgw.lock", "0-0000000000000001.j" };
	char path[128];
	struct stat st;
	snprintf(path, sizeof path, "%s/llmgw.db", dir);
	if (stat(path, &st) == 0 && !is_json)
		printf("database: %.1f MiB\n", (double)st.st_size / 1048576);
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

static void report(uint64_t long_ones)
{
	double keys_each = found.keys_s * 1e6 / (double)found.keys;
	double each = found.records_s * 1e6 / (double)found.records;
	if (is_json) {
		printf("[{\"key_us\":%.2f,\"record_us\":%.3f,\"record_cpu_us\":%.3f}]\n", keys_each,
		       each, found.record_cpu_us);
		return;
	}
	printf("%llu keys in %.2f s: %.0f keys/s\n", (unsigned long long)found.keys, found.keys_s,
	       1e6 / keys_each);
	printf("%llu records in %.2f s: %.0f records/s (%.2f us of CPU each), %llu rows, %llu %% "
	       "long\n", (unsigned long long)found.records, found.records_s, 1e6 / each,
	       found.record_cpu_us, (unsigned long long)found.rows, (unsigned long long)long_ones);
}

int main(int argc, char **argv)
{
	is_json = argc > 1 && strcmp(argv[1], "--json") == 0;
	argc -= is_json;
	argv += is_json;
	uint64_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : 400000;
	uint64_t keys = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000;
	uint64_t long_ones = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	active_keys = argc > 4 ? strtoull(argv[4], NULL, 10) : active_keys;
	pace = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
	if (!active_keys)
		return 1;
	char dir[] = "/var/tmp/llmgw-bench-XXXXXX";
	if (!mkdtemp(dir))
		return 1;
	start(dir);
	int dirfd = m.journal_dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	create_keys(keys);
	load_keys();
	fold_records(records, long_ones, dirfd);
	ledger_stop(m.ledger);
	uv_close((uv_handle_t *)&pulse, NULL);
	store_close(m.store);
	uv_run(&loop, UV_RUN_DEFAULT);
	keys_stop(m.keys);
	report(long_ones);
	remove_all(dir);
	return 0;
}
