/* SPDX-License-Identifier: MIT
 * setting.c - see setting.h. */
#include "tests/torture/setting.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"

#define DOLLAR INT64_C(1000000000)

/* ---- configuration ---- */

struct deployment {
	const char *group, *mock;	/* mock NULL: upstream, whose script is `group`, or this: */
	const char *script;
	uint32_t hedge_milli;
	uint32_t order, retries;
	const char *fallbacks[2];
	enum provider_family family;
	const char *tokens;		/* the script of who gives them; NULL: a key will do */
};

/* Groups of several stand together. */
static const struct deployment deployments[] = {
	{ .group = "mock", .mock = "Good day to you, said the mock." },
	{ .group = "limited", .mock = "litellm.RateLimitError", .fallbacks = { "mock" } },
	{ .group = "chain", .mock = "litellm.InternalServerError", .fallbacks = { "limited" } },
	{ .group = "long", .mock = "litellm.ContextWindowExceededError", .fallbacks = { "mock" } },
	{ .group = "lost", .mock = "litellm.ServiceUnavailableError" },
	{ .group = "pair", .mock = "litellm.RateLimitError", .order = 1, .retries = 2 },
	{ .group = "pair", .mock = "The second one speaks.", .order = 2, .retries = 2 },
	{ .group = "wild/*", .mock = "Anything goes." },
};

/* The first of each is slower than it was seen to be: the second is asked as well. */
#define RACED(name, first, second)                                                                \
	{ .group = name, .script = first, .order = 1, .hedge_milli = 500 },                       \
	{ .group = name, .script = second, .order = 2, .hedge_milli = 500 }
static const struct deployment raced[] = {
	RACED("raced", "silent", "plain"),	   RACED("raced-stream", "silent", "stream"),
	RACED("raced-both", "slow", "slow"),	   RACED("raced-500", "slow", "is-500"),
	RACED("raced-silent", "silent", "silent"),
};

static const struct price price = {
	.input = 1000000, .output = 3000000, .cache_read = PRICE_NONE, .cache_write = PRICE_NONE,
	.reasoning = PRICE_NONE, .input_above = PRICE_NONE, .output_above = PRICE_NONE,
	.flags = PRICE_KNOWN,
};

struct building {
	struct snap_build *b;
	uint16_t port;
	uint32_t row;
};

static struct snap_str text(struct building *k, const char *z)
{
	return snap_build_text(k->b, str_z(z));
}

static uint32_t put_deployment(struct building *k, const struct deployment *from)
{
	char base[128], id[64], credentials[128] = "";
	bool is_dead = str_ends(str_z(from->group), STR("refused"));
	bool has_star = str_find_char(str_z(from->group), '*') != SIZE_MAX;
	snprintf(id, sizeof id, "%s-%u", from->group, k->row);
	snprintf(base, sizeof base, "http://127.0.0.1:%u/%s", is_dead ? 1 : k->port,
		 from->script ? from->script : from->group);
	if (from->tokens)
		snprintf(credentials, sizeof credentials,
			 "{\"api_key\":\"k\",\"url\":\"http://127.0.0.1:%u/%s/\"}", k->port,
			 from->tokens);
	struct snap_deployment d = {
		.id_hash = hash_stable(str_z(id)) | 1,
		.id = text(k, id),
		.group = text(k, from->group),
		.provider = text(k, from->mock ? "mock" : "openai"),
		.model = text(k, has_star ? "*" : "a-model"),
		.base = text(k, base),
		.api_key = text(k, OF_PROVIDER),
		.params = text(k, "{\"temperature\":0.5}"),
		.mock_response = text(k, from->mock),
		.price = price,
		.cooldown_ms = UINT64_MAX,
		.num_retries = from->retries,
		.order = from->order,
		.hedge_milli = from->hedge_milli,
		.max_output_tokens = 1000,
		.family = from->mock ? FAMILY_MOCK : from->family,
		.auth = from->tokens ? AUTH_IBM : AUTH_BEARER,
		.credentials = text(k, from->tokens ? credentials : NULL),
		.board_row = 1 + k->row++,
		.flags = DEPLOY_KNOWN_PRICE | (has_star ? DEPLOY_WILDCARD : 0),
	};
	return snap_build_deployment(k->b, &d);
}

