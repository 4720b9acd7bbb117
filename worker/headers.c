/* SPDX-License-Identifier: MIT
 * headers.c - the response headers that LiteLLM's clients look for (its names), and CORS. */
#include "common/clock.h"
#include "common/json_write.h"
#include "common/rate.h"
#include "worker/known.h"
#include "worker/request.h"
#include "worker/windows.h"

static void put_money(struct buf *out, const char *name, int64_t nano)
{
	struct json_out o = json_out(out);
	buf_put_z(out, name);
	BUF_PUT_LIT(out, ": ");
	json_put_money(&o, NULL, nano);
	BUF_PUT_LIT(out, "\r\n");
}

static void put_str(struct buf *out, const char *name, struct str v)
{
	if (!v.p || !v.n)
		return;
	buf_put_z(out, name);
	BUF_PUT_LIT(out, ": ");
	buf_put(out, v);
	BUF_PUT_LIT(out, "\r\n");
}

static void put_u64(struct buf *out, const char *name, uint64_t v)
{
	buf_put_z(out, name);
	BUF_PUT_LIT(out, ": ");
	buf_put_u64(out, v);
	BUF_PUT_LIT(out, "\r\n");
}

static void put_ms(struct buf *out, const char *name, uint64_t ns)
{
	unsigned us = (unsigned)(ns / 1000 % 1000);
	const char rest[] = {'.',
			     (char)('0' + us / 100),
			     (char)('0' + us / 10 % 10),
			     (char)('0' + us % 10),
			     '\r',
			     '\n'};
	buf_put_z(out, name);
	BUF_PUT_LIT(out, ": ");
	buf_put_u64(out, ns / NS_PER_MS);
	buf_put(out, str_of(rest, sizeof rest));
}

static void put_cors(struct request *r, struct buf *out)
{
	struct snap_part list = snap_settings(r->snap)->cors_origins;
	struct str origin = r->http ? http_header(r->http, "origin") : STR_NONE;
	for (uint32_t i = 0; i < list.count; i++) {
		struct str allowed = snap_name(r->snap, list, i);
		if (str_eq(allowed, STR("*"))) {
			BUF_PUT_LIT(out, "access-control-allow-origin: *\r\n");
			return;
		}
		if (origin.n && str_eq(allowed, origin)) {
			put_str(out, "access-control-allow-origin", origin);
			BUF_PUT_LIT(out, "vary: Origin\r\n");
			return;
		}
	}
}

static void put_rate_line(struct buf *out, struct str owner, struct str which, struct str what,
			  uint64_t v)
{
	BUF_PUT_LIT(out, "x-ratelimit-");
	buf_put(out, owner);
	buf_put(out, which);
	buf_put(out, what);
	BUF_PUT_LIT(out, ": ");
	buf_put_u64(out, v);
	BUF_PUT_LIT(out, "\r\n");
}

/* Of a limit too high to be counted all of it is left. */
static uint64_t left_of(_Atomic uint64_t *tat, struct gcra_limit limit, uint64_t now_ns)
{
	uint64_t left = rate_left(tat, limit, now_ns);
	return left == UINT64_MAX ? limit.per_minute : left;
}

/* x-ratelimit-OWNER-limit-tokens and -remaining-tokens, and their kin. */
static void put_rate(struct buf *out, struct str owner, struct str what, _Atomic uint64_t *tat,
		     struct gcra_limit limit, uint64_t now_ns)
{
	if (!limit.per_minute)
		return;
	put_rate_line(out, owner, STR("-limit-"), what, limit.per_minute);
	put_rate_line(out, owner, STR("-remaining-"), what, left_of(tat, limit, now_ns));
}

/* LiteLLM's names for what is left of the key's limits for this model. */
static void put_left(const struct request *r, struct buf *out, const char *what,
		     _Atomic uint64_t *tat, struct gcra_limit limit, uint64_t now_ns)
{
	struct str group = r->group ? snap_text(r->snap, r->group->name) : STR("");
	if (!limit.per_minute)
		return;
	buf_printf(out, "x-litellm-key-remaining-%s-", what);
	for (size_t i = 0; i < group.n; i++) {
		bool is_token = (group.p[i] >= '0' && group.p[i] <= '9') ||
				(group.p[i] >= 'A' && group.p[i] <= 'Z') ||
				(group.p[i] >= 'a' && group.p[i] <= 'z') || group.p[i] == '.' ||
				group.p[i] == '_';
		buf_put(out, is_token ? str_of(&group.p[i], 1) : STR("-"));
	}
	buf_printf(out, ": %llu\r\n", (unsigned long long)left_of(tat, limit, now_ns));
}

