/* SPDX-License-Identifier: MIT
 * cached.c - see cached.h. */
#include "master/cached.h"

#include <errno.h>
#include <unistd.h>

#include "common/cache.h"
#include "common/clock.h"
#include "common/json_write.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/master.h"

static void drop(struct master *m)
{
	m->cache = cache_free(m->cache);
	if (m->cache_fd >= 0)
		close(m->cache_fd);
	m->cache_fd = -1;
	m->cache_bytes = 0;
}

void cached_configure(struct master *m)
{
	bool is_on = m->config->set.flags & SET_CACHE;
	uint64_t want = is_on ? m->config->cache_max_bytes : 0;
	if (m->cache_bytes == want)
		return;
	drop(m);
	if (!want)
		return;
	int err = cache_create(want, &m->cache, &m->cache_fd);
	if (err < 0) {
		LOG(LOG_ERROR, "cache.failed", F_INT("bytes", want), F_INT("errno", -err));
		return;
	}
	m->cache_bytes = want;
}

static bool is_there(struct command_call *c)
{
	if (c->master->cache)
		return true;
	command_fail(c, 503, "cache_error", NULL,
		     "there is no cache: litellm_settings.cache is not on");
	return false;
}

/* ---- what it holds -------------------------------------------------------------------------- */

static void put_counters(struct json_out *o, const struct board *b)
{
	struct metric_row *sum = board_sum_metrics(b);
	if (!sum)
		return;
	uint64_t asked = sum->cache_hits + sum->cache_misses;
	json_put_u64(o, "hits", sum->cache_hits);
	json_put_u64(o, "misses", sum->cache_misses);
	json_put_u64(o, "hit_percent", asked ? sum->cache_hits * 100 / asked : 0);
	json_put_u64(o, "joined", sum->cache_joined);
	json_put_money(o, "saved", (int64_t)sum->cache_saved_nano);
	mem_free(sum);
}

void cached_stats(struct command_call *c)
{
	const struct master *m = c->master;
	struct cache_stats s = { 0 };
	struct json_out o = json_out(&c->out);
	if (m->cache)
		cache_read_stats(m->cache, &s);
	json_open(&o, NULL);
	json_put_bool(&o, "enabled", m->cache != NULL);
	json_put_u64(&o, "entries", s.entries);
	json_put_u64(&o, "bytes", s.used_bytes);
	json_put_u64(&o, "max_bytes", s.max_bytes);
	json_put_u64(&o, "max_answer_bytes", s.most_bytes);
	json_put_u64(&o, "stored", s.stored);
	json_put_u64(&o, "evicted", s.evicted);
	json_put_u64(&o, "in_the_making", s.marks);
	put_counters(&o, &m->board);
	json_close(&o);
	command_finish(c);
}

/* ---- what is taken away --------------------------------------------------------------------- */

void cached_flush(struct command_call *c)
{
	if (!is_there(c))
		return;
	uint64_t n = cache_flush(c->master->cache);
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_z(&o, "status", "success");
	json_put_u64(&o, "flushed", n);
	json_close(&o);
	command_finish(c);
}

/* The name as x-litellm-cache-key gives it, with or without a namespace before it. */
static int read_key(struct str s, struct sha256 *ret)
{
	size_t n = 2 * sizeof ret->b;
	return s.n < n ? -EINVAL : hash_unhex(ret->b, sizeof ret->b, str_skip(s, s.n - n));
}

static bool delete_one(struct command_call *c, const struct json *j)
{
	struct sha256 key;
	return json_is(j, JSON_STRING) && read_key(json_str(c->mem, j), &key) == 0 &&
	       cache_delete(c->master->cache, &key) == 0;
}

void cached_delete(struct command_call *c)
{
	const struct json *keys = json_get(c->args, "keys");
	uint64_t n = 0;
	if (!is_there(c))
		return;
	if (!json_is(keys, JSON_ARRAY)) {
		command_fail(c, 400, "invalid_request_error", "keys",
			     "keys: a list of what x-litellm-cache-key said");
		return;
	}
	for (const struct json *j = keys->child; j; j = j->next)
		n += delete_one(c, j);
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_z(&o, "status", "success");
	json_put_u64(&o, "deleted", n);
	json_close(&o);
	command_finish(c);
}

/* ---- does it work? -------------------------------------------------------------------------- */

/* An answer of nobody's, there and back. */
static int try_it(struct cache *cache)
{
	struct cache_info info = { .stored_ns = clock_ns(), .expires_ns = UINT64_MAX };
	struct sha256 key;
	struct buf text;
	buf_init(&text, 64);
	hash_random(key.b, sizeof key.b);
	int err = cache_put(cache, &key, cache_era(cache), &info, STR("ping"), STR(""), NULL);
	if (err == 0)
		err = cache_find(cache, &key, info.stored_ns, 0, &info, &text);
	if (err == 0)
		err = cache_delete(cache, &key);
	buf_done(&text);
	return err;
}

void cached_ping(struct command_call *c)
{
	if (!is_there(c))
		return;
	int err = try_it(c->master->cache);
	if (err < 0) {
		command_fail(c, 503, "cache_ping_error", NULL,
			     "the cache does not give back what it was given (%d)", -err);
		return;
	}
	struct json_out o = json_out(&c->out);
	json_open(&o, NULL);
	json_put_z(&o, "status", "healthy");
	json_put_z(&o, "cache_type", "local");
	json_put_bool(&o, "ping_response", true);
	json_put_z(&o, "set_cache_response", "success");
	json_close(&o);
	command_finish(c);
}
