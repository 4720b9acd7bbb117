/* SPDX-License-Identifier: MIT
 * hash.c - digests, checksums and randomness; the secret ones are libsodium's. */
#include "common/hash.h"

#include <errno.h>
#include <sodium.h>

static struct {
	bool is_ready;
	unsigned char table_key[crypto_shorthash_KEYBYTES];
} hash;

int hash_init(void)
{
	if (hash.is_ready)
		return 0;
	if (sodium_init() < 0)
		return -EIO;
	randombytes_buf(hash.table_key, sizeof hash.table_key);
	hash.is_ready = true;
	return 0;
}

struct sha256 hash_sha256(struct str s)
{
	_Static_assert(sizeof(struct sha256) == crypto_hash_sha256_BYTES, "SHA-256");
	struct sha256 h;
	crypto_hash_sha256(h.b, (const unsigned char *)s.p, s.n);
	return h;
}

bool hash_sha256_eq(const struct sha256 *a, const struct sha256 *b)
{
	return sodium_memcmp(a->b, b->b, sizeof a->b) == 0;
}

struct sha256 hash_hmac_sha256(struct str key, struct str s)
{
	_Static_assert(sizeof(struct sha256) == crypto_auth_hmacsha256_BYTES, "HMAC-SHA-256");
	crypto_auth_hmacsha256_state state;
	struct sha256 h;
	crypto_auth_hmacsha256_init(&state, (const unsigned char *)key.p, key.n);
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)s.p, s.n);
	crypto_auth_hmacsha256_final(&state, h.b);
	sodium_memzero(&state, sizeof state);
	return h;
}

void hash_hex(char *out, const void *p, size_t n)
{
	sodium_bin2hex(out, n * 2 + 1, p, n);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hash_unhex(void *out, size_t n, struct str hex)
{
	unsigned char *to = out;
	if (hex.n % 2 || hex.n / 2 != n)
		return -EINVAL;
	for (size_t i = 0; i < hex.n; i++)
		if (hex_digit(hex.p[i]) < 0)
			return -EINVAL;
	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)(hex_digit(hex.p[2 * i]) << 4 | hex_digit(hex.p[2 * i + 1]));
	return 0;
}

uint64_t hash_table(struct str s)
{
	MUST(hash.is_ready);
	return hash_keyed(hash.table_key, s);
}

struct hash_mac hash_mac(struct str s)
{
	struct hash_mac t;
	_Static_assert(sizeof t.b == crypto_shorthash_siphashx24_BYTES, "SipHash-2-4-128");
	MUST(hash.is_ready);
	crypto_shorthash_siphashx24(t.b, (const unsigned char *)s.p, s.n, hash.table_key);
	return t;
}

uint64_t hash_keyed(const uint8_t key[16], struct str s)
{
	unsigned char b[crypto_shorthash_BYTES];
	uint64_t v;
	_Static_assert(crypto_shorthash_KEYBYTES == 16, "SipHash's key");
	crypto_shorthash(b, (const unsigned char *)s.p, s.n, key);
	_Static_assert(sizeof v == sizeof b, "SipHash-2-4");
	memcpy(&v, b, sizeof v);
	return v;
}

uint64_t hash_stable_more(uint64_t so_far, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		so_far ^= (unsigned char)s.p[i];
		so_far *= 0x100000001b3ull;
	}
	return so_far;
}

uint64_t hash_stable(struct str s)
{
	return hash_stable_more(0xcbf29ce484222325ull, s);
}

