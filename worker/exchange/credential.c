/* SPDX-License-Identifier: MIT
 * credential.c - tokens, their fetches and who waits for them; see credential.h.
 *
 * A token's name is the digest of its credentials. Which token a deployment uses is looked up by
 * its place in the snapshot first: no digest has to be made for a request. */
#include "worker/exchange/credential.h"

#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/mem.h"
#include "worker/exchange/token.h"
#include "worker/exchange/upstream.h"
#include "worker/later.h"

enum {
	TOKENS_MAX = 256,
	SHORTCUTS = 64,
	ANSWER_MAX = 65536,
	PARSED_MAX = 1 << 20,
	FETCH_MS = 10000,		/* a fetch takes no longer */
	FAILED_MS = 1000,		/* then it may be tried again */
	RENEW_MS = 5000,		/* the same while the old token still serves */
	REJECTED_MS = 5000		/* a token so young is not fetched anew for a 401 */
};

/* What is left of a token's life when it is not used any more: calls take their time. */
#define SPARE_NS (30 * NS_PER_S)

struct token {
	struct credentials *all;
	struct sha256 name;
	enum provider_auth auth;
	char *text;			/* SECRET; NULL: none yet */
	size_t n;
	uint64_t got_ns, renew_ns, expires_ns, used_ns;
	uint64_t failed_until_ns;
	enum outcome outcome;		/* of the fetch that failed */
	char why[160];
	struct credential_wait *waiting;
	/* A fetch under way. */
	struct transfer *transfer;	/* NULL: there is none */
	struct snap *snap;		/* whose deployment it is for */
	const struct snap_deployment *deployment;
	struct token_ask ask;
	struct buf answer;
	struct later limit;
	int status;
};

struct credentials {
	struct worker *w;
	struct token *tokens[TOKENS_MAX];
	unsigned n;
	struct shortcut {
		uint64_t generation;
		const struct snap_deployment *deployment;
		struct token *token;
	} shortcuts[SHORTCUTS];
};

/* --- waiting --- */

static void wait_for(struct token *t, struct credential_wait *wait)
{
	MUST(!wait->prev);
	wait->next = t->waiting;
	wait->prev = &t->waiting;
	if (wait->next)
		wait->next->prev = &wait->next;
	t->waiting = wait;
}

static void unlink_wait(struct credential_wait *wait)
{
	if (!wait->prev)
		return;
	*wait->prev = wait->next;
	if (wait->next)
		wait->next->prev = wait->prev;
	wait->next = NULL;
	wait->prev = NULL;
}

void credential_stop(struct credential_wait *wait)
{
	unlink_wait(wait);
	later_stop(&wait->refused);
}

static void on_ready(struct credential_wait *wait, const struct llm_error *e)
{
	if (e)
		wait->user->fail(wait->data, e->outcome, e->message);
	else if (credential_obtain(wait) < 0)
		wait->user->fail(wait->data, OUTCOME_OVERLOADED,
				 STR("no memory for the request"));
}

/* Who is woken may end others that wait, or wait anew: that one is for the next fetch. */
static void wake(struct token *t, const struct llm_error *e)
{
	struct credential_wait *list = t->waiting;
	t->waiting = NULL;
	if (list)
		list->prev = &list;
	while (list) {
		struct credential_wait *one = list;
		unlink_wait(one);
		on_ready(one, e);
	}
}

/* --- a fetch --- */

static void wipe(struct buf *b)
{
	if (b->p)
		mem_wipe(b->p, b->room);
	buf_done(b);
}

static void end_fetch(struct token *t)
{
	later_stop(&t->limit);
	token_ask_done(&t->ask);
	wipe(&t->answer);
	t->snap = snap_unref(t->snap);
	t->deployment = NULL;
	t->transfer = NULL;
}

static void drop_text(struct token *t)
{
	if (t->text)
		mem_wipe(t->text, t->n);
	mem_free(t->text);
	t->text = NULL;
}

/* A token that still serves goes on doing so: there is time, but no longer than it lasts. */
static uint64_t next_try(const struct token *t, uint64_t now)
{
	uint64_t soon = now + FAILED_MS * NS_PER_MS, late = now + RENEW_MS * NS_PER_MS;
	if (!t->text || t->expires_ns <= soon)
		return soon;
	return t->expires_ns < late ? t->expires_ns : late;
}

static void note_failure(struct token *t, struct str deployment, enum outcome o, const char *what,
			 struct str word)
{
	uint64_t now = clock_ns();
	t->outcome = o;
	snprintf(t->why, sizeof t->why, "no access token could be got: %s%s" STR_FMT "%s", what,
		 word.n ? " (" : "", STR_ARG(word), word.n ? ")" : "");
	if (o != OUTCOME_OVERLOADED)	/* that is our own fault, and soon over */
		t->failed_until_ns = next_try(t, now);
	LOG(LOG_WARN, "credential.failed", F_STR("deployment", deployment),
	    F_INT("status", t->status), F_Z("why", t->why));
}

