/* SPDX-License-Identifier: MIT
 * test_control.c - the control socket on a real loop, with a table of stub commands. Loop and
 * clients share the thread: a client's read turns the loop until something is there. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "common/fdpass.h"
#include "common/hash.h"
#include "common/json_write.h"
#include "common/mem.h"
#include "common/parcel.h"
#include "master/commands.h"
#include "master/control.h"
#include "master/control_socket.h"
#include "master/master.h"
#include "master/supervise_private.h"
#include "master/worker_link.h"

enum { TURNS_MAX = 2000, LATER_MAX = 32 };

/* ---- the stub table ---- */

static struct command_call *later[LATER_MAX];
static unsigned n_later;
static struct command_call seen;	/* what the last echo was called with */

static void run_echo(struct command_call *c)
{
	seen = *c;
	buf_put(&c->out, c->args->raw);
	command_finish(c);
}

static void run_later(struct command_call *c)
{
	assert_true(n_later < LATER_MAX);
	later[n_later++] = c;
}

static void finish_later(unsigned i)
{
	struct command_call *c = later[i];
	buf_printf(&c->out, "{\"n\":%u}", i);
	command_finish(c);
}

static void run_big(struct command_call *c)
{
	uint64_t n = 0;
	if (command_u64(c, "bytes", &n) != 0)
		return;
	buf_put_char(&c->out, '"');
	for (uint64_t i = 0; i < n; i++)
		buf_put_char(&c->out, (char)('a' + i % 26));
	buf_put_char(&c->out, '"');
	command_finish(c);
}

static void run_nothing(struct command_call *c)
{
	command_finish(c);
}

static const struct command_arg args_big[] = {
	{ "bytes", ARG_INT, ARG_REQUIRED, "how long" }, { 0 },
};
static const struct command_arg args_none[] = { { 0 } };
const struct command commands[] = {
	{ "echo", NULL, NULL, ROLE_VIEW, 0, run_echo, args_none, NULL, NULL, "", "" },
	{ "later", NULL, NULL, ROLE_ADMIN, 0, run_later, args_none, NULL, NULL, "", "" },
	{ "big", NULL, NULL, ROLE_ADMIN, 0, run_big, args_big, NULL, NULL, "", "" },
	{ "nothing", NULL, NULL, ROLE_ADMIN, 0, run_nothing, args_none, NULL, NULL, "", "" },
	{ "keys create", NULL, NULL, ROLE_ADMIN, 0, run_echo, args_none, NULL, NULL, "", "" },
	{ "large", NULL, NULL, ROLE_ADMIN, CMD_LARGE, run_echo, args_none, NULL, NULL, "", "" },
	{ "web only", NULL, NULL, ROLE_ADMIN, CMD_NO_CTL, run_echo, args_none, NULL, NULL, "", "" },
};
const size_t commands_count = COUNT(commands);

/* ---- both ends ---- */

/* Of main.c, which no test of this file needs. */
unsigned master_workers(const struct master *m)
{
	(void)m;
	return 1;
}

void master_workers_changed(struct master *m)
{
	(void)m;
}

static struct {
	uv_loop_t loop;
	struct master master;
	struct control *control;
	char dir[32], path[64];
	uint64_t live;
} at;
static unsigned char packet[FRAME_MAX];
static struct frame_out out;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(hash_init(), 0);
	memcpy(at.dir, "/tmp/ctlXXXXXX", 15);
	assert_non_null(mkdtemp(at.dir));
	snprintf(at.path, sizeof at.path, "%s/control.sock", at.dir);
	at.live = mem_live();
	n_later = 0;
	assert_int_equal(uv_loop_init(&at.loop), 0);
	at.master = (struct master){ .loop = &at.loop };
	assert_int_equal(control_start(&at.master, at.dir, &at.control), 0);
	return 0;
}

static void turn(int n)
{
	while (n-- > 0)
		uv_run(&at.loop, UV_RUN_NOWAIT);
}

