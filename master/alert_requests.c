/* SPDX-License-Identifier: MIT
 * alert_requests.c - what a finished request says: that a provider failed it, that it took long,
 * that a budget was spent, and, of many together, that a deployment or a region is out. */
#include <stdio.h>

#include "common/clock.h"
#include "common/hash.h"
#include "master/alerts_private.h"
#include "worker/outcome.h"

static const struct {
	const char *name;
	enum outcome_blame blame;
} outcomes[] = {
#define X(name, status, old, type, code, blame) { #name, BLAME_##blame },
	OUTCOMES(X)
#undef X
};

static unsigned outcome_at(uint16_t number)
{
	return number < COUNT(outcomes) ? number : OUTCOME_INTERNAL;
}

static enum outcome_blame blame_of(uint16_t outcome)
{
	return outcomes[outcome_at(outcome)].blame;
}

/* ---- one request ---- */

/* Whose it was, as far as names are known. */
static void put_owner(struct alert_message *m, const struct record *r)
{
	struct alert_owner *w = &m->owner;
	if (r->flags & RF_HAS_KEY)
		hash_hex(w->token, r->key_hash, sizeof r->key_hash);
	alert_name(w->key_alias, sizeof w->key_alias, record_text(r, RT_ALIAS));
	alert_name(w->user_id, sizeof w->user_id, record_text(r, RT_USER));
	alert_name(w->team_id, sizeof w->team_id, record_text(r, RT_TEAM));
	alert_name(w->organization_id, sizeof w->organization_id,
		   record_text(r, RT_ORGANIZATION));
	alert_name(w->customer_id, sizeof w->customer_id, record_text(r, RT_END_USER));
}

static void say_request(struct alert_message *m, const struct record *r, const char *what)
{
	char model[ALERT_NAME], group[ALERT_NAME], deployment[ALERT_NAME], provider[ALERT_NAME];
	alert_name(model, sizeof model, record_text(r, RT_MODEL));
	alert_name(group, sizeof group, record_text(r, RT_GROUP));
	alert_name(deployment, sizeof deployment, record_text(r, RT_DEPLOYMENT));
	alert_name(provider, sizeof provider, record_text(r, RT_PROVIDER));
	put_owner(m, r);
	alert_say(m, "%s\nRequest model: %s\nModel group: %s\nProvider: %s\nDeployment: %s\n"
		     "Key alias: %s\nTeam: %s", what, model, group, provider, deployment,
		  m->owner.key_alias[0] ? m->owner.key_alias : "-",
		  m->owner.team_id[0] ? m->owner.team_id : "-");
}

static void tell_exception(struct alerts *a, const struct record *r)
{
	const struct record_attempt *last = r->n_attempts ? &r->attempts[r->n_attempts - 1] : NULL;
	struct alert_message m;
	char what[160];
	if (!last || !(last->flags & RA_FAILED) || blame_of(last->outcome) == BLAME_NONE)
		return;
	alert_begin(&m, ALERT_llm_exceptions);
	snprintf(what, sizeof what, "A request failed at its provider: %s, after %u attempts "
				    "(status of the last: %u)",
		 outcomes[outcome_at(last->outcome)].name, r->attempts_made, last->status);
	say_request(&m, r, what);
	alert_tell(a, &m, last->deployment ^ ((uint64_t)last->outcome << 40));
}

static void tell_slow(struct alerts *a, const struct record *r)
{
	uint64_t ns = r->end_ns > r->start_ns ? r->end_ns - r->start_ns : 0;
	struct alert_message m;
	char what[128];
	if (ns < a->c->threshold_ms * NS_PER_MS)
		return;
	alert_begin(&m, ALERT_llm_too_slow);
	snprintf(what, sizeof what, "An answer took %.2f s, the threshold is %.2f s",
		 (double)ns / 1e9, (double)a->c->threshold_ms / 1e3);
	say_request(&m, r, what);
	alert_tell(a, &m, hash_table(record_text(r, RT_DEPLOYMENT)));
}

/* ---- many together ---- */

static struct alert_outage *find_outage(struct alerts *a, uint64_t hash, uint64_t now_ns,
					uint64_t window_ms)
{
	enum { NEAR = 8 };
	struct alert_outage *best = NULL;
	for (size_t i = 0; i < NEAR; i++) {
		struct alert_outage *o = &a->outages[(hash + i) % OUTAGES];
		if (o->hash == hash && now_ns < o->until_ns)
			return o;
		bool is_better = best && best->hash != hash && o->until_ns < best->until_ns;
		if (!best || o->hash == hash || is_better)
			best = o;
	}
	*best = (struct alert_outage){ .hash = hash,
				       .until_ns = now_ns + window_ms * NS_PER_MS };
	return best;
}

static unsigned count_member(struct alert_outage *o, uint64_t deployment)
{
	unsigned n = 0;
	while (n < OUTAGE_MEMBERS && o->members[n] && o->members[n] != deployment)
		n++;
	if (n < OUTAGE_MEMBERS)
		o->members[n] = deployment;
	for (n = 0; n < OUTAGE_MEMBERS && o->members[n]; n++)
		;
	return n;
}

