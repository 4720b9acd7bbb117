/* SPDX-License-Identifier: MIT
 * key_header.c - see key_header.h. */
#include "common/key_header.h"

#include <errno.h>
#include <string.h>

#include "common/hash.h"

static const struct {
	const char *before;		/* of the line */
	bool is_basic;
} forms[AUTH_COUNT] = {
	[AUTH_BEARER] = { "Authorization: Bearer ", false },
	[AUTH_API_KEY] = { "api-key: ", false },
	[AUTH_X_API_KEY] = { "x-api-key: ", false },
	[AUTH_X_GOOG_API_KEY] = { "x-goog-api-key: ", false },
	[AUTH_TOKEN] = { "Authorization: Token ", false },
	[AUTH_BASIC] = { "Authorization: Basic ", true },	/* RFC 7617 */
	[AUTH_XI_API_KEY] = { "xi-api-key: ", false },
	[AUTH_SUBSCRIPTION_KEY] = { "api-subscription-key: ", false },
};

bool key_header_is_plain(enum provider_auth auth)
{
	MUST((unsigned)auth < AUTH_COUNT);
	return forms[auth].before != NULL;
}

struct str key_header_name(enum provider_auth auth)
{
	struct str line = key_header_is_plain(auth) ? str_z(forms[auth].before) : STR_NONE;
	return str_cut(&line, ':');
}

int key_header_write(char *line, size_t max, enum provider_auth auth, struct str key)
{
	if (!key.n || !key_header_is_plain(auth))
		return 0;
	size_t at = strlen(forms[auth].before);
	if (at + key.n >= max)
		return -EMSGSIZE;
	memcpy(line, forms[auth].before, at);
	if (forms[auth].is_basic)
		return hash_base64(line + at, max - at, key) ? (int)strlen(line) : -EMSGSIZE;
	memcpy(line + at, key.p, key.n);
	line[at + key.n] = 0;
	return (int)(at + key.n);
}
