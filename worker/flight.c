/* SPDX-License-Identifier: MIT
 * flight.c - see flight.h. */
#include "worker/flight.h"

#include <errno.h>

#include "common/log.h"
#include "common/mem.h"
#include "worker/answer.h"
#include "worker/keep.h"
#include "worker/settle/account.h"
#include "worker/switches.h"
#include "worker/texts.h"

enum {
	BUCKETS = 1024,
	FLIGHTS_MAX = 4096,		/* of a worker; the master takes as many claims */
	AGAIN_MS = 5000,		/* in case that the master's word was lost */
	POLL_FIRST_MS = 2, POLL_MAX_MS = 32
};

#define TO(s) (1u << (s))
static const unsigned may_go[FLIGHT_STATES] = {
	[FLIGHT_FREE] = TO(FLIGHT_ASKING) | TO(FLIGHT_ELSEWHERE) | TO(FLIGHT_LED) |
			TO(FLIGHT_GIVING),
	[FLIGHT_ASKING] = TO(FLIGHT_FREE) | TO(FLIGHT_ELSEWHERE) | TO(FLIGHT_LED) | TO(FLIGHT_GIVING),
	[FLIGHT_ELSEWHERE] = TO(FLIGHT_FREE),
	[FLIGHT_LED] = TO(FLIGHT_FREE) | TO(FLIGHT_KEEPING) | TO(FLIGHT_GIVING),
	[FLIGHT_KEEPING] = TO(FLIGHT_GIVING),
	[FLIGHT_GIVING] = 0,
};

struct known_table {			/* of a worker */
	struct flight *buckets[BUCKETS];
	unsigned n;
};

void flight_enter(struct flight *f, enum flight_state next)
{
	MUST(may_go[f->state] & TO(next));
	f->state = next;
}

/* ---- flights -------------------------------------------------------------------------------- */

static struct flight **bucket_of(struct worker *w, const struct sha256 *name)
{
	return &w->known->buckets[hash_table(str_of((const char *)name->b, sizeof name->b)) %
				  BUCKETS];
}

struct flight *flight_find(struct worker *w, const struct sha256 *name)
{
	struct flight *f = w->known ? *bucket_of(w, name) : NULL;
	while (f && !hash_sha256_eq(&f->name, name))
		f = f->next;
	return f;
}

struct flight *flight_new(struct request *r, const struct flight *like)
{
	struct worker *w = r->w;
	if (!w->known)
		w->known = mem_alloc(sizeof *w->known);
	if (!w->known || w->known->n >= FLIGHTS_MAX)
		return NULL;
	struct flight *f = mem_alloc(sizeof *f);
	if (!f)
		return NULL;
	struct flight **bucket = bucket_of(w, &like->name);
	*f = *like;
	f->w = w;
	f->owner = r->key.id;
	f->last = &f->waiting;
	f->next = *bucket;
	*bucket = f;
	w->known->n++;
	buf_init(&f->head, ANSWER_HEAD_MAX);
	buf_init(&f->body, (size_t)(f->is_cached ? snap_settings(r->snap)->cache_answer_max
						 : snap_settings(r->snap)->answer_max));
	return f;
}

struct str flight_id(const struct flight *f, char room[LINK_KEEP_ID_MAX + 1])
{
	hash_hex(room, f->name.b, sizeof f->name.b);
	hash_hex(room + 2 * sizeof f->name.b, f->print.b, sizeof f->print.b);
	return str_of(room, LINK_KEEP_ID_MAX);
}

static void release(struct flight *f)
{
	char id[LINK_KEEP_ID_MAX + 1];
	f->has_claim = false;
	if (f->is_cached) {
		cached_drop(f->w, &f->cached);
		return;
	}
	if (keep_post(f->w, LINK_KEEP_RELEASE, f->owner, flight_id(f, id), NULL) < 0)
		LOG(LOG_WARN, "answer.claim_stays", F_Z("until", "the worker ends"));
}

