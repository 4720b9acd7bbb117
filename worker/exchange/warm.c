/* SPDX-License-Identifier: MIT
 * warm.c - see warm.h. One call a base: deployments with the same one share its connections. */
#include "worker/exchange/warm.h"

#include "common/clock.h"
#include "common/hash.h"
#include "common/mem.h"
#include "worker/exchange/upstream.h"

enum {
	BASES_MAX = 64,			/* kept warm by one worker */
	STARTS_MAX = 4			/* in one tick */
};
#define IN_USE_NS (600 * NS_PER_S)	/* a group that had an answer in that time is in use */

struct warm_base {
	struct worker *w;
	uint64_t name;			/* hash of the base; 0 = free */
	uint64_t asked_ns;
	struct transfer *t;		/* NULL: none is under way */
	struct snap *snap;		/* held while it is */
};
struct warm {
	struct warm_base bases[BASES_MAX];
};

/* ---- one call ---- */

static void on_head(void *data, const struct transfer_head *h)
{
	(void)data;
	(void)h;			/* whatever it says: there is a connection */
}

static int on_data(void *data, struct str bytes)
{
	(void)data;
	(void)bytes;
	return 0;
}

static void on_end(void *data, enum transfer_end end, const char *detail)
{
	struct warm_base *b = data;
	(void)end;			/* who needs it will see; it says nothing of the model */
	(void)detail;
	b->t = NULL;
	b->snap = snap_unref(b->snap);
}

static void ask(struct warm_base *b, const struct snap_deployment *d, uint64_t now_ns)
{
	static const struct transfer_handler handler = { on_head, on_data, on_end };
	struct transfer_spec spec = {
		.snap = b->w->snap,
		.deployment = d,
		.path = STR("/"),
		.method = "HEAD",
		.without_key = true,
		.connect_timeout_ms = snap_settings(b->w->snap)->connect_timeout_ms,
	};
	b->asked_ns = now_ns;
	b->t = upstream_start(b->w->upstream, &spec, &handler, b);
	b->snap = b->t ? snap_ref(b->w->snap) : NULL;
}

/* The base's row, or the one that was asked longest ago; NULL: all are being asked. */
static struct warm_base *row_of(struct warm *w, uint64_t name)
{
	struct warm_base *oldest = NULL;
	for (unsigned i = 0; i < BASES_MAX; i++) {
		struct warm_base *b = &w->bases[i];
		if (b->name == name)
			return b;
		if (!b->t && (!oldest || b->asked_ns < oldest->asked_ns))
			oldest = b;
	}
	return oldest;
}

static bool is_worth_it(const struct snap_deployment *d, const struct board_deployment *b,
			uint64_t now_ns)
{
	return d->family != FAMILY_MOCK && d->base.n &&
	       atomic_load_explicit(&b->cooldown_until_ns, memory_order_relaxed) <= now_ns &&
	       atomic_load_explicit(&b->probe_status, memory_order_relaxed) != 2;
}

/* Whether a call began. */
static bool warm_up(struct worker *w, const struct snap_deployment *d, uint64_t now_ns)
{
	uint64_t every_ns = snap_settings(w->snap)->keep_warm_ms * NS_PER_MS;
	uint64_t name = hash_stable(snap_text(w->snap, d->base)) | 1;
	struct warm_base *b = row_of(w->warm, name);
	if (!b || b->t || (b->name == name && now_ns - b->asked_ns < every_ns))
		return false;
	*b = (struct warm_base){ .w = w, .name = name };
	ask(b, d, now_ns);
	return b->t != NULL;
}

/* ---- which ---- */

static bool is_in_use(const struct worker *w, const struct snap_group *g, uint64_t now_ns)
{
	for (uint32_t i = 0; i < g->members.count; i++) {
		const struct snap_deployment *d =
			snap_deployment(w->snap, snap_member(w->snap, g, i));
		uint64_t at = atomic_load_explicit(&w->board.deployments[d->board_row].sampled_ns,
						   memory_order_relaxed);
		if (at && now_ns - at < IN_USE_NS)
			return true;
	}
	return false;
}

static unsigned warm_group(struct worker *w, const struct snap_group *g, uint64_t now_ns)
{
	unsigned n = 0;
	for (uint32_t i = 0; i < g->members.count && n < STARTS_MAX; i++) {
		const struct snap_deployment *d =
			snap_deployment(w->snap, snap_member(w->snap, g, i));
		if (is_worth_it(d, &w->board.deployments[d->board_row], now_ns))
			n += warm_up(w, d, now_ns);
	}
	return n;
}

static unsigned warm_fallbacks(struct worker *w, const struct snap_group *g, uint64_t now_ns)
{
	unsigned n = 0;
	for (uint32_t i = 0; i < g->fallbacks.count && n < STARTS_MAX; i++) {
		struct str name = snap_name(w->snap, g->fallbacks, i);
		const struct snap_group *to = snap_resolve(w->snap, name);
		if (to)
			n += warm_group(w, to, now_ns);
	}
	return n;
}

void warm_tick(struct worker *w, uint64_t now_ns)
{
	uint32_t groups = snap_head(w->snap)->groups.count + snap_head(w->snap)->patterns.count;
	unsigned n = 0;
	if (!snap_settings(w->snap)->keep_warm_ms || w->is_draining)
		return;
	if (!w->warm)
		w->warm = mem_alloc(sizeof *w->warm);
	for (uint32_t i = 0; w->warm && i < groups && n < STARTS_MAX; i++) {
		const struct snap_group *g = snap_group(w->snap, i);
		if (!is_in_use(w, g, now_ns))
			continue;
		n += warm_group(w, g, now_ns);
		n += warm_fallbacks(w, g, now_ns);
	}
}
