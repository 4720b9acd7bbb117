-- SPDX-License-Identifier: MIT
-- 0003_teams.sql - teams, which stand above keys: keys.team_id names one, or nobody's.

CREATE TABLE teams (
	id INTEGER PRIMARY KEY AUTOINCREMENT,	-- never used again: spend rows name it for ever
	team_id TEXT NOT NULL UNIQUE,
	alias TEXT,
	organization_id TEXT,
	models TEXT NOT NULL DEFAULT '[]',	-- JSON, as the next two and `extra`
	aliases TEXT NOT NULL DEFAULT '{}',
	metadata TEXT NOT NULL DEFAULT '{}',
	max_budget INTEGER CHECK (max_budget >= 0),
	soft_budget INTEGER CHECK (soft_budget >= 0),
	spend INTEGER NOT NULL DEFAULT 0 CHECK (spend >= 0),	-- in the running budget period
	spend_since INTEGER NOT NULL DEFAULT 0,	-- requests that ended before do not count in spend
	budget_duration TEXT,
	budget_reset_at INTEGER,
	rpm_limit INTEGER CHECK (rpm_limit > 0),
	tpm_limit INTEGER CHECK (tpm_limit > 0),
	max_parallel_requests INTEGER CHECK (max_parallel_requests > 0),
	blocked INTEGER NOT NULL DEFAULT 0 CHECK (blocked IN (0, 1)),
	created_at INTEGER NOT NULL,
	created_by TEXT,
	updated_at INTEGER NOT NULL,
	updated_by TEXT,
	last_used INTEGER,
	extra TEXT NOT NULL DEFAULT '{}'	-- LiteLLM's other fields: kept and shown
) STRICT;
CREATE INDEX teams_reset ON teams (budget_reset_at) WHERE budget_reset_at IS NOT NULL;

CREATE TABLE team_members (
	number INTEGER PRIMARY KEY,		-- in the order in which they came
	team INTEGER NOT NULL,			-- teams.id
	user_id TEXT NOT NULL,
	user_email TEXT,
	role TEXT NOT NULL CHECK (role IN ('admin', 'user')),
	max_budget INTEGER CHECK (max_budget >= 0),
	UNIQUE (team, user_id)
) STRICT;
CREATE TRIGGER team_members_gone AFTER DELETE ON teams BEGIN
	DELETE FROM team_members WHERE team = old.id;
END;

-- The team that a request counted for: its key may be another's by now. 0: none.
ALTER TABLE spend_logs ADD COLUMN team INTEGER NOT NULL DEFAULT 0;
ALTER TABLE open_intents ADD COLUMN team INTEGER NOT NULL DEFAULT 0;
