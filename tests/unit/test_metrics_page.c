/* SPDX-License-Identifier: MIT
 * test_metrics_page.c - samples, labels and histograms as both formats want them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/arena.h"
#include "common/snapshot.h"
#include "worker/admin/metrics_page.h"
#include "worker/settle/usage_labels.h"

static struct page page;

static int begin(void **state)
{
	(void)state;
	page = (struct page){ 0 };
	buf_init(&page.out, 1 << 20);
	return 0;
}

static int end(void **state)
{
	(void)state;
	buf_done(&page.out);
	return 0;
}

#define assert_page(text) assert_string_equal(buf_z(&page.out), text)

static void test_samples(void **state)
{
	(void)state;
	page_single(&page, "a_total", "counter", "Some", UNIT_ONE, UINT64_MAX - 1);
	page_family(&page, "b_seconds", "gauge", "More");
	page_sample(&page, "b_seconds", STR("x=\"1\""), UNIT_NANO, 12000000034);
	page_sample(&page, "b_seconds", STR("x=\"2\""), UNIT_NANO, 999999999);
	page_sample(&page, "b_seconds", STR("x=\"3\""), UNIT_NANO, SAMPLE_NONE);
	assert_page("# HELP a_total Some\n# TYPE a_total counter\na_total 18446744073709551614\n"
		    "# HELP b_seconds More\n# TYPE b_seconds gauge\n"
		    "b_seconds{x=\"1\"} 12.000000034\nb_seconds{x=\"2\"} 0.999999999\n");
}

static void test_a_counter_in_open_metrics(void **state)
{
	(void)state;
	page.is_open = true;
	page_single(&page, "a_total", "counter", "Some", UNIT_ONE, 1);
	page_single(&page, "b_total", "gauge", "No counter", UNIT_ONE, 2);
	assert_page("# HELP a Some\n# TYPE a counter\na_total 1\n"
		    "# HELP b_total No counter\n# TYPE b_total gauge\nb_total 2\n");
}

static void test_labels(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 1000);
	label_put(&b, 0, "a", STR("x\"y\\z\nw"));
	label_put(&b, 0, "empty", STR(""));
	label_put(&b, 0, "none", STR_NONE);
	label_put(&b, 0, "b", STR("\xc3\xa4}"));
	size_t second = b.n;
	label_put(&b, second, "c", STR("1"));
	assert_string_equal(buf_z(&b), "a=\"x\\\"y\\\\z\\nw\",b=\"\xc3\xa4}\"c=\"1\"");
	buf_done(&b);
}

#define assert_labels(n, text) assert_true(str_eq(str_of(room, n), STR(text)))

static void test_labels_that_clients_choose(void **state)
{
	char room[SERIES_LABELS], lots[500];
	size_t n;
	(void)state;
	n = usage_label_put(room, 0, STR("a"), STR("x\"\\\n\r\x7f\xff\xc3\xa4,b=\""));
	assert_labels(n, "a=\"x\\\"\\\\????\xc3\xa4,b=\\\"\"");
	n = usage_label_put(room, 0, STR("a"), STR("1"));
	assert_int_equal(usage_label_put(room, n, STR("b"), STR("")), n);
	n = usage_label_put(room, n, STR("metadata_x.y-z"), STR("2"));
	assert_labels(n, "a=\"1\",metadata_x_y_z=\"2\"");
	/* Cut between characters; what does not fit whole is not there. */
	for (size_t i = 0; i < sizeof lots; i++)
		lots[i] = "\xc3\xa4"[i % 2];
	n = usage_label_put(room, 0, STR("a"), str_of(lots, sizeof lots));
	assert_int_equal(n, USAGE_LABEL_MAX + strlen("a=\"\""));
	assert_true(str_is_utf8(str_of(room, n)));
	memset(lots, '"', sizeof lots);
	n = usage_label_put(room, 0, STR("a"), str_of(lots, sizeof lots));
	assert_int_equal(n, 2 * USAGE_LABEL_MAX + strlen("a=\"\""));
	assert_int_equal(usage_label_put(room, n, STR("b"), str_of(lots, sizeof lots)), n);
	assert_int_equal(usage_label_put(room, 0, str_of(lots, sizeof lots), STR("1")), 0);
	for (size_t i = 0; i <= SERIES_LABELS; i++) {
		size_t more = usage_label_put(room, i, STR("abc"), STR("\"\"\""));
		assert_true(more == i || (more <= SERIES_LABELS && room[more - 1] == '"'));
	}
}

