/* SPDX-License-Identifier: MIT
 * upstream.c - libcurl on libuv; see upstream.h.
 *
 * curl tells which sockets to watch (upstream_watch.c) and when to be called again (on_timer);
 * libuv tells curl what happened. Finished transfers are collected only after
 * curl has returned, so that a callback may start the next one. Easy handles are kept and used
 * again with their fixed options set. */
#include "worker/exchange/upstream_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/curl_why.h"
#include "common/mem.h"

#define NEVER UINT64_MAX

enum { URL_MAX = 4096, PASSED_BYTES_MAX = 8192, DISPOSITION_MAX = 512 };

static void collect(struct upstream *u);
static void finish(struct transfer *t, CURLcode code);
static void on_kick(uv_timer_t *timer);

/* ---- what curl calls ---------------------------------------------------------------- */

void upstream_act(struct upstream *u, curl_socket_t fd, int flags)
{
	int running;
	u->is_inside = true;
	curl_multi_socket_action(u->multi, fd, flags, &running);
	u->is_inside = false;
	collect(u);
}

/* on_kick() goes on with it, or ends it: from the loop. */
static void kick(struct transfer *t)
{
	if (t->is_kicked)
		return;
	t->is_kicked = true;
	t->next_kicked = t->u->kicked;
	t->u->kicked = t;
	uv_timer_start(&t->u->kick, on_kick, 0, 0);
}

/* -1 from on_socket() would end all transfers of this worker, now and later: only this one ends. */
void upstream_go_blind(struct transfer *t)
{
	t->is_blind = true;
	kick(t);
}

struct transfer *upstream_transfer_of(CURL *easy)
{
	struct transfer *t = NULL;
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t);
	return t;
}

static void on_timeout(uv_timer_t *t);

/* A timer that is armed for an earlier time stays: with each transfer curl puts its word off. */
static void arm(struct upstream *u)
{
	if (u->due_ms >= u->armed_ms)
		return;
	uint64_t now = uv_now(u->loop);
	u->armed_ms = u->due_ms;
	uv_timer_start(&u->timer, on_timeout, u->due_ms > now ? u->due_ms - now : 0, 0);
}

static void on_timeout(uv_timer_t *t)
{
	struct upstream *u = t->data;
	u->armed_ms = NEVER;
	if (u->due_ms > uv_now(u->loop)) {
		arm(u);
		return;
	}
	u->due_ms = NEVER;		/* unless curl says it again */
	upstream_act(u, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi, long timeout_ms, void *data)
{
	struct upstream *u = data;
	(void)multi;
	/* 0 must not call back at once: the loop's next turn does */
	u->due_ms = timeout_ms < 0 ? NEVER : uv_now(u->loop) + (uint64_t)timeout_ms;
	if (!u->is_beginning)
		arm(u);
	return 0;
}

/* ---- transfers ------------------------------------------------------------------------ */

/* OpenSSL's variables; a libcurl that was built with a file of its own does not look at them. */
static bool set_authorities(CURL *e)
{
	const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
	return (!file || !*file || curl_easy_setopt(e, CURLOPT_CAINFO, file) == CURLE_OK) &&
	       (!folder || !*folder || curl_easy_setopt(e, CURLOPT_CAPATH, folder) == CURLE_OK);
}

/* Options with a text need memory; without one of these a request would take another way. */
static bool set_texts(CURL *e)
{
	return curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_NOPROXY, "") == CURLE_OK &&	/* nor the environment's */
	       set_authorities(e);
}

static CURL *easy_new(struct upstream *u)
{
	CURL *e = curl_easy_init();
	if (!e)
		return NULL;
	if (!set_texts(e)) {
		curl_easy_cleanup(e);
		return NULL;
	}
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(e, CURLOPT_PIPEWAIT, 0L);
	curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, 60L);
	curl_easy_setopt(e, CURLOPT_MAXLIFETIME_CONN, 3600L);
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 16384L);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, upstream_on_open);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, e);
	curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, upstream_on_made);
	curl_easy_setopt(e, CURLOPT_SOCKOPTDATA, u);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, upstream_on_close);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, u);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, upstream_on_body);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, upstream_on_header);
	return e;
}

