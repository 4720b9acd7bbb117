/* SPDX-License-Identifier: MIT
 * trace.c - see trace.h. */
#include "worker/trace.h"

#include "common/clock.h"
#include "common/hash.h"
#include "worker/request.h"

/* Small letters only (W3C Trace Context, 2.2.2). */
static bool is_hex(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
			return false;
	return true;
}

/* Not all of it may be zero. */
static bool read_id(void *out, size_t n, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '0')
			return is_hex(s) && hash_unhex(out, n, s) == 0;
	return false;
}

static bool read_byte(uint8_t *out, struct str s)
{
	return is_hex(s) && hash_unhex(out, 1, s) == 0;
}

bool trace_read_parent(struct str s, uint8_t id[16], uint8_t span[8], bool *ret_sampled)
{
	uint8_t version, flags, tid[16], sid[8];
	if (s.n < 55 || s.p[2] != '-' || s.p[35] != '-' || s.p[52] != '-')
		return false;
	if (!read_byte(&version, str_of(s.p, 2)) || version == 0xff ||
	    (version == 0 && s.n != 55) || (s.n > 55 && s.p[55] != '-'))
		return false;
	if (!read_id(tid, sizeof tid, str_of(s.p + 3, 32)) ||
	    !read_id(sid, sizeof sid, str_of(s.p + 36, 16)) ||
	    !read_byte(&flags, str_of(s.p + 53, 2)))
		return false;
	memcpy(id, tid, sizeof tid);
	memcpy(span, sid, sizeof sid);
	*ret_sampled = flags & 1;
	return true;
}

static void make_id(uint8_t *to, size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t x = hash_random_below(UINT64_MAX) + 1;	/* never 0 */
		memcpy(to + i, &x, 8);
	}
}

/* OpenTelemetry's TraceIdRatioBased: the last bytes of the id, against a share of all. */
static bool is_in_share(const struct trace *t, uint64_t share)
{
	uint64_t x = 0;
	for (unsigned i = 8; i < 16; i++)
		x = x << 8 | t->id[i];
	return x >> 1 < share;
}

void trace_init(struct trace *t, const struct request *r)
{
	const struct snap_settings *set = snap_settings(r->snap);
	bool sampled = false;
	*t = (struct trace){ 0 };
	make_id(t->span, sizeof t->span);
	if (r->http)
		t->skip = http_header(r->http, "x-litellm-disable-callbacks");
	if (r->http && !(set->trace_flags & TRACE_ALONE))
		t->has_parent = trace_read_parent(http_header(r->http, "traceparent"), t->id,
						  t->parent, &sampled);
	if (!t->has_parent)
		make_id(t->id, sizeof t->id);
	t->is_sampled = t->has_parent && set->trace_flags & TRACE_BY_PARENT
				? sampled
				: is_in_share(t, set->trace_share);
	t->is_sampled &= (set->trace_flags & TRACE_ON) != 0;
}

void trace_begin(struct request *r)
{
	if (r->trace)
		return;			/* its client had gone, and it went on */
	r->trace = arena_alloc(r->mem, sizeof *r->trace);
	if (!r->trace)
		return;
	trace_init(r->trace, r);
	if (r->trace->skip.n)		/* it has to outlive the client */
		r->trace->skip = arena_dup(r->mem, r->trace->skip);
}

void trace_attempt(struct request *r, const struct snap_deployment *d)
{
	struct trace *t = r->trace;
	if (t->n_attempts == RECORD_ATTEMPTS)	/* the last one tells how it ended */
		t->n_attempts--;
	struct record_attempt *a = &t->attempts[t->n_attempts++];
	*a = (struct record_attempt){ .deployment = d->id_hash, .start_ns = clock_wall_ns() };
	make_id(a->span, sizeof a->span);
}

static struct record_attempt *find(struct trace *t, const struct snap_deployment *d)
{
	for (unsigned i = t->n_attempts; i-- > 0;)
		if (t->attempts[i].deployment == d->id_hash && !t->attempts[i].end_ns)
			return &t->attempts[i];
	return NULL;
}

void trace_attempt_end(struct request *r, const struct snap_deployment *d,
		       const struct llm_error *e, unsigned flags)
{
	struct record_attempt *a = find(r->trace, d);
	if (!a)
		return;
	a->end_ns = clock_wall_ns();
	a->flags = flags;
	if (!e)
		return;
	a->flags |= RA_FAILED;
	a->outcome = (uint16_t)e->outcome;
	a->status = (uint16_t)(e->status > 0 ? e->status : 0);
}

void trace_put_header(const struct request *r, const struct snap_deployment *d, struct buf *out)
{
	char id[33], span[17];
	if (!(snap_settings(r->snap)->trace_flags & TRACE_FORWARD))
		return;
	const struct record_attempt *a = find(r->trace, d);
	if (!a)
		return;
	hash_hex(id, r->trace->id, sizeof r->trace->id);
	hash_hex(span, a->span, sizeof a->span);
	buf_printf(out, "traceparent: 00-%s-%s-0%d\r\n", id, span, r->trace->is_sampled);
}
