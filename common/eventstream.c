/* SPDX-License-Identifier: MIT
 * eventstream.c - messages of application/vnd.amazon.eventstream; see eventstream.h.
 *
 * A prelude (total length, length of the headers, checksum), headers, payload, checksum over all
 * before it; every integer is big-endian. */
#include "common/eventstream.h"

#include <errno.h>

#include "common/hash.h"
#include "common/json.h"
#include "common/json_write.h"

enum { CRC_BYTES = 4, NAME_MAX_BYTES = 128 };

enum value_type {
	VALUE_TRUE, VALUE_FALSE, VALUE_BYTE, VALUE_SHORT, VALUE_INTEGER, VALUE_LONG, VALUE_BYTES,
	VALUE_STRING, VALUE_TIMESTAMP, VALUE_UUID, VALUE_TYPES
};

static uint32_t read_u32(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

int eventstream_length(struct str bytes, size_t cap, size_t *ret)
{
	*ret = 0;
	if (bytes.n < EVENTSTREAM_PRELUDE)
		return 0;
	uint32_t total = read_u32(bytes.p), headers = read_u32(bytes.p + 4);
	if (hash_crc32(0, bytes.p, 8) != read_u32(bytes.p + 8) || total < EVENTSTREAM_LEAST ||
	    total > cap || headers > EVENTSTREAM_HEADERS_MAX ||
	    headers > total - EVENTSTREAM_LEAST)
		return -EBADMSG;
	*ret = total;
	return 0;
}

/* --- headers --- */

static bool take(struct str *from, size_t n, struct str *ret)
{
	if (from->n < n)
		return false;
	*ret = str_of(from->p, n);
	*from = str_skip(*from, n);
	return true;
}

/* A length of one or two bytes, and as many bytes. */
static bool take_sized(struct str *from, size_t bytes, struct str *ret)
{
	struct str size;
	size_t n = 0;
	if (!take(from, bytes, &size))
		return false;
	for (size_t i = 0; i < bytes; i++)
		n = n << 8 | (unsigned char)size.p[i];
	return take(from, n, ret);
}

static bool take_value(struct str *from, enum value_type type, struct str *ret)
{
	static const unsigned char sizes[VALUE_TYPES] = {
		[VALUE_BYTE] = 1, [VALUE_SHORT] = 2, [VALUE_INTEGER] = 4, [VALUE_LONG] = 8,
		[VALUE_TIMESTAMP] = 8, [VALUE_UUID] = 16,
	};
	if (type == VALUE_BYTES || type == VALUE_STRING)
		return take_sized(from, 2, ret);
	return type < VALUE_TYPES && take(from, sizes[type], ret);
}

static void note_header(struct eventstream_message *m, struct str name, struct str value)
{
	const struct {
		struct str name, *to;
	} known[] = {
		{ STR(":message-type"), &m->type },
		{ STR(":event-type"), &m->event_type },
		{ STR(":exception-type"), &m->exception_type },
		{ STR(":error-code"), &m->error_code },
		{ STR(":error-message"), &m->error_message },
	};
	for (size_t i = 0; i < COUNT(known); i++)
		if (str_eq(name, known[i].name))
			*known[i].to = value;
}

int eventstream_read(struct str whole, struct eventstream_message *ret)
{
	struct eventstream_message m = { 0 };
	size_t n;
	int err = eventstream_length(whole, whole.n, &n);
	if (err || n != whole.n)
		return -EBADMSG;
	if (hash_crc32(0, whole.p, n - CRC_BYTES) != read_u32(whole.p + n - CRC_BYTES))
		return -EBADMSG;
	struct str headers = str_of(whole.p + EVENTSTREAM_PRELUDE, read_u32(whole.p + 4));
	m.payload = str_of(headers.p + headers.n, n - EVENTSTREAM_LEAST - headers.n);
	while (headers.n) {
		struct str name, type, value;
		if (!take_sized(&headers, 1, &name) || !take(&headers, 1, &type) ||
		    !take_value(&headers, (enum value_type)(unsigned char)type.p[0], &value))
			return -EBADMSG;
		if (type.p[0] == VALUE_STRING)
			note_header(&m, name, value);
	}
	*ret = m;
	return 0;
}

/* --- as an event --- */

/* What is written to a buf, in the arena; the buf is done with. */
static int take_text(struct arena *a, struct buf *b, struct str *ret)
{
	struct str s = b->failed ? STR_NONE : arena_dup(a, buf_str(b));
	buf_done(b);
	if (!s.p)
		return -ENOMEM;
	*ret = s;
	return 0;
}

static int put_failure(struct arena *a, struct str type, struct str message, struct str *ret)
{
	struct buf b;
	buf_init(&b, 6 * (type.n + message.n) + 256);
	struct json_out o = json_out(&b);
	json_open(&o, NULL);
	json_put_z(&o, "type", "error");
	json_open(&o, "error");
	json_put_str(&o, "type", type);
	json_put_str(&o, "message", message.p ? message : STR(""));
	json_close(&o);
	json_close(&o);
	return take_text(a, &b, ret);
}

/* {"message": "..."}, or any text. */
static int failure_of(struct arena *a, const struct eventstream_message *m, struct sse_event *ev)
{
	struct json_error error;
	bool is_exception = m->exception_type.p;
	const struct json *root = m->payload.n ? json_parse(a, m->payload, 0, &error) : NULL;
	struct str message = json_get_str(a, root, "message");
	if (!message.p)
		message = json_get_str(a, root, "Message");
	if (!message.p)
		message = m->error_message.p ? m->error_message : m->payload;
	ev->name = is_exception	     ? m->exception_type
		   : m->error_code.p ? m->error_code
				     : STR("error");
	return put_failure(a, ev->name, message, &ev->data);
}

static bool is_plain_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n > 0 && s.n <= NAME_MAX_BYTES;
}