static void put_groups(struct building *k, const struct deployment *list, size_t n)
{
	for (size_t i = 0, next; i < n; i = next) {
		struct str fallbacks[2];
		uint32_t members[8], n_members = 0;
		size_t n_fallbacks = 0;
		struct snap_group g = { .name = text(k, list[i].group), .alias_of = SNAP_NONE };
		for (next = i; next < n && strcmp(list[i].group, list[next].group) == 0; next++)
			members[n_members++] = put_deployment(k, &list[next]);
		while (n_fallbacks < 2 && list[i].fallbacks[n_fallbacks]) {
			fallbacks[n_fallbacks] = str_z(list[i].fallbacks[n_fallbacks]);
			n_fallbacks++;
		}
		g.fallbacks = snap_build_names(k->b, fallbacks, n_fallbacks);
		snap_build_group(k->b, &g, members, n_members, STR_NONE);
	}
}

/* Its name is a path that leads to it, too. */
static void put_pass(struct building *k, const struct deployment *d)
{
	char path[64];
	snprintf(path, sizeof path, "/to-%s", d->group);
	struct snap_pass p = { .name = text(k, path), .kind = PASS_TARGET, .flags = PASS_SUBPATH };
	snap_build_pass(k->b, &p, put_deployment(k, d));
}

static void put_upstreams(struct building *k, const struct setting_upstream *list)
{
	if (list)
		put_groups(k, raced, COUNT(raced));
	for (; list && list->name; list++) {
		struct deployment d = { .group = list->name, .family = list->family,
					.tokens = list->tokens };
		if (!d.tokens && str_find(str_z(list->name), STR("by-")) != SIZE_MAX)
			d.tokens = "token";
		if (str_starts(str_z(list->name), STR("then-")))
			d.fallbacks[0] = "mock";
		put_groups(k, &d, 1);
		if (str_eq_z(STR("plain"), list->name) || str_eq_z(STR("is-500"), list->name))
			put_pass(k, &d);
	}
}

struct snap *setting_snap(const struct setting_upstream *upstreams, uint16_t port, bool is_strict)
{
	struct building k = { .b = snap_build_new(), .port = port };
	struct snap_group alias = { .alias_of = SNAP_NONE };
	struct str origin = STR("https://a.example");
	struct snap *ret;
	int fd;
	MUST(k.b);
	put_groups(&k, deployments, COUNT(deployments));
	put_upstreams(&k, upstreams);
	alias.name = text(&k, "alias");
	snap_build_group(k.b, &alias, NULL, 0, STR("mock"));
	*snap_build_settings(k.b) = (struct snap_settings){
		.body_max = 256 << 10, .request_memory_max = 8 << 20,
		.header_timeout_ms = 10000, .body_timeout_ms = 10000, .idle_timeout_ms = 60000,
		.write_timeout_ms = 60000, .connect_timeout_ms = 1000,
		.first_token_timeout_ms = 60000, .chunk_timeout_ms = 60000,
		.total_timeout_ms = 600000, .stream_heartbeat_ms = 20, .cooldown_ms = 5000,
		.default_max_tokens = 1000, .max_fallbacks = 5, .connections_max = 64,
		.access_log = 1, .log_level = LOG_DEBUG, .ledger_strict = is_strict,
		.continues_streams = 1, .is_idempotent = 1, .answer_max = 65536,
		.cache_mode = CACHE_DEFAULT_OFF, .cache_calls = UINT32_MAX, .cache_ttl_ms = 600000,
		.cache_answer_max = 65536,
		.text_max = 2048,
		.flags = SET_CALL_ID_IN_ERRORS | SET_CACHE | SET_LEARN_TIMES | SET_TEXTS |
			 SET_TEXTS_TOLD | SET_RECORDS,
		.version = text(&k, "1.2.3"),
		.cors_origins = snap_build_names(k.b, &origin, 1),
	};
	MUST(snap_build_seal(k.b, is_strict ? 2 : 1, &fd) == 0);
	snap_build_free(k.b);
	MUST(snap_map(fd, &ret) == 0);
	return ret;
}

