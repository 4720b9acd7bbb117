/* SPDX-License-Identifier: MIT
 * provider.c - see provider.h. A script is a list of acts; a pause lets the worker read what was
 * sent before. */
#include "tests/torture/provider.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/mem.h"

enum { PEERS = 16, REQUEST_MAX = 256 * 1024, OUT_MAX = 32 * 1024, FLOOD_BYTES = 16 * 1024 };

enum act_kind {
	END,			/* of the script: the connection waits for the next request */
	SEND,			/* text as it is */
	CHUNK,			/* text as one chunk; "" ends the body */
	FLOOD,			/* a chunk with a long event, as many times as the text has bytes */
	PAUSE,
	SLEEP,			/* 45 ms: longer than a heartbeat */
	FIN,
	RESET,
	SILENCE			/* until the other side leaves */
};
struct act {
	enum act_kind kind;
	const char *text;
};

#define HEAD_JSON "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-ratelimit-limit: 7\r\n"
#define HEAD_ERROR(status) "HTTP/1.1 " status "\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
#define CHUNKED "transfer-encoding: chunked\r\n\r\n"
#define EVENTS "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n" CHUNKED
#define COMPLETION "{\"id\":\"c-1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"a-model\","
#define DELTA(inner, finish)                                                                       \
	"data: {\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"a-model\"," \
	"\"choices\":[{\"index\":0,\"delta\":{" inner "},\"finish_reason\":" finish "}]}\n\n"
#define USAGE "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12}"