static void put_model_limits(const struct request *r, struct buf *out, uint64_t now_ns)
{
	for (uint32_t i = 0; i < r->n_owners; i++) {
		const struct request_owner *o = &r->owners[i];
		if (o->row->kind != DIR_KEY_MODEL)
			continue;
		put_left(r, out, "tokens", &o->entity->tpm_tat,
			 (struct gcra_limit){ .per_minute = o->row->tpm }, now_ns);
		put_left(r, out, "requests", &o->entity->rpm_tat,
			 (struct gcra_limit){ .per_minute = o->row->rpm,
					      .burst = o->row->rpm_burst }, now_ns);
	}
}

static void put_key(struct request *r, struct buf *out, bool is_final, uint64_t now_ns)
{
	if (!r->n_owners)
		return;
	if (r->key.tpm)
		put_u64(out, "x-litellm-key-tpm-limit", r->key.tpm);
	if (r->key.rpm)
		put_u64(out, "x-litellm-key-rpm-limit", r->key.rpm);
	for (uint32_t i = 0; i < r->n_owners; i++) {
		const struct request_owner *o = &r->owners[i];
		struct str owner = str_z(owner_words[o->row->kind].rate);
		put_rate(out, owner, STR("tokens"), &o->entity->tpm_tat,
			 (struct gcra_limit){ .per_minute = o->row->tpm }, now_ns);
		put_rate(out, owner, STR("requests"), &o->entity->rpm_tat,
			 (struct gcra_limit){ .per_minute = o->row->rpm,
					      .burst = o->row->rpm_burst }, now_ns);
	}
	if (r->windows)
		windows_headers(r, out);
	if (r->has_model_limits)
		put_model_limits(r, out, now_ns);
	if (r->key.max_budget_nano >= 0)
		put_money(out, "x-litellm-key-max-budget", r->key.max_budget_nano);
	if (r->has_claim && !r->token)
		put_money(out, "x-litellm-key-spend",
			  r->spend_before_nano + (is_final ? r->cost_nano : 0));
}

static uint64_t max_retries(const struct request *r)
{
	if (r->q.num_retries >= 0)
		return (uint64_t)r->q.num_retries;
	return r->deployment && r->deployment->num_retries != SNAP_NONE
		       ? r->deployment->num_retries
		       : snap_settings(r->snap)->num_retries;
}

static void put_deployment(struct request *r, struct buf *out)
{
	if (r->deployment) {
		put_str(out, "x-litellm-model-id", snap_text(r->snap, r->deployment->id));
		put_str(out, "x-litellm-model-api-base", snap_text(r->snap, r->deployment->base));
		put_str(out, "x-litellm-model-region", snap_text(r->snap, r->deployment->region));
	}
	if (r->group)
		put_str(out, "x-litellm-model-group", snap_text(r->snap, r->group->name));
	if (r->is_hedged)
		put_u64(out, "x-llmgw-hedged", 1);
	if (r->attempts) {
		put_u64(out, "x-litellm-attempted-retries", r->retries);
		put_u64(out, "x-litellm-attempted-fallbacks", r->fallbacks);
		put_u64(out, "x-litellm-max-retries", max_retries(r));
	}
}

void request_headers(struct request *r, struct buf *out, bool is_final)
{
	uint64_t now = clock_ns(), spent = now - r->start_ns;
	uint64_t waited = r->upstream_ns + r->queued_ns;
	put_cors(r, out);
	put_str(out, "x-litellm-call-id", r->call_id);
	put_str(out, "x-litellm-version", snap_text(r->snap, snap_settings(r->snap)->version));
	put_deployment(r, out);
	if (r->known)
		known_headers(r, out);
	put_key(r, out, is_final, now);
	if (!r->attempts)
		return;
	if (is_final)
		put_money(out, "x-litellm-response-cost",
			  r->outcome == OUTCOME_INTERNAL || r->outcome == OUTCOME_OK ? r->cost_nano
										     : 0);
	put_ms(out, "x-litellm-response-duration-ms", spent);
	put_ms(out, "x-litellm-overhead-duration-ms",
	       spent > waited ? spent - waited : 0);
}
