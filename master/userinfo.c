/* SPDX-License-Identifier: MIT
 * userinfo.c - see userinfo.h. */
#include "master/userinfo.h"

#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/json_write.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/discovery.h"
#include "master/master.h"
#include "master/pool.h"
#include "master/post.h"

enum {
	UNDER_WAY_MAX = 4, ASKS_MAX = 256, CALLS_MAX = 1024,
	TOKEN_MAX = 4000,		/* a line of a header */
	ANSWER_MAX = 64 << 10,
	SCRATCH_MAX = 1 << 20,
	FETCH_MS = 5000, WAIT_MS = 5000,
	QUIET_MS = 60000		/* between two lines about one that fails */
};

struct waiting {			/* in its call's arena */
	struct waiting *next;
	struct command_call *c;
};

struct ask {				/* about one token */
	struct ask *next;
	struct userinfo *u;
	struct sha256 hash;
	struct waiting *calls;
	uint64_t since_ns;
	bool is_under_way;
	/* for the thread of the pool */
	uv_work_t work;
	char url[DISCOVERY_URL_MAX + 1];	/* of the configuration */
	char place[DISCOVERY_URL_MAX + 1];	/* the endpoint; "": the issuer is to say it */
	bool has_found;			/* it has just said it */
	char why[120];			/* it did not; "": it did */
	char headers[TOKEN_MAX + 64];	/* SECRET */
	struct egress egress;
	struct buf answer;
	struct post_result result;
};

struct userinfo {
	struct master *m;
	struct ask *asks;		/* the oldest first */
	unsigned n_asks, n_under_way, n_calls;
	uint64_t told_ns;		/* of a failure; 0: never */
	/* What the document at `found_by` said last. */
	char found_by[DISCOVERY_URL_MAX + 1], found[DISCOVERY_URL_MAX + 1];
	uint64_t found_ns;
	_Atomic bool is_stopping;
};

/* ---- answers ---- */

static void fail(struct command_call *c, const char *why)
{
	command_fail(c, 503, "service_unavailable_error", NULL,
		     "the identity provider could not be asked: %s", why);
}

static bool is_refusal(const struct ask *a)
{
	return a->result.status == 400 || a->result.status == 401 || a->result.status == 403;
}

static const char *why_useless(const struct ask *a)
{
	if (a->why[0])
		return a->why;
	if (a->answer.failed)
		return "it said too much";
	if (a->result.status != 200)
		return a->result.why[0] ? a->result.why : "no answer";
	return a->answer.n && str_is_utf8(buf_str(&a->answer)) ? NULL : "its answer is no text";
}

static void answer(struct command_call *c, const struct ask *a, const char *why)
{
	struct json_out o = json_out(&c->out);
	if (why && !is_refusal(a)) {
		fail(c, why);
		return;
	}
	json_open(&o, NULL);
	if (why) {
		json_put_bool(&o, "refused", true);
	} else {
		json_put_str(&o, "claims", buf_str(&a->answer));
		json_put_u64(&o, "ttl", c->master->config->jwt.userinfo_ttl_ms / 1000);
	}
	json_close(&o);
	command_finish(c);
}

/* Once a minute. */
static void tell(struct userinfo *u, const struct ask *a, const char *why)
{
	uint64_t now = clock_ns();
	struct str url = str_z(a->url);
	if (u->told_ns && now - u->told_ns < QUIET_MS * NS_PER_MS)
		return;
	u->told_ns = now;
	LOG(LOG_WARN, "userinfo.failed", F_STR("url", str_cut(&url, '?')), F_Z("why", why));
}

/* ---- asking ---- */

static void drop(struct userinfo *u, struct ask *a)
{
	struct ask **p = &u->asks;
	while (*p != a)
		p = &(*p)->next;
	*p = a->next;
	u->n_asks--;
	if (a->answer.p)
		mem_wipe(a->answer.p, a->answer.n);
	buf_done(&a->answer);
	mem_wipe(a->headers, sizeof a->headers);
	mem_free(a);
}

static void answer_all(struct userinfo *u, struct ask *a, const char *why)
{
	while (a->calls) {
		struct command_call *c = a->calls->c;
		a->calls = a->calls->next;
		u->n_calls--;
		answer(c, a, why);
	}
}

static const char *read_place(struct ask *a, struct arena *mem, struct str document)
{
	struct str place = STR_NONE;
	const char *why = discovery_read_users(mem, document, str_z(a->url), &place);
	if (!why)
		snprintf(a->place, sizeof a->place, STR_FMT, STR_ARG(place));
	return why;
}

/* Without the token: the issuer says where its endpoint is. */
static bool find_place(struct ask *a)
{
	struct buf document;
	struct arena *mem = arena_new(SCRATCH_MAX);
	const char *why = mem ? NULL : "out of memory";
	buf_init(&document, ANSWER_MAX);
	if (mem && post_get(a->url, &document, FETCH_MS, &a->egress, &a->u->is_stopping, a->why))
		why = read_place(a, mem, buf_str(&document));
	if (why)
		snprintf(a->why, sizeof a->why, "%s", why);
	buf_done(&document);
	arena_free(mem);
	a->has_found = a->place[0] != '\0';
	return a->has_found;
}

