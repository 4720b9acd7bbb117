/* SPDX-License-Identifier: MIT
 * auth.c - who is asking. A key is looked up by its SHA-256 in the directory: unknown and wrong
 * keys take the same path, and nothing leaves this process. */
#include <arpa/inet.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/log.h"
#include "worker/decide/bearer.h"
#include "worker/decide/browser.h"
#include "worker/decide/owners.h"
#include "worker/decide/rules.h"

static struct str after_bearer(struct str v)
{
	return str_starts_nocase(v, STR("bearer ")) ? str_trim(str_skip(v, 7)) : STR_NONE;
}

/* The operator may have written the name in any case. */
static struct str header_named(const struct http_request *h, struct str name)
{
	for (unsigned i = 0; i < h->n_headers; i++)
		if (str_eq_nocase(h->headers[i].name, name))
			return h->headers[i].value;
	return STR_NONE;
}

/* A browser's WebSocket can say nothing else: "realtime, openai-insecure-api-key.sk-...". */
static struct str of_protocol(const struct http_request *h)
{
	const struct str mark = STR("openai-insecure-api-key.");
	struct str list = http_header(h, "sec-websocket-protocol");
	while (list.n) {
		struct str one = str_trim(str_cut(&list, ','));
		if (str_starts(one, mark))
			return str_skip(one, mark.n);
	}
	return STR_NONE;
}

/* The first present wins (LiteLLM's order). .p NULL: no key; .n 0: a malformed one. */
static struct str find_token(const struct request *r)
{
	static const char *const plain[] = { "api-key", "x-api-key", "x-goog-api-key",
					     "ocp-apim-subscription-key" };
	const struct http_request *h = r->http;
	struct str custom = snap_text(r->snap, snap_settings(r->snap)->key_header), v;
	if (custom.p) {
		v = header_named(h, custom);
		return v.p && after_bearer(v).p ? after_bearer(v) : v;
	}
	v = http_header(h, "x-litellm-api-key");
	if (v.p)
		return after_bearer(v).p ? after_bearer(v) : v;
	v = http_header(h, "authorization");
	if (v.p)
		return after_bearer(v).p ? after_bearer(v) : STR("");
	for (size_t i = 0; i < COUNT(plain); i++) {
		v = http_header(h, plain[i]);
		if (v.p)
			return v;
	}
	return of_protocol(h);
}

static enum step refuse_form(struct request *r, struct str token)
{
	if (!token.p)
		return request_fail(r, OUTCOME_NO_KEY, NULL,
				    "Authentication Error, No api key passed in.");
	if (!token.n)
		return request_fail(
			r, OUTCOME_KEY_MALFORMED, NULL,
			"Authentication Error, Malformed API Key passed in. Ensure Key has "
			"`Bearer ` prefix.");
	return request_fail(
		r, OUTCOME_KEY_MALFORMED, NULL,
		"Authentication Error, LiteLLM Virtual Key expected. The key is expected to "
		"start with 'sk-'.");
}

static enum step check_key(struct request *r)
{
	char when[25], now_text[25];
	uint64_t now = r->start_wall_ns;
	if (r->key.flags & KEY_BLOCKED)
		return request_fail(
			r, OUTCOME_KEY_BLOCKED, NULL,
			"Authentication Error, Key is blocked. Update via `/key/unblock` if "
			"you're admin.");
	if (r->key.expires_wall_ns && r->key.expires_wall_ns <= now)
		return request_fail(
			r, OUTCOME_KEY_EXPIRED, r->key.last4.n ? "key" : NULL,
			"Authentication Error - Expired Key. Key Expiry time %s and current "
			"time %s",
			clock_rfc3339(when, r->key.expires_wall_ns), clock_rfc3339(now_text, now));
	r->is_admin = r->key.flags & KEY_ADMIN;
	return STEP_NEXT;
}

/* The key's user, if there is a row of it. */
static const struct dir_key *user_of(const struct request *r)
{
	for (uint32_t i = 0; i < r->n_owners; i++)
		if (r->owners[i].row->kind == DIR_USER)
			return r->owners[i].row;
	return NULL;
}

static bool is_administrators(const struct request *r)
{
	const struct dir_key *user = user_of(r);
	return r->is_admin || (user && user->flags & KEY_ADMIN);
}

