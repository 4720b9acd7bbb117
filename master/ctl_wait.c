/* SPDX-License-Identifier: MIT
 * ctl_wait.c - `llmgwctl wait`, for scripts: a gateway that does not answer yet is waited for. */
#include "master/ctl_wait.h"

#include <errno.h>
#include <poll.h>

#include "common/clock.h"

enum { LOOK_MS = 100, LOOK_MEMORY = 8 << 20 };

int ctl_read_wish(struct str text, struct ctl_wish *ret)
{
	struct str value = text, name = str_cut(&value, '=');
	*ret = (struct ctl_wish){ .what = WAIT_READY };
	if (str_eq_z(text, "ready"))
		return 0;
	ret->what = WAIT_IDLE;
	if (str_eq_z(text, "idle"))
		return 0;
	ret->what = WAIT_GENERATION;
	return str_eq_z(name, "generation") && value.p ? str_read_u64(value, &ret->generation)
						       : -EINVAL;
}

bool ctl_wish_fits(struct arena *a, const struct ctl_wish *w, const struct json *status)
{
	uint64_t ready = json_count(json_get_path(status, "workers.ready"));
	bool runs = str_eq_z(json_get_str(a, status, "state"), "running") && ready > 0 &&
		    ready >= json_count(json_get_path(status, "workers.wanted"));
	switch (w->what) {
	case WAIT_READY:
		return runs;
	case WAIT_IDLE:
		return json_is(json_get_path(status, "traffic.in_flight"), JSON_NUMBER) &&
		       json_count(json_get_path(status, "traffic.in_flight")) == 0;
	case WAIT_GENERATION:
		return runs && json_count(json_get(status, "generation")) >= w->generation;
	}
	return false;
}

/* One look, in memory of its own, which may take ms. CTL_DONE: *ret_fits says how it stands. */
static enum ctl_exit look(const struct ctl_pages *of, uint64_t ms, struct ctl_progress *p,
			  const struct ctl_wish *w, struct buf *out, bool *ret_fits)
{
	struct ctl_request q = *of->q;
	struct ctl_error unheard = { 0 };
	struct json_error why;
	struct arena *a = arena_new(LOOK_MEMORY);
	int status = 0;
	*ret_fits = false;
	if (!a)
		return CTL_FAILED;
	q.command = ctl_find(STR("status"));
	q.args = STR("{}");
	q.opt.timeout_ms = ms;
	buf_reset(out);
	enum ctl_exit r = of->call(of->data, a, &q, p, &status, out, &unheard);
	const struct json *j = r == CTL_DONE && status == 200
				       ? json_parse(a, buf_str(out), 0, &why) : NULL;
	*ret_fits = j && ctl_wish_fits(a, w, j);
	arena_free(a);
	/* What may come right by itself is waited for; what is not allowed stays so. */
	return r == CTL_NOT_ALLOWED || r == CTL_USAGE ? r : CTL_DONE;
}

enum ctl_exit ctl_wait(const struct ctl_pages *of, struct buf *out, struct ctl_error *reterr)
{
	struct json_error why;
	const struct json *args = json_parse(of->mem, of->q->args, 0, &why);
	struct str text = json_get_str(of->mem, args, "for");
	uint64_t until = clock_ns() + of->q->opt.timeout_ms * NS_PER_MS;
	struct ctl_progress progress;
	struct ctl_wish wish;
	enum ctl_exit r = CTL_DONE;
	bool fits = false;
	if (ctl_read_wish(text.n ? text : STR("ready"), &wish) != 0) {
		*reterr = (struct ctl_error){ CTL_USAGE, STR("wait: that cannot be waited for"),
					      STR("ready, idle or generation=N") };
		return CTL_USAGE;
	}
	ctl_progress_start(&progress, "waiting,", of->shows_progress);
	for (uint64_t now; r == CTL_DONE && !fits && (now = clock_ns()) < until;) {
		r = look(of, (until - now) / NS_PER_MS + 1, &progress, &wish, out, &fits);
		ctl_progress_tick(&progress);
		if (r == CTL_DONE && !fits)
			(void)poll(NULL, 0, LOOK_MS);
	}
	ctl_progress_end(&progress);
	if (fits)
		return CTL_DONE;
	if (r == CTL_DONE)
		r = CTL_TIMED_OUT;
	*reterr = (struct ctl_error){
		r, r == CTL_TIMED_OUT ? STR("wait: it did not come to be in time")
				      : STR("wait: the gateway cannot be asked"),
		r == CTL_TIMED_OUT ? STR("llmgwctl status shows how it stands; --timeout waits longer")
				   : STR("llmgwctl status says why"),
	};
	return r;
}
