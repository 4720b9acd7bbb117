/* SPDX-License-Identifier: MIT
 * account.c - the money of one request: reserve, follow, settle. See account.h.
 *
 * Before the first byte goes to a provider the worst case is reserved at every level and an
 * INTENT stands in the journal; at the end SETTLE carries the real cost. In strict estimation
 * the reserve is a true upper bound, so a budget is never overspent. */
#include "worker/settle/account.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/gate.h"
#include "common/rate.h"
#include "common/route.h"
#include "worker/settle/account_private.h"
#include "worker/settle/flusher.h"
#include "worker/settle/unpriced.h"
#include "worker/windows.h"

/* ---- reserve ----------------------------------------------------------------------------------
 */

static const struct price *price_of_member(struct request *r, uint32_t i)
{
	return account_price(r, snap_deployment(r->snap, snap_member(r->snap, r->group, i)));
}

static bool is_priced(struct request *r)
{
	for (uint32_t i = 0; i < r->group->members.count; i++) {
		const struct price *p = price_of_member(r, i);
		if (p->flags & PRICE_KNOWN && !(p->flags & PRICE_FREE))
			return true;
	}
	return false;
}

/* Explicitly free, all of it: a spent budget does not matter. */
static bool is_free(struct request *r)
{
	for (uint32_t i = 0; i < r->group->members.count; i++)
		if (!(price_of_member(r, i)->flags & PRICE_FREE))
			return false;
	return true;
}

/* "Team=alias (id)" and its kin, for a message. */
static const char *name_owner(const struct request *r, const struct dir_key *k)
{
	struct str s = arena_printf(r->mem, "%s=" STR_FMT " (" STR_FMT ")",
				    owner_words[k->kind].noun, STR_ARG(k->alias),
				    STR_ARG(k->last4));
	return s.p ? arena_dup_z(r->mem, s) : "";
}

static enum step refuse_parallel(struct request *r, const struct dir_key *k)
{
	struct llm_error e = {
		.outcome = OUTCOME_RATE_LIMITED,
		.retry_after_ms = 1000, /* a guess: one of them may end any time */
		.message = arena_printf(r->mem,
					"Rate limit exceeded for %s: " STR_FMT
					". Limit type: max_parallel_requests. Current "
					"limit: %u, Remaining: 0.",
					owner_words[k->kind].rate, STR_ARG(k->last4),
					k->max_parallel),
	};
	METRIC_ADD(r->w->metrics, limited, 1);
	return request_fail_with(r, &e);
}

static enum step refuse_budget(struct request *r, const struct dir_key *k, int64_t left)
{
	int64_t settled, reserved;
	uint32_t parallel;
	METRIC_ADD(r->w->metrics, budget_refused, 1);
	budget_read(&r->w->board, k->entity, &settled, &reserved, &parallel);
	return request_fail(
		r, OUTCOME_BUDGET_SPENT, NULL,
		"Budget has been exceeded! %s Current cost: %.9g, Max budget: %.9g. This request "
		"may cost up to %.9g, %.9g is set aside for requests under way, %.9g is left.",
		name_owner(r, k), (double)settled / 1e9, (double)k->max_budget_nano / 1e9,
		(double)r->reserve_nano / 1e9, (double)reserved / 1e9,
		(double)(left > 0 ? left : 0) / 1e9);
}

static uint64_t append(struct request *r, struct journal_record *rec)
{
	uint64_t seq = journal_append(r->w->journal, rec);
	atomic_store_explicit(&r->w->row->journal_last, seq, memory_order_release);
	r->w->has_appended = true;
	return seq;
}

uint8_t account_call(const struct request *r)
{
	static const uint8_t calls[LLM_KINDS] = { [LLM_CHAT] = JOURNAL_CALL_CHAT,
						  [LLM_TEXT] = JOURNAL_CALL_TEXT,
						  [LLM_EMBED] = JOURNAL_CALL_EMBED,
						  [LLM_RERANK] = JOURNAL_CALL_RERANK };
	if (r->raw)
		return (uint8_t)r->raw->raw->call;
	return calls[r->q.kind];
}

