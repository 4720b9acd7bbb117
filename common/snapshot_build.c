/* SPDX-License-Identifier: MIT
 * snapshot_build.c - making the picture of the configuration, in the master; see snapshot.h.
 *
 * Rows collect in pools on the heap; parts and members are counted from the start of their
 * pool. Sealing sorts the groups, resolves aliases, lays the pools out one behind the other
 * (head, groups, patterns, deployments, passes, prices, headers, gates, names, members, text;
 * each 8-aligned),
 * adds each pool's place and lets the reader's own check have the last word. */
#include "common/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"

enum { ALIAS_HOPS_MAX = 16 };

struct vec {
	char *p;
	size_t n, room;			/* bytes */
};
struct build_group {
	struct snap_group row;		/* name, members and fallbacks as the builder counts */
	struct snap_str alias_of;
	uint64_t rank, order;		/* how special a pattern is; place in the configuration */
	bool is_pattern;
};
struct snap_build {
	struct vec text, names, headers, gates, members, deployments, groups, passes, prices;
	struct snap_settings settings;
	int err;			/* the first failure; sealing tells it */
};

struct snap_build *snap_build_new(void)
{
	return mem_alloc(sizeof(struct snap_build));
}

static void vec_free(struct vec *v)
{
	mem_wipe(v->p, v->p ? v->n : 0);	/* the text holds provider keys */
	mem_free(v->p);
}

void snap_build_free(struct snap_build *b)
{
	if (!b)
		return;
	vec_free(&b->text);
	vec_free(&b->names);
	vec_free(&b->headers);
	vec_free(&b->gates);
	vec_free(&b->members);
	vec_free(&b->deployments);
	vec_free(&b->groups);
	vec_free(&b->passes);
	vec_free(&b->prices);
	mem_free(b);
}

/* Appends n bytes, or zeros where p is NULL. Returns where; SIZE_MAX after a failure. */
static size_t vec_add(struct snap_build *b, struct vec *v, const void *p, size_t n)
{
	size_t at = v->n;

	if (b->err)
		return SIZE_MAX;
	if (n > UINT32_MAX - v->n) {
		b->err = -EFBIG;
		return SIZE_MAX;
	}
	if (v->n + n > v->room) {
		struct vec grown = { .room = (v->n + n) * 2 };

		grown.p = mem_alloc(grown.room);
		if (!grown.p) {
			b->err = -ENOMEM;
			return SIZE_MAX;
		}
		grown.n = v->n;
		if (v->n)
			memcpy(grown.p, v->p, v->n);
		vec_free(v);
		*v = grown;
	}
	if (p && n)
		memcpy(v->p + at, p, n);
	v->n += n;
	return at;
}

struct snap_str snap_build_text(struct snap_build *b, struct str s)
{
	const struct snap_str none = { 0 };
	size_t at;

	if (!s.p)
		return none;
	if (!b->text.n)
		vec_add(b, &b->text, NULL, 1);
	at = vec_add(b, &b->text, s.p, s.n);
	if (vec_add(b, &b->text, NULL, 1) == SIZE_MAX)
		return none;
	return (struct snap_str){ .at = (uint32_t)at, .n = (uint32_t)s.n };
}

static struct str built_text(const struct snap_build *b, struct snap_str t)
{
	return t.at ? str_of(b->text.p + t.at, t.n) : STR_NONE;
}

struct snap_part snap_build_names(struct snap_build *b, const struct str *names, size_t n)
{
	struct snap_part part = { .at = (uint32_t)b->names.n };

	for (size_t i = 0; i < n && !b->err; i++) {
		struct snap_str t = snap_build_text(b, names[i]);

		vec_add(b, &b->names, &t, sizeof t);
		part.count++;
	}
	return part;
}

struct snap_part snap_build_headers(struct snap_build *b, const struct snap_header *h, size_t n)
{
	struct snap_part part = { .at = (uint32_t)b->headers.n, .count = (uint32_t)n };

	vec_add(b, &b->headers, h, n * sizeof *h);
	return part;
}