/* Nothing may be left: no handle, no block of memory. */
static int tear_down(void **state)
{
	(void)state;
	control_stop(at.control, true);
	at.control = NULL;
	turn(3);
	assert_int_equal(uv_loop_close(&at.loop), 0);
	assert_int_equal(mem_live(), at.live);
	unlink(at.path);
	assert_int_equal(rmdir(at.dir), 0);
	return 0;
}

static int dial(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(s >= 0);
	memcpy(addr.sun_path, at.path, strlen(at.path) + 1);
	assert_int_equal(connect(s, (struct sockaddr *)&addr, sizeof addr), 0);
	return s;
}

/* The next packet; 0 when the other end has hung up. */
static size_t next_packet(int s)
{
	int fds[FDPASS_MAX];
	unsigned n;
	for (int i = 0; i < TURNS_MAX; i++) {
		long r = fdpass_receive(s, packet, sizeof packet, fds, &n);
		if (r > 0)
			return (size_t)r;
		if (r == 0 && i > 0)
			return 0;		/* the first may be a reset before data */
		turn(1);
	}
	fail_msg("nothing came");
	return 0;
}

static void expect_hello(int s)
{
	struct frame_in f;
	size_t n = next_packet(s);
	assert_int_equal(frame_open(&f, packet, n), 0);
	assert_int_equal(f.type, CTL_HELLO);
	assert_true(frame_get_str(&f).n > 0);
	assert_int_equal(frame_get_u32(&f), getpid());
	assert_int_equal(frame_end(&f), 0);
}

static int greeted(void)
{
	int s = dial();
	expect_hello(s);
	return s;
}

static void send_call(int s, uint32_t id, const char *words, const char *args)
{
	frame_begin(&out, CTL_CALL);
	frame_put_u32(&out, id);
	frame_put_str(&out, str_z(words));
	frame_put_str(&out, str_z(args));
	assert_int_equal(fdpass_send(s, frame_finish(&out), NULL, 0), 0);
}

struct answer {
	uint32_t id, status;
	unsigned pieces;
	struct buf text;
};

static void receive_answer(int s, struct answer *a)
{
	struct frame_in f;
	bool last = false;
	*a = (struct answer){ 0 };
	buf_init(&a->text, 64 << 20);
	while (!last) {
		size_t n = next_packet(s);
		assert_true(n > 0);
		assert_int_equal(frame_open(&f, packet, n), 0);
		assert_int_equal(f.type, CTL_ANSWER);
		a->id = frame_get_u32(&f);
		a->status = frame_get_u32(&f);
		last = frame_get_u8(&f);
		struct str piece = frame_get_str(&f);
		assert_int_equal(frame_end(&f), 0);
		assert_true(piece.n <= CONTROL_PIECE_MAX);
		buf_put(&a->text, piece);
		a->pieces++;
	}
}

static void expect_answer(int s, uint32_t id, uint32_t status, const char *part)
{
	struct answer a;
	receive_answer(s, &a);
	assert_int_equal(a.id, id);
	assert_int_equal(a.status, status);
	if (!strstr(buf_z(&a.text), part))
		fail_msg("no '%s' in %s", part, buf_z(&a.text));
	buf_done(&a.text);
}

static void expect_end(int s)
{
	assert_int_equal(next_packet(s), 0);
	close(s);
}