static void transfer_free(struct transfer *t)
{
	struct upstream *u = t->u;
	for (struct transfer **p = &u->kicked; *p; p = &(*p)->next_kicked)
		if (*p == t) {
			*p = t->next_kicked;
			break;
		}
	if (t->easy && t->tunnel) {
		curl_easy_cleanup(t->easy);	/* its connection goes with it */
	} else if (t->easy) {
		curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, NULL);
		curl_easy_setopt(t->easy, CURLOPT_CURLU, NULL);
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, NULL);
		if (t->is_head)
			curl_easy_setopt(t->easy, CURLOPT_NOBODY, 0L);
		if (t->is_asked)
			curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, NULL);
		curl_easy_setopt(t->easy, CURLOPT_PRIVATE, NULL);
		if (u->n_pool < POOL_MAX)
			u->pool[u->n_pool++] = t->easy;
		else
			curl_easy_cleanup(t->easy);
	}
	if (t->set)
		t->set->users--;
	else
		upstream_free_headers(t->headers);
	buf_done(&t->passed);
	buf_done(&t->disposition);
	mem_free(t);
}

static bool set_url(struct transfer *t, const struct transfer_spec *s)
{
	char url[URL_MAX];
	struct str base = s->base.p ? s->base : snap_text(s->snap, s->deployment->base);
	if (base.n + s->path.n >= sizeof url)
		return false;
	memcpy(url, base.p, base.n);
	if (s->path.n)
		memcpy(url + base.n, s->path.p, s->path.n);
	url[base.n + s->path.n] = 0;
	CURLU *parsed = t->set ? upstream_parsed_url(t->set, url) : NULL;
	/* Both: curl goes by the parsed one, and by the text when it tries again. */
	return curl_easy_setopt(t->easy, CURLOPT_URL, url) == CURLE_OK &&
	       curl_easy_setopt(t->easy, CURLOPT_CURLU, parsed) == CURLE_OK;
}

/* Lets curl send at once instead of at the loop's next turn. What ended already (a refused
 * connection) is collected later: nobody is called from within upstream_start(). */
static void begin(struct transfer *t)
{
	struct upstream *u = t->u;
	int running = 0;
	if (u->is_inside)
		return;
	u->is_inside = true;
	u->due_ms = NEVER;
	CURLMcode code = curl_multi_socket_action(u->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	u->is_inside = false;
	if (code != CURLM_OK)
		upstream_go_blind(t);	/* no memory: curl may not have asked to watch it */
	if ((unsigned)running < u->active)
		uv_timer_start(&u->kick, on_kick, 0, 0);
}

/* Handles are kept and used again: a method stays until another is set. */
static void set_method(struct transfer *t, const struct transfer_spec *s)
{
	CURL *e = t->easy;
	t->is_head = s->method && strcmp(s->method, "HEAD") == 0;
	if (t->is_head) {
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, NULL);
		return;
	}
	if (s->method && !s->body.n) {
		curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
	} else {
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, s->body.p);
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)s->body.n);
	}
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, s->method);
}

static void let_be_asked(struct transfer *t)
{
	t->is_asked = true;
	curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, upstream_on_ask);
	curl_easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
}

void upstream_call_off(struct transfer *t)
{
	t->is_called_off = true;
	let_be_asked(t);
}

