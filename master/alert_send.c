/* SPDX-License-Identifier: MIT
 * alert_send.c - see alert_send.h. While a parcel is under way it is its thread's alone, but for
 * what the loop keeps beside it. */
#include "master/alert_send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/pool.h"

enum { QUEUE = 128, AT_ONCE = 2, TRIES = 5, SEND_MS = 10000, BACK_OFF_MS = 1000, END_MS = 1500,
       THREAD_MS = 5000, BODY_MAX = 16384, RECIPIENTS = 4096 };

struct parcel {
	struct alert_send *owner;
	enum alert_format format;
	struct config_mail mail;	/* its slices point into `words` */
	char url[1024], to[RECIPIENTS], words[2048];	/* SECRET */
	char from[256];
	struct egress egress;
	struct buf body;
	size_t target;
	uint64_t place;			/* which receiver: one at a time is told */
	unsigned tries;
	uint64_t retry_ns, give_up_ns;	/* give_up_ns: of a test, until when a thread must be had */
	alert_sent_fn *done;
	void *data;
	/* the work */
	uv_work_t work;
	bool is_running;
	_Atomic bool is_over;
	struct post_result result;
};

struct alert_send {
	uv_loop_t *loop;
	struct metric_row *metrics;
	struct parcel *queue[QUEUE];	/* in the order in which they came */
	size_t n;
	unsigned running;
	bool is_full, is_failing[ALERT_FORMATS];	/* said once */
	_Atomic bool gives_up;
};

/* ---- on the thread ---- */

static void send_parcel(struct parcel *p)
{
	void *easy = NULL;
	const _Atomic bool *gives_up = &p->owner->gives_up;
	if (p->format == ALERT_EMAIL) {
		struct post_mail m = { p->url, p->mail.user.p, p->mail.password.p, p->from, p->to,
				       p->mail.has_tls, &p->egress };
		post_mail(&easy, &m, buf_str(&p->body), SEND_MS, gives_up, &p->result);
	} else {
		post_json(&easy, p->url, "", buf_str(&p->body), SEND_MS, &p->egress, gives_up,
			  &p->result);
	}
	post_done(easy);
	atomic_store(&p->is_over, true);
}

static void on_work(uv_work_t *w)
{
	send_parcel(w->data);
}

/* ---- on the loop ---- */

static void free_parcel(struct parcel *p)
{
	buf_done(&p->body);
	mem_wipe(p, sizeof *p);
	mem_free(p);
}

static void take_out(struct alert_send *s, const struct parcel *p)
{
	size_t i = 0;
	while (i < s->n && s->queue[i] != p)
		i++;
	if (i == s->n)
		return;
	memmove(&s->queue[i], &s->queue[i + 1], (--s->n - i) * sizeof s->queue[0]);
	s->is_full = false;
}

static void tell_failure(struct alert_send *s, const struct parcel *p)
{
	if (!s->is_failing[p->format])
		LOG(LOG_WARN, "alert.failing", F_Z("to", alert_formats[p->format].name),
		    F_Z("why", p->result.why));
	s->is_failing[p->format] = true;
}

/* What the thread found. True: the parcel is done with. */
static bool end_try(struct parcel *p)
{
	struct alert_send *s = p->owner;
	bool was_taken = !p->result.why[0];
	p->is_running = false;
	if (was_taken && s->is_failing[p->format])
		LOG(LOG_INFO, "alert.recovered", F_Z("to", alert_formats[p->format].name));
	if (was_taken)
		s->is_failing[p->format] = false;
	if (p->done)
		return true;
	if (was_taken) {
		METRIC_ADD(s->metrics, alerts_sent, 1);
		return true;
	}
	tell_failure(s, p);
	if (++p->tries >= TRIES || !post_may_retry(&p->result)) {
		METRIC_ADD(s->metrics, alerts_dropped, 1);
		return true;
	}
	uint64_t ms = (uint64_t)BACK_OFF_MS << (2 * (p->tries - 1));
	if (p->result.retry_after_ms > ms)
		ms = p->result.retry_after_ms;
	p->retry_ns = clock_ns() + (ms + hash_random_below(ms / 4 + 1)) * NS_PER_MS;
	return false;
}

static void finish(struct parcel *p)
{
	struct alert_send *s = p->owner;
	if (!end_try(p))
		return;
	take_out(s, p);
	if (p->done)
		p->done(p->data, p->target, &p->result);
	free_parcel(p);
}

static void say_no_thread(struct parcel *p)
{
	snprintf(p->result.why, sizeof p->result.why,
		 "not sent: other work of the gateway had all threads for %d s", THREAD_MS / 1000);
}

static void on_worked(uv_work_t *w, int status)
{
	struct parcel *p = w->data;
	if (atomic_load(&p->owner->gives_up))
		return;
	struct alert_send *s = p->owner;
	s->running -= !p->done;
	if (status < 0)
		say_no_thread(p);
	finish(p);
	alert_send_tick(s, clock_ns());
}

static bool is_place_busy(const struct alert_send *s, size_t upto)
{
	for (size_t i = 0; i < upto; i++)
		if (!s->queue[i]->done && s->queue[i]->place == s->queue[upto]->place)
			return true;	/* under way, or waits to be tried again */
	return false;
}

static void start(struct alert_send *s, struct parcel *p)
{
	p->result = (struct post_result){ 0 };
	p->work.data = p;
	atomic_store(&p->is_over, false);
	if (pool_work(s->loop, &p->work, on_work, on_worked) < 0)
		return;			/* the next tick tries again */
	p->is_running = true;
	s->running += !p->done;
}