static unsigned open_fds(void)
{
	unsigned n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* ---- calls ---- */

static void test_a_call_and_its_answer(void **state)
{
	(void)state;
	int s = greeted();
	send_call(s, 7, "echo", "{\"a\":1}");
	expect_answer(s, 7, 200, "{\"a\":1}");
	assert_int_equal(seen.kind, CALLER_SOCKET);
	assert_true(seen.is_admin && seen.is_viewer);
	assert_int_equal(seen.caller_uid, getuid());
	assert_ptr_equal(seen.master, &at.master);
	send_call(s, 8, "keys create", "");
	expect_answer(s, 8, 200, "{}");
	send_call(s, 9, "nothing", "");
	struct answer a;
	receive_answer(s, &a);
	assert_int_equal(a.text.n, 0);
	assert_int_equal(a.pieces, 1);
	buf_done(&a.text);
	close(s);
}

static void test_what_a_call_can_do_wrong(void **state)
{
	(void)state;
	int s = greeted();
	send_call(s, 1, "keys creat", "");
	expect_answer(s, 1, 404, "did you mean 'keys create'?");
	send_call(s, 2, "frobnicate everything", "");
	expect_answer(s, 2, 404, "there is no command 'frobnicate everything'\"");
	send_call(s, 3, "web only", "");
	expect_answer(s, 3, 404, "there is no command");
	send_call(s, 4, "echo", "{bad");
	expect_answer(s, 4, 400, "error");
	send_call(s, 5, "echo", "[]");
	expect_answer(s, 5, 400, "error");
	send_call(s, 6, "big", "{}");
	expect_answer(s, 6, 400, "bytes");
	send_call(s, 7, "ech\x01\xff", "{}");
	expect_answer(s, 7, 404, "\\u0001\xef\xbf\xbd");
	close(s);
}

static void test_a_long_answer_comes_in_pieces(void **state)
{
	(void)state;
	int s = greeted();
	struct answer a;
	send_call(s, 1, "big", "{\"bytes\":1000000}");
	receive_answer(s, &a);
	assert_int_equal(a.text.n, 1000002);
	assert_int_equal(a.pieces, (1000002 + CONTROL_PIECE_MAX - 1) / CONTROL_PIECE_MAX);
	for (size_t i = 0; i < 1000000; i++)
		if (a.text.p[i + 1] != (char)('a' + i % 26))
			fail_msg("wrong at byte %zu", i);
	buf_done(&a.text);
	send_call(s, 2, "echo", "{\"still\":\"here\"}");
	expect_answer(s, 2, 200, "still");
	close(s);
}

static void test_answers_come_in_any_order(void **state)
{
	(void)state;
	int s = greeted();
	for (uint32_t id = 1; id <= 3; id++)
		send_call(s, id, "later", "{}");
	turn(3);
	assert_int_equal(n_later, 3);
	finish_later(1);
	expect_answer(s, 2, 200, "{\"n\":1}");
	send_call(s, 4, "echo", "{\"between\":1}");
	expect_answer(s, 4, 200, "between");
	finish_later(2);
	finish_later(0);
	expect_answer(s, 3, 200, "{\"n\":2}");
	expect_answer(s, 1, 200, "{\"n\":0}");
	close(s);
}

static void test_at_most_16_calls_at_once(void **state)
{
	(void)state;
	int s = greeted();
	for (uint32_t id = 1; id <= CONTROL_CALLS_MAX; id++)
		send_call(s, id, "later", "{}");
	turn(4);
	assert_int_equal(n_later, CONTROL_CALLS_MAX);
	send_call(s, 99, "later", "{}");
	expect_answer(s, 99, 429, "too many calls");
	for (unsigned i = 0; i < CONTROL_CALLS_MAX; i++) {
		finish_later(i);
		expect_answer(s, i + 1, 200, "n");
	}
	send_call(s, 100, "echo", "{}");
	expect_answer(s, 100, 200, "{}");
	close(s);
}

static void test_a_client_gone_while_its_call_runs(void **state)
{
	(void)state;
	int s = greeted(), other = greeted();
	send_call(s, 1, "later", "{}");
	send_call(s, 2, "later", "{}");
	send_call(other, 3, "later", "{}");
	turn(3);
	assert_int_equal(n_later, 3);
	close(s);
	turn(3);
	finish_later(1);
	finish_later(0);
	finish_later(2);
	expect_answer(other, 3, 200, "{\"n\":2}");
	close(other);
}

static void test_stopped_while_a_call_runs(void **state)
{
	(void)state;
	int s = greeted();
	send_call(s, 1, "later", "{}");
	turn(3);
	control_stop(at.control, true);
	control_stop(at.control, true);		/* twice is fine while it closes */
	at.control = NULL;
	turn(3);
	finish_later(0);
	expect_end(s);
}

/* ---- arguments in a parcel ---- */

static void send_parcel(int s, uint32_t id, const char *words, size_t n, bool is_sealed)
{
	char *text = mem_alloc(n);
	int fd = -1;
	assert_non_null(text);
	memset(text, ' ', n);
	memcpy(text, "{\"a\":1", 6);
	text[n - 1] = '}';
	struct str part = str_of(text, n);
	if (is_sealed)
		assert_int_equal(parcel_make(&part, 1, &fd), 0);
	else
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	frame_begin(&out, CTL_CALL);
	frame_put_u32(&out, id);
	frame_put_str(&out, str_z(words));
	frame_put_str(&out, STR(""));
	assert_int_equal(fdpass_send(s, frame_finish(&out), &fd, 1), 0);
	close(fd);
	mem_free(text);
}

static void test_arguments_too_long_for_a_frame(void **state)
{
	(void)state;
	struct answer a;
	int s = greeted();
	unsigned before = open_fds();
	send_parcel(s, 1, "echo", 300000, true);
	receive_answer(s, &a);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.text.n, 300000);
	buf_done(&a.text);
	send_parcel(s, 2, "echo", COMMAND_ARGS_MAX + 1, true);
	expect_answer(s, 2, 413, "too large");
	send_parcel(s, 3, "large", COMMAND_ARGS_MAX + 1, true);
	receive_answer(s, &a);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.text.n, COMMAND_ARGS_MAX + 1);
	buf_done(&a.text);
	send_parcel(s, 4, "large", COMMAND_ARGS_LARGE + 1, true);
	expect_answer(s, 4, 413, "too large");
	send_parcel(s, 5, "echo", 100, false);	/* it could change while it is read */
	expect_answer(s, 5, 400, "cannot be read");
	assert_int_equal(open_fds(), before);
	close(s);
}

