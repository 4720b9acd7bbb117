-- SPDX-License-Identifier: MIT
-- 0006_models.sql - what the configuration has beside its files, and each one that was in force.
--
-- Secrets are sealed (master/seal.h): nothing in here can be read without LLMGW_SALT_KEY, or the
-- master key where there is none.

-- One row: the salt of the key that seals, and the id of the key that did so last.
CREATE TABLE seal (
	number INTEGER PRIMARY KEY CHECK (number = 1),
	salt BLOB NOT NULL CHECK (length(salt) = 16),
	key_id BLOB
) STRICT;

-- Models, credentials, settings and access groups, which are given by API.
CREATE TABLE objects (
	number INTEGER PRIMARY KEY AUTOINCREMENT,	-- in the order in which they came
	kind TEXT NOT NULL CHECK (kind IN ('model', 'credential', 'setting', 'access_group')),
	name TEXT NOT NULL,			-- a model's id; a credential's name; section.key
	label TEXT NOT NULL,			-- a model's model_name
	sealed BLOB NOT NULL,			-- JSON: litellm_params, credential_values, the value
	info TEXT NOT NULL,			-- JSON: model_info, credential_info, model_names
	created_at INTEGER NOT NULL,
	created_by TEXT,
	updated_at INTEGER NOT NULL,
	updated_by TEXT,
	UNIQUE (kind, name)
) STRICT;

-- Configurations that were put into force.
CREATE TABLE config_history (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	generation INTEGER NOT NULL,
	at INTEGER NOT NULL,
	who TEXT NOT NULL,
	what TEXT NOT NULL,
	changes TEXT NOT NULL,			-- JSON, secrets masked
	digest BLOB NOT NULL,			-- keyed: of two that are alike one row is enough
	size INTEGER NOT NULL,
	sealed BLOB				-- JSON: files and objects; NULL: too large to be kept
) STRICT;