void flight_free(struct flight *f)
{
	struct flight **p = bucket_of(f->w, &f->name);
	MUST(!f->leader && !f->waiting);
	if (f->has_claim)
		release(f);
	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	f->w->known->n--;
	later_stop(&f->due);
	buf_done(&f->head);
	buf_done(&f->body);
	mem_free(f);
}

/* What it answers is heard by nobody: the answers are being made all the same. */
void known_claim_again(struct worker *w)
{
	char id[LINK_KEEP_ID_MAX + 1];
	for (unsigned i = 0; w->known && i < BUCKETS; i++)
		for (struct flight *f = w->known->buckets[i]; f; f = f->next)
			if (f->has_claim && !f->is_cached)
				(void)(keep_post(w, LINK_KEEP_CLAIM, f->owner, flight_id(f, id),
						 NULL) == 0);
}

void known_stop(struct worker *w)
{
	for (unsigned i = 0; w->known && i < BUCKETS; i++)
		while (w->known->buckets[i]) {
			w->known->buckets[i]->has_claim = false;	/* the master sees us go */
			flight_free(w->known->buckets[i]);
		}
	mem_free(w->known);
	w->known = NULL;
}

/* ---- who waits ------------------------------------------------------------------------------ */

void flight_wait(struct flight *f, struct request *r)
{
	r->known->flight = f;
	r->known->next = NULL;
	*f->last = r;
	f->last = &r->known->next;
}

static void wait_first(struct flight *f, struct request *r)
{
	r->known->flight = f;
	r->known->next = f->waiting;
	if (!f->waiting)
		f->last = &r->known->next;
	f->waiting = r;
}

void flight_leave(struct flight *f, struct request *r)
{
	struct request **p = &f->waiting;
	while (*p != r)
		p = &(*p)->known->next;
	*p = r->known->next;
	if (!*p)
		f->last = p;
	r->known->flight = NULL;
}

static struct request *take_first(struct flight *f)
{
	struct request *r = f->waiting;
	if (r)
		flight_leave(f, r);
	return r;
}

/* ---- what they get -------------------------------------------------------------------------- */

static enum step refuse_other(struct request *r)
{
	return request_fail(r, OUTCOME_KEY_REUSED, "Idempotency-Key",
			    "Idempotency-Key: this key was used for another request; a retry has "
			    "the same path and the same body, byte for byte");
}

enum step flight_refuse(struct request *r, int err)
{
	struct llm_error e = { .outcome = OUTCOME_KEY_IN_USE,
			       .param = STR("Idempotency-Key"),
			       .must_not_retry = true };
	if (err == -EEXIST)
		return refuse_other(r);
	if (err == -EFBIG) {
		e.message = STR("Idempotency-Key: this request was answered, and its answer is too "
				"long to be kept; ask with another key to make it anew");
		return request_fail_with(r, &e);
	}
	if (err == -EAGAIN || err == -ENOMEM || err == -ENOBUFS)
		return request_fail(r, OUTCOME_OVERLOADED, NULL,
				    "too many requests with an Idempotency-Key; try again");
	return request_fail(r, OUTCOME_MASTER_AWAY, NULL,
			    "answers that are kept cannot be reached now; try again");
}

static void tell_replay(const struct request *r, const struct replay *p)
{
	METRIC_ADD(r->w->metrics, replays, 1);
	if (p->why && snap_settings(r->snap)->access_log)
		LOG(LOG_INFO, "answer.replayed", F_STR("call_id", r->call_id),
		    F_STR("key", r->key.alias), F_Z("why", p->why));
}

