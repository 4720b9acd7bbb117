/* SPDX-License-Identifier: MIT
 * test_frame.c - a frame reads back as it was written; every damage is seen at its end. */
#include "common/frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct frame_out f;

static struct str write_sample(void)
{
	frame_begin(&f, 0x1234);
	frame_put_u8(&f, 0xab);
	frame_put_u32(&f, 0xdeadbeef);
	frame_put_u64(&f, UINT64_MAX - 1);
	frame_put_str(&f, STR("text"));
	frame_put_str(&f, STR_NONE);
	frame_put_bytes(&f, "xyz", 3);
	return frame_finish(&f);
}

static int read_sample(const void *p, size_t n)
{
	struct frame_in in;
	char xyz[3];
	int r = frame_open(&in, p, n);
	if (r)
		return r;
	(void)frame_get_u8(&in);
	(void)frame_get_u32(&in);
	(void)frame_get_u64(&in);
	(void)frame_get_str(&in);
	(void)frame_get_str(&in);
	frame_get_bytes(&in, xyz, 3);
	return frame_end(&in);
}

static void test_round_trip(void **state)
{
	struct frame_in in;
	char xyz[3];
	(void)state;
	struct str bytes = write_sample();
	assert_int_equal(bytes.n, 8 + 1 + 4 + 8 + 8 + 4 + 3);
	assert_memory_equal(bytes.p, "\x34\x12\x01\x00\x1c\x00\x00\x00\xab\xef\xbe\xad\xde", 13);
	assert_int_equal(frame_open(&in, bytes.p, bytes.n), 0);
	assert_int_equal(in.type, 0x1234);
	assert_int_equal(frame_get_u8(&in), 0xab);
	assert_int_equal(frame_get_u32(&in), 0xdeadbeef);
	assert_true(frame_get_u64(&in) == UINT64_MAX - 1);
	assert_true(str_eq_z(frame_get_str(&in), "text"));
	struct str empty = frame_get_str(&in);
	assert_true(empty.p && empty.n == 0);
	assert_int_equal(frame_end(&in), -EPROTO);	/* three bytes are left */
	frame_get_bytes(&in, xyz, 3);
	assert_memory_equal(xyz, "xyz", 3);
	assert_int_equal(frame_end(&in), 0);
}

static void test_damage_is_seen(void **state)
{
	unsigned char b[100];
	struct frame_in in;
	struct str bytes = write_sample();
	(void)state;
	for (size_t n = 0; n < bytes.n; n++)
		assert_int_equal(read_sample(bytes.p, n), -EPROTO);
	memcpy(b, bytes.p, bytes.n);
	b[bytes.n] = 0;
	assert_int_equal(read_sample(b, bytes.n + 1), -EPROTO);
	assert_int_equal(frame_open(&in, b, bytes.n + 1), -EPROTO);
	b[4]++;
	assert_int_equal(read_sample(b, bytes.n + 1), -EPROTO);	/* left over */
	b[4]--;
	assert_int_equal(read_sample(b, bytes.n), 0);
	b[29]++;
	assert_int_equal(read_sample(b, bytes.n), -EPROTO);	/* a longer string */
	b[32] = 0xff;
	assert_int_equal(read_sample(b, bytes.n), -EPROTO);	/* a string of 4 GB */
	b[2] = 2;
	assert_int_equal(read_sample(b, bytes.n), -EPROTONOSUPPORT);
	static unsigned char large[FRAME_MAX + 1];
	assert_int_equal(read_sample(large, sizeof large), -EPROTO);
}

static void test_reading_past_the_end(void **state)
{
	struct frame_in in = { .type = 9 };
	char b[4] = "abcd";
	(void)state;
	frame_begin(&f, 1);
	frame_put_u8(&f, 7);
	struct str bytes = frame_finish(&f);
	assert_int_equal(frame_open(&in, bytes.p, 3), -EPROTO);
	assert_int_equal(in.type, 9);
	assert_int_equal(frame_open(&in, bytes.p, bytes.n), 0);
	assert_int_equal(frame_get_u32(&in), 0);
	assert_int_equal(frame_get_u8(&in), 0);	/* once failed, always */
	assert_null(frame_get_str(&in).p);
	frame_get_bytes(&in, b, 4);
	assert_memory_equal(b, "\0\0\0\0", 4);
	assert_int_equal(frame_end(&in), -EPROTO);
}

static void test_filling_up(void **state)
{
	static char large[FRAME_MAX];
	(void)state;
	frame_begin(&f, 1);
	assert_int_equal(frame_room(&f), FRAME_MAX - FRAME_HEAD);
	frame_put_str(&f, str_of(large, FRAME_MAX - FRAME_HEAD - 4));
	assert_int_equal(frame_room(&f), 0);
	assert_int_equal(frame_finish(&f).n, FRAME_MAX);
	struct frame_in in;
	assert_int_equal(frame_open(&in, f.b, f.n), 0);
	assert_int_equal(frame_get_str(&in).n, FRAME_MAX - FRAME_HEAD - 4);
	assert_int_equal(frame_end(&in), 0);
	frame_put_u8(&f, 1);
	assert_null(frame_finish(&f).p);
	frame_begin(&f, 1);
	frame_put_str(&f, str_of(large, FRAME_MAX - FRAME_HEAD - 3));
	assert_int_equal(frame_room(&f), 0);
	frame_put_u8(&f, 1);
	assert_null(frame_finish(&f).p);
	frame_begin(&f, 1);
	frame_put_str(&f, (struct str){ large, SIZE_MAX });
	assert_null(frame_finish(&f).p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_damage_is_seen),
		cmocka_unit_test(test_reading_past_the_end),
		cmocka_unit_test(test_filling_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