static int put_as_sse(struct arena *a, struct str type, struct str json, struct str *ret)
{
	struct buf b;
	buf_init(&b, type.n + json.n + 64);
	if (is_plain_name(type)) {
		BUF_PUT_LIT(&b, "event: ");
		buf_put(&b, type);
		buf_put_char(&b, '\n');
	}
	BUF_PUT_LIT(&b, "data: ");
	buf_put(&b, json);
	BUF_PUT_LIT(&b, "\n\n");
	return take_text(a, &b, ret);
}

/* Line ends stand in JSON between its values only, where a blank does as well. */
static void join_lines(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] == '\n' || p[i] == '\r')
			p[i] = ' ';
}

static int unwrap(struct arena *a, struct str base64, struct sse_event *ev)
{
	struct json_error error;
	char *text = arena_alloc(a, base64.n + 1);
	size_t n = 0;
	if (!text)
		return -ENOMEM;
	if (!hash_unbase64(text, base64.n, base64, &n))
		return -EBADMSG;
	join_lines(text, n);
	const struct json *root = json_parse(a, str_of(text, n), 0, &error);
	if (!json_is(root, JSON_OBJECT))
		return -EBADMSG;
	ev->data = str_of(text, n);
	ev->name = json_get_str(a, root, "type");
	return put_as_sse(a, ev->name, ev->data, &ev->raw);
}

int eventstream_to_event(struct arena *a, struct str whole, const struct eventstream_message *m,
			 struct sse_event *ret)
{
	struct sse_event ev = { .raw = whole, .name = m->event_type, .data = m->payload };
	struct json_error error;
	int err = 0;
	if (m->exception_type.p || !str_eq(m->type, STR("event"))) {
		err = failure_of(a, m, &ev);
		if (!err)
			err = put_as_sse(a, STR("error"), ev.data, &ev.raw);
	} else if (str_eq(m->event_type, STR("chunk"))) {
		const struct json *root = json_parse(a, m->payload, 0, &error);
		struct str bytes = json_get_str(a, root, "bytes");
		err = bytes.p ? unwrap(a, bytes, &ev) : -EBADMSG;
	}
	if (!err)
		*ret = ev;
	return err;
}