static void fill(const struct request *r, struct journal_record *rec, enum journal_kind kind)
{
	*rec = (struct journal_record){ 0 };
	rec->kind = (uint8_t)kind;
	rec->endpoint = account_call(r);
	memcpy(rec->request_id, r->id, sizeof rec->request_id);
	memcpy(rec->client_ip, r->client_ip, sizeof rec->client_ip);
	rec->key_id = r->key.id;
	rec->team = (uint32_t)r->team.id;
	rec->start_ns = r->start_wall_ns;
	rec->reserve_nano = r->reserve_nano;
	size_t n =
		r->requested_model.n < sizeof rec->model ? r->requested_model.n : sizeof rec->model;
	memcpy(rec->model, r->requested_model.p, n);
	struct str user = r->end_user.n ? r->end_user : r->q.user;
	n = user.n < sizeof rec->end_user ? user.n : sizeof rec->end_user;
	if (n)
		memcpy(rec->end_user, user.p, n);
}

enum { ADMIT_RECORDS = 4 };	/* INTENT and SETTLE, each with its levels */

/* For n records more. Every admitted request still owes its SETTLE, perhaps with its levels: room
 * for those is kept back. */
static bool has_room(const struct worker *w, unsigned n)
{
	uint64_t committed = atomic_load_explicit(&w->row->journal_committed, memory_order_acquire);
	uint64_t owed = atomic_load_explicit(&w->row->requests, memory_order_relaxed);
	return journal_room(w->journal, committed) >= 2 * owed + n;
}

/* Whether spend can be recorded now. */
static enum step check_ledger(struct request *r)
{
	struct worker *w = r->w;
	enum money_reason down = (enum money_reason)atomic_load_explicit(&w->board.head->money_down,
									 memory_order_relaxed);
	if (down != MONEY_OK && is_priced(r)) {
		METRIC_ADD(w->metrics, money_down, 1);
		return request_fail(r, OUTCOME_MONEY_DOWN, NULL, "spend cannot be recorded: %s",
				    money_reason_text(down));
	}
	if (!flusher_is_well(w->flusher))
		return request_fail(r, OUTCOME_MONEY_DOWN, NULL, "spend cannot be recorded: %s",
				    money_reason_text(MONEY_JOURNAL));
	if (!has_room(w, ADMIT_RECORDS)) {
		METRIC_ADD(w->metrics, journal_full, 1);
		return request_fail(r, OUTCOME_OVERLOADED, NULL,
				    "spend records come faster than the database takes them");
	}
	return STEP_NEXT;
}

/* The key first, the team behind it, then all others. An admin's key is counted and not limited:
 * it has no owner of its own. */
static void fill_levels(struct request *r)
{
	r->n_levels = 0;
	if (r->is_admin)
		r->levels[r->n_levels++] =
			(struct budget_level){ .entity = r->key.entity, .max_nano = -1 };
	for (uint32_t i = 0; i < r->n_owners; i++) {
		const struct dir_key *k = r->owners[i].row;
		if (k->flags & KEY_RATES_ONLY)
			break;		/* it is the last one */
		r->levels[r->n_levels++] = (struct budget_level){
			.entity = k->entity,
			.max_parallel = k->max_parallel,
			.max_nano = k->max_budget_nano,
		};
	}
}

/* The owner that a level is of. */
static const struct dir_key *owner_at(const struct request *r, uint32_t level)
{
	uint32_t first = r->is_admin ? 1 : 0;
	return level >= first ? r->owners[level - first].row : &r->key;
}

/* Those that a journal's record has a place for: key and team, or with a token the team alone. */
static uint32_t count_own(const struct request *r)
{
	uint32_t has_key = r->is_admin || !r->token;
	return has_key + (r->team.id && !r->is_admin);
}

static void append_levels_of(struct request *r, const uint8_t id[16], uint32_t n_own)
{
	union {
		struct journal_levels l;
		struct journal_record r;
	} rec = { .l = { .kind = JOURNAL_LEVELS } };
	memcpy(rec.l.request_id, id, sizeof rec.l.request_id);
	for (uint32_t i = n_own; i < r->n_levels; i++)
		rec.l.level[rec.l.n++] = dir_entity_id(owner_at(r, i));
	append(r, &rec.r);
}

