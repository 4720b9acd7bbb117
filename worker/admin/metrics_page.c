/* SPDX-License-Identifier: MIT
 * metrics_page.c - families, samples and labels as text; see metrics_page.h. */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "worker/admin/metrics_page.h"

/* ---- families that are not shown, or not with all labels --------------------------------------
 */

struct merge_sample {
	struct str labels;
	uint64_t value;
	struct metric_histogram *h;	/* or NULL */
};
struct page_merge {
	const char *name;
	struct str included;		/* names with commas */
	bool is_gauge;
	enum unit unit;
	const uint64_t *bounds;
	struct merge_sample *v;
	size_t n, room;
};

static bool is_included(struct str list, struct str name)
{
	while (list.n)
		if (str_eq(str_cut(&list, ','), name))
			return true;
	return false;
}

/* The next label of *rest, whole, which is cut off with its comma. */
static struct str next_label(struct str *rest, struct str *ret_name)
{
	struct str all = *rest;
	size_t eq = str_find(all, STR("=\"")), i = eq + 2;
	if (eq == SIZE_MAX) {
		rest->n = 0;
		return STR("");
	}
	while (i < all.n && all.p[i] != '"')
		i += all.p[i] == '\\' ? 2 : 1;
	i = i < all.n ? i + 1 : all.n;
	*ret_name = str_of(all.p, eq);
	*rest = str_skip(all, i < all.n ? i + 1 : i);
	return str_of(all.p, i);
}

static size_t put_included(char *to, size_t n, struct str included, struct str labels)
{
	while (labels.n) {
		struct str name, label = next_label(&labels, &name);
		if (!label.n || !is_included(included, name))
			continue;
		if (n)
			to[n++] = ',';
		memcpy(to + n, label.p, label.n);
		n += label.n;
	}
	return n;
}

static struct merge_sample *add_waiting(struct page *p, struct str labels, struct str more)
{
	struct page_merge *m = p->merge;
	char *text = arena_alloc(p->mem, labels.n + more.n + 2);
	if (m->n == m->room) {
		size_t room = m->room ? 2 * m->room : 64;
		struct merge_sample *v = arena_array(p->mem, room, sizeof *v);
		if (v && m->n)
			memcpy(v, m->v, m->n * sizeof *v);
		m->v = v;
		m->room = v ? room : 0;
		m->n = v ? m->n : 0;
	}
	if (!text || !m->v) {
		p->out.failed = true;
		return NULL;
	}
	size_t n = put_included(text, 0, m->included, labels);
	n = put_included(text, n, m->included, more);
	struct merge_sample *s = &m->v[m->n++];
	*s = (struct merge_sample){ .labels = str_of(text, n) };
	return s;
}

static int by_labels(const void *a, const void *b)
{
	const struct merge_sample *x = a, *y = b;
	return str_cmp(x->labels, y->labels);
}

/* Counters are added up; of gauges the largest is shown. */
static void merge_into(const struct page_merge *m, struct merge_sample *to,
		       const struct merge_sample *from)
{
	if (m->is_gauge)
		to->value = from->value > to->value ? from->value : to->value;
	else
		to->value += from->value;
	for (unsigned i = 0; to->h && i < METRIC_BUCKETS; i++)
		to->h->bucket[i] += from->h->bucket[i];
	if (to->h)
		to->h->sum_ns += from->h->sum_ns;
}

void page_end(struct page *p)
{
	struct page_merge *m = p->merge;
	p->merge = NULL;
	if (m && m->n)
		qsort(m->v, m->n, sizeof *m->v, by_labels);
	for (size_t i = 0, next; m && i < m->n; i = next) {
		struct merge_sample *s = &m->v[i];
		for (next = i + 1; next < m->n && str_eq(m->v[next].labels, s->labels); next++)
			merge_into(m, s, &m->v[next]);
		if (s->h)
			page_buckets(p, m->name, s->labels, s->h, m->bounds);
		else
			page_sample(p, m->name, s->labels, m->unit, s->value);
	}
}

/* What is configured of a family: whether it is shown, and which labels; .n 0: all. */
static bool find_filter(const struct page *p, struct str name, struct str *ret_labels)
{
	if (str_ends(name, STR("_total")))
		name.n -= strlen("_total");
	for (uint32_t i = 0; i < p->filter.count; i++) {
		struct str rest = snap_name(p->snap, p->filter, i);
		struct str family = str_cut(&rest, ' ');
		if (str_ends(family, STR("_total")))
			family.n -= strlen("_total");
		if (str_eq(family, name)) {
			*ret_labels = rest;
			return true;
		}
	}
	return false;
}

static void begin_filtered(struct page *p, const char *name, const char *type)
{
	struct str labels = STR("");
	p->is_hidden = !find_filter(p, str_z(name), &labels);
	if (p->is_hidden || !labels.n)
		return;
	p->merge = arena_alloc(p->mem, sizeof *p->merge);
	if (!p->merge) {
		p->out.failed = true;
		return;
	}
	p->merge->name = name;
	p->merge->included = labels;
	p->merge->is_gauge = strcmp(type, "gauge") == 0;
}

/* ---- families and samples ---------------------------------------------------------------------
 */