static enum step check_admin_only(struct request *r)
{
	if (is_administrators(r) || !rules_is_admins(r))
		return STEP_NEXT;
	return request_fail(r, OUTCOME_ROUTE_DENIED, NULL,
			    "user not allowed to access this route. Route=" STR_FMT
			    " is an admin only route", STR_ARG(r->http->path));
}

/* What a key that is no administrator's may do by its user's role, the master decides. */
enum step auth_check_role(struct request *r)
{
	const struct dir_key *user;
	if (snap_settings(r->snap)->flags & SET_GUARDED && check_admin_only(r) != STEP_NEXT)
		return STEP_DONE;
	if (!(r->endpoint->flags & (EP_ADMIN | EP_RELAY)) || r->is_admin)
		return STEP_NEXT;
	user = user_of(r);
	r->is_admin = user && user->flags & KEY_ADMIN;
	if (r->is_admin || !(r->endpoint->flags & EP_ADMIN))
		return STEP_NEXT;
	if (r->key.flags & KEY_VIEWER && str_eq(r->http->method, STR("GET")))
		return STEP_NEXT;
	if (user && r->endpoint->flags & EP_RELAY)
		return STEP_NEXT;
	return request_fail(
		r, OUTCOME_ADMIN_ONLY, NULL,
		"Authentication Error, Only proxy admin can be used to generate, delete, "
		"update info for new keys/users/teams. Route=" STR_FMT,
		STR_ARG(r->http->path));
}

/* Whoever was to be refused from now on, we would not know. */
static enum step refuse_as_orphan(struct request *r)
{
	struct llm_error e = {
		.outcome = OUTCOME_MASTER_AWAY,
		.retry_after_ms = 1000,
		.message = STR("the gateway is being restarted; try again in a moment"),
	};
	if (r->conn)
		conn_close_after(r->conn);
	return request_fail_with(r, &e);
}

static bool needs_key(const struct request *r)
{
	if (r->endpoint->flags & EP_KEY)
		return true;
	return str_starts(r->http->path, STR("/metrics")) &&
	       snap_settings(r->snap)->flags & SET_METRICS_AUTH;
}

/* No key is asked for: what it costs is booked where the master key's is. */
static enum step let_in(struct request *r)
{
	r->is_admin = true;
	r->key.flags = KEY_ADMIN | KEY_ALL_MODELS;
	r->key.max_budget_nano = DIR_NO_LIMIT;
	r->entity = owner_use(r, r->key.entity);
	return STEP_NEXT;
}

/* Nobody's key, where none is wanted: models are asked as on other open paths, and what the gateway
 * itself tells is told as to a viewer. */
static enum step let_anybody_in(struct request *r)
{
	if (r->endpoint->flags & EP_LLM)
		return let_in(r);
	r->key.flags = KEY_ALL_MODELS | KEY_VIEWER;
	r->key.max_budget_nano = DIR_NO_LIMIT;
	return auth_check_role(r);
}

/* Said to each address once in a second; the requests themselves are not logged. */
static void tell_flood(const struct request *r)
{
	char text[INET6_ADDRSTRLEN] = "";
	inet_ntop(AF_INET6, r->client_ip, text, sizeof text);
	LOG(LOG_WARN, "auth.flood", F_Z("address", text));
}

/* Whoever guesses gets nothing to work with. The connection stays: a new one for each guess would
 * cost us more than the guess does. A key that there is is never refused for what others send from
 * its address. */
static enum step refuse_flood(struct request *r, uint32_t n)
{
	struct llm_error e = {
		.outcome = OUTCOME_KEY_FLOOD,
		.retry_after_ms = 1000,
		.message = STR("too many requests with unknown keys come from your address"),
	};
	if (n == PENALTY_FREE + 1)
		tell_flood(r);
	return request_fail_with(r, &e);
}

static enum step refuse_unknown(struct request *r, struct str token)
{
	uint32_t n = penalty_count(r->w->penalties, r->client_ip, r->start_ns);
	METRIC_ADD(r->w->metrics, keys_unknown, 1);
	if (n > PENALTY_FREE)
		return refuse_flood(r, n);
	return request_fail(
		r, OUTCOME_KEY_UNKNOWN, "key",
		"Authentication Error, Invalid proxy server token passed. Received API "
		"Key = sk-...%s. Unable to find token in cache or "
		"`LiteLLM_VerificationTokenTable`",
		token.n >= 16 ? arena_dup_z(r->mem, str_skip(token, token.n - 4)) : "");
}