/* Right before the record that they belong to: whoever finds that finds these, too. */
static void append_levels(struct request *r)
{
	uint32_t n_own = count_own(r);
	if (r->n_levels > n_own)
		append_levels_of(r, r->id, n_own);
}

static int admit(struct request *r, enum budget_verdict *ret_verdict, uint32_t *ret_level,
		 int64_t *ret_left)
{
	struct budget_level levels[BOARD_LEVELS];
	fill_levels(r);
	memcpy(levels, r->levels, sizeof levels);
	/* Only now: a fallback may cost something after all. */
	if (is_free(r))
		for (uint32_t i = 0; i < r->n_levels; i++)
			levels[i].max_nano = -1;
	return budget_admit(r->w->pool, levels, r->n_levels, r->reserve_nano, r->id, &r->claim,
			    ret_verdict, ret_level, ret_left);
}

static void fill_slot(const struct request *r, struct board_slot *slot)
{
	slot->key_id = r->key.id;
	slot->team = (uint32_t)r->team.id;
	slot->start_wall_ns = r->start_wall_ns;
	slot->endpoint = account_call(r);
}

enum step account_reserve(struct request *r)
{
	enum budget_verdict verdict;
	uint32_t level;
	int64_t left;
	enum step s = check_ledger(r);
	if (s != STEP_NEXT)
		return s;
	r->reserve_nano = account_worst_of_group(r);
	if (r->windows && windows_take_cost(r, r->reserve_nano) != STEP_NEXT)
		return STEP_DONE;
	int err = admit(r, &verdict, &level, &left);
	if (err == -EDQUOT && verdict == BUDGET_PARALLEL)
		return refuse_parallel(r, owner_at(r, level));
	if (err == -EDQUOT)
		return refuse_budget(r, owner_at(r, level), left);
	if (err < 0)
		return request_fail(r, OUTCOME_OVERLOADED, NULL, "too many requests are under way");
	r->has_claim = true;
	fill_slot(r, r->claim.slot);
	r->spend_before_nano = atomic_load_explicit(&r->entity->settled, memory_order_relaxed);
	struct journal_record rec;
	append_levels(r);
	fill(r, &rec, JOURNAL_INTENT);
	append(r, &rec);
	r->has_intent = true;
	return STEP_NEXT;
}

static int extend(struct request *r, int64_t to_nano)
{
	int err = 0;
	if (to_nano <= r->reserve_nano)
		return 0;
	err = budget_extend(r->w->pool, &r->claim, r->levels, r->n_levels,
			    to_nano - r->reserve_nano);
	if (err == 0)
		r->reserve_nano = to_nano;
	return err;
}

int account_cover(struct request *r, const struct snap_deployment *d)
{
	return extend(r, r->extra_nano + account_worst(r, d));
}

int account_cover_both(struct request *r, const struct snap_deployment *d)
{
	struct usage u = { .input = account_guess_input(r), .estimated = true };
	int err = extend(r, r->extra_nano + account_worst(r, r->deployment) + account_worst(r, d));
	if (err == 0)
		r->rival_nano = account_cost_of(r, &u);
	return err;
}

static void count_usage(const struct request *r, const struct snap_deployment *d,
			const struct usage *u, int64_t cost_nano)
{
	struct board_deployment *b = &r->w->board.deployments[d->board_row];
	atomic_fetch_add_explicit(&b->tokens_in, u->input, memory_order_relaxed);
	atomic_fetch_add_explicit(&b->tokens_out, u->output, memory_order_relaxed);
	atomic_fetch_add_explicit(&b->cost_nano, (uint64_t)cost_nano, memory_order_relaxed);
	route_minute_add(&b->minute_tokens, clock_coarse_ns(), u->input + u->output);
	if (d->flags & DEPLOY_GATED)
		gate_answered(&r->w->board, r->snap, d, u->input + u->output, cost_nano,
			      clock_wall_ns());
}

/* Without memory it is part of the one that answers. */
static void keep_booked(struct request *r, const struct booked_attempt *like)
{
	struct booked_attempt *b = arena_alloc(r->mem, sizeof *b);
	if (!b)
		return;
	*b = *like;
	b->before = r->booked;
	r->booked = b;
}

