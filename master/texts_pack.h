/* SPDX-License-Identifier: MIT
 * texts_pack.h - a prompt and its answer as they lie on the disk: compressed by zlib, then sealed
 * (seal.h) under the request's id. Pure. */
#ifndef TEXTS_PACK_H
#define TEXTS_PACK_H

#include "common/texts.h"
#include "master/seal.h"

struct texts_packer;			/* what zlib needs, made once */

struct texts_packer *texts_packer_new(void) MUST_USE;	/* NULL: no memory */
struct texts_packer *texts_packer_free(struct texts_packer *p);	/* NULL is fine; returns NULL */
/* Appends both, which stand behind each other in `texts`. Failure is the buf's. */
void texts_pack(struct texts_packer *p, const struct seal *key, const struct text_head *h,
		const char *texts, struct buf *out);

struct texts_plain {
	uint32_t cut[TEXT_KINDS];	/* bytes that are not there */
	struct str text[TEXT_KINDS];	/* in the buf */
};
/* The other way; `plain` is emptied first. 0; -ENOKEY, -EBADMSG as seal_open(); -ENOMEM. */
int texts_unpack(const struct seal *key, struct str request_id, struct str sealed,
		 struct buf *plain, struct texts_plain *ret) MUST_USE;

#endif