static void give_answer(struct request *r, const struct replay *p, const struct answer_head *kept)
{
	const struct cache_info *made = p->made ? p->made : kept->has_made ? &kept->made : NULL;
	struct buf head;
	buf_init(&head, 2 * ANSWER_HEAD_MAX);
	buf_put(&head, kept->lines);
	r->outcome = kept->status < 400 ? OUTCOME_OK : OUTCOME_UP_BAD_REQUEST;
	r->status = kept->status;
	r->known->is_replay = true;
	r->known->has_made = made != NULL;
	if (made)
		r->known->made = *made;
	account_replayed(r);
	request_headers(r, &head, true);
	BUF_PUT_LIT(&head, "x-litellm-response-cost: 0\r\n");
	if (p->is_local)
		BUF_PUT_LIT(&head, "x-litellm-cache-hit: true\r\n");
	else
		BUF_PUT_LIT(&head, "idempotency-replayed: true\r\n");
	r->status = head.failed ? 0 : kept->status;
	if (r->status)
		conn_reply(r->conn, kept->status, buf_str(&head), p->body);
	buf_done(&head);
	if (switches_want_texts(r))
		texts_replayed(r, kept->lines, p->body);
	tell_replay(r, p);
}

void flight_replay(struct request *r, const struct replay *p)
{
	struct answer_head kept;
	if (answer_read_head(p->head, &kept) < 0)
		request_fail(r, OUTCOME_INTERNAL, NULL, "the answer that is kept is damaged");
	else
		give_answer(r, p, &kept);
}

static void give(struct request *r, const struct flight *f)
{
	const struct replay p = { buf_str(&f->head), buf_str(&f->body), f->is_local,
				  f->is_cached	? NULL
				  : f->is_local ? "single_flight" : "idempotency_key",
				  f->has_made ? &f->made : NULL };
	if (f->err) {
		flight_refuse(r, f->err);
		return;
	}
	if (f->is_cached) {
		METRIC_ADD(r->w->metrics, cache_joined, 1);
		r->known->word = "joined";
	}
	flight_replay(r, &p);
}

/* ---- whose turn it is ----------------------------------------------------------------------- */

void flight_missed(struct request *r)
{
	METRIC_ADD(r->w->metrics, cache_misses, 1);
	r->known->word = r->known->cached->may_read ? "miss" : "bypass";
}

void flight_lead(struct flight *f, struct request *r)
{
	struct conn_copy *copy = &r->known->copy;
	flight_enter(f, FLIGHT_LED);
	f->leader = r;
	f->has_claim |= !f->is_local;
	if (f->is_cached)
		flight_missed(r);
	f->err = 0;
	f->has_made = false;
	r->known->flight = f;
	*copy = (struct conn_copy){ 0 };
	buf_init(&copy->head, ANSWER_HEAD_MAX);
	buf_init(&copy->body, f->body.cap);
	conn_copy_to(r->conn, copy);
}

static void on_claimed(struct request *r, int err, const struct kept *kept);

/* The leader's claim. Else -errno, and nobody leads. */
int flight_ask(struct flight *f, struct request *r)
{
	char id[LINK_KEEP_ID_MAX + 1];
	int err = keep_call(r, LINK_KEEP_CLAIM, flight_id(f, id), NULL, on_claimed);
	if (err)
		return err;
	flight_enter(f, FLIGHT_ASKING);
	f->leader = r;
	r->known->flight = f;
	return 0;
}

static void on_due(struct later *l);

static void set_due(struct flight *f, uint64_t ms)
{
	later_start(f->w->wheel, &f->due, ms, on_due, f);
}

/* It is over for all; what they get stands in f. */
void flight_give_all(struct flight *f)
{
	flight_enter(f, FLIGHT_GIVING);
	set_due(f, 0);
}

void flight_await(struct flight *f)
{
	f->poll_ms = f->poll_ms ? f->poll_ms * 2 : POLL_FIRST_MS;
	if (f->poll_ms > POLL_MAX_MS)
		f->poll_ms = POLL_MAX_MS;
	flight_enter(f, FLIGHT_ELSEWHERE);
	set_due(f, f->poll_ms);
}

