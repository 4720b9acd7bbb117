-- SPDX-License-Identifier: MIT
-- 0018_token_keys.sql - which key governs who comes with a token of an identity provider, by one of
-- the token's claims.

CREATE TABLE token_keys (
	number INTEGER PRIMARY KEY,		-- the largest is the newest
	id TEXT NOT NULL UNIQUE,
	claim TEXT NOT NULL,
	value TEXT NOT NULL,
	key INTEGER NOT NULL,			-- keys.id; that of a deleted key lets nobody in
	description TEXT,
	is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
	created_at INTEGER NOT NULL,
	created_by TEXT,
	updated_at INTEGER NOT NULL,
	updated_by TEXT,
	UNIQUE (claim, value)
) STRICT;
CREATE INDEX token_keys_key ON token_keys (key);
