/* SPDX-License-Identifier: MIT
 * limiter.c - see limiter.h. */
#include "common/limiter.h"

#include <math.h>

#include "common/clock.h"

#define TOLERANCE 1.5			/* latency may be so much above that of long */
#define CUT 0.8
#define LEAST_GRADIENT 0.5
#define SETTLES_NS NS_PER_S		/* a cut shows by then, or it does not help */

enum {
	FIRST_SAMPLES = 16,		/* the least of them is what latency is taken for */
	SHORT_SPAN = 8,			/* samples that an average goes over, about */
	DOWN_SPAN = 32,
	UP_SPAN = 256,
	PROBE_EVERY = 1000		/* samples */
};

static bool is_pressed(const struct limiter *l, uint32_t inflight)
{
	return l->limit && (uint64_t)inflight * 2000 >= l->limit;
}

static void follow(uint32_t *average, uint32_t us, unsigned span)
{
	double next = *average + ((double)us - *average) / span;
	*average = next < 1 ? 1 : (uint32_t)next;
}

static void learn(struct limiter *l, uint32_t us, uint32_t inflight)
{
	if (!l->samples || !l->long_us || !l->short_us) {
		l->long_us = l->short_us = us;
		l->samples = 1;
		return;
	}
	follow(&l->short_us, us, SHORT_SPAN);
	if (l->samples < FIRST_SAMPLES) {
		l->samples++;
		l->long_us = us < l->long_us ? us : l->long_us;
	} else if (us < l->long_us) {
		follow(&l->long_us, us, DOWN_SPAN);
	} else if (!is_pressed(l, inflight)) {	/* else its own queue would become the norm */
		follow(&l->long_us, us, UP_SPAN);
	}
}

/* Under load latency of long is measured anew from time to time, with half as many at a time: a
 * model that has become slower for good is no reason for a limit. True: this is under way. */
static bool probe(struct limiter *l, uint32_t us)
{
	uint32_t flush = 2 * l->limit / 1000, at;
	if (l->samples < FIRST_SAMPLES)
		return false;
	at = ++l->samples < PROBE_EVERY ? 0 : l->samples - PROBE_EVERY;
	if (l->samples == PROBE_EVERY)
		l->limit = l->limit < 2000 ? 1000 : l->limit / 2;
	if (l->samples < PROBE_EVERY)
		return false;
	if (at == flush)			/* who was asked before has been answered */
		l->long_us = us;
	else if (at > flush && us < l->long_us)
		l->long_us = us;
	if (at <= flush + FIRST_SAMPLES)
		return true;
	l->limit = l->limit > LIMITER_MAX * 500 ? LIMITER_MAX * 1000 : l->limit * 2;
	l->samples = FIRST_SAMPLES;
	l->short_us = l->long_us;
	return true;
}

static double gradient(const struct limiter *l, uint32_t us)
{
	double g = us ? TOLERANCE * l->long_us / l->short_us : 1;
	return g > 1 ? 1 : g < LEAST_GRADIENT ? LEAST_GRADIENT : g;
}

/* Where it was refused before, it feels its way. */
static double growth(const struct limiter *l, double at, double step)
{
	double ceiling = l->ceiling / 1000.0;
	double slowly = 0.05 / sqrt(at);
	bool is_near = l->ceiling && at > 0.75 * ceiling && at < 1.1 * ceiling;
	return is_near && step > slowly ? slowly : step;
}

static void mend(struct limiter *l)
{
	if (l->limit > LIMITER_MAX * 1000)
		l->limit = 0;
	else if (l->limit && l->limit < 1000)
		l->limit = 1000;
}

void limiter_answer(struct limiter *l, uint32_t us, uint32_t inflight)
{
	mend(l);
	if (us)
		learn(l, us, inflight);
	double g = gradient(l, us), at, step;
	if (!l->limit && (g >= 1 || inflight < LIMITER_BEGIN))
		return;
	if (!l->limit)
		l->limit = (inflight < LIMITER_MAX ? inflight : LIMITER_MAX) * 1000;
	if (!is_pressed(l, inflight))
		return;			/* it limits nobody: nothing would be learned */
	if (us && probe(l, us))
		return;
	at = l->limit / 1000.0;
	/* In the time of one answer there are as many steps as requests at a time. */
	step = (at * g + sqrt(at) - at) * (at > 10 ? 2 / at : 0.2);
	at += step > 0 ? growth(l, at, step) : step;
	at = at < 1 ? 1 : at;
	l->limit = at > LIMITER_MAX ? 0 : (uint32_t)(at * 1000);
	if (!l->limit || at > 1.5 * l->ceiling / 1000.0)
		l->ceiling = 0;
}

bool limiter_refuse(struct limiter *l, uint32_t inflight)
{
	uint32_t at = (inflight < LIMITER_MAX ? inflight : LIMITER_MAX) * 1000;
	mend(l);
	if (inflight < 2)
		return false;
	if (l->limit && at > l->limit)
		at = l->limit;
	l->ceiling = at;
	l->limit = at * CUT < 1000 ? 1000 : (uint32_t)(at * CUT);
	return true;
}

/* ---- on the board ---- */

static uint32_t load(const _Atomic uint32_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void store(_Atomic uint32_t *word, uint32_t v)
{
	if (load(word) != v)		/* the line may be another's just now */
		atomic_store_explicit(word, v, memory_order_relaxed);
}

static struct limiter read_words(const struct board_deployment *d, enum limiter_kind kind)
{
	return (struct limiter){ .limit = load(&d->limit_milli),
				 .ceiling = load(&d->ceiling_milli),
				 .long_us = load(&d->long_us[kind]),
				 .short_us = load(&d->short_us[kind]),
				 .samples = load(&d->limiter_samples[kind]) };
}

/* The one that ended is counted no more when this is called. */
static uint32_t in_flight(const struct board *b, uint32_t row)
{
	return board_inflight(b, row) + 1;
}

void limiter_answered(const struct board *b, uint32_t row, enum limiter_kind kind, uint32_t us)
{
	struct board_deployment *d = &b->deployments[row];
	struct limiter l = read_words(d, kind);
	limiter_answer(&l, us, in_flight(b, row));
	store(&d->limit_milli, l.limit);
	store(&d->ceiling_milli, l.ceiling);
	store(&d->long_us[kind], l.long_us);
	store(&d->short_us[kind], l.short_us);
	store(&d->limiter_samples[kind], l.samples);
}

bool limiter_refused(const struct board *b, uint32_t row, uint64_t began_ns, uint64_t now_ns)
{
	struct board_deployment *d = &b->deployments[row];
	uint64_t cut = atomic_load_explicit(&d->cut_ns, memory_order_relaxed);
	uint64_t served = atomic_load_explicit(&d->successes, memory_order_relaxed);
	if (began_ns <= cut)
		return true;
	if (cut && served == atomic_load_explicit(&d->successes_at_cut, memory_order_relaxed))
		return now_ns - cut < SETTLES_NS;
	struct limiter l = read_words(d, LIMITER_WHOLE);
	if (!limiter_refuse(&l, in_flight(b, row)) ||
	    !atomic_compare_exchange_strong_explicit(&d->cut_ns, &cut, now_ns,
						     memory_order_relaxed, memory_order_relaxed))
		return false;
	atomic_store_explicit(&d->successes_at_cut, served, memory_order_relaxed);
	store(&d->limit_milli, l.limit);
	store(&d->ceiling_milli, l.ceiling);
	return true;
}