struct transfer *upstream_start(struct upstream *u, const struct transfer_spec *s,
				const struct transfer_handler *h, void *data)
{
	struct transfer *t = mem_alloc(sizeof *t);
	if (!t)
		return NULL;
	t->u = u;
	t->h = h;
	t->data = data;
	t->snap = s->snap;
	t->deployment = s->deployment;
	t->key = snap_text(s->snap, s->deployment->api_key);
	buf_init(&t->passed, PASSED_BYTES_MAX);
	buf_init(&t->disposition, DISPOSITION_MAX);
	upstream_head_begin(t);
	t->tunnel = s->tunnel;
	/* One that is not sent at once must not tell what it was used for before. */
	bool is_fresh = s->tunnel || s->is_later;
	t->easy = u->n_pool && !is_fresh ? u->pool[--u->n_pool] : easy_new(u);
	if (!t->easy || !upstream_take_headers(t, s) || !set_url(t, s)) {
		transfer_free(t);
		return NULL;
	}
	if (s->tunnel) {
		curl_easy_setopt(t->easy, CURLOPT_CONNECT_ONLY, 1L);
		curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	}
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
	set_method(t, s);
	if (s->deployment->flags & DEPLOY_STRANGER)
		let_be_asked(t);
	curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)s->connect_timeout_ms);
	curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	u->is_beginning = true;		/* what curl waits for shows when it has begun */
	bool is_taken = curl_multi_add_handle(u->multi, t->easy) == CURLM_OK;
	if (is_taken) {
		u->active++;
		if (!s->is_later)
			begin(t);
	}
	u->is_beginning = false;
	arm(u);
	if (!is_taken) {
		transfer_free(t);
		return NULL;
	}
	return t;
}

/* ---- tunnels ---------------------------------------------------------------------------- */

static int tunnel_error(CURLcode code)
{
	return code == CURLE_OK ? 0 : code == CURLE_AGAIN ? -EAGAIN : -ECONNRESET;
}

int upstream_send(struct transfer *t, struct str bytes, size_t *ret_n)
{
	*ret_n = 0;
	return tunnel_error(curl_easy_send(t->easy, bytes.p, bytes.n, ret_n));
}

int upstream_recv(struct transfer *t, char *to, size_t room, size_t *ret_n)
{
	*ret_n = 0;
	return tunnel_error(curl_easy_recv(t->easy, to, room, ret_n));
}

bool upstream_put_headers(const struct transfer_spec *spec, struct buf *out)
{
	struct curl_slist *list = upstream_make_headers(spec);
	for (struct curl_slist *l = list; l; l = l->next) {
		struct str value = str_z(l->data);
		(void)str_cut(&value, ':');
		if (str_trim(value).n == 0)
			continue;
		buf_put_z(out, l->data);
		BUF_PUT_LIT(out, "\r\n");
	}
	if (list)
		upstream_free_headers(list);
	return list && !out->failed;
}

void upstream_cancel(struct transfer *t)
{
	MUST(!t->u->is_inside);
	upstream_unwatch(t);
	curl_multi_remove_handle(t->u->multi, t->easy);
	t->u->active -= !t->is_open;
	transfer_free(t);
}

static void on_kick(uv_timer_t *timer)
{
	struct upstream *u = timer->data;
	struct transfer *t;
	while ((t = u->kicked)) {
		u->kicked = t->next_kicked;
		t->is_kicked = false;
		if (t->is_blind) {
			finish(t, CURLE_OUT_OF_MEMORY);
			continue;
		}
		u->is_inside = true;
		curl_easy_pause(t->easy, CURLPAUSE_CONT);
		u->is_inside = false;
	}
	collect(u);
}

void upstream_resume(struct transfer *t)
{
	t->wants_pause = false;
	if (!t->is_paused)
		return;
	t->is_paused = false;
	kick(t);
}

static enum transfer_end end_of(const struct transfer *t, CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return t->wrong ? TRANSFER_PROTOCOL : TRANSFER_DONE;
	case CURLE_ABORTED_BY_CALLBACK:
		return t->refusal ? TRANSFER_BARRED : TRANSFER_BROKEN;
	case CURLE_COULDNT_CONNECT:
		return t->refusal ? TRANSFER_BARRED : TRANSFER_REFUSED;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_OPERATION_TIMEDOUT:		/* only the connect limit is curl's */
		return TRANSFER_REFUSED;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
		return TRANSFER_TLS;
	case CURLE_WRITE_ERROR:
		return t->wrong || !t->is_head_told ? TRANSFER_PROTOCOL : TRANSFER_STOPPED;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_URL_MALFORMAT:
		return TRANSFER_PROTOCOL;
	default:
		return TRANSFER_BROKEN;
	}
}