/* A snapshot that has these lines of prometheus_metrics_config. */
static struct snap *filtered(const struct str *lines, size_t n)
{
	struct snap_build *b = snap_build_new();
	struct snap *s;
	int fd;
	snap_build_settings(b)->metric_filter = snap_build_names(b, lines, n);
	assert_int_equal(snap_build_seal(b, 1, &fd), 0);
	snap_build_free(b);
	assert_int_equal(snap_map(fd, &s), 0);
	page.snap = s;
	page.filter = snap_settings(s)->metric_filter;
	page.mem = arena_new(1 << 20);
	return s;
}

static void end_filtered(struct snap *s)
{
	page.mem = arena_free(page.mem);
	snap_unref(s);
}

/* Only what is named, with or without _total; ours are not asked. */
static void test_families_that_are_named(void **state)
{
	static const struct str lines[] = { STR("litellm_a_metric"), STR("litellm_b_metric_total"),
					    STR("litellm_c") };
	(void)state;
	struct snap *s = filtered(lines, COUNT(lines));
	page_single(&page, "litellm_a_metric_total", "counter", "A", UNIT_ONE, 1);
	page_single(&page, "litellm_b_metric_total", "counter", "B", UNIT_ONE, 2);
	page_single(&page, "litellm_a_metric_more_total", "counter", "No", UNIT_ONE, 3);
	page_single(&page, "litellm_a", "gauge", "No", UNIT_ONE, 4);
	page_single(&page, "llmgw_a_total", "counter", "Ours", UNIT_ONE, 5);
	page_family(&page, "litellm_c", "gauge", "C");
	page_sample(&page, "litellm_c", STR("x=\"1\",y=\"2\""), UNIT_ONE, 6);
	page_end(&page);
	assert_page("# HELP litellm_a_metric_total A\n# TYPE litellm_a_metric_total counter\n"
		    "litellm_a_metric_total 1\n"
		    "# HELP litellm_b_metric_total B\n# TYPE litellm_b_metric_total counter\n"
		    "litellm_b_metric_total 2\n"
		    "# HELP llmgw_a_total Ours\n# TYPE llmgw_a_total counter\nllmgw_a_total 5\n"
		    "# HELP litellm_c C\n# TYPE litellm_c gauge\nlitellm_c{x=\"1\",y=\"2\"} 6\n");
	end_filtered(s);
}

/* What is the same without the labels that are left out is added up, of gauges the largest. */
static void test_labels_that_are_included(void **state)
{
	static const struct str lines[] = { STR("litellm_n team,model"), STR("litellm_g team") };
	(void)state;
	struct snap *s = filtered(lines, COUNT(lines));
	page_family(&page, "litellm_n_total", "counter", "N");
	page_sample_more(&page, "litellm_n_total", STR("key=\"k1\",team=\"b\""), STR("model=\"m\""),
			 UNIT_NANO, 1500000000);
	page_sample(&page, "litellm_n_total", STR("team=\"a,\\\"}\",key=\"k1\""), UNIT_NANO, 1);
	page_sample_more(&page, "litellm_n_total", STR("key=\"k2\",team=\"b\""), STR("model=\"m\""),
			 UNIT_NANO, 2000000000);
	page_sample(&page, "litellm_n_total", STR("key=\"k3\""), UNIT_NANO, SAMPLE_NONE);
	page_sample(&page, "litellm_n_total", STR("key=\"k4\""), UNIT_NANO, 4);
	page_family(&page, "litellm_g", "gauge", "G");
	page_sample(&page, "litellm_g", STR("team=\"a\",x=\"1\""), UNIT_ONE, 7);
	page_sample(&page, "litellm_g", STR("team=\"a\",x=\"2\""), UNIT_ONE, 9);
	page_sample(&page, "litellm_g", STR("team=\"a\",x=\"3\""), UNIT_ONE, 8);
	page_end(&page);
	assert_page("# HELP litellm_n_total N\n# TYPE litellm_n_total counter\n"
		    "litellm_n_total 0.000000004\n"
		    "litellm_n_total{team=\"a,\\\"}\"} 0.000000001\n"
		    "litellm_n_total{team=\"b\",model=\"m\"} 3.500000000\n"
		    "# HELP litellm_g G\n# TYPE litellm_g gauge\nlitellm_g{team=\"a\"} 9\n");
	end_filtered(s);
}

