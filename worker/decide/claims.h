/* SPDX-License-Identifier: MIT
 * claims.h - what the claims of a token whose signature is good say of who sent it, by the rules
 * of the configuration (general_settings.litellm_jwtauth). Pure.
 *
 * A claim is found by its name, or by names with dots between them for one within objects. */
#ifndef CLAIMS_H
#define CLAIMS_H

#include "common/snapshot.h"
#include "worker/decide/keyset.h"

struct claims_rules {
	struct str text[JWT_TEXTS];	/* as in enum snap_jwt */
	uint32_t flags;			/* JWT_ENFORCE_* and so on */
	uint64_t leeway_s;
	struct str signer;		/* the issuer whose key has signed it; .n 0: anybody's */
	/* Not 0: the provider itself says all this, and it is good until then. */
	uint64_t expires_s;
};

/* Slices are of the arena, or of the claims' and the rules' bytes. Lists are names with a NUL
 * behind each. */
struct who {
	uint64_t expires_s;
	bool is_admin;
	bool is_team, is_user;		/* by its role */
	struct str subject;		/* "iss sub", or less where there is less */
	struct str user, email, organization, end_user;
	struct str teams;		/* the first that there is counts */
	bool has_scopes;		/* its scopes bound it to what follows */
	struct str models, routes;
	bool has_role_models;		/* what its role is permitted bounds it, too */
	struct str role_routes;		/* .n 0: all */
	/* What the master is to be told, or asked, before anything else: bearer_sync.c. */
	bool needs_master;
	bool is_unknown;		/* nobody, or more than one, is called as it says */
	bool has_groups;		/* it says of which teams its user is */
	struct str groups, role;	/* them; and the user's role, if it is to have one */
	struct str team_alias, org_alias;
	struct str key_value;		/* the claim that may name a key */
	bool is_barred;			/* by its roles: then only such a key lets it in */
};

/* Whether the token counts now and for us, and for whom. *ret is whole only if it is good. */
enum token_fault claims_read(struct arena *a, struct str claims, const struct claims_rules *rules,
			     uint64_t now_s, struct who *ret);

#endif
