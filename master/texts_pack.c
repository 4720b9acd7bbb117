/* SPDX-License-Identifier: MIT
 * texts_pack.c - see texts_pack.h. What is compressed: how long both texts are and what was cut of
 * each, four numbers of four bytes, little-endian; then the texts. */
#include "master/texts_pack.h"

#include <errno.h>
#include <zlib.h>

#include "common/mem.h"

enum { HEAD = 16, PLAIN_MAX = HEAD + 2 * TEXT_MOST, LEVEL = 1 };

struct texts_packer {
	z_stream z;
	struct buf plain, packed;
};

struct texts_packer *texts_packer_new(void)
{
	struct texts_packer *p = mem_alloc(sizeof *p);
	if (!p)
		return NULL;
	if (deflateInit(&p->z, LEVEL) != Z_OK) {
		mem_free(p);
		return NULL;
	}
	buf_init(&p->plain, PLAIN_MAX);
	buf_init(&p->packed, 2 * PLAIN_MAX);
	return p;
}

static void wipe(struct buf *b)
{
	if (b->p)
		mem_wipe(b->p, b->n);
	buf_reset(b);
}

struct texts_packer *texts_packer_free(struct texts_packer *p)
{
	if (!p)
		return NULL;
	deflateEnd(&p->z);
	wipe(&p->plain);
	wipe(&p->packed);
	buf_done(&p->plain);
	buf_done(&p->packed);
	mem_free(p);
	return NULL;
}

static void put_u32(struct buf *b, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		buf_put_char(b, (char)(v >> 8 * i & 0xff));
}

static uint32_t get_u32(const char *p)
{
	uint32_t v = 0;
	for (unsigned i = 0; i < 4; i++)
		v |= (uint32_t)(unsigned char)p[i] << 8 * i;
	return v;
}

static bool compress_plain(struct texts_packer *p)
{
	size_t most = deflateBound(&p->z, p->plain.n);
	if (p->plain.failed || deflateReset(&p->z) != Z_OK || buf_reserve(&p->packed, most) < 0)
		return false;
	p->z.next_in = (unsigned char *)p->plain.p;
	p->z.avail_in = (unsigned)p->plain.n;
	p->z.next_out = (unsigned char *)p->packed.p;
	p->z.avail_out = (unsigned)most;
	if (deflate(&p->z, Z_FINISH) != Z_STREAM_END)
		return false;
	p->packed.n = most - p->z.avail_out;
	return true;
}

void texts_pack(struct texts_packer *p, const struct seal *key, const struct text_head *h,
		const char *texts, struct buf *out)
{
	for (unsigned i = 0; i < TEXT_KINDS; i++)
		put_u32(&p->plain, h->n[i]);
	for (unsigned i = 0; i < TEXT_KINDS; i++)
		put_u32(&p->plain, h->cut[i]);
	buf_put(&p->plain, str_of(texts, (size_t)h->n[TEXT_PROMPT] + h->n[TEXT_ANSWER]));
	if (compress_plain(p))
		seal_close(key, buf_str(&p->packed),
			   str_of((const char *)h->request_id, sizeof h->request_id), out);
	else
		out->failed = true;
	wipe(&p->plain);
	wipe(&p->packed);
}

/* What grows beyond what was ever packed is no text of ours. */
static int expand(struct str packed, struct buf *plain)
{
	z_stream z = { .next_in = (unsigned char *)(uintptr_t)packed.p,
		       .avail_in = (unsigned)packed.n };
	int r = Z_OK;
	if (inflateInit(&z) != Z_OK)
		return -ENOMEM;
	while (r == Z_OK && buf_reserve(plain, 1) == 0) {
		size_t most = plain->room < plain->cap ? plain->room : plain->cap;
		size_t room = most - plain->n;
		z.next_out = (unsigned char *)plain->p + plain->n;
		z.avail_out = (unsigned)room;
		r = inflate(&z, Z_NO_FLUSH);
		plain->n += room - z.avail_out;
		if (r == Z_OK && z.avail_out == room)
			break;			/* it ends too early */
	}
	inflateEnd(&z);
	return r == Z_STREAM_END ? 0 : -EBADMSG;
}

int texts_unpack(const struct seal *key, struct str request_id, struct str sealed,
		 struct buf *plain, struct texts_plain *ret)
{
	struct buf packed;
	buf_init(&packed, 2 * PLAIN_MAX);
	buf_reset(plain);
	int err = seal_open(key, sealed, request_id, &packed);
	if (!err)
		err = expand(buf_str(&packed), plain);
	wipe(&packed);
	buf_done(&packed);
	if (err)
		return err;
	struct str rest = str_skip(buf_str(plain), HEAD);
	uint64_t n = plain->n < HEAD ? 0 : (uint64_t)get_u32(plain->p) + get_u32(plain->p + 4);
	if (plain->n < HEAD || n != rest.n)
		return -EBADMSG;
	for (unsigned i = 0; i < TEXT_KINDS; i++) {
		ret->cut[i] = get_u32(plain->p + 8 + 4 * i);
		ret->text[i] = str_of(rest.p, get_u32(plain->p + 4 * i));
		rest = str_skip(rest, ret->text[i].n);
	}
	return 0;
}