struct snap_part snap_build_gates(struct snap_build *b, const struct snap_gate *g, size_t n)
{
	struct snap_part part = { .at = (uint32_t)b->gates.n, .count = (uint32_t)n };

	vec_add(b, &b->gates, g, n * sizeof *g);
	return part;
}

void snap_build_price(struct snap_build *b, struct str model, const struct snap_price *p)
{
	struct snap_price row = *p;

	row.model = snap_build_text(b, model);
	vec_add(b, &b->prices, &row, sizeof row);
}

uint32_t snap_build_deployment(struct snap_build *b, const struct snap_deployment *d)
{
	return (uint32_t)(vec_add(b, &b->deployments, d, sizeof *d) / sizeof *d);
}

/* How special a pattern is to LiteLLM, which compares regular expressions: the longer, then the
 * one with more of these characters. There '*' is "(.*)" and others are escaped. */
static uint64_t pattern_rank(struct str name)
{
	const struct str escaped = STR("()[]{}?+-|^$\\.&~# \t\n\r\v\f"), special = STR("+?\\^$|()");
	uint64_t length = 0, specials = 0;

	for (size_t i = 0; i < name.n; i++) {
		bool is_star = name.p[i] == '*';
		bool is_escaped = str_find_char(escaped, name.p[i]) != SIZE_MAX;

		length += is_star ? 4 : is_escaped ? 2 : 1;
		specials += is_star ? 3 : is_escaped;
		specials += str_find_char(special, name.p[i]) != SIZE_MAX;
	}
	return str_eq(name, STR("*")) ? 0 : length << 32 | specials;
}

void snap_build_group(struct snap_build *b, const struct snap_group *g, const uint32_t *members,
		      size_t n, struct str alias_of)
{
	struct build_group row = { .row = *g, .order = b->groups.n };

	row.row.members = (struct snap_part){ .at = (uint32_t)b->members.n, .count = (uint32_t)n };
	row.alias_of = snap_build_text(b, alias_of);
	row.is_pattern = str_find_char(built_text(b, g->name), '*') != SIZE_MAX;
	if (row.is_pattern) {
		row.rank = pattern_rank(built_text(b, g->name));
		row.row.flags |= GROUP_PATTERN;
	}
	vec_add(b, &b->members, members, n * sizeof *members);
	if (n % 2)
		vec_add(b, &b->members, NULL, sizeof *members);
	vec_add(b, &b->groups, &row, sizeof row);
}

void snap_build_pass(struct snap_build *b, const struct snap_pass *p, uint32_t deployment)
{
	const uint32_t members[2] = { deployment };
	struct snap_pass row = *p;

	row.members = (struct snap_part){ .at = (uint32_t)b->members.n, .count = 1 };
	vec_add(b, &b->members, members, sizeof members);
	vec_add(b, &b->passes, &row, sizeof row);
}

struct snap_settings *snap_build_settings(struct snap_build *b)
{
	return &b->settings;
}

/* -- sealing -- */

static struct build_group *built_groups(const struct snap_build *b)
{
	return (void *)b->groups.p;
}

static size_t built_count(const struct snap_build *b)
{
	return b->groups.n / sizeof(struct build_group);
}

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* Groups by name; behind them patterns, the most special first, then as configured. */
static int compare_groups(const void *pa, const void *pb, void *arg)
{
	const struct build_group *x = pa, *y = pb;
	const struct snap_build *b = arg;
	int order = (int)x->is_pattern - (int)y->is_pattern;

	if (!order && !x->is_pattern)
		order = str_cmp(built_text(b, x->row.name), built_text(b, y->row.name));
	if (!order)
		order = compare_u64(y->rank, x->rank);
	return order ? order : compare_u64(x->order, y->order);
}

/* Sorts; *ret_plain is how many are no patterns. 0, or -EEXIST: two groups of one name. */
static int sort_groups(struct snap_build *b, uint32_t *ret_plain)
{
	struct build_group *g = built_groups(b);
	uint32_t n = 0;

	for (size_t i = 0; i < built_count(b); i++)
		n += !g[i].is_pattern;
	if (g)
		qsort_r(g, built_count(b), sizeof *g, compare_groups, b);
	for (uint32_t i = 1; i < n; i++)
		if (str_eq(built_text(b, g[i - 1].row.name), built_text(b, g[i].row.name)))
			return -EEXIST;
	*ret_plain = n;
	return 0;
}