/* ---- keys ---- */

static const struct {
	const char *token;
	struct dir_key k;
} keys[SETTING_KEYS] = {		/* the entity is the place in this list */
	{ OF_MASTER, { .flags = KEY_ADMIN | KEY_ALL_MODELS, .max_budget_nano = DIR_NO_LIMIT } },
	{ OF_USER, { .flags = KEY_ALL_MODELS, .max_budget_nano = 1000000 * DOLLAR,
		     .team_id = { "crew", 4 },
		     .rpm = 1000000, .tpm = 1000000000, .max_parallel = 100 } },
	{ OF_BLOCKED, { .flags = KEY_ALL_MODELS | KEY_BLOCKED, .max_budget_nano = DIR_NO_LIMIT } },
	{ OF_EXPIRED, { .flags = KEY_ALL_MODELS, .max_budget_nano = DIR_NO_LIMIT,
			.expires_wall_ns = SETTING_NOW_WALL_NS - NS_PER_S } },
	{ OF_POOR, { .flags = KEY_ALL_MODELS, .max_budget_nano = 1 } },
	{ OF_SHORT, { .flags = KEY_ALL_MODELS, .max_budget_nano = DOLLAR / 200 } },
	{ OF_NARROW, { .models = { "mock", 5 }, .max_budget_nano = DIR_NO_LIMIT, .rpm = 1 } },
	{ OF_CLOSED, { .flags = KEY_ALL_MODELS, .max_budget_nano = DIR_NO_LIMIT,
		       .team_id = { "closed", 6 } } },
	{ OF_BROKE, { .flags = KEY_ALL_MODELS, .max_budget_nano = DIR_NO_LIMIT,
		      .team_id = { "broke", 5 } } },
	{ OF_FEW, { .flags = KEY_ALL_MODELS, .max_budget_nano = DIR_NO_LIMIT, .rpm = 5,
		    .team_id = { "few", 3 } } },
};

static const struct dir_key teams[SETTING_TEAMS] = {
	{ .team_id = { "crew", 4 }, .flags = KEY_ALL_MODELS, .max_budget_nano = 2000000 * DOLLAR,
	  .rpm = 2000000, .tpm = 2000000000, .max_parallel = 200 },
	{ .team_id = { "closed", 6 }, .flags = KEY_ALL_MODELS | KEY_BLOCKED,
	  .max_budget_nano = DIR_NO_LIMIT },
	{ .team_id = { "broke", 5 }, .flags = KEY_ALL_MODELS, .max_budget_nano = 1 },
	{ .team_id = { "few", 3 }, .models = { "mock", 5 }, .max_budget_nano = DIR_NO_LIMIT,
	  .rpm = 1 },
};

/* What picks the shard of a team and its keys. */
static uint32_t root_of(struct str team_id)
{
	return team_id.n ? 1 + (uint32_t)team_id.p[0] : 0;
}

void setting_keys(struct dir *d, struct board *b)
{
	for (size_t i = 0; i < COUNT(keys); i++) {
		struct dir_key k = keys[i].k;
		k.hash = hash_sha256(str_z(keys[i].token));
		k.id = i;
		k.entity = (uint32_t)i;
		k.alias = STR("a-key");
		k.user_id = STR("a-user");
		k.last4 = STR("sk-...00aa");
		atomic_store(&b->entities[i].id, (UINT64_C(1) << 56) | (i + 1));
		atomic_store(&b->entities[i].root, root_of(k.team_id));
		MUST(dir_put(d, &k, SETTING_NOW_NS) == 0);
	}
	for (size_t i = 0; i < COUNT(teams); i++) {
		struct dir_key t = teams[i];
		t.kind = DIR_TEAM;
		t.last4 = t.team_id;
		t.id = i + 1;
		t.entity = (uint32_t)(SETTING_KEYS + i);
		t.alias = STR("a-team");
		atomic_store(&b->entities[t.entity].id, (UINT64_C(2) << 56) | t.id);
		atomic_store(&b->entities[t.entity].root, root_of(t.team_id));
		MUST(dir_put_named(d, t.team_id, &t, SETTING_NOW_NS) == 0);
	}
}