static bool take_text(struct flight *f, const struct cache_info *info, struct str text)
{
	buf_init(&f->body, text.n);
	buf_put(&f->head, str_of(text.p, info->head_n));
	buf_put(&f->body, str_skip(text, info->head_n));
	f->has_made = true;
	f->made = *info;
	if (!f->head.failed && !f->body.failed)
		return true;
	buf_done(&f->head);
	buf_done(&f->body);
	return false;
}

/* Those who wait for another worker: its answer is there, or it is still under way, or theirs to
 * make. True: that is settled, and the turn is nobody's. */
static bool look_again(struct flight *f)
{
	struct cache_info info;
	struct buf text;
	cached_init_text(f->w, &text);
	int err = cached_find(f->w, &f->cached, true, &info, &text);
	if (err == -EINPROGRESS)
		flight_await(f);
	else if (err == 0 && take_text(f, &info, buf_str(&text)))
		flight_give_all(f);
	else
		f->has_claim = err == -ENOENT;
	bool is_settled = f->state != FLIGHT_FREE;
	buf_done(&text);
	return is_settled;
}

/* An answer that is too long to be given to others: nobody waits for the next one like it. */
static void let_all_go(struct flight *f)
{
	for (struct request *r; (r = take_first(f));) {
		flight_missed(r);
		request_resume(r);
	}
	flight_free(f);
}

static void next_leader(struct flight *f)
{
	if (f->is_cached && f->err == -EFBIG) {
		let_all_go(f);
		return;
	}
	if (f->is_cached && f->waiting && !f->has_claim && f->poll_ms && look_again(f))
		return;
	struct request *r = take_first(f);
	if (!r) {
		flight_free(f);
		return;
	}
	if (f->is_local || f->has_claim) {
		flight_lead(f, r);
		request_resume(r);	/* f may be no more */
		return;
	}
	int err = flight_ask(f, r);
	if (!err)
		return;
	wait_first(f, r);
	f->err = err;
	flight_give_all(f);
}

static void on_due(struct later *l)
{
	struct flight *f = l->data;
	if (f->state == FLIGHT_ELSEWHERE)
		flight_enter(f, FLIGHT_FREE);
	if (f->state == FLIGHT_FREE) {
		next_leader(f);
		return;
	}
	MUST(f->state == FLIGHT_GIVING);
	for (struct request *r; (r = take_first(f));) {
		give(r, f);
		request_end(r);
	}
	flight_free(f);
}

void flight_pass_on(struct flight *f)
{
	flight_enter(f, FLIGHT_FREE);
	set_due(f, 0);
}

void flight_unask(struct flight *f)
{
	f->leader = NULL;
	release(f);
	flight_pass_on(f);
}

void known_released(struct worker *w, struct frame_in *in)
{
	struct sha256 name;
	frame_get_bytes(in, name.b, sizeof name.b);
	struct flight *f = frame_end(in) == 0 ? flight_find(w, &name) : NULL;
	if (f && f->state == FLIGHT_ELSEWHERE)
		flight_pass_on(f);
}

/* The master may have given the claim all the same. */
static bool is_claim_in_doubt(int err)
{
	return err == -ETIMEDOUT || err == -ENOMEM;
}

static void on_claimed(struct request *r, int err, const struct kept *kept)
{
	struct flight *f = r->known->flight;
	f->leader = NULL;
	if (err == -ENOENT) {
		flight_lead(f, r);
		request_resume(r);
		return;
	}
	wait_first(f, r);
	if (err == -EINPROGRESS) {
		flight_enter(f, FLIGHT_ELSEWHERE);
		set_due(f, AGAIN_MS);
		return;
	}
	if (is_claim_in_doubt(err))
		release(f);
	buf_init(&f->body, LINK_KEEP_MAX);	/* as long as was allowed when it was kept */
	buf_put(&f->head, kept->response);
	buf_put(&f->body, kept->items);
	f->err = err ? err : !kept->response.n ? -EFBIG : 0;
	if (f->head.failed || f->body.failed)
		f->err = -ENOMEM;
	flight_give_all(f);
}