static void test_histograms_with_fewer_labels(void **state)
{
	static const struct str lines[] = { STR("litellm_h api_provider") };
	struct metric_row row = { 0 };
	(void)state;
	METRIC_TIME(&row, overhead, 9000);
	METRIC_TIME(&row, overhead, 2000000000);
	struct snap *s = filtered(lines, COUNT(lines));
	page_family(&page, "litellm_h", "histogram", "H");
	for (unsigned i = 0; i < 3; i++)
		page_buckets(&page, "litellm_h",
			     i < 2 ? STR("model=\"m\",api_provider=\"p\"")
				   : STR("model=\"m\",api_provider=\"q\""),
			     &row.overhead, metric_bounds_ns[METRIC_H_overhead]);
	page_end(&page);
	struct str text = buf_str(&page.out);
	assert_true(str_starts(text, STR("# HELP litellm_h H\n# TYPE litellm_h histogram\n"
					 "litellm_h_bucket{api_provider=\"p\",le=\"1e-05\"} 2\n")));
	assert_true(str_find(text, STR("litellm_h_sum{api_provider=\"p\"} 4.000018000\n"
				       "litellm_h_count{api_provider=\"p\"} 4\n"
				       "litellm_h_bucket{api_provider=\"q\",le=\"1e-05\"} 1\n")) !=
		    SIZE_MAX);
	assert_true(str_ends(text, STR("litellm_h_sum{api_provider=\"q\"} 2.000009000\n"
				       "litellm_h_count{api_provider=\"q\"} 2\n")));
	end_filtered(s);
}

static void test_histograms(void **state)
{
	struct metric_row row = { 0 };
	(void)state;
	METRIC_TIME(&row, overhead, 9000);		/* the first bucket */
	METRIC_TIME(&row, overhead, 2000000000);	/* the last */
	for (unsigned open = 0; open < 2; open++) {
		buf_reset(&page.out);
		page.is_open = open;
		page_histogram(&page, "h", "Some", &row.overhead, metric_bounds_ns[METRIC_H_overhead]);
		struct str text = buf_str(&page.out);
		assert_true(str_starts(text, STR("# HELP h Some\n# TYPE h histogram\n"
						 "h_bucket{le=\"1e-05\"} 1\n"
						 "h_bucket{le=\"2e-05\"} 1\n")));
		assert_true(str_ends(text, open ? STR("h_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\n"
						      "h_sum 2.000009000\nh_count 2\n")
						: STR("h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n"
						      "h_sum 2.000009000\nh_count 2\n")));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_samples, begin, end),
		cmocka_unit_test_setup_teardown(test_a_counter_in_open_metrics, begin, end),
		cmocka_unit_test_setup_teardown(test_labels, begin, end),
		cmocka_unit_test_setup_teardown(test_labels_that_clients_choose, begin, end),
		cmocka_unit_test_setup_teardown(test_histograms, begin, end),
		cmocka_unit_test_setup_teardown(test_families_that_are_named, begin, end),
		cmocka_unit_test_setup_teardown(test_labels_that_are_included, begin, end),
		cmocka_unit_test_setup_teardown(test_histograms_with_fewer_labels, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
