/* SPDX-License-Identifier: MIT
 * fuzz_snapshot.c - any bytes: either snap_check() refuses them, or everything that can be found
 * in them is inside them. The input's tail serves as the name that a client asks for. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/mem.h"
#include "common/snapshot.h"

enum { ASKED_MAX = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static volatile uint64_t sink;

static void read_text(const struct snap *s, struct snap_str t)
{
	struct str text = snap_text(s, t);
	uint64_t sum = 0;

	for (size_t i = 0; i < text.n; i++)
		sum += (unsigned char)text.p[i];
	MUST(!text.p || text.p[text.n] == '\0');
	sink += sum;
}

static void read_names(const struct snap *s, struct snap_part names)
{
	for (uint32_t i = 0; i < names.count; i++)
		sink += snap_name(s, names, i).n;
}

static void read_deployment(const struct snap *s, const struct snap_deployment *d)
{
	const struct snap_header *h = snap_headers(s, d);

	read_text(s, d->id);
	read_text(s, d->model);
	read_text(s, d->api_key);
	for (uint32_t i = 0; i < d->headers.count; i++) {
		read_text(s, h[i].name);
		read_text(s, h[i].value);
	}
}

static void read_group(const struct snap *s, const struct snap_group *g, struct str asked)
{
	struct arena *a = arena_new(1 << 20);

	read_text(s, g->name);
	read_names(s, g->fallbacks);
	read_names(s, g->context_fallbacks);
	read_names(s, g->policy_fallbacks);
	if (g->alias_of != SNAP_NONE)
		MUST(snap_group(s, g->alias_of)->alias_of == SNAP_NONE);
	for (uint32_t i = 0; i < g->members.count; i++) {
		const struct snap_deployment *d = snap_deployment(s, snap_member(s, g, i));

		read_deployment(s, d);
		if (a && i < 4)
			sink += snap_upstream_model(s, g, d, asked, a).n;
	}
	arena_free(a);
}

static void read_all(const struct snap *s, struct str asked)
{
	const struct snap_head *h = snap_head(s);
	const struct snap_group *g = snap_resolve(s, asked);

	if (g)
		read_group(s, g, asked);
	for (uint32_t i = 0; i < h->deployments.count; i++)
		read_deployment(s, snap_deployment(s, i));
	for (uint32_t i = 0; i < h->groups.count + h->patterns.count; i++) {
		struct str name = snap_text(s, snap_group(s, i)->name);

		g = snap_find_group(s, name);
		MUST(i >= h->groups.count || g == snap_group(s, i));
		read_group(s, snap_group(s, i), name);
	}
	read_names(s, snap_settings(s)->default_fallbacks);
	read_names(s, snap_settings(s)->cors_origins);
	read_text(s, snap_settings(s)->key_header);
	read_text(s, snap_settings(s)->version);
}

static int sealed_copy(const void *p, size_t n)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	MUST(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	MUST(!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	size_t n_asked = n < ASKED_MAX ? n : ASKED_MAX;
	char *copy = mem_alloc(n);	/* aligned, and exactly as long */
	struct snap *s = NULL;
	int ok;

	if (!copy)
		return 0;
	if (n)
		memcpy(copy, data, n);
	ok = snap_check(copy, n) == 0;
	if (ok) {
		MUST(snap_map(sealed_copy(copy, n), &s) == 0);
		read_all(s, str_of(copy + n - n_asked, n_asked));
		snap_unref(s);
	}
	mem_free(copy);
	return 0;
}