static const struct act plain[] = {
	{ SEND, HEAD_JSON CHUNKED },
	{ CHUNK, COMPLETION "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\"," },
	{ PAUSE, NULL },
	{ CHUNK, "\"content\":\"From the provider.\"},\"finish_reason\":\"stop\"}]," USAGE "}" },
	{ CHUNK, "" },
	{ END, NULL },
};
static const struct act text[] = {
	{ SEND, HEAD_JSON CHUNKED },
	{ CHUNK, "{\"id\":\"t-1\",\"object\":\"text_completion\",\"created\":1,\"model\":\"a-model\","
		 "\"choices\":[{\"index\":0,\"text\":\"From the provider.\",\"finish_reason\":\"stop\"}],"
		 USAGE "}" },
	{ CHUNK, "" },
	{ END, NULL },
};
static const struct act stream[] = {
	{ SEND, EVENTS },
	{ CHUNK, DELTA("\"role\":\"assistant\",\"content\":\"From the \"", "null") },
	{ PAUSE, NULL },
	{ CHUNK, DELTA("\"content\":\"provider.\"", "null") DELTA("", "\"stop\"") },
	{ CHUNK, "data: {\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1,"
		 "\"model\":\"a-model\",\"choices\":[]," USAGE "}\n\ndata: [DONE]\n\n" },
	{ CHUNK, "" },
	{ END, NULL },
};
static const struct act vectors[] = {
	{ SEND, HEAD_JSON CHUNKED },
	{ CHUNK, "{\"object\":\"list\",\"model\":\"a-model\",\"data\":[{\"object\":\"embedding\",\"index\":0,"
		 "\"embedding\":[0.5,-0.25,1e-3]}],\"usage\":{\"prompt_tokens\":9,\"total_tokens\":9}}" },
	{ CHUNK, "" },
	{ END, NULL },
};
static const struct act breaks[] = {
	{ SEND, EVENTS },
	{ CHUNK, DELTA("\"role\":\"assistant\",\"content\":\"From the \"", "null") },
	{ PAUSE, NULL },
	{ RESET, NULL },
};
static const struct act stops[] = {
	{ SEND, EVENTS },
	{ CHUNK, DELTA("\"role\":\"assistant\",\"content\":\"From the \"", "null") },
	{ PAUSE, NULL },
	{ CHUNK, "" },
	{ END, NULL },
};
static const struct act resets[] = {
	{ RESET, NULL },
};
static const struct act stalls[] = {
	{ SEND, EVENTS },
	{ CHUNK, DELTA("\"role\":\"assistant\",\"content\":\"From the \"", "null") },
	{ SILENCE, NULL },
};
static const struct act slow[] = {
	{ SLEEP, NULL },
	{ SEND, EVENTS },
	{ CHUNK, DELTA("\"role\":\"assistant\",\"content\":\"From the \"", "null") },
	{ SLEEP, NULL },
	{ CHUNK, DELTA("\"content\":\"provider.\"", "\"stop\"") "data: [DONE]\n\n" },
	{ CHUNK, "" },
	{ END, NULL },
};
static const struct act silent[] = {
	{ SILENCE, NULL },
};
static const struct act flood[] = {
	{ SEND, EVENTS },
	{ FLOOD, "........................" },
	{ CHUNK, DELTA("\"content\":\"provider.\"", "\"stop\"") "data: [DONE]\n\n" },
	{ CHUNK, "" },
	{ END, NULL },
};
static const struct act dear[] = {	/* the count that it tells amid the stream is above every budget */
	{ SEND, EVENTS },
	{ CHUNK, DELTA("\"role\":\"assistant\",\"content\":\"From the \"", "null") },
	{ PAUSE, NULL },
	{ CHUNK, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"provider.\"}}],"
		 "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":9000000}}\n\n" },
	{ PAUSE, NULL },
	{ CHUNK, DELTA("\"content\":\" And more.\"", "\"stop\"") "data: [DONE]\n\n" },
	{ CHUNK, "" },
	{ END, NULL },
};
static const struct act spoilt[] = {
	{ SEND, EVENTS },
	{ CHUNK, DELTA("\"role\":\"assistant\",\"content\":\"From the \"", "null") },
	{ PAUSE, NULL },
	{ CHUNK, "data: {\"choices\": what?\n\n" },
	{ CHUNK, "" },
	{ END, NULL },
};
static const struct act complains[] = {
	{ SEND, EVENTS },
	{ CHUNK, "data: {\"error\":{\"message\":\"too busy\",\"type\":\"overloaded\",\"code\":503}}\n\n" },
	{ CHUNK, "" },
	{ END, NULL },
};
static const struct act is_500[] = {
	{ SEND, HEAD_ERROR("500 Oh") CHUNKED },
	{ CHUNK, "{\"error\":{\"message\":\"it broke, sk-of-the-provider-0123456789\",\"type\":\"server_error\"}}" },
	{ CHUNK, "" },
	{ END, NULL },
};
static const struct act is_429[] = {
	{ SEND, HEAD_ERROR("429 Slow") "content-length: 26\r\n\r\n{\"error\":{\"message\":\"no\"}}" },
	{ END, NULL },
};
static const struct act is_garbage[] = {
	{ SEND, "\1\2\3 this is no HTTP at all\r\n\r\n" },
	{ FIN, NULL },
};
static const struct act is_no_json[] = {
	{ SEND, HEAD_JSON "content-length: 12\r\n\r\n<html></html" },
	{ END, NULL },
};
static const struct act is_packed[] = {
	{ SEND, HEAD_JSON "content-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd" },
	{ END, NULL },
};
static const struct act lines[] = {
	{ SEND, "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\n" CHUNKED },
	{ CHUNK, "{\"model\":\"a-model\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":"
		 "{\"role\":\"assistant\",\"content\":\"From the \"},\"done\":false}\n" },
	{ PAUSE, NULL },
	{ CHUNK, "{\"model\":\"a-model\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":"
		 "{\"role\":\"assistant\",\"content\":\"provider.\"},\"done\":true,\"done_reason\":\"stop\","
		 "\"prompt_eval_count\":9,\"eval_count\":3}\n" },
	{ CHUNK, "" },
	{ END, NULL },
};
static const struct act one_line[] = {
	{ SEND, HEAD_JSON CHUNKED },
	{ CHUNK, "{\"model\":\"a-model\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":"
		 "{\"role\":\"assistant\",\"content\":\"From the provider.\"},\"done\":true,"
		 "\"done_reason\":\"stop\",\"prompt_eval_count\":9,\"eval_count\":3}" },
	{ CHUNK, "" },
	{ END, NULL },
};

static const struct script {
	const char *name;
	const struct act *acts;
} scripts[] = {
	{ "plain", plain }, { "text", text }, { "stream", stream }, { "vectors", vectors },
	{ "breaks", breaks }, { "stops", stops }, { "then-resets", resets }, { "stalls", stalls },
	{ "silent", silent }, { "slow", slow }, { "flood", flood }, { "dear", dear }, { "spoilt", spoilt }, { "then-complains", complains },
	{ "then-500", is_500 }, { "is-500", is_500 }, { "is-429", is_429 }, { "is-garbage", is_garbage },
	{ "is-no-json", is_no_json }, { "is-packed", is_packed }, { "lines", lines },
	{ "one-line", one_line },
};

