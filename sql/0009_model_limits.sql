-- SPDX-License-Identifier: MIT
-- 0009_model_limits.sql - limits and budgets of keys and teams for one model.
--
-- What the limits are stands in the rows of those who have them (metadata.model_rpm_limit and
-- .model_tpm_limit, extra.model_max_budget); here is what has been spent of the budgets.

CREATE TABLE model_limits (
	id INTEGER PRIMARY KEY,			-- a hash of kind, owner and model, below 2^56
	kind INTEGER NOT NULL CHECK (kind BETWEEN 10 AND 12),	-- of a key, team, organization
	owner INTEGER NOT NULL,			-- keys.id, teams.id, tenants.id
	model TEXT NOT NULL,
	spend INTEGER NOT NULL DEFAULT 0 CHECK (spend >= 0),	-- in the running budget period
	spend_since INTEGER NOT NULL,		-- requests that ended before do not count in spend
	budget_duration TEXT,
	budget_reset_at INTEGER,
	last_used INTEGER,
	UNIQUE (kind, owner, model)
) STRICT;
CREATE INDEX model_limits_reset ON model_limits (budget_reset_at) WHERE budget_reset_at IS NOT NULL;
CREATE TRIGGER model_limits_of_key AFTER DELETE ON keys BEGIN
	DELETE FROM model_limits WHERE kind = 10 AND owner = old.id;
END;
CREATE TRIGGER model_limits_of_team AFTER DELETE ON teams BEGIN
	DELETE FROM model_limits WHERE kind = 11 AND owner = old.id;
END;
CREATE TRIGGER model_limits_of_organization AFTER DELETE ON tenants WHEN old.kind = 4 BEGIN
	DELETE FROM model_limits WHERE kind = 12 AND owner = old.id;
END;
