/* SPDX-License-Identifier: MIT
 * load.c - llmgw-load: when which request is sent, and when it is enough.
 *
 * In the open loop request i is due at begin + i / rate, by a timerfd, and waits for a free
 * connection if there is none; its latency counts from when it was due, so that a server that
 * stops for a while is charged for all that it kept waiting. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/bench/load.h"

enum {
	CONNECT_AHEAD = 64,		/* clients that connect at the same time */
	FAILURES_MAX = 1000,		/* then there is no point in going on */
	WATCH_MS = 100,
};

static const double NS = 1e9;

static void say(const char *word)
{
	puts(word);
	fflush(stdout);
}

static uint64_t due_at(const struct load *l, uint64_t i)
{
	return l->begin_ns + (uint64_t)((double)i * (NS / l->rate));
}

static void finish(struct load *l)
{
	if (l->is_over)
		return;
	l->is_over = true;
	for (unsigned i = 0; i < l->started; i++) {
		struct client *c = &l->clients[i];
		if (c->state == CLIENT_CLOSED || c->state == CLIENT_CLOSING)
			continue;
		c->state = CLIENT_CLOSING;
		uv_close((uv_handle_t *)&c->sock, NULL);
	}
	if (l->mode == MODE_OPEN && l->is_running)
		uv_poll_stop(&l->pacer);
	uv_timer_stop(&l->phase);
	uv_timer_stop(&l->watch);
}

static void finish_if_done(struct load *l)
{
	if (l->is_hopeless)
		finish(l);
	if (l->is_ending && l->busy == 0 && l->sent == l->due)
		finish(l);
}

/* Idle clients, first in, first out, so that all connections are used alike. */

static void list_idle(struct load *l, struct client *c)
{
	if (c->is_listed)
		return;
	c->is_listed = true;
	c->next_idle = NULL;
	*l->idle_tail = c;
	l->idle_tail = &c->next_idle;
}

static struct client *take_idle(struct load *l)
{
	while (l->idle_head) {
		struct client *c = l->idle_head;
		l->idle_head = c->next_idle;
		if (!l->idle_head)
			l->idle_tail = &l->idle_head;
		c->is_listed = false;
		if (c->state == CLIENT_IDLE)
			return c;
	}
	return NULL;
}

/* The open loop. */

static void send_due(struct load *l)
{
	struct client *c;
	while (l->sent < l->due && (c = take_idle(l)))
		client_send(c, due_at(l, l->sent++));
}

