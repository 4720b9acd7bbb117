-- SPDX-License-Identifier: MIT
-- 0017_access_groups.sql - access groups of keys and teams: models that those who name one may use
-- beside their own. Keys and teams have the ids in extra.access_group_ids.

CREATE TABLE access_groups (
	number INTEGER PRIMARY KEY,		-- the largest is the newest
	id TEXT NOT NULL UNIQUE,
	name TEXT NOT NULL UNIQUE,
	description TEXT,
	models TEXT NOT NULL,			-- this and those below: JSON, lists of names
	mcp_servers TEXT NOT NULL,
	agents TEXT NOT NULL,
	teams TEXT NOT NULL,
	keys TEXT NOT NULL,			-- hashes
	created_at INTEGER NOT NULL,
	created_by TEXT,
	updated_at INTEGER NOT NULL,
	updated_by TEXT
) STRICT;
