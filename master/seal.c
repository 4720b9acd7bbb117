/* SPDX-License-Identifier: MIT
 * seal.c - see seal.h. A sealed text: layout number, the key's id, nonce, ciphertext with tag. */
#include "master/seal.h"

#include <errno.h>
#include <sodium.h>

enum {
	LAYOUT = 1,
	NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
	HEAD = 1 + SEAL_ID,
	KDF_PASSES = 2,
	KDF_MEMORY = 16 << 20
};

_Static_assert(SEAL_SALT == crypto_pwhash_SALTBYTES, "salt");
_Static_assert(SEAL_KEY == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");
_Static_assert(SEAL_KEY == crypto_kdf_KEYBYTES && SEAL_KEY >= crypto_kdf_BYTES_MIN, "derived keys");

/* Two keys that do not tell of each other come from the one that the text gives. */
void seal_from(struct seal *s, const uint8_t root[SEAL_KEY])
{
	uint8_t id[SEAL_KEY];
	crypto_kdf_derive_from_key(s->key, sizeof s->key, 1, "llmgwkey", root);
	crypto_kdf_derive_from_key(id, sizeof id, 2, "llmgw-id", root);
	memcpy(s->id, id, sizeof s->id);
	s->is_ready = true;
}

int seal_init(struct seal *s, struct str secret, const uint8_t salt[SEAL_SALT])
{
	uint8_t root[SEAL_KEY];
	if (crypto_pwhash(root, sizeof root, secret.p, secret.n, salt, KDF_PASSES, KDF_MEMORY,
			  crypto_pwhash_ALG_ARGON2ID13) != 0)
		return -ENOMEM;
	seal_from(s, root);
	sodium_memzero(root, sizeof root);
	return 0;
}

void seal_done(struct seal *s)
{
	sodium_memzero(s, sizeof *s);
}

void seal_close(const struct seal *s, struct str plain, struct str name, struct buf *out)
{
	MUST(s->is_ready);
	size_t n = HEAD + NONCE + plain.n + TAG;
	if (buf_reserve(out, n) < 0) {
		out->failed = true;
		return;
	}
	uint8_t *to = (uint8_t *)out->p + out->n, *nonce = to + HEAD;
	to[0] = LAYOUT;
	memcpy(to + 1, s->id, SEAL_ID);
	randombytes_buf(nonce, NONCE);
	crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE, NULL, (const uint8_t *)plain.p,
						   plain.n, (const uint8_t *)name.p, name.n, NULL,
						   nonce, s->key);
	out->n += n;
}

int seal_open(const struct seal *s, struct str sealed, struct str name, struct buf *out)
{
	const uint8_t *from = (const uint8_t *)sealed.p, *nonce = from + HEAD;
	if (sealed.n < HEAD + NONCE + TAG || from[0] != LAYOUT)
		return -EBADMSG;
	if (!s->is_ready || memcmp(from + 1, s->id, SEAL_ID) != 0)
		return -ENOKEY;
	size_t n = sealed.n - HEAD - NONCE - TAG;
	if (buf_reserve(out, n + 1) < 0)
		return -ENOMEM;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
		    (uint8_t *)out->p + out->n, NULL, NULL, nonce + NONCE, n + TAG,
		    (const uint8_t *)name.p, name.n, nonce, s->key) != 0)
		return -EBADMSG;
	out->n += n;
	return 0;
}