enum step auth_refuse_token(struct request *r, enum token_fault f)
{
	uint32_t n = penalty_count(r->w->penalties, r->client_ip, r->start_ns);
	METRIC_ADD(r->w->metrics, jwt_refused, 1);
	if (n > PENALTY_FREE)
		return refuse_flood(r, n);
	return request_fail(r,
			    f == TOKEN_BAD_EXPIRED ? OUTCOME_KEY_EXPIRED
			    : f == TOKEN_BAD_ROLE  ? OUTCOME_ROUTE_DENIED
						   : OUTCOME_KEY_UNKNOWN,
			    NULL, "Authentication Error, Invalid token: %s", token_fault_text(f));
}

/* What is no key of ours: a token, where those are taken. */
static enum step check_other(struct request *r, struct str token)
{
	if (!bearer_takes(r, token))
		return refuse_form(r, token);
	enum step s = bearer_check(r, token);
	return s == STEP_NEXT ? auth_check_role(r) : s;
}

/* Who brings a key or token is taken for who it is, also where none is wanted. */
static bool is_nobodys(const struct request *r, struct str token)
{
	struct dir_key k;
	if (!str_starts(token, STR("sk-")))
		return !bearer_takes(r, token);
	struct sha256 hash = hash_sha256(token);
	return !dir_find(r->w->dir, &hash, &k);
}

static bool is_listed_origin(const struct request *r, struct str origin)
{
	struct snap_part list = snap_settings(r->snap)->cors_origins;
	for (uint32_t i = 0; i < list.count; i++)
		if (str_eq(snap_name(r->snap, list, i), origin))
			return true;
	return false;
}

/* Without a master key: whoever can connect, but for pages of others in a browser here. */
static enum step let_near_in(struct request *r)
{
	struct str host = http_header(r->http, "host"), origin = http_header(r->http, "origin");
	if (is_listed_origin(r, origin) ||
	    (browser_host_is_near(host) && browser_origin_is_near(origin, host)))
		return let_in(r);
	return request_fail(r, OUTCOME_ROUTE_DENIED, NULL,
			    "Without a master key no page from elsewhere is let in: set "
			    "general_settings.master_key, or name the page's origin in "
			    "server.cors.origins");
}

enum step auth_take_key(struct request *r, const struct dir_key *k)
{
	enum step s = owner_of_key(r, k);
	if (s == STEP_NEXT)
		s = check_key(r);
	if (s == STEP_NEXT && k->flags & KEY_RULES)
		s = rules_check_key(r, k);
	if (r->is_admin)
		r->n_owners = 0;	/* no limit holds for it */
	else if (s == STEP_NEXT)
		s = owners_above(r);
	return s;
}

enum step auth_check(struct request *r)
{
	struct dir_key k;
	bool needs = needs_key(r);
	if (!needs && !(r->endpoint->flags & EP_LLM))
		return STEP_NEXT;
	if (worker_is_orphan(r->w))
		return refuse_as_orphan(r);
	bool is_guarded = snap_settings(r->snap)->flags & SET_GUARDED;
	if (is_guarded && rules_at_door(r) != STEP_NEXT)
		return STEP_DONE;
	if (!needs)
		return let_in(r);
	if (snap_settings(r->snap)->flags & SET_NO_MASTER_KEY)
		return let_near_in(r);
	struct str token = find_token(r);
	if (is_guarded && rules_is_public(r) && is_nobodys(r, token))
		return let_anybody_in(r);
	if (!str_starts(token, STR("sk-")))
		return check_other(r, token);
	struct hash_mac tag;
	struct sha256 hash = digests_of(&r->w->digests, token, &tag);
	if (!dir_find(r->w->dir, &hash, &k))
		return refuse_unknown(r, token);
	digests_keep(&r->w->digests, &tag, &hash);
	enum step s = auth_take_key(r, &k);
	if (s == STEP_NEXT)
		s = auth_check_role(r);
	(void)FAULT("auth.after");
	return s;
}