static uint32_t find_built(const struct snap_build *b, struct str name, uint32_t plain)
{
	const struct build_group *g = built_groups(b);
	uint32_t low = 0, high = plain;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int order = str_cmp(name, built_text(b, g[mid].row.name));

		if (!order)
			return mid;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	for (uint32_t i = plain; i < built_count(b); i++)
		if (str_eq(name, built_text(b, g[i].row.name)))
			return i;
	return SNAP_NONE;
}

/* Where a chain of aliases ends; SNAP_NONE when it leads nowhere, or round in circles. */
static uint32_t alias_target(const struct snap_build *b, struct snap_str alias, uint32_t plain)
{
	const struct build_group *g = built_groups(b);
	uint32_t i = SNAP_NONE;

	for (int hops = 0; alias.at; hops++) {
		if (hops == ALIAS_HOPS_MAX)
			return SNAP_NONE;
		i = find_built(b, built_text(b, alias), plain);
		if (i == SNAP_NONE)
			return i;
		alias = g[i].alias_of;
	}
	return i;
}

/* Places of the pools in the segment. */
struct plan {
	uint32_t plain;			/* groups that are no patterns */
	uint64_t groups, patterns, deployments, passes, prices, headers, gates, names, members;
	uint64_t text, size;
};

static uint64_t plan_part(uint64_t *at, uint64_t bytes)
{
	uint64_t here = *at;

	*at = (here + bytes + 7) / 8 * 8;
	return here;
}

static int make_plan(const struct snap_build *b, uint32_t plain, struct plan *ret)
{
	const uint64_t row = sizeof(struct snap_group);
	struct plan p = { .plain = plain };
	uint64_t at = (sizeof(struct snap_head) + 7) / 8 * 8;

	p.groups = plan_part(&at, plain * row);
	p.patterns = plan_part(&at, (built_count(b) - plain) * row);
	p.deployments = plan_part(&at, b->deployments.n);
	p.passes = plan_part(&at, b->passes.n);
	p.prices = plan_part(&at, b->prices.n);
	p.headers = plan_part(&at, b->headers.n);
	p.gates = plan_part(&at, b->gates.n);
	p.names = plan_part(&at, b->names.n);
	p.members = plan_part(&at, b->members.n);
	p.text = plan_part(&at, b->text.n);
	p.size = at;
	*ret = p;
	return p.size > UINT32_MAX ? -EFBIG : 0;
}

static struct snap_part moved(struct snap_part part, uint64_t pool)
{
	if (!part.count)
		return (struct snap_part){ 0 };
	return (struct snap_part){ .at = (uint32_t)(part.at + pool), .count = part.count };
}

static struct snap_part part_of(uint64_t at, uint64_t count)
{
	return (struct snap_part){ .at = (uint32_t)at, .count = (uint32_t)count };
}

static void write_groups(const struct snap_build *b, const struct plan *p, char *image)
{
	const struct build_group *g = built_groups(b);

	for (uint32_t i = 0; i < built_count(b); i++) {
		struct snap_group row = g[i].row;

		row.members = moved(row.members, p->members);
		row.fallbacks = moved(row.fallbacks, p->names);
		row.context_fallbacks = moved(row.context_fallbacks, p->names);
		row.policy_fallbacks = moved(row.policy_fallbacks, p->names);
		row.access = moved(row.access, p->names);
		row.reserved = moved(row.reserved, p->gates);
		row.alias_of = alias_target(b, g[i].alias_of, p->plain);
		memcpy(image + p->groups + i * sizeof row, &row, sizeof row);
	}
}

