/* SPDX-License-Identifier: MIT
 * hash.h - digests, checksums and randomness, from libsodium where a secret is near. */
#ifndef HASH_H
#define HASH_H

#include "common/str.h"

struct sha256 {
	uint8_t b[32];
};
struct hash_mac {
	uint8_t b[16];
};

int hash_init(void) MUST_USE;		/* once a process, before anything else here; 0 or -EIO */
struct sha256 hash_sha256(struct str s);
bool hash_sha256_eq(const struct sha256 *a, const struct sha256 *b);	/* constant time */
struct sha256 hash_hmac_sha256(struct str key, struct str s);	/* RFC 2104; a key of any length */
void hash_hex(char *out, const void *p, size_t n);	/* 2n characters and a NUL */
int hash_unhex(void *out, size_t n, struct str hex) MUST_USE;	/* exactly 2n digits, or -EINVAL */

/* SipHash-2-4 under a key that this process drew at start: for tables whose keys strangers
 * choose. Not for anything that another process must find again. */
uint64_t hash_table(struct str s);
/* The same under a key that several processes know. */
uint64_t hash_keyed(const uint8_t key[16], struct str s);
/* 128 bits under this process's key: what has the same tag is the same text. */
struct hash_mac hash_mac(struct str s);
/* FNV-1a 64: the same in every process and release; for identifiers, never against strangers. */
uint64_t hash_stable(struct str s);
uint64_t hash_stable_more(uint64_t so_far, struct str s); /* begin with hash_stable(STR("")) */

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), continuing from `seed`. */
uint32_t hash_crc32c(uint32_t seed, const void *p, size_t n);
/* The same without the processor's instruction: the fallback, for the test to compare. */
uint32_t hash_crc32c_table(uint32_t seed, const void *p, size_t n);
/* CRC-32 (IEEE 802.3, as in gzip), continuing from `seed`. */
uint32_t hash_crc32(uint32_t seed, const void *p, size_t n);

void hash_random(void *p, size_t n);
uint64_t hash_random_u64(void);
uint64_t hash_random_below(uint64_t bound);	/* uniform; bound 0 gives 0; fast, not secret */
/* n random bytes in URL-safe base64 without padding; out takes (n*4+2)/3 + 1 bytes. */
void hash_random_urlsafe(char *out, size_t n);
/* Base64 (RFC 4648, 4), padded, and a NUL; false: no room, and nothing is written. */
bool hash_base64(char *out, size_t max, struct str s) MUST_USE;
/* Back: out takes text.n / 4 * 3 bytes. Padded, without blanks. False: that is no base64. */
bool hash_unbase64(void *out, size_t max, struct str text, size_t *ret_n) MUST_USE;
/* The URL-safe alphabet without padding (RFC 4648, 5), strictly; out takes text.n / 4 * 3 + 2. */
bool hash_unbase64url(void *out, size_t max, struct str text, size_t *ret_n) MUST_USE;
/* NaCl's secretbox (XSalsa20-Poly1305): sealed is a nonce of 24 bytes, a tag of 16 and the text,
 * which goes to out (sealed.n bytes suffice). False: another key, or damaged. */
bool hash_open_secretbox(void *out, size_t max, const struct sha256 *key, struct str sealed,
			 size_t *ret_n) MUST_USE;
/* A random UUID (RFC 9562 version 4) as 36 characters and a NUL. */
void hash_uuid(char out[37]);

#endif