static void finish(struct transfer *t, CURLcode code)
{
	long connects = 0;
	curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
	t->u->connects += (uint64_t)connects;
	if (t->tunnel && code == CURLE_OK && upstream_watch_tunnel(t)) {
		t->is_open = true;
		t->u->active--;
		t->tunnel->on_open(t->data);
		return;
	}
	if (t->tunnel && code == CURLE_OK)
		code = CURLE_OUT_OF_MEMORY;
	if (code == CURLE_OK && !upstream_tell_head(t))
		code = CURLE_WEIRD_SERVER_REPLY;	/* an answer without a body */
	enum transfer_end end = end_of(t, code);
	curl_multi_remove_handle(t->u->multi, t->easy);
	t->u->active--;
	t->h->on_end(t->data, end,
		     end == TRANSFER_BARRED ? t->refusal
		     : t->wrong ? t->wrong : curl_why(t->easy, code));
	transfer_free(t);
}

static void collect(struct upstream *u)
{
	CURLMsg *m;
	int left;
	while ((m = curl_multi_info_read(u->multi, &left))) {
		if (m->msg != CURLMSG_DONE)
			continue;
		CURLcode code = m->data.result;		/* *m goes with the handle */
		finish(upstream_transfer_of(m->easy_handle), code);
	}
}

/* ---- life ------------------------------------------------------------------------------ */

int upstream_new(uv_loop_t *loop, struct upstream **ret)
{
	struct upstream *u = mem_alloc(sizeof *u);
	if (!u)
		return -ENOMEM;
	u->n_sockets = SOCKETS_MIN;
	u->sockets = mem_array(u->n_sockets, sizeof *u->sockets);
	u->multi = u->sockets ? curl_multi_init() : NULL;
	if (!u->multi) {
		mem_free(u->sockets);
		mem_free(u);
		return -ENOMEM;
	}
	u->loop = loop;
	u->due_ms = u->armed_ms = NEVER;
	u->open_handles = 2;
	uv_timer_init(loop, &u->timer);
	uv_timer_init(loop, &u->kick);
	u->timer.data = u->kick.data = u;
	curl_multi_setopt(u->multi, CURLMOPT_SOCKETFUNCTION, upstream_on_socket);
	curl_multi_setopt(u->multi, CURLMOPT_SOCKETDATA, u);
	curl_multi_setopt(u->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(u->multi, CURLMOPT_TIMERDATA, u);
	curl_multi_setopt(u->multi, CURLMOPT_MAXCONNECTS, 1024L);
	curl_multi_setopt(u->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	*ret = u;
	return 0;
}

static void timer_closed(uv_handle_t *h)
{
	struct upstream *u = h->data;
	if (--u->open_handles == 0)
		mem_free(u);
}

void upstream_close(struct upstream *u)
{
	u->is_closing = true;
	while (u->n_pool)
		curl_easy_cleanup(u->pool[--u->n_pool]);
	for (size_t i = 0; i < HEADER_SETS; i++)
		upstream_drop_set(&u->sets[i]);
	curl_multi_cleanup(u->multi);	/* closes idle connections, and their watches with them */
	mem_free(u->sockets);
	u->sockets = NULL;
	u->n_sockets = 0;
	uv_close((uv_handle_t *)&u->timer, timer_closed);
	uv_close((uv_handle_t *)&u->kick, timer_closed);
}

uint64_t upstream_connects(const struct upstream *u)
{
	return u->connects;
}

uint64_t upstream_refused(const struct upstream *u)
{
	return u->refused;
}
