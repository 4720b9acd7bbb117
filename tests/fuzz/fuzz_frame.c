/* SPDX-License-Identifier: MIT
 * fuzz_frame.c - a bad frame is an error and gives only zeroes from there on; a good one written
 * again is the same bytes. The first eight bytes say which fields a reader expects. */
#include <errno.h>

#include "common/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { FIELDS = 8 };

static void copy_field(struct frame_in *in, struct frame_out *out, uint8_t kind)
{
	unsigned char bytes[16];
	bool was_bad = in->failed;
	uint64_t v = 0;
	struct str s = STR_NONE;
	switch (kind % 7) {
	case 0:
		frame_put_u8(out, (uint8_t)(v = frame_get_u8(in)));
		break;
	case 1:
		frame_put_u32(out, (uint32_t)(v = frame_get_u32(in)));
		break;
	case 2:
	case 3:
		frame_put_u64(out, v = frame_get_u64(in));
		break;
	case 4:
		frame_put_str(out, s = frame_get_str(in));
		break;
	case 5:
		frame_get_bytes(in, bytes, kind % sizeof bytes);
		frame_put_bytes(out, bytes, kind % sizeof bytes);
		for (size_t i = 0; was_bad && i < kind % sizeof bytes; i++)
			MUST(bytes[i] == 0);
		break;
	default:
		return;		/* fewer fields than eight */
	}
	MUST(!was_bad || in->failed);
	MUST(!in->failed || (v == 0 && !s.p));
	MUST(in->at <= in->n);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct frame_out out;
	struct frame_in in;
	if (n < FIELDS)
		return 0;
	int r = frame_open(&in, p + FIELDS, n - FIELDS);
	MUST(r == 0 || r == -EPROTO || r == -EPROTONOSUPPORT);
	if (r)
		return 0;
	frame_begin(&out, in.type);
	for (size_t i = 0; i < FIELDS; i++)
		copy_field(&in, &out, p[i]);
	if (frame_end(&in) == 0) {
		struct str again = frame_finish(&out);
		MUST(str_eq(again, str_of((const char *)p + FIELDS, n - FIELDS)));
	}
	return 0;
}