void account_book(struct request *r, const struct snap_deployment *d, const struct llm_tally *t,
		  uint64_t since_ns, enum outcome o)
{
	struct usage u = account_usage_of(r, d, t);
	int64_t cost = price_cost(account_price(r, d), &u);
	uint64_t now = clock_wall_ns();
	usage_add(&r->extra, &u);
	r->extra_nano += cost;
	count_usage(r, d, &u, cost);
	keep_booked(r, &(struct booked_attempt){ .deployment = d, .usage = u, .cost_nano = cost,
						 .start_ns = now - (clock_ns() - since_ns),
						 .end_ns = now, .outcome = o });
}

void account_dispatched(struct request *r, const struct snap_deployment *d)
{
	/* From now on the prompt is paid for, also when this worker is killed before an answer. */
	struct usage u = { .input = request_prompt_tokens(r), .estimated = true };
	if (r->raw)
		u = r->raw->known;
	atomic_store_explicit(&r->claim.slot->tokens_in, (uint32_t)u.input, memory_order_relaxed);
	atomic_store_explicit(&r->claim.slot->running_nano,
			      r->extra_nano + r->rival_nano + price_cost(account_price(r, d), &u),
			      memory_order_relaxed);
	atomic_store_explicit(&r->claim.slot->deployment, d->id_hash, memory_order_relaxed);
	atomic_store_explicit(&r->claim.slot->dispatched, 1, memory_order_release);
	if (d->flags & DEPLOY_GATED)
		gate_asked(&r->w->board, r->snap, d, clock_wall_ns());
}

int account_progress(struct request *r)
{
	struct board_slot *slot = r->claim.slot;
	struct usage u;
	if (!r->has_claim)
		return 0;		/* settled: the provider has words behind its end */
	int64_t cost = account_cost(r, &u);
	atomic_store_explicit(&slot->tokens_in, (uint32_t)u.input, memory_order_relaxed);
	atomic_store_explicit(&slot->tokens_out, (uint32_t)u.output, memory_order_relaxed);
	atomic_store_explicit(&slot->running_nano, cost, memory_order_relaxed);
	return extend(r, cost);
}

/* ---- settle ------------------------------------------------------------------------------------
 */

/* Those that count in limits of tokens a minute. */
static uint64_t counted_tokens(const struct request *r, const struct usage *u)
{
	uint32_t which = snap_settings(r->snap)->token_rate;
	return (which == TOKENS_OUTPUT ? 0 : u->input) + (which == TOKENS_INPUT ? 0 : u->output);
}

static void correct_tokens(struct request *r, const struct usage *u)
{
	uint64_t real = counted_tokens(r, u), now = clock_coarse_ns();
	for (uint32_t i = 0; i < r->n_owners; i++) {
		struct gcra_limit limit = { .per_minute = r->owners[i].row->tpm };
		_Atomic uint64_t *tat = &r->owners[i].entity->tpm_tat;
		if (limit.per_minute && real > r->tokens_taken)
			rate_charge(tat, limit, now, real - r->tokens_taken);
		else if (limit.per_minute && real < r->tokens_taken)
			rate_refund(tat, limit, r->tokens_taken_ns, now,
				    r->tokens_taken - real);
	}
	r->tokens_taken = 0;
}

/* Whether its cost of 0 is ignorance: nothing that was used has a price. */
static bool is_unpriced(struct request *r, const struct usage *u)
{
	if (!r->deployment)
		return false;
	const struct price *p = account_price(r, r->deployment);
	if (!r->raw || r->outcome != OUTCOME_OK)
		return !(p->flags & PRICE_KNOWN);
	return !price_covers(p, u) ||
	       (!r->tally.has_usage && u->estimated && p->output + p->media_output > 0 &&
		!r->q.is_stream);
}

