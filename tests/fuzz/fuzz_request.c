/* SPDX-License-Identifier: MIT
 * fuzz_request.c - the whole way of a request in one process: the input is what a client sends.
 * However it is cut, whenever the client leaves and whichever allocation fails, every request ends
 * exactly once, each intent in the journal has its settlement, and nothing stays set aside. The
 * first byte is the size of the pieces, the second one how the client behaves, the third one
 * which allocation fails. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/mem.h"
#include "tests/torture/client_end.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { IS_STRICT = 1, HAS_MASTER = 2, HANGS_UP = 4, HALF_CLOSES = 8, LISTENS_LATE = 16 };
enum { PIECES_MAX = 300, TURNS_A_PIECE = 2, TURNS_TO_ANSWER = 24, DEADLINE_S = 5 };

static struct {
	struct harness *h;
	struct client_end *client;
} rig;

static void make_rig(void)
{
	if (rig.h)
		return;
	rig.h = harness_new(NULL, 0);
	rig.client = client_end_new(rig.h);
	harness_open(rig.h);
}

static void spin(unsigned turns, bool hears)
{
	while (turns-- > 0) {
		harness_spin(rig.h);
		if (hears)
			client_end_hear(rig.client);
	}
}

/* Small inputs in as many pieces as there are steps; of large ones the rest comes at once. */
static void say(struct str in, size_t step, bool hears)
{
	for (unsigned i = 0; in.n && !rig.client->has_end; i++) {
		size_t n = i == PIECES_MAX || in.n < step ? in.n : step;
		for (unsigned j = 0; j < TURNS_TO_ANSWER && rig.client->n_unsent; j++)
			spin(1, true);
		if (rig.client->n_unsent)
			return;			/* the worker reads no more for now: it need not */
		client_end_say(rig.client, str_of(in.p, n));
		spin(TURNS_A_PIECE, hears);
		in = str_skip(in, n);
	}
}

static void complain(const char *what)
{
	fprintf(stderr, "fuzz_request: %s\n", what);
	abort();
}

/* Until nothing is under way: the client has gone, so no answer may hold it up. */
static void wait_for_end(void)
{
	uint64_t until = uv_hrtime() / 1000000000 + DEADLINE_S;
	while (!harness_is_idle(rig.h)) {
		harness_spin(rig.h);
		if (uv_hrtime() / 1000000000 > until)
			complain("a request or a connection does not end");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n < 3)
		return 0;
	size_t step = p[0] ? p[0] * (size_t)p[0] : n;
	unsigned how = p[1];
	make_rig();
	harness_forget(rig.h);
	harness_set(rig.h, how & IS_STRICT, how & HAS_MASTER ? MASTER_ANSWERS : MASTER_DIES);
	mem_fail_at(p[2]);
	client_end_open(rig.client, false);
	say(str_of((const char *)p + 3, n - 3), step, !(how & LISTENS_LATE));
	if (how & HALF_CLOSES)
		shutdown(rig.client->fd, SHUT_WR);
	if (!(how & HANGS_UP))
		spin(TURNS_TO_ANSWER, true);
	if (rig.client->n && !str_starts(str_of(rig.client->got, rig.client->n), STR("HTTP/1.1 ")))
		complain("an answer that is none");
	client_end_close(rig.client);
	wait_for_end();
	mem_fail_at(0);
	const char *wrong = harness_check(rig.h);
	if (wrong)
		complain(wrong);
	return 0;
}