static void set_pacer(struct load *l)
{
	uint64_t at = due_at(l, l->due);
	struct itimerspec when = { .it_value = { .tv_sec = (time_t)(at / 1000000000),
						 .tv_nsec = (long)(at % 1000000000) } };
	timerfd_settime(l->pace_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void on_pace(uv_poll_t *h, int status, int events)
{
	struct load *l = h->data;
	uint64_t ticks, now = uv_hrtime();
	(void)status;
	(void)events;
	if (read(l->pace_fd, &ticks, sizeof ticks) < 0)
		return;
	while (l->due < l->total && due_at(l, l->due) <= now)
		l->due++;
	send_due(l);
	if (l->due < l->total)
		set_pacer(l);
}

static void start_pacer(struct load *l)
{
	l->total = (uint64_t)((l->warmup_s + l->duration_s) * l->rate);
	l->pace_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (l->pace_fd < 0 || uv_poll_init(&l->loop, &l->pacer, l->pace_fd) < 0) {
		perror("llmgw-load: timerfd");
		exit(1);
	}
	l->pacer.data = l;
	uv_poll_start(&l->pacer, UV_READABLE, on_pace);
	set_pacer(l);
}

/* Phases. */

static void on_end(uv_timer_t *t)
{
	struct load *l = t->data;
	say("measured");
	l->is_ending = true;
	l->due = l->total;		/* the pacer may be a moment late */
	send_due(l);
	if (l->mode == MODE_HOLD)
		finish(l);
	else
		finish_if_done(l);
}

/* A signal ends the measured time before its time; what is under way may finish. */
static void on_signal(uv_signal_t *h, int number)
{
	struct load *l = h->data;
	uint64_t now = uv_hrtime();
	(void)number;
	if (l->is_ending)
		return;
	if (!l->is_running || now < l->from_ns) {
		finish(l);
		return;
	}
	l->to_ns = now;
	l->duration_s = (double)(now - l->from_ns) / NS;
	l->total = l->due;
	uv_timer_stop(&l->phase);
	on_end(&l->phase);
}

static void catch_signal(struct load *l, uv_signal_t *h, int number)
{
	uv_signal_init(&l->loop, h);
	h->data = l;
	uv_signal_start(h, on_signal, number);
	uv_unref((uv_handle_t *)h);
}

static void on_measure(uv_timer_t *t)
{
	struct load *l = t->data;
	say("measuring");
	uv_timer_start(t, on_end, (uint64_t)(l->duration_s * 1000), 0);
}

static void time_out_client(struct client *c, uint64_t now)
{
	struct load *l = c->load;
	if (c->state == CLIENT_BUSY && (l->mode != MODE_HOLD || c->events == 0) &&
	    now > c->due_ns + (uint64_t)(l->timeout_s * NS))
		client_fail(c, FAIL_TIMEOUT);
}

static void on_watch(uv_timer_t *t)
{
	struct load *l = t->data;
	uint64_t now = uv_hrtime();
	for (unsigned i = 0; i < l->started && !l->is_over; i++)
		time_out_client(&l->clients[i], now);
	while (l->sent < l->due && now > due_at(l, l->sent) + (uint64_t)(l->timeout_s * NS)) {
		l->sent++;
		l->failures[FAIL_TIMEOUT]++;
	}
	finish_if_done(l);
}

static void begin(struct load *l)
{
	l->is_running = true;
	l->begin_ns = uv_hrtime();
	l->from_ns = l->begin_ns + (uint64_t)(l->warmup_s * NS);
	l->to_ns = l->from_ns + (uint64_t)(l->duration_s * NS);
	uv_update_time(&l->loop);
	uv_timer_start(&l->phase, on_measure, (uint64_t)(l->warmup_s * 1000), 0);
	if (l->mode == MODE_OPEN)
		start_pacer(l);
	for (unsigned i = 0; i < l->client_count; i++)
		load_on_idle(l, &l->clients[i]);
}

/* What clients tell. */

static void connect_more(struct load *l)
{
	unsigned ready = l->mode == MODE_HOLD ? l->held : l->connected;
	while (!l->is_over && l->started < l->client_count && l->started < ready + CONNECT_AHEAD)
		client_connect(&l->clients[l->started++]);
}

void load_on_connected(struct load *l, struct client *c)
{
	if (l->mode == MODE_HOLD) {
		client_send(c, uv_hrtime());
	} else if (l->is_running) {
		load_on_idle(l, c);
	} else {
		l->connected++;
		connect_more(l);
		if (l->connected == l->client_count)
			begin(l);
	}
}

void load_on_idle(struct load *l, struct client *c)
{
	if (l->mode == MODE_OPEN) {
		list_idle(l, c);
		send_due(l);
	} else if (!l->is_ending && c->state == CLIENT_IDLE) {
		client_send(c, uv_hrtime());
	}
	finish_if_done(l);
}

void load_on_first_event(struct load *l, struct client *c)
{
	(void)c;
	if (l->mode != MODE_HOLD)
		return;
	l->held++;
	if (l->held == l->client_count) {
		say("holding");
		uv_update_time(&l->loop);
		uv_timer_start(&l->phase, on_end, (uint64_t)(l->duration_s * 1000), 0);
	} else {
		connect_more(l);
	}
}

void load_on_failure(struct load *l, struct client *c, enum failure why)
{
	if (l->is_over)
		return;
	l->failures[why]++;
	if (c->state == CLIENT_BUSY)
		l->busy--;
	if (report_failures(l) >= FAILURES_MAX || l->mode == MODE_HOLD || !l->is_running)
		l->is_ending = l->is_hopeless = true;
}

/* The program. */

static void raise_descriptors(unsigned want)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < want + 16)
		fprintf(stderr, "llmgw-load: only %lu descriptors\n", (unsigned long)r.rlim_cur);
}

static void start(struct load *l)
{
	client_settings_init(&l->parser_settings);
	uv_loop_init(&l->loop);
	l->idle_tail = &l->idle_head;
	l->clients = calloc(l->client_count, sizeof *l->clients);
	if (!l->clients) {
		perror("llmgw-load");
		exit(1);
	}
	for (unsigned i = 0; i < l->client_count; i++)
		client_init(&l->clients[i], l);
	if (l->mode == MODE_HOLD)	/* counts from the first to the last */
		l->to_ns = UINT64_MAX;
	uv_timer_init(&l->loop, &l->phase);
	uv_timer_init(&l->loop, &l->watch);
	l->phase.data = l->watch.data = l;
	uv_timer_start(&l->watch, on_watch, WATCH_MS, WATCH_MS);
	catch_signal(l, &l->on_int, SIGINT);
	catch_signal(l, &l->on_term, SIGTERM);
	connect_more(l);
}

int main(int argc, char **argv)
{
	static struct load load;
	options_read(&load, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	raise_descriptors(load.client_count);
	start(&load);
	uv_run(&load.loop, UV_RUN_DEFAULT);
	report_write(&load);
	free(load.clients);
	free(load.request);
	return report_failures(&load) > 0;
}