static unsigned flags_of(struct request *r, const struct usage *u)
{
	unsigned f = 0;
	if (r->q.is_stream)
		f |= JF_STREAM;
	if (u->estimated)
		f |= JF_ESTIMATED;
	if (r->is_client_gone || (r->is_streaming && r->outcome != OUTCOME_OK))
		f |= JF_CUT;
	if (r->outcome != OUTCOME_OK && !r->tally.has_content)
		f |= JF_FAILED;
	if (is_unpriced(r, u))
		f |= JF_UNPRICED;
	if (r->is_copy)
		f |= JF_SILENT;
	return f;
}

static uint64_t without(uint64_t all, uint64_t part)
{
	return part < all ? all - part : 0;
}

static void spend_at(struct request *r, const struct snap_deployment *d, int64_t cost_nano)
{
	if (d->flags & DEPLOY_GATED)
		gate_spent(&r->w->board, r->snap, d, r->w->slot, cost_nano);
}

/* u: all of it, of which what was booked has been counted. own_nano: what the SETTLE says. */
static void count_deployment(struct request *r, const struct usage *u, int64_t own_nano)
{
	struct usage own = *u;
	if (!r->deployment)
		return;
	own.input = without(own.input, r->extra.input);
	own.output = without(own.output, r->extra.output);
	count_usage(r, r->deployment, &own, r->cost_nano - r->extra_nano);
	spend_at(r, r->deployment, own_nano);
	if (r->wish.n_tags && snap_settings(r->snap)->tag_budgets.count)
		gate_tags_spent(&r->w->board, r->snap, r->wish.tags, r->wish.n_tags, r->w->slot,
				r->cost_nano);
	METRIC_ADD(r->w->metrics, tokens_in, u->input);
	METRIC_ADD(r->w->metrics, tokens_out, u->output);
	METRIC_ADD(r->w->metrics, cost_nano, r->cost_nano);
	if (is_unpriced(r, u)) {
		METRIC_ADD(r->w->metrics, unpriced, 1);
		unpriced_note(r);
	}
}

/* Never in the place of what somebody is owed, levels and a SETTLE each: rather none. */
static void append_tags(struct request *r)
{
	struct journal_record tags[JOURNAL_TAG_RECORDS];
	unsigned n = journal_put_tags(tags, r->id, r->wish.tags, r->wish.n_tags);
	if (!has_room(r->w, n))
		return;
	for (unsigned i = 0; i < n; i++)
		append(r, &tags[i]);
}

/* The number of attempts that get a record each, as far as there is room beside what is owed. */
static unsigned count_booked(const struct request *r)
{
	unsigned n = 0;
	for (const struct booked_attempt *b = r->booked; b && n < JOURNAL_ATTEMPTS_MAX;
	     b = b->before)
		n++;
	return n && has_room(r->w, n) ? n : 0;
}

static void fill_usage(struct journal_record *rec, const struct usage *u, int64_t cost_nano)
{
	rec->cost_nano = cost_nano;
	rec->input = (uint32_t)u->input;
	rec->output = (uint32_t)u->output;
	rec->cache_read = (uint32_t)u->cache_read;
	rec->cache_write = (uint32_t)u->cache_write;
	rec->reasoning = (uint32_t)u->reasoning;
}

static void append_attempt(struct request *r, const struct booked_attempt *b, unsigned number)
{
	struct journal_record rec;
	fill(r, &rec, JOURNAL_ATTEMPT);
	fill_usage(&rec, &b->usage, b->cost_nano);
	rec.reserve_nano = 0;
	rec.deployment = b->deployment->id_hash;
	rec.start_ns = b->start_ns;
	rec.end_ns = b->end_ns;
	rec.status = (uint16_t)r->status;
	rec.outcome = (uint16_t)b->outcome;
	rec.attempts = (uint8_t)number;
	rec.flags = JF_ATTEMPT | JF_CUT | (r->q.is_stream ? JF_STREAM : 0) |
		    (b->usage.estimated ? JF_ESTIMATED : 0) |
		    (account_price(r, b->deployment)->flags & PRICE_KNOWN ? 0 : JF_UNPRICED);
	append(r, &rec);
	spend_at(r, b->deployment, b->cost_nano);
}

