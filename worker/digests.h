/* SPDX-License-Identifier: MIT
 * digests.h - the SHA-256 of keys that were good a moment ago.
 *
 * A key is looked up by its SHA-256, and the same few keys come again and again. What is kept
 * beside a digest is no key but a tag, the key's SipHash-2-4-128 under a secret that this process
 * drew: who does not know that cannot make another key with the same tag. Whether the digest is
 * that of a key which may come in is asked anew each time. */
#ifndef DIGESTS_H
#define DIGESTS_H

#include "common/hash.h"

enum { DIGESTS = 128 };

struct digests {
	struct {
		struct hash_mac tag;
		struct sha256 digest;
	} slots[DIGESTS];
};

/* What hash_sha256() says of the token. *ret_tag is for digests_keep(). */
struct sha256 digests_of(const struct digests *d, struct str token, struct hash_mac *ret_tag);
/* For tokens that were found good: what strangers send puts nobody's digest out. */
void digests_keep(struct digests *d, const struct hash_mac *tag, const struct sha256 *digest);

#endif
