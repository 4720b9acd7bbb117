/* SPDX-License-Identifier: MIT
 * test_metrics_page.c - samples, labels and histograms as both formats want them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