void page_family(struct page *p, const char *name, const char *type, const char *help)
{
	struct str family = str_z(name);
	page_end(p);
	p->is_hidden = false;
	if (p->snap && p->filter.count && str_starts(family, STR("litellm_")))
		begin_filtered(p, name, type);
	if (p->is_hidden)
		return;
	if (p->is_open && strcmp(type, "counter") == 0 && str_ends(family, STR("_total")))
		family.n -= strlen("_total");
	buf_printf(&p->out, "# HELP " STR_FMT " %s\n# TYPE " STR_FMT " %s\n", STR_ARG(family), help,
		   STR_ARG(family), type);
}

static void put_nano(struct buf *b, uint64_t nano)
{
	char digits[9];
	uint64_t part = nano % NS_PER_S;
	for (unsigned i = sizeof digits; i-- > 0; part /= 10)
		digits[i] = (char)('0' + part % 10);
	buf_put_u64(b, nano / NS_PER_S);
	buf_put_char(b, '.');
	buf_put(b, str_of(digits, sizeof digits));
}

void page_sample(struct page *p, const char *name, struct str labels, enum unit unit, uint64_t v)
{
	page_sample_more(p, name, labels, STR(""), unit, v);
}

void page_sample_more(struct page *p, const char *name, struct str labels, struct str more,
		      enum unit unit, uint64_t v)
{
	struct buf *b = &p->out;
	if (v == SAMPLE_NONE || p->is_hidden)
		return;
	if (p->merge) {
		struct merge_sample *s = add_waiting(p, labels, more);
		p->merge->unit = unit;
		if (s)
			s->value = v;
		return;
	}
	buf_put_z(b, name);
	if (labels.n || more.n) {
		buf_put_char(b, '{');
		buf_put(b, labels);
		if (labels.n && more.n)
			buf_put_char(b, ',');
		buf_put(b, more);
		buf_put_char(b, '}');
	}
	buf_put_char(b, ' ');
	if (unit == UNIT_NANO)
		put_nano(b, v);
	else
		buf_put_u64(b, v);
	buf_put_char(b, '\n');
}

void page_single(struct page *p, const char *name, const char *type, const char *help,
		 enum unit unit, uint64_t v)
{
	page_family(p, name, type, help);
	page_sample(p, name, STR(""), unit, v);
}

/* OpenMetrics wants a bound to look like a float. */
static void put_bound(struct page *p, uint64_t ns)
{
	char text[32];
	snprintf(text, sizeof text, "%.9g", (double)ns / 1e9);
	buf_put_z(&p->out, text);
	if (p->is_open && !strpbrk(text, ".e"))
		BUF_PUT_LIT(&p->out, ".0");
}

void page_histogram(struct page *p, const char *name, const char *help,
		    const struct metric_histogram *h, const uint64_t *bounds)
{
	page_family(p, name, "histogram", help);
	page_buckets(p, name, STR(""), h, bounds);
}

static void put_total(struct page *p, const char *name, const char *what, struct str labels)
{
	buf_put_z(&p->out, name);
	buf_put_z(&p->out, what);
	if (labels.n) {
		buf_put_char(&p->out, '{');
		buf_put(&p->out, labels);
		buf_put_char(&p->out, '}');
	}
	buf_put_char(&p->out, ' ');
}

void page_buckets(struct page *p, const char *name, struct str labels,
		  const struct metric_histogram *h, const uint64_t *bounds)
{
	uint64_t sum = 0;
	if (p->is_hidden)
		return;
	if (p->merge) {
		struct merge_sample *s = add_waiting(p, labels, STR(""));
		struct metric_histogram *copy = arena_alloc(p->mem, sizeof *copy);
		p->merge->bounds = bounds;
		p->out.failed |= !copy;
		if (s && copy) {
			memcpy(copy, h, sizeof *copy);
			s->h = copy;
		}
		return;
	}
	for (unsigned i = 0; i < METRIC_BUCKETS; i++) {
		sum += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
		buf_put_z(&p->out, name);
		BUF_PUT_LIT(&p->out, "_bucket{");
		buf_put(&p->out, labels);
		if (labels.n)
			buf_put_char(&p->out, ',');
		BUF_PUT_LIT(&p->out, "le=\"");
		if (i < METRIC_BUCKETS - 1)
			put_bound(p, bounds[i]);
		else
			BUF_PUT_LIT(&p->out, "+Inf");
		BUF_PUT_LIT(&p->out, "\"} ");
		buf_put_u64(&p->out, sum);
		buf_put_char(&p->out, '\n');
	}
	put_total(p, name, "_sum", labels);
	put_nano(&p->out, atomic_load_explicit(&h->sum_ns, memory_order_relaxed));
	buf_put_char(&p->out, '\n');
	put_total(p, name, "_count", labels);
	buf_put_u64(&p->out, sum);
	buf_put_char(&p->out, '\n');
}

void label_put(struct buf *b, size_t begin, const char *name, struct str value)
{
	if (!value.n)
		return;
	if (b->n > begin)
		buf_put_char(b, ',');
	buf_put_z(b, name);
	BUF_PUT_LIT(b, "=\"");
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];
		if (c == '\n') {
			BUF_PUT_LIT(b, "\\n");
			continue;
		}
		if (c == '"' || c == '\\')
			buf_put_char(b, '\\');
		buf_put_char(b, c);
	}
	buf_put_char(b, '"');
}