/* ---- peers that misbehave ---- */

static void test_an_oversize_packet(void **state)
{
	(void)state;
	static char big[FRAME_MAX + 10];
	int s = greeted();
	assert_int_equal(fdpass_send(s, str_of(big, sizeof big), NULL, 0), 0);
	expect_answer(s, 0, 413, "too long");
	expect_end(s);
}

static void send_bytes(int s, uint16_t type, uint16_t version, size_t lie, const void *p, size_t n)
{
	frame_begin(&out, type);
	frame_put_bytes(&out, p, n);
	struct str f = frame_finish(&out);
	out.b[2] = (unsigned char)version;
	out.b[4] = (unsigned char)(out.b[4] + lie);
	assert_int_equal(fdpass_send(s, f, NULL, 0), 0);
}

static void test_bad_frames_end_the_connection(void **state)
{
	(void)state;
	static const unsigned char no_id[12] = { 0 }, good[13] = { 1 };
	static const struct {
		uint16_t type, version;
		size_t lie;
		const void *p;
		size_t n;
		const char *says;
	} rows[] = {
		{ CTL_CALL, 2, 0, good, 12, "different versions" },
		{ CTL_CALL, FRAME_VERSION, 1, good, 12, "no frame" },
		{ CTL_CALL, FRAME_VERSION, 0, good, 11, "no frame" },	/* short */
		{ CTL_CALL, FRAME_VERSION, 0, good, 13, "no frame" },	/* one byte left over */
		{ CTL_CALL, FRAME_VERSION, 0, no_id, 12, "no frame" },
		{ CTL_HELLO, FRAME_VERSION, 0, good, 12, "no frame" },
		{ 1, FRAME_VERSION, 0, "", 0, "no frame" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		int s = greeted();
		send_bytes(s, rows[i].type, rows[i].version, rows[i].lie, rows[i].p, rows[i].n);
		expect_answer(s, 0, 400, rows[i].says);
		expect_end(s);
	}
	int s = greeted();
	assert_int_equal(send(s, "x", 1, 0), 1);
	expect_answer(s, 0, 400, "no frame");
	expect_end(s);
}

static void test_descriptors_are_not_kept(void **state)
{
	(void)state;
	int s = greeted(), fds[2] = { 0, 1 };
	unsigned before = open_fds();
	frame_begin(&out, CTL_CALL);
	frame_put_u32(&out, 1);
	frame_put_str(&out, STR("echo"));
	frame_put_str(&out, STR("{}"));
	assert_int_equal(fdpass_send(s, frame_finish(&out), fds, 2), 0);
	expect_answer(s, 1, 200, "{}");
	assert_int_equal(open_fds(), before);
	close(s);
}

static void test_64_clients(void **state)
{
	(void)state;
	int s[CONTROL_CLIENTS_MAX];
	for (size_t i = 0; i < COUNT(s); i++)
		s[i] = greeted();
	int extra = dial();
	expect_answer(extra, 0, 429, "too many connections");
	expect_end(extra);
	for (size_t i = 0; i < COUNT(s); i++) {
		send_call(s[i], 1, "echo", "{}");
		expect_answer(s[i], 1, 200, "{}");
	}
	close(s[10]);
	turn(3);
	s[10] = greeted();
	for (size_t i = 0; i < COUNT(s); i++)
		close(s[i]);
	turn(3);
}

static void test_who_does_not_read_is_dropped(void **state)
{
	(void)state;
	int s = greeted(), other = greeted();
	send_call(s, 1, "big", "{\"bytes\":9000000}");
	send_call(s, 2, "big", "{\"bytes\":9000000}");
	turn(5);
	send_call(other, 1, "echo", "{}");
	expect_answer(other, 1, 200, "{}");
	size_t got = 0, n;
	while ((n = next_packet(s)) > 0)
		got += n;
	assert_true(got < 9000000);		/* what was in the socket, and no more */
	close(s);
	close(other);
}

static void test_who_reads_slowly_gets_everything(void **state)
{
	(void)state;
	int s = greeted();
	for (uint32_t id = 1; id <= 5; id++)
		send_call(s, id, "big", "{\"bytes\":3000000}");
	turn(5);
	for (uint32_t id = 1; id <= 5; id++) {
		struct answer a;
		receive_answer(s, &a);
		assert_int_equal(a.id, id);
		assert_int_equal(a.text.n, 3000002);
		buf_done(&a.text);
	}
	send_call(s, 6, "big", "{\"bytes\":17000000}");
	expect_answer(s, 6, 500, "too large");
	close(s);
}

/* ---- the socket's file ---- */

static void test_its_mode_and_who_may(void **state)
{
	(void)state;
	struct stat st;
	struct control_admins nobody = { 0 };
	struct control_peer peer = { 77, 77 };
	int pair[2];
	assert_int_equal(stat(at.path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, control_admins().is_known ? 0660 : 0600);
	assert_int_equal(fdpass_pair(pair), 0);
	assert_true(control_peer_may(pair[0], &nobody, &peer));
	assert_int_equal(peer.uid, getuid());
	assert_int_equal(peer.pid, getpid());
	close(pair[0]);
	close(pair[1]);
	assert_false(control_peer_may(-1, &nobody, &peer));
}

/* In a process of its own: becomes nobody, or a worker once its pid is known, and expects to be
 * told that it may not. */
_Noreturn static void be_turned_away(int is_known)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct frame_in f;
	int s = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	memcpy(addr.sun_path, at.path, strlen(at.path) + 1);
	char known;
	if (is_known >= 0 ? read(is_known, &known, 1) != 1 : setgroups(0, NULL) != 0 || setgid(65534) != 0 ||
							   setuid(65534) != 0)
		_exit(2);
	if (connect(s, (struct sockaddr *)&addr, sizeof addr) != 0)
		_exit(3);
	ssize_t n = recv(s, packet, sizeof packet, 0);
	if (n <= 0 || frame_open(&f, packet, (size_t)n) != 0 || f.type != CTL_ANSWER)
		_exit(4);
	if (frame_get_u32(&f) != 0 || frame_get_u32(&f) != 403)
		_exit(5);
	_exit(recv(s, packet, sizeof packet, 0) == 0 ? 0 : 6);
}

static void expect_turned_away(struct place *worker)
{
	int status = -1, line[2];
	assert_int_equal(pipe(line), 0);
	pid_t child = fork();
	if (child == 0)
		be_turned_away(worker ? line[0] : -1);
	if (worker) {
		worker->pid = child;
		worker->state = PLACE_READY;
		assert_int_equal(write(line[1], "k", 1), 1);
	}
	while (waitpid(child, &status, WNOHANG) == 0) {
		turn(1);
		poll(NULL, 0, 1);
	}
	close(line[0]);
	close(line[1]);
	assert_int_equal(status, 0);
}

static void test_strangers_are_turned_away(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(at.dir, 0755), 0);
	assert_int_equal(chmod(at.path, 0666), 0);
	expect_turned_away(NULL);
}