/* Whether this failure makes it an outage, or a major one, that has not been told. */
static bool has_risen(const struct alerts *a, struct alert_outage *o)
{
	uint32_t rank = o->failures >= a->c->major ? 2 : o->failures >= a->c->minor ? 1 : 0;
	if (rank <= o->told)
		return false;
	o->told = rank;
	return true;
}

static void count_deployment(struct alerts *a, const struct record_attempt *at,
			     const struct config_model *model, uint64_t now_ns)
{
	struct alert_outage *o = find_outage(a, at->deployment, now_ns, a->c->outage_ms);
	struct alert_message m;
	char group[ALERT_NAME], id[ALERT_NAME], provider[ALERT_NAME];
	o->failures++;
	if (!has_risen(a, o))
		return;
	alert_begin(&m, ALERT_outage_alerts);
	alert_name(group, sizeof group, model->model_name);
	alert_name(id, sizeof id, model->id);
	alert_name(provider, sizeof provider, model->provider);
	m.level = o->told == 2 ? ALERT_HIGH : ALERT_MEDIUM;
	alert_say(&m, "%s service outage: %u failures within %.0f s, the last one %s\n"
		      "Model group: %s\nProvider: %s\nDeployment: %s",
		  o->told == 2 ? "Major" : "Minor", o->failures, (double)a->c->outage_ms / 1e3,
		  outcomes[outcome_at(at->outcome)].name, group, provider, id);
	alert_tell(a, &m, at->deployment + o->told);
}

static struct str region_of(const struct config_model *m)
{
	if (m->region.n)
		return m->region;
	return m->aws_model_region.n ? m->aws_model_region
	       : m->aws_region.n     ? m->aws_region : m->cloud.vertex_location;
}

/* "group (id), group (id)": the first few. */
static void put_members(const struct alerts *a, const struct alert_outage *o, unsigned members,
			char list[640])
{
	char group[24], id[16];
	size_t n = 0;
	list[0] = '\0';
	for (unsigned i = 0; i < members && i < a->c->list_max; i++) {
		const struct config_model *m = alert_find_model(a, o->members[i]);
		if (!m || n + 48 > 640)
			continue;
		alert_name(group, sizeof group, m->model_name);
		alert_name(id, sizeof id, m->id);
		n += (size_t)snprintf(list + n, 640 - n, "%s%s (%s)", n ? ", " : "", group, id);
	}
}

static void count_region(struct alerts *a, const struct record_attempt *at,
			 const struct config_model *model, uint64_t now_ns)
{
	struct str region = region_of(model);
	if (!region.n)
		return;
	uint64_t hash = hash_stable_more(hash_stable(model->provider), region);
	struct alert_outage *o = find_outage(a, hash, now_ns, a->c->region_outage_ms);
	struct alert_message m;
	char name[ALERT_NAME], provider[ALERT_NAME], list[640];
	unsigned members = count_member(o, at->deployment);
	o->failures++;
	if (members < 2 || !has_risen(a, o))
		return;
	alert_begin(&m, ALERT_region_outage_alerts);
	alert_name(name, sizeof name, region);
	alert_name(provider, sizeof provider, model->provider);
	m.level = o->told == 2 ? ALERT_HIGH : ALERT_MEDIUM;
	put_members(a, o, members, list);
	alert_say(&m, "%s region outage: %u failures of %u%s deployments within %.0f s\n"
		      "Provider: %s\nRegion: %s\nDeployments: %s",
		  o->told == 2 ? "Major" : "Minor", o->failures, members,
		  members == OUTAGE_MEMBERS ? " or more" : "",
		  (double)a->c->region_outage_ms / 1e3, provider, name, list);
	alert_tell(a, &m, hash + o->told);
}

static void count_failures(struct alerts *a, const struct export_view *v)
{
	uint64_t now = clock_ns();
	for (unsigned i = 0; i < v->r->n_attempts; i++) {
		const struct record_attempt *at = &v->r->attempts[i];
		if (!(at->flags & RA_FAILED) || blame_of(at->outcome) != BLAME_DOWN ||
		    !v->model[i])
			continue;
		if (alert_wanted(a, ALERT_outage_alerts))
			count_deployment(a, at, v->model[i], now);
		if (alert_wanted(a, ALERT_region_outage_alerts))
			count_region(a, at, v->model[i], now);
	}
}

void alerts_record(struct alerts *a, const struct export_view *v)
{
	const struct record *r = v->r;
	count_failures(a, v);
	if (r->flags & RF_FALLBACK && alert_wanted(a, ALERT_fallback_reports))
		alert_count_fallback(a, r);
	if (!(r->flags & RF_FAILED) && alert_wanted(a, ALERT_llm_too_slow))
		tell_slow(a, r);
	if (!(r->flags & RF_FAILED))
		return;
	if (alert_wanted(a, ALERT_llm_exceptions))
		tell_exception(a, r);
	if (alert_wanted(a, ALERT_budget_alerts) &&
	    str_eq(record_text(r, RT_OUTCOME), STR("BUDGET_SPENT")))
		alert_budget_refused(a, r);
}
