/* SPDX-License-Identifier: MIT
 * bearer_userinfo.c - see bearer.h: of a token that says nothing itself the identity provider is
 * asked, by the master. What it answers counts as the claims of a token that expires when it is to
 * be asked again. */
#include "common/clock.h"
#include "common/json_write.h"
#include "common/mem.h"
#include "worker/admin/relay.h"
#include "worker/decide/bearer_private.h"

enum { TOKEN_MAX = 4000 };		/* as in the master: a line of a header */

static uint32_t flags_of(const struct request *r)
{
	return snap_settings(r->snap)->jwt_flags;
}

static bool is_plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n > 0 && s.n <= TOKEN_MAX;
}

bool bearer_asks(const struct request *r, struct str token)
{
	return flags_of(r) & JWT_USERINFO_ALL ||
	       (flags_of(r) & JWT_USERINFO && !token_has_form(token));
}

bool bearer_takes(const struct request *r, struct str token)
{
	if (!(snap_settings(r->snap)->flags & SET_JWT))
		return false;
	return token_has_form(token) || (flags_of(r) & JWT_USERINFO && is_plain(token));
}

static enum token_fault read_answer(struct request *r, struct str answer, struct who *who)
{
	struct json_error e;
	const struct json *root = json_parse(r->mem, arena_dup(r->mem, answer), JSON_ONE_KEY, &e);
	struct claims_rules rules = bearer_rules(r);
	uint64_t now_s = r->start_wall_ns / NS_PER_S;
	int64_t ttl_s = 0;
	if (json_get(root, "refused"))
		return TOKEN_BAD_STRANGE;
	struct str claims = json_get_str(r->mem, root, "claims");
	if (!claims.n || json_read_i64(json_get(root, "ttl"), &ttl_s) != 0 || ttl_s <= 0)
		return TOKEN_BAD_CLAIMS;
	rules.expires_s = now_s + (uint64_t)ttl_s;
	return claims_read(r->mem, claims, &rules, now_s, who);
}

static void on_told(struct request *r, uint32_t status, struct str answer)
{
	struct who *who = arena_alloc(r->mem, sizeof *who);
	enum step s;
	if (status != 200 || !who)
		s = request_fail(r, OUTCOME_OVERLOADED, NULL,
				 "the identity provider could not be asked about the token; try "
				 "again in a moment");
	else
		s = bearer_found(r, read_answer(r, answer, who), who);
	bearer_go_on(r, s);
}

enum step bearer_ask(struct request *r, struct str token)
{
	struct buf args;
	if (!is_plain(token))
		return auth_refuse_token(r, TOKEN_BAD_LONG);
	/* Whoever guesses does not make others wait for the provider. */
	if (penalty_is_over(r->w->penalties, r->client_ip, r->start_ns))
		return auth_refuse_token(r, TOKEN_BAD_STRANGE);
	buf_init(&args, 2 * TOKEN_MAX);
	struct json_out o = json_out(&args);
	json_open(&o, NULL);
	json_put_str(&o, "token", token);
	json_close(&o);
	enum step s = args.failed ? auth_refuse_token(r, TOKEN_BAD_MEMORY)
				  : relay_post(r, STR("/jwt/userinfo"), buf_str(&args),
					       STR("oidc_userinfo_enabled"), on_told);
	if (args.p)
		mem_wipe(args.p, args.n);
	buf_done(&args);
	return s;
}