/* The long way: who speaks another language than the client. */
const struct harness_upstream provider_scripts[] = {
	{ "plain", FAMILY_OPENAI }, { "text", FAMILY_OPENAI }, { "stream", FAMILY_OPENAI },
	{ "vectors", FAMILY_OPENAI }, { "breaks", FAMILY_OPENAI }, { "stops", FAMILY_OPENAI },
	{ "then-resets", FAMILY_OPENAI }, { "stalls", FAMILY_OPENAI }, { "silent", FAMILY_OPENAI },
	{ "slow", FAMILY_OPENAI },
	{ "flood", FAMILY_OPENAI }, { "dear", FAMILY_OPENAI }, { "spoilt", FAMILY_OPENAI }, { "then-complains", FAMILY_OPENAI },
	{ "then-500", FAMILY_OPENAI }, { "is-500", FAMILY_OPENAI }, { "is-429", FAMILY_OPENAI },
	{ "is-garbage", FAMILY_OPENAI }, { "is-no-json", FAMILY_OPENAI },
	{ "is-packed", FAMILY_OPENAI }, { "lines", FAMILY_OLLAMA_CHAT },
	{ "one-line", FAMILY_OLLAMA_CHAT }, { "refused", FAMILY_OPENAI },
	{ "then-refused", FAMILY_OPENAI }, { NULL, FAMILY_OPENAI },
};

struct peer {
	struct provider *p;
	uv_tcp_t tcp;
	uv_timer_t pause;
	uv_write_t write;
	unsigned open_handles;
	size_t n, done;			/* bytes of requests; of those, answered */
	const struct act *at;		/* NULL: no request is being answered */
	unsigned flooded, pauses;
	char in[REQUEST_MAX], out[OUT_MAX];
};
struct provider {
	int fd;
	uv_tcp_t tcp;
	unsigned n_open;
	struct peer peers[PEERS];
};

static void play(struct peer *e);

/* ---- acts ------------------------------------------------------------------------------------ */

static void on_peer_closed(uv_handle_t *h)
{
	struct peer *e = h->data;
	if (--e->open_handles == 0)
		e->p->n_open--;
}

static void leave(struct peer *e, bool reset)
{
	if (uv_is_closing((uv_handle_t *)&e->tcp))
		return;
	e->at = NULL;
	uv_close((uv_handle_t *)&e->pause, on_peer_closed);
	if (!reset || uv_tcp_close_reset(&e->tcp, on_peer_closed) != 0)
		uv_close((uv_handle_t *)&e->tcp, on_peer_closed);
}

static void on_sent(uv_write_t *write, int status)
{
	struct peer *e = write->handle->data;
	if (status == 0 && !uv_is_closing((uv_handle_t *)&e->tcp))
		play(e);
	else
		leave(e, false);
}

/* Between two of its calls the loop has looked at all sockets. */
static void on_paused(uv_timer_t *t)
{
	struct peer *e = t->data;
	if (--e->pauses > 0)
		return;
	uv_timer_stop(t);
	play(e);
}

static void send_out(struct peer *e, size_t n)
{
	uv_buf_t bytes = { .base = e->out, .len = n };
	MUST(n < OUT_MAX);
	if (uv_write(&e->write, (uv_stream_t *)&e->tcp, &bytes, 1, on_sent) != 0)
		leave(e, true);
}

static void send_flood(struct peer *e)
{
	char head[] = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"", tail[] = "\"}}]}\n\n";
	size_t n = (size_t)snprintf(e->out, OUT_MAX, "%zx\r\n%s", sizeof head + sizeof tail - 2 + FLOOD_BYTES,
				    head);
	memset(e->out + n, 'x', FLOOD_BYTES);
	n += FLOOD_BYTES;
	n += (size_t)snprintf(e->out + n, OUT_MAX - n, "%s\r\n", tail);
	if (++e->flooded == strlen(e->at->text)) {
		e->flooded = 0;
		e->at++;
	}
	send_out(e, n);
}