/* One that was taken over has our own uid, and is no administrator for that. */
static void test_workers_are_turned_away(void **state)
{
	static struct supervise workers;
	(void)state;
	at.master.supervise = &workers;
	expect_turned_away(&workers.place[3]);
	at.master.supervise = NULL;
}

static void test_live_stale_and_foreign_files(void **state)
{
	(void)state;
	struct control *second = NULL;
	char path[64], longer[200];
	assert_int_equal(control_start(&at.master, at.dir, &second), -EADDRINUSE);
	control_stop(at.control, false);
	turn(3);
	assert_int_equal(access(at.path, F_OK), 0);	/* stale now */
	assert_int_equal(control_start(&at.master, at.dir, &at.control), 0);
	close(greeted());
	control_stop(at.control, true);
	turn(3);
	assert_int_equal(access(at.path, F_OK), -1);
	close(open(at.path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(control_start(&at.master, at.dir, &second), -EEXIST);
	unlink(at.path);
	snprintf(path, sizeof path, "%s/none", at.dir);
	assert_int_equal(control_start(&at.master, path, &second), -ENOENT);
	memset(longer, 'x', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	assert_int_equal(control_start(&at.master, longer, &second), -ENAMETOOLONG);
	assert_null(second);
	assert_int_equal(control_start(&at.master, at.dir, &at.control), 0);
}

static void test_adopted_over_an_upgrade(void **state)
{
	(void)state;
	int fd = dup(control_fd(at.control));
	control_stop(at.control, false);
	turn(3);
	int s = dial();				/* waits in the backlog meanwhile */
	assert_int_equal(control_adopt(&at.master, fd, &at.control), 0);
	assert_int_equal(control_fd(at.control), fd);
	expect_hello(s);
	close(s);
	control_stop(at.control, true);
	turn(3);
	assert_int_equal(access(at.path, F_OK), -1);	/* it knew where it was bound */
	at.control = NULL;
	control_stop(NULL, true);
}

/* ---- memory ---- */

static void test_any_allocation_may_fail(void **state)
{
	(void)state;
	for (uint64_t nth = 1; nth < 30; nth++) {
		int s = dial();
		mem_fail_at(nth);
		turn(2);
		if (next_packet(s) > 0) {
			send_call(s, 1, "echo", "{\"a\":1}");
			size_t n = next_packet(s);	/* an answer, a refusal or the end */
			(void)n;
		}
		mem_fail_at(0);
		close(s);
		turn(3);
	}
	int s = greeted();
	send_call(s, 1, "echo", "{}");
	expect_answer(s, 1, 200, "{}");
	close(s);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_call_and_its_answer),
		TEST(test_what_a_call_can_do_wrong),
		TEST(test_a_long_answer_comes_in_pieces),
		TEST(test_answers_come_in_any_order),
		TEST(test_at_most_16_calls_at_once),
		TEST(test_a_client_gone_while_its_call_runs),
		TEST(test_stopped_while_a_call_runs),
		TEST(test_arguments_too_long_for_a_frame),
		TEST(test_an_oversize_packet),
		TEST(test_bad_frames_end_the_connection),
		TEST(test_descriptors_are_not_kept),
		TEST(test_64_clients),
		TEST(test_who_does_not_read_is_dropped),
		TEST(test_who_reads_slowly_gets_everything),
		TEST(test_its_mode_and_who_may),
		TEST(test_strangers_are_turned_away),
		TEST(test_workers_are_turned_away),
		TEST(test_live_stale_and_foreign_files),
		TEST(test_adopted_over_an_upgrade),
		TEST(test_any_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
