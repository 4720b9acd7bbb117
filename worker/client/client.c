/* SPDX-License-Identifier: MIT
 * client.c - what the connections of one worker share: the turns in which put-off work is done,
 * one coarse timer for all deadlines, read buffers, and heads ready to be used again.
 *
 * A turn asked for in a callback of a socket runs right behind it, in the loop's check phase; one
 * asked for elsewhere keeps the loop from sleeping until then. */
#include "common/clock.h"
#include "common/mem.h"
#include "worker/client/conn.h"

enum { TICK_MS = 250 };

/* ---- turns ---- */

static void on_awake(uv_idle_t *h)
{
	(void)h;
}

void conn_schedule(struct connection *c)
{
	struct client *cl = c->w->client;
	if (c->is_scheduled || c->state == CONN_CLOSING)
		return;
	c->is_scheduled = true;
	c->next_turn = NULL;
	*cl->turns_end = c;
	cl->turns_end = &c->next_turn;
	uv_idle_start(&cl->awake, on_awake);
}

void conn_unschedule(struct connection *c)
{
	struct client *cl = c->w->client;
	struct connection **at = &cl->turns;
	while (*at && *at != c)
		at = &(*at)->next_turn;
	MUST(*at == c);
	*at = c->next_turn;
	if (!*at)
		cl->turns_end = at;
	c->is_scheduled = false;
}

/* Turns asked for while this runs come in the next round of the loop. No connection's memory is
 * freed meanwhile: that happens in close callbacks only. */
static void on_turn(uv_check_t *h)
{
	struct client *cl = h->data;
	struct connection *c = cl->turns;
	cl->turns = NULL;
	cl->turns_end = &cl->turns;
	while (c) {
		struct connection *next = c->next_turn;
		c->is_scheduled = false;
		conn_turn(c);
		c = next;
	}
	if (!cl->turns)
		uv_idle_stop(&cl->awake);
}

static void on_tick(uv_timer_t *t)
{
	struct client *cl = t->data;
	uint64_t now_ns = clock_ns();
	for (struct connection *c = cl->w->connections; c; c = c->next)
		conn_look(c, now_ns);
}

void client_wake(struct client *cl)
{
	uv_timer_start(&cl->tick, on_tick, TICK_MS, TICK_MS);
}

void client_rest(struct client *cl)
{
	uv_timer_stop(&cl->tick);
}

/* ---- heads ---- */

struct http_in *client_take_head(struct client *cl)
{
	return cl->n_spare_heads > 0 ? cl->spare_heads[--cl->n_spare_heads] : http_in_new();
}

void client_give_head(struct client *cl, struct http_in *h)
{
	if (cl->n_spare_heads == COUNT(cl->spare_heads)) {
		http_in_free(h);
		return;
	}
	http_in_reset(h);
	cl->spare_heads[cl->n_spare_heads++] = h;
}

/* ---- life ---- */

static void adopt(struct client *cl, void *handle)
{
	((uv_handle_t *)handle)->data = cl;
	cl->open_handles++;
}

/* The timer runs while there are connections, so these keep a loop alive even when unread. */
struct client *client_of(struct worker *w)
{
	if (w->client)
		return w->client;
	struct client *cl = mem_alloc(sizeof *cl);
	if (!cl)
		return NULL;
	cl->w = w;
	cl->turns_end = &cl->turns;
	wire_room_init(&cl->room);
	buf_init(&cl->scratch, 2 * HTTP_HEAD_BYTES_MAX);
	uv_timer_init(w->loop, &cl->tick);
	uv_idle_init(w->loop, &cl->awake);
	uv_check_init(w->loop, &cl->turn);
	adopt(cl, &cl->tick);
	adopt(cl, &cl->awake);
	adopt(cl, &cl->turn);
	uv_check_start(&cl->turn, on_turn);
	uv_unref((uv_handle_t *)&cl->turn);
	w->client = cl;
	return cl;
}

static void on_closed(uv_handle_t *h)
{
	struct client *cl = h->data;
	if (--cl->open_handles > 0)
		return;
	while (cl->n_spare_heads > 0)
		http_in_free(cl->spare_heads[--cl->n_spare_heads]);
	wire_room_done(&cl->room);
	buf_done(&cl->scratch);
	mem_free(cl);
}

/* The last connection of a worker that accepts no more turns off the light. */
void client_leave(struct worker *w)
{
	struct client *cl = w->client;
	if (!cl || w->n_connections > 0 || w->listeners)
		return;
	MUST(!cl->turns);
	w->client = NULL;
	uv_close((uv_handle_t *)&cl->tick, on_closed);
	uv_close((uv_handle_t *)&cl->awake, on_closed);
	uv_close((uv_handle_t *)&cl->turn, on_closed);
}