/* The rows of the others. What stands in them is taken off the usage and the cost of the last. */
static void append_attempts(struct request *r, struct usage *u, int64_t *cost_nano)
{
	unsigned n = count_booked(r);
	for (const struct booked_attempt *b = r->booked; n; b = b->before, n--) {
		append_attempt(r, b, n);
		u->input = without(u->input, b->usage.input);
		u->output = without(u->output, b->usage.output);
		u->cache_read = without(u->cache_read, b->usage.cache_read);
		u->cache_write = without(u->cache_write, b->usage.cache_write);
		u->reasoning = without(u->reasoning, b->usage.reasoning);
		*cost_nano -= b->cost_nano;
	}
}

void account_bulk(struct request *r, const struct account_bulk *b)
{
	struct journal_record rec;
	if (!has_room(r->w, 2))
		return;
	append_levels_of(r, b->id, count_own(r));
	fill(r, &rec, b->usage ? JOURNAL_SETTLE : JOURNAL_INTENT);
	memcpy(rec.request_id, b->id, sizeof rec.request_id);
	rec.reserve_nano = 0;
	rec.flags = JF_BULK | (b->is_unpriced ? JF_UNPRICED : 0);
	if (b->usage) {
		fill_usage(&rec, b->usage, b->cost_nano);
		rec.deployment = b->deployment->id_hash;
		rec.status = (uint16_t)r->status;
		rec.end_ns = clock_wall_ns();
		memset(rec.model, 0, sizeof rec.model);
		memcpy(rec.model, b->model.p,
		       b->model.n < sizeof rec.model ? b->model.n : sizeof rec.model);
	}
	append(r, &rec);
}

void account_replayed(struct request *r)
{
	struct journal_record rec;
	if (!has_room(r->w, ADMIT_RECORDS))
		return;			/* it costs nothing: nothing is lost but its row */
	r->reserve_nano = 0;
	fill(r, &rec, JOURNAL_INTENT);
	append(r, &rec);
	fill(r, &rec, JOURNAL_SETTLE);
	rec.status = (uint16_t)r->status;
	rec.end_ns = clock_wall_ns();
	rec.outcome = (uint16_t)r->outcome;
	rec.flags = JF_CACHE_HIT | (r->q.is_stream ? JF_STREAM : 0) |
		    (r->outcome == OUTCOME_OK ? 0 : JF_FAILED);
	r->settled_seq = append(r, &rec);
}

void account_settle(struct request *r)
{
	struct journal_record rec;
	struct usage u = { 0 };
	if (!r->has_intent) {
		if (r->tokens_taken && !r->settled_seq)
			correct_tokens(r, &u);	/* refused after the tokens were taken */
		if (r->windows)
			windows_settle(r, NULL);
		return;
	}
	if (r->outcome == OUTCOME_OK || r->tally.has_content || r->tally.has_usage || r->is_asked) {
		r->cost_nano = account_cost(r, &u);
	} else {
		u = r->extra;
		r->cost_nano = r->extra_nano;
	}
	fill(r, &rec, JOURNAL_SETTLE);
	rec.status = (uint16_t)r->status;
	rec.deployment = r->deployment ? r->deployment->id_hash : 0;
	rec.first_token_ns = r->first_token_wall_ns;
	rec.end_ns = clock_wall_ns();
	rec.flags = (uint16_t)flags_of(r, &u);
	rec.outcome = (uint16_t)r->outcome;
	rec.attempts = (uint8_t)(r->attempts > 255 ? 255 : r->attempts);
	rec.fallbacks = (uint8_t)(r->fallbacks > 255 ? 255 : r->fallbacks);
	r->tally.usage = u;		/* what the access log tells */
	(void)FAULT("spend.before_push");
	if (r->wish.n_tags)
		append_tags(r);
	struct usage own = u;
	int64_t own_nano = r->cost_nano;
	if (r->booked)
		append_attempts(r, &own, &own_nano);
	fill_usage(&rec, &own, own_nano);
	append_levels(r);
	r->settled_seq = append(r, &rec);
	(void)FAULT("spend.after_push");
	r->has_intent = false;
	budget_settle(r->w->pool, &r->claim, r->cost_nano);
	r->has_claim = false;
	correct_tokens(r, &u);
	if (r->windows)
		windows_settle(r, &u);
	count_deployment(r, &u, own_nano);
}