/* Four bits at a time: entry i of a table is i shifted through the reversed polynomial. */
static uint32_t crc_by_table(const uint32_t table[16], uint32_t seed, const void *p, size_t n)
{
	const unsigned char *b = p;
	uint32_t crc = ~seed;
	for (size_t i = 0; i < n; i++) {
		crc ^= b[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

uint32_t hash_crc32c_table(uint32_t seed, const void *p, size_t n)
{
	static const uint32_t table[16] = {	/* 0x82f63b78 */
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	return crc_by_table(table, seed, p, n);
}

uint32_t hash_crc32(uint32_t seed, const void *p, size_t n)
{
	static const uint32_t table[16] = {	/* 0xedb88320 */
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	return crc_by_table(table, seed, p, n);
}

#ifdef __x86_64__
__attribute__((target("sse4.2")))
static uint32_t crc32c_instruction(uint32_t seed, const void *p, size_t n)
{
	const unsigned char *b = p;
	uint64_t crc = (uint32_t)~seed, word;
	for (; n >= sizeof word; n -= sizeof word, b += sizeof word) {
		memcpy(&word, b, sizeof word);
		crc = __builtin_ia32_crc32di(crc, word);
	}
	uint32_t rest = (uint32_t)crc;
	while (n--)
		rest = __builtin_ia32_crc32qi(rest, *b++);
	return ~rest;
}
#endif

uint32_t hash_crc32c(uint32_t seed, const void *p, size_t n)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_instruction(seed, p, n);
#endif
	return hash_crc32c_table(seed, p, n);
}

void hash_random(void *p, size_t n)
{
	randombytes_buf(p, n);
}

uint64_t hash_random_u64(void)
{
	uint64_t v;
	randombytes_buf(&v, sizeof v);
	return v;
}

/* SplitMix64, seeded once a thread; a fork without exec would go on with the same numbers. */
static uint64_t next_fast(void)
{
	static _Thread_local uint64_t state;
	static _Thread_local bool is_seeded;
	if (!is_seeded) {
		state = hash_random_u64();
		is_seeded = true;
	}
	uint64_t z = state += 0x9e3779b97f4a7c15ull;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* The upper half of a 128-bit product is uniform once the few low values that would come up one
 * time too often are thrown away. */
uint64_t hash_random_below(uint64_t bound)
{
	if (bound == 0)
		return 0;
	uint64_t excess = (0 - bound) % bound;
	for (;;) {
		unsigned __int128 m = (unsigned __int128)next_fast() * bound;
		if ((uint64_t)m >= excess)
			return (uint64_t)(m >> 64);
	}
}

void hash_random_urlsafe(char *out, size_t n)
{
	unsigned char b[48];	/* a multiple of three: pieces join without padding */
	const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
	do {
		size_t now = n < sizeof b ? n : sizeof b;
		size_t room = sodium_base64_encoded_len(now, variant);
		randombytes_buf(b, now);
		sodium_bin2base64(out, room, b, now, variant);
		out += room - 1;
		n -= now;
	} while (n);
	sodium_memzero(b, sizeof b);
}

void hash_uuid(char out[37])
{
	unsigned char b[16];
	char hex[33];
	randombytes_buf(b, sizeof b);
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	hash_hex(hex, b, sizeof b);
	for (unsigned from = 0, to = 0; from < 32; from++) {
		if (from == 8 || from == 12 || from == 16 || from == 20)
			out[to++] = '-';
		out[to++] = hex[from];
	}
	out[36] = '\0';
}

bool hash_base64(char *out, size_t max, struct str s)
{
	if (max < sodium_base64_encoded_len(s.n, sodium_base64_VARIANT_ORIGINAL))
		return false;
	sodium_bin2base64(out, max, (const unsigned char *)s.p, s.n,
			  sodium_base64_VARIANT_ORIGINAL);
	return true;
}

static bool unbase64(void *out, size_t max, struct str text, size_t *ret_n, int variant)
{
	size_t n;
	const char *end;
	if (sodium_base642bin(out, max, text.p, text.n, NULL, &n, &end, variant) != 0 ||
	    end != text.p + text.n)
		return false;
	*ret_n = n;
	return true;
}

bool hash_unbase64(void *out, size_t max, struct str text, size_t *ret_n)
{
	return unbase64(out, max, text, ret_n, sodium_base64_VARIANT_ORIGINAL);
}

bool hash_unbase64url(void *out, size_t max, struct str text, size_t *ret_n)
{
	return unbase64(out, max, text, ret_n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

bool hash_open_secretbox(void *out, size_t max, const struct sha256 *key, struct str sealed,
			 size_t *ret_n)
{
	_Static_assert(sizeof(struct sha256) == crypto_secretbox_KEYBYTES, "key");
	const size_t head = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES;
	if (sealed.n < head || max < sealed.n - head)
		return false;
	const unsigned char *p = (const unsigned char *)sealed.p;
	*ret_n = sealed.n - head;
	return crypto_secretbox_open_easy(out, p + crypto_secretbox_NONCEBYTES,
					  sealed.n - crypto_secretbox_NONCEBYTES, p, key->b) == 0;
}