static void fetch_failed(struct token *t, enum outcome o, const char *what, struct str word)
{
	struct llm_error e = { .outcome = o };
	note_failure(t, snap_text(t->snap, t->deployment->id), o, what, word);
	e.message = str_z(t->why);
	end_fetch(t);
	wake(t, &e);
}

static int keep_token(struct token *t, const struct token_answer *a)
{
	uint64_t now = clock_ns(), life_ns = a->life_s * NS_PER_S;
	char *text = mem_dup(a->token.p, a->token.n);
	if (!text)
		return -ENOMEM;
	drop_text(t);
	t->text = text;
	t->n = a->token.n;
	t->got_ns = now;
	t->expires_ns = now + life_ns - (life_ns / 10 < SPARE_NS ? life_ns / 10 : SPARE_NS);
	t->renew_ns = now + life_ns / 5 * 4;
	t->failed_until_ns = 0;
	return 0;
}

static void read_answer(struct token *t)
{
	struct arena *mem = arena_new(PARSED_MAX);
	struct token_answer a;
	uint64_t now_s = clock_wall_ns() / NS_PER_S;
	int err = mem ? token_answer_read(mem, buf_str(&t->answer), now_s, &a) : -ENOMEM;
	if (!err)
		err = keep_token(t, &a);
	arena_free(mem);
	if (err == -EBADMSG) {
		fetch_failed(t, OUTCOME_UP_MALFORMED, "the answer holds none", STR_NONE);
	} else if (err) {
		fetch_failed(t, OUTCOME_OVERLOADED, "out of memory", STR_NONE);
	} else {
		end_fetch(t);
		wake(t, NULL);
	}
}

/* Bad credentials are told by 400, too. */
static void read_error(struct token *t)
{
	struct arena *mem = arena_new(PARSED_MAX);
	struct str word = mem ? token_error_read(mem, buf_str(&t->answer)) : STR_NONE;
	bool is_refused = t->status == 400 || t->status == 401 || t->status == 403;
	if (is_refused)
		fetch_failed(t, OUTCOME_UP_AUTH, "the credentials were refused", word);
	else
		fetch_failed(t,
			     t->status == 429 ? OUTCOME_UP_RATE_LIMITED : OUTCOME_UP_UNAVAILABLE,
			     "who gives them failed", word);
	arena_free(mem);
}

static void on_head(void *data, const struct transfer_head *h)
{
	struct token *t = data;
	t->status = h->status;
}

static int on_data(void *data, struct str bytes)
{
	struct token *t = data;
	buf_put(&t->answer, bytes);
	return t->answer.failed ? -EMSGSIZE : 0;
}

static void on_end(void *data, enum transfer_end end, const char *detail)
{
	struct token *t = data;
	t->transfer = NULL;
	if (end == TRANSFER_STOPPED)
		fetch_failed(t, OUTCOME_UP_MALFORMED, "the answer is too long", STR_NONE);
	else if (end != TRANSFER_DONE)
		fetch_failed(t, end == TRANSFER_BARRED ? OUTCOME_UP_BARRED : OUTCOME_UP_CONNECT,
			     detail, STR_NONE);
	else if (t->status / 100 == 2)
		read_answer(t);
	else
		read_error(t);
}

static void on_limit(struct later *l)
{
	struct token *t = l->data;
	upstream_cancel(t->transfer);
	t->transfer = NULL;
	fetch_failed(t, OUTCOME_UP_TIMEOUT, "who gives them did not answer in time", STR_NONE);
}

static const struct transfer_handler handler = { on_head, on_data, on_end };

/* 0; -EINVAL: such credentials are good for nothing; -ENOMEM. Nobody is woken. */
static int start_fetch(struct token *t, struct snap *snap, const struct snap_deployment *d,
		       const char **reterr)
{
	struct worker *w = t->all->w;
	int err = token_ask_write(t->auth, snap_text(snap, d->credentials),
				  clock_wall_ns() / NS_PER_S, &t->ask, reterr);
	struct transfer_spec spec = {
		.snap = snap,
		.deployment = d,
		.base = buf_str(&t->ask.url),
		.method = t->ask.method,
		.content_type = STR("application/x-www-form-urlencoded"),
		.headers = buf_str(&t->ask.headers),
		.without_key = true,
		.body = buf_str(&t->ask.form),
		.connect_timeout_ms = snap_settings(snap)->connect_timeout_ms,
	};
	buf_init(&t->answer, ANSWER_MAX);
	t->status = 0;
	if (!err) {
		t->transfer = upstream_start(w->upstream, &spec, &handler, t);
		err = t->transfer ? 0 : -ENOMEM;
	}
	if (err) {
		token_ask_done(&t->ask);
		return err;
	}
	t->snap = snap_ref(snap);
	t->deployment = d;
	later_start(w->wheel, &t->limit, FETCH_MS, on_limit, t);
	return 0;
}

/* --- finding a token --- */

static void token_free(struct token *t)
{
	struct credentials *all = t->all;
	MUST(!t->waiting && !t->transfer);
	for (size_t i = 0; i < SHORTCUTS; i++)
		if (all->shortcuts[i].token == t)
			all->shortcuts[i] = (struct shortcut){ 0 };
	drop_text(t);
	mem_free(t);
}