static void write_deployments(const struct snap_build *b, const struct plan *p, char *image)
{
	struct snap_deployment row;

	for (size_t at = 0; at < b->deployments.n; at += sizeof row) {
		memcpy(&row, b->deployments.p + at, sizeof row);
		row.headers = moved(row.headers, p->headers);
		row.gates = moved(row.gates, p->gates);
		row.tags = moved(row.tags, p->names);
		memcpy(image + p->deployments + at, &row, sizeof row);
	}
}

static void write_passes(const struct snap_build *b, const struct plan *p, char *image)
{
	struct snap_pass row;

	for (size_t at = 0; at < b->passes.n; at += sizeof row) {
		memcpy(&row, b->passes.p + at, sizeof row);
		row.members = moved(row.members, p->members);
		memcpy(image + p->passes + at, &row, sizeof row);
	}
}

static void write_pool(char *image, uint64_t at, const struct vec *v)
{
	if (v->n)
		memcpy(image + at, v->p, v->n);
}

static void write_head(const struct snap_build *b, const struct plan *p, uint64_t generation,
		       char *image)
{
	uint64_t patterns = built_count(b) - p->plain;
	struct snap_head h = { .magic = SNAP_MAGIC, .layout = SNAP_LAYOUT,
			       .generation = generation, .size = p->size,
			       .built_wall_ns = clock_wall_ns(), .settings = b->settings };

	h.settings.default_fallbacks = moved(h.settings.default_fallbacks, p->names);
	h.settings.cors_origins = moved(h.settings.cors_origins, p->names);
	h.settings.allowed_ips = moved(h.settings.allowed_ips, p->names);
	h.settings.jwt = moved(h.settings.jwt, p->names);
	h.settings.routes = moved(h.settings.routes, p->names);
	h.settings.enforced_params = moved(h.settings.enforced_params, p->names);
	h.settings.service_params = moved(h.settings.service_params, p->names);
	h.settings.trusted_proxies = moved(h.settings.trusted_proxies, p->names);
	h.settings.metric_labels = moved(h.settings.metric_labels, p->names);
	h.settings.metric_filter = moved(h.settings.metric_filter, p->names);
	h.settings.allow_private = moved(h.settings.allow_private, p->names);
	h.settings.tag_budgets = moved(h.settings.tag_budgets, p->gates);
	h.groups = part_of(p->groups, p->plain);
	h.patterns = part_of(p->patterns, patterns);
	h.deployments = part_of(p->deployments,
				b->deployments.n / sizeof(struct snap_deployment));
	h.passes = part_of(p->passes, b->passes.n / sizeof(struct snap_pass));
	h.prices = part_of(p->prices, b->prices.n / sizeof(struct snap_price));
	h.text = part_of(p->text, b->text.n);
	memcpy(image, &h, sizeof h);
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

static int seal_image(const char *image, size_t n, int *ret_fd)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
	int err, fd = memfd_create("llmgw-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	err = write_all(fd, image, n);
	if (!err && fcntl(fd, F_ADD_SEALS, seals))
		err = -errno;
	if (err)
		close(fd);
	else
		*ret_fd = fd;
	return err;
}

int snap_build_seal(struct snap_build *b, uint64_t generation, int *ret_fd)
{
	struct plan p;
	uint32_t plain;
	char *image;
	int err;

	if (!b->text.n)
		vec_add(b, &b->text, NULL, 1);
	err = b->err ? b->err : sort_groups(b, &plain);
	if (!err)
		err = make_plan(b, plain, &p);
	if (err)
		return err;
	image = mem_alloc(p.size);
	if (!image)
		return -ENOMEM;
	write_groups(b, &p, image);
	write_deployments(b, &p, image);
	write_passes(b, &p, image);
	write_pool(image, p.prices, &b->prices);
	write_pool(image, p.headers, &b->headers);
	write_pool(image, p.gates, &b->gates);
	write_pool(image, p.names, &b->names);
	write_pool(image, p.members, &b->members);
	write_pool(image, p.text, &b->text);
	write_head(b, &p, generation, image);
	err = snap_check(image, p.size);
	if (!err)
		err = seal_image(image, p.size, ret_fd);
	mem_wipe(image, p.size);
	mem_free(image);
	return err;
}
