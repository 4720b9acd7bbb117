/* SPDX-License-Identifier: MIT
 * metrics_page.c - families, samples and labels as text; see metrics_page.h. */
#include <stdio.h>

#include "common/clock.h"
#include "worker/admin/metrics_page.h"

void page_family(struct page *p, const char *name, const char *type, const char *help)
{
	struct str family = str_z(name);
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
	if (v == SAMPLE_NONE)
		return;
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