static void act(struct peer *e)
{
	const struct act *a = e->at;
	switch (a->kind) {
	case SEND:
		e->at++;
		send_out(e, (size_t)snprintf(e->out, OUT_MAX, "%s", a->text));
		return;
	case CHUNK:
		e->at++;
		send_out(e, (size_t)snprintf(e->out, OUT_MAX, "%zx\r\n%s\r\n", strlen(a->text), a->text));
		return;
	case FLOOD:
		send_flood(e);
		return;
	case PAUSE:
		e->at++;
		e->pauses = 3;
		uv_timer_start(&e->pause, on_paused, 1, 1);
		return;
	case SLEEP:
		e->at++;
		e->pauses = 1;
		uv_timer_start(&e->pause, on_paused, 45, 0);
		return;
	case FIN:
	case RESET:
		leave(e, a->kind == RESET);
		return;
	default:
		return;
	}
}

/* ---- requests --------------------------------------------------------------------------------- */

/* The bytes of the request that stands at the front; 0 when it is not whole. */
static size_t request_bytes(struct str in)
{
	size_t head = str_find(in, STR("\r\n\r\n")), length;
	uint64_t body = 0;
	if (head == SIZE_MAX)
		return 0;
	length = str_find(str_of(in.p, head), STR("Content-Length: "));
	if (length != SIZE_MAX) {
		struct str rest = str_skip(str_of(in.p, head), length + 16);
		MUST(str_read_u64(str_cut(&rest, '\r'), &body) == 0);
	}
	return in.n >= head + 4 + body ? head + 4 + (size_t)body : 0;
}

static const struct act *script_of(struct str request)
{
	struct str path = str_skip(request, STR("POST /").n);
	struct str name = str_cut(&path, '/');
	for (size_t i = 0; i < COUNT(scripts); i++)
		if (str_eq_z(name, scripts[i].name))
			return scripts[i].acts;
	return is_no_json;
}

static void play(struct peer *e)
{
	struct str in = str_of(e->in + e->done, e->n - e->done);
	if (e->at && e->at->kind == END)
		e->at = NULL;
	if (!e->at) {
		size_t n = request_bytes(in);
		if (n == 0)
			return;
		e->done += n;
		e->at = script_of(in);
	}
	act(e);
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void on_room(uv_handle_t *h, size_t wanted, uv_buf_t *ret)
{
	struct peer *e = h->data;
	(void)wanted;
	if (e->done == e->n)
		e->n = e->done = 0;
	MUST(e->n < REQUEST_MAX);
	*ret = (uv_buf_t){ .base = e->in + e->n, .len = REQUEST_MAX - e->n };
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *room)
{
	struct peer *e = s->data;
	(void)room;
	if (n < 0) {
		leave(e, false);
		return;
	}
	e->n += (size_t)n;
	if (!e->at || e->at->kind == END)
		play(e);
}

static void on_connection(uv_stream_t *s, int status)
{
	struct provider *p = s->data;
	struct peer *e = p->peers;
	MUST(status == 0);
	while (e < p->peers + PEERS && e->open_handles)
		e++;
	MUST(e < p->peers + PEERS);
	e->p = p;
	e->n = e->done = 0;
	e->flooded = 0;
	e->at = NULL;
	e->open_handles = 2;
	p->n_open++;
	uv_timer_init(s->loop, &e->pause);
	uv_tcp_init(s->loop, &e->tcp);
	e->tcp.data = e->pause.data = e;
	MUST(uv_accept(s, (uv_stream_t *)&e->tcp) == 0 && uv_tcp_nodelay(&e->tcp, 1) == 0);
	MUST(uv_read_start((uv_stream_t *)&e->tcp, on_room, on_read) == 0);
}

struct provider *provider_new(uint16_t *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	struct provider *p = mem_alloc(sizeof *p);
	MUST(p);
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	MUST(p->fd >= 0 && bind(p->fd, (struct sockaddr *)&a, n) == 0);
	MUST(getsockname(p->fd, (struct sockaddr *)&a, &n) == 0);
	*ret_port = ntohs(a.sin_port);
	return p;
}

void provider_run(struct provider *p, uv_loop_t *loop)
{
	uv_tcp_init(loop, &p->tcp);
	p->tcp.data = p;
	MUST(uv_tcp_open(&p->tcp, p->fd) == 0);
	MUST(uv_listen((uv_stream_t *)&p->tcp, PEERS, on_connection) == 0);
}

void provider_stop(struct provider *p)
{
	for (struct peer *e = p->peers; e < p->peers + PEERS; e++)
		if (e->open_handles)
			leave(e, false);
	uv_close((uv_handle_t *)&p->tcp, NULL);
}

void provider_free(struct provider *p)
{
	mem_free(p);
}

unsigned provider_connections(const struct provider *p)
{
	return p->n_open;
}