/* Makes room where all is taken: the one that nobody has used for longest. */
static struct token **room_for_one(struct credentials *all)
{
	struct token **oldest = NULL;
	if (all->n < TOKENS_MAX)
		return &all->tokens[all->n++];
	for (unsigned i = 0; i < all->n; i++) {
		struct token *t = all->tokens[i];
		if (!t->transfer && !t->waiting && (!oldest || t->used_ns < (*oldest)->used_ns))
			oldest = &all->tokens[i];
	}
	if (oldest)
		token_free(*oldest);
	return oldest;
}

static struct sha256 name_of(enum provider_auth auth, struct str credentials)
{
	struct { struct sha256 text; uint64_t auth; } both = { hash_sha256(credentials), auth };
	return hash_sha256(str_of((const char *)&both, sizeof both));
}

static struct token *find_by_name(struct credentials *all, const struct sha256 *name)
{
	for (unsigned i = 0; i < all->n; i++)
		if (hash_sha256_eq(&all->tokens[i]->name, name))
			return all->tokens[i];
	return NULL;
}

static struct token *token_new(struct credentials *all, enum provider_auth auth,
			       const struct sha256 *name)
{
	struct token *t = mem_alloc(sizeof *t), **room = t ? room_for_one(all) : NULL;
	if (!room) {
		mem_free(t);
		return NULL;
	}
	t->all = all;
	t->auth = auth;
	t->name = *name;
	*room = t;
	return t;
}

/* NULL: out of memory. */
static struct token *token_of(struct worker *w, struct snap *snap, const struct snap_deployment *d)
{
	struct credentials *all = w->credentials;
	if (!all) {
		all = w->credentials = mem_alloc(sizeof *all);
		if (!all)
			return NULL;
		all->w = w;
	}
	struct shortcut *s = &all->shortcuts[(uintptr_t)d / sizeof *d % SHORTCUTS];
	uint64_t generation = snap_head(snap)->generation;
	if (s->token && s->generation == generation && s->deployment == d)
		return s->token;
	struct sha256 name = name_of((enum provider_auth)d->auth, snap_text(snap, d->credentials));
	struct token *t = find_by_name(all, &name);
	if (!t)
		t = token_new(all, (enum provider_auth)d->auth, &name);
	if (t)
		*s = (struct shortcut){ generation, d, t };
	return t;
}

/* --- what attempts call --- */

static int put_token(struct token *t, struct buf *headers)
{
	BUF_PUT_LIT(headers, "Authorization: Bearer ");
	buf_put(headers, str_of(t->text, t->n));
	BUF_PUT_LIT(headers, "\r\n");
	return headers->failed ? -ENOMEM : 0;
}

static void on_refused(struct later *l)
{
	struct credential_wait *wait = l->data;
	wait->user->fail(wait->data, wait->outcome, wait->why);
}

static int refuse(struct credential_wait *wait, enum outcome o, const char *why)
{
	wait->outcome = o;
	wait->why = arena_dup(wait->r->mem, str_z(why));
	if (!wait->why.p)
		return -ENOMEM;
	later_start(wait->r->w->wheel, &wait->refused, 0, on_refused, wait);
	return 0;
}

int credential_obtain(struct credential_wait *wait)
{
	struct request *r = wait->r;
	struct token *t = token_of(r->w, r->snap, wait->d);
	uint64_t now = clock_ns();
	const char *why = "";
	int err = 0;
	if (!t)
		return -ENOMEM;
	t->used_ns = now;
	bool is_good = t->text && now < t->expires_ns;
	bool is_due = !t->transfer && now >= t->failed_until_ns && (!is_good || now >= t->renew_ns);
	if (!is_good && !t->transfer && !is_due)
		return refuse(wait, t->outcome, t->why);
	if (is_due)
		err = start_fetch(t, r->snap, wait->d, &why);
	if (is_good) {		/* whatever becomes of its successor */
		err = put_token(t, wait->headers);
		return err ? err : wait->user->launch(wait->data);
	}
	if (err == -EINVAL) {
		note_failure(t, snap_text(r->snap, wait->d->id), OUTCOME_UP_AUTH, why, STR_NONE);
		return refuse(wait, t->outcome, t->why);
	}
	if (err == 0)
		wait_for(t, wait);
	return err;
}

void credential_rejected(struct worker *w, struct snap *snap, const struct snap_deployment *d)
{
	struct token *t = token_of(w, snap, d);
	uint64_t now = clock_ns();
	if (t && t->text && now >= t->got_ns + REJECTED_MS * NS_PER_MS)
		t->expires_ns = t->renew_ns = now;
}

void credentials_free(struct worker *w)
{
	struct credentials *all = w->credentials;
	w->credentials = NULL;
	for (unsigned i = 0; all && i < all->n; i++) {
		struct token *t = all->tokens[i];
		if (t->transfer) {
			upstream_cancel(t->transfer);
			end_fetch(t);
		}
		token_free(t);
	}
	mem_free(all);
}
