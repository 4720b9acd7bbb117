-- SPDX-License-Identifier: MIT
-- 0015_tenants_more.sql - limits of users, customers and tags for one model, as keys have them.

-- The same table and triggers, for more kinds of owners: a check cannot be changed.
DROP TRIGGER model_limits_of_key;
DROP TRIGGER model_limits_of_team;
DROP TRIGGER model_limits_of_organization;
CREATE TABLE model_limits_more (
	id INTEGER PRIMARY KEY,			-- a hash of kind, owner and model, below 2^56
	-- of a key 10, team 11, organization 12, user 17, customer 18, tag 19
	kind INTEGER NOT NULL CHECK (kind IN (10, 11, 12, 17, 18, 19)),
	owner INTEGER NOT NULL,			-- keys.id, teams.id, tenants.id
	model TEXT NOT NULL,
	spend INTEGER NOT NULL DEFAULT 0 CHECK (spend >= 0),	-- in the running budget period
	spend_since INTEGER NOT NULL,		-- requests that ended before do not count in spend
	budget_duration TEXT,
	budget_reset_at INTEGER,
	last_used INTEGER,
	UNIQUE (kind, owner, model)
) STRICT;
INSERT INTO model_limits_more SELECT id, kind, owner, model, spend, spend_since, budget_duration,
	budget_reset_at, last_used FROM model_limits;
DROP TABLE model_limits;
ALTER TABLE model_limits_more RENAME TO model_limits;
CREATE INDEX model_limits_reset ON model_limits (budget_reset_at) WHERE budget_reset_at IS NOT NULL;
CREATE TRIGGER model_limits_of_key AFTER DELETE ON keys BEGIN
	DELETE FROM model_limits WHERE kind = 10 AND owner = old.id;
END;
CREATE TRIGGER model_limits_of_team AFTER DELETE ON teams BEGIN
	DELETE FROM model_limits WHERE kind = 11 AND owner = old.id;
END;
CREATE TRIGGER model_limits_of_tenant AFTER DELETE ON tenants WHEN old.kind IN (3, 4, 6, 7) BEGIN
	DELETE FROM model_limits WHERE owner = old.id AND kind =
		CASE old.kind WHEN 3 THEN 17 WHEN 4 THEN 12 WHEN 6 THEN 18 ELSE 19 END;
END;