static void run(uv_work_t *work)
{
	struct ask *a = work->data;
	void *easy = NULL;
	if (!a->place[0] && !find_place(a))
		return;
	const struct post p = { .method = "GET", .url = a->place, .headers = a->headers,
				.timeout_ms = FETCH_MS, .egress = &a->egress,
				.gives_up = &a->u->is_stopping, .answer = &a->answer };
	post_send(&easy, &p, &a->result);
	post_done(easy);
}

static void go_on(struct userinfo *u);

/* Whom it led nowhere asks the issuer again. */
static void remember_place(struct userinfo *u, const struct ask *a)
{
	bool is_good = a->place[0] && (a->result.status == 200 || is_refusal(a));
	if (!discovery_is_url(str_z(a->url)) || (is_good && !a->has_found))
		return;
	snprintf(u->found, sizeof u->found, "%s", is_good ? a->place : "");
	snprintf(u->found_by, sizeof u->found_by, "%s", a->url);
	u->found_ns = clock_ns();
}

static const char *place_of(const struct userinfo *u, const char *url)
{
	uint64_t ttl_ns = u->m->config->jwt.ttl_ms * NS_PER_MS;
	if (!discovery_is_url(str_z(url)))
		return url;
	return strcmp(u->found_by, url) == 0 && clock_ns() - u->found_ns < ttl_ns ? u->found : "";
}

static void on_done(uv_work_t *work, int status)
{
	struct ask *a = work->data;
	struct userinfo *u = a->u;
	const char *why = status == 0 ? why_useless(a) : "the gateway is stopping";
	u->n_under_way--;
	remember_place(u, a);
	if (why && !is_refusal(a) && !u->is_stopping)
		tell(u, a, why);
	answer_all(u, a, why);
	drop(u, a);
	go_on(u);
}

static bool begin(struct userinfo *u, struct ask *a)
{
	a->is_under_way = pool_work(u->m->loop, &a->work, run, on_done) == 0;
	u->n_under_way += a->is_under_way;
	return a->is_under_way;
}

static struct ask *next_of(struct userinfo *u)
{
	struct ask *a = u->asks;
	while (a && a->is_under_way)
		a = a->next;
	return a;
}

/* Who has waited for long has been given up by those who asked. */
static void go_on(struct userinfo *u)
{
	struct ask *a;
	while (u->n_under_way < UNDER_WAY_MAX && (a = next_of(u))) {
		bool is_late = clock_ns() - a->since_ns > WAIT_MS * NS_PER_MS;
		if (!is_late && !u->is_stopping && begin(u, a))
			continue;
		answer_all(u, a, is_late ? "it takes too long" : "out of memory");
		drop(u, a);
	}
}

/* ---- from outside ---- */

static struct ask *find(struct userinfo *u, const struct sha256 *hash, struct str url)
{
	for (struct ask *a = u->asks; a; a = a->next)
		if (memcmp(&a->hash, hash, sizeof *hash) == 0 && str_eq_z(url, a->url))
			return a;
	return NULL;
}

static struct ask *add(struct userinfo *u, struct str token, struct str url)
{
	struct ask *a = u->n_asks < ASKS_MAX ? mem_alloc(sizeof *a) : NULL, **last = &u->asks;
	if (!a)
		return NULL;
	a->u = u;
	a->hash = hash_sha256(token);
	a->since_ns = clock_ns();
	a->work.data = a;
	snprintf(a->url, sizeof a->url, STR_FMT, STR_ARG(url));
	snprintf(a->place, sizeof a->place, "%s", place_of(u, a->url));
	snprintf(a->headers, sizeof a->headers,
		 "Authorization: Bearer " STR_FMT "\nAccept: application/json\n", STR_ARG(token));
	/* As of who signs tokens: it may have a private address, if the operator names it. */
	egress_set(&a->egress, &u->m->config->allow_private,
		   u->m->config->jwt.is_userinfo_strangers);
	buf_init(&a->answer, ANSWER_MAX);
	while (*last)
		last = &(*last)->next;
	*last = a;
	u->n_asks++;
	return a;
}

static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n > 0 && s.n <= TOKEN_MAX;
}

void userinfo_ask(struct command_call *c)
{
	struct userinfo *u = c->master->userinfo;
	const struct config_jwt *j = &c->master->config->jwt;
	struct str token = STR_NONE;
	if (command_str(c, "token", &token) == -EINVAL)
		return;
	if (!j->is_on || !j->asks_userinfo || !is_token(token)) {
		command_fail(c, 400, "invalid_request_error", "token",
			     j->asks_userinfo ? "token is none" : "oidc_userinfo_enabled is not set");
		return;
	}
	struct waiting *w = arena_alloc(c->mem, sizeof *w);
	struct sha256 hash = hash_sha256(token);
	struct ask *a = find(u, &hash, j->userinfo_url);
	if (!w || u->n_calls == CALLS_MAX || u->is_stopping ||
	    !(a || (a = add(u, token, j->userinfo_url)))) {
		fail(c, "too many tokens wait");
		return;
	}
	*w = (struct waiting){ .next = a->calls, .c = c };
	a->calls = w;
	u->n_calls++;
	go_on(u);
}

int userinfo_new(struct master *m, struct userinfo **ret)
{
	struct userinfo *u = mem_alloc(sizeof *u);
	if (!u)
		return -ENOMEM;
	u->m = m;
	*ret = u;
	return 0;
}

void userinfo_stop(struct userinfo *u)
{
	u->is_stopping = true;
	for (struct ask *a = u->asks; a; a = a->next)
		answer_all(u, a, "the gateway is stopping");
	go_on(u);
}