/* Somebody waits for what becomes of a test: it stands in no line, and has an end. One that a
 * thread has taken up ends by SEND_MS. True: it is over, and gone from the queue. */
static bool push_test(struct alert_send *s, struct parcel *p, uint64_t now_ns)
{
	if (!p->is_running)
		start(s, p);
	if (now_ns < p->give_up_ns)
		return false;
	if (p->is_running) {
		uv_cancel((uv_req_t *)&p->work);	/* on_worked() says so */
		return false;
	}
	say_no_thread(p);
	finish(p);
	return true;
}

void alert_send_tick(struct alert_send *s, uint64_t now_ns)
{
	for (size_t i = 0; i < s->n;) {
		struct parcel *p = s->queue[i];
		bool is_due = !p->done && !p->is_running && now_ns >= p->retry_ns;
		if (p->done && push_test(s, p, now_ns))
			continue;
		if (is_due && s->running < AT_ONCE && !is_place_busy(s, i))
			start(s, p);
		i++;
	}
}

/* ---- what comes in ---- */

/* A copy that ends with a NUL, in the parcel's own words. */
static struct str copy_word(struct parcel *p, size_t *used, struct str s)
{
	char *at = p->words + *used;
	size_t n = s.n + 1 < sizeof p->words - *used ? s.n : 0;
	if (n)
		memcpy(at, s.p, n);
	at[n] = '\0';
	*used += n + 1 < sizeof p->words - *used ? n + 1 : 0;
	return str_of(at, n);
}

static void add_recipient(struct parcel *p, struct str address)
{
	size_t at = strlen(p->to);
	if (alert_is_address(address) && at + address.n + 3 < sizeof p->to)
		snprintf(p->to + at, sizeof p->to - at, "%s" STR_FMT, at ? ", " : "",
			 STR_ARG(address));
}

static void address_mail(struct parcel *p, const struct config_alerts *c,
			 const struct alert_message *m)
{
	size_t used = 0;
	struct str owner = str_z(m->owner.user_email);
	bool is_there = false;
	p->mail = c->mail;
	p->mail.user = copy_word(p, &used, c->mail.user);
	p->mail.password = copy_word(p, &used, c->mail.password);
	snprintf(p->from, sizeof p->from, STR_FMT, STR_ARG(c->mail.from));
	snprintf(p->url, sizeof p->url, "%s://" STR_FMT ":%u",
		 c->mail.port == 465 ? "smtps" : "smtp", STR_ARG(c->mail.host), c->mail.port);
	for (size_t i = 0; i < c->emails.n; i++) {
		add_recipient(p, c->emails.v[i]);
		is_there |= str_eq(c->emails.v[i], owner);
	}
	if (m->kind == ALERT_budget_alerts && owner.n && !is_there)
		add_recipient(p, owner);
}

bool alert_send_put(struct alert_send *s, const struct config_alerts *c, size_t target,
		    const struct alert_message *m, alert_sent_fn *done, void *data)
{
	const struct config_alert_target *t = &c->targets[target];
	struct parcel *p = s->n < QUEUE ? mem_alloc(sizeof *p) : NULL;
	const char *base = getenv("PROXY_BASE_URL");
	if (!p) {
		if (!s->is_full)
			LOG(LOG_WARN, "alert.dropped", F_INT("waiting", s->n));
		s->is_full = true;
		METRIC_ADD(s->metrics, alerts_dropped, 1);
		return false;
	}
	p->owner = s;
	p->format = t->format;
	p->target = target;
	p->done = done;
	p->data = data;
	p->give_up_ns = clock_ns() + THREAD_MS * NS_PER_MS;
	egress_set(&p->egress, c->allow_private, t->is_strangers);
	if (t->format == ALERT_EMAIL)
		address_mail(p, c, m);
	else
		snprintf(p->url, sizeof p->url, STR_FMT, STR_ARG(t->url));
	p->place = hash_table(str_z(p->url));
	struct alert_sender_name who = { base ? base : "", p->from, p->to };
	buf_init(&p->body, BODY_MAX);
	alert_formats[t->format].write(m, &who, &p->body);
	if (p->body.failed || (t->format == ALERT_EMAIL && !p->to[0])) {
		free_parcel(p);
		return false;
	}
	s->queue[s->n++] = p;
	return true;
}

int alert_send_new(uv_loop_t *loop, struct metric_row *m, struct alert_send **ret)
{
	struct alert_send *s = mem_alloc(sizeof *s);
	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->metrics = m;
	*ret = s;
	return 0;
}

/* ---- the end ---- */

static void wait_for(const struct parcel *p, uint64_t until_ns)
{
	const struct timespec pause = { .tv_nsec = 5 * (long)NS_PER_MS };
	while (!atomic_load(&p->is_over) && clock_ns() < until_ns)
		nanosleep(&pause, NULL);
}

/* Those that a thread has stay where they are: the loop runs no more, and the process ends. */
void alert_send_stop(struct alert_send *s, uint64_t until_ns)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		struct parcel *p = s->queue[i];
		if (p->is_running && uv_cancel((uv_req_t *)&p->work) < 0)
			wait_for(p, until_ns);
		else if (p->is_running)
			atomic_store(&p->is_over, true);
	}
	atomic_store(&s->gives_up, true);
	for (size_t i = 0; i < s->n; i++) {
		struct parcel *p = s->queue[i];
		if (p->is_running) {
			wait_for(p, clock_ns() + END_MS * NS_PER_MS);
			continue;
		}
		METRIC_ADD(s->metrics, alerts_dropped, 1);
		free_parcel(p);
	}
	s->n = 0;
}
