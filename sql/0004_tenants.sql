-- SPDX-License-Identifier: MIT
-- 0004_tenants.sql - who stands above and beside keys and teams, and has limits of its own: one
-- table for all kinds, so that the ledger, the budget periods and the directory know one form.

CREATE TABLE tenants (
	id INTEGER PRIMARY KEY AUTOINCREMENT,	-- never used again, over all kinds
	-- 3 user, 4 organization, 5 member of a team, 6 customer, 7 tag, 8 budget,
	-- 9 member of an organization
	kind INTEGER NOT NULL CHECK (kind BETWEEN 3 AND 9),
	owner INTEGER NOT NULL DEFAULT 0,	-- of a member: teams.id, or the organization's id here
	name TEXT NOT NULL,			-- user_id, organization_id ... as the API calls it
	alias TEXT,
	email TEXT,
	role TEXT,				-- of a user, or of a member of an organization
	organization_id TEXT,
	models TEXT NOT NULL DEFAULT '[]',	-- JSON, as the next two and `extra`
	aliases TEXT NOT NULL DEFAULT '{}',
	metadata TEXT NOT NULL DEFAULT '{}',
	budget_id TEXT,				-- whose limits hold where it has none of its own
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
	extra TEXT NOT NULL DEFAULT '{}',	-- LiteLLM's other fields: kept and shown
	UNIQUE (kind, owner, name)
) STRICT;
CREATE INDEX tenants_reset ON tenants (budget_reset_at) WHERE budget_reset_at IS NOT NULL;
CREATE INDEX tenants_budget ON tenants (budget_id) WHERE budget_id IS NOT NULL;
CREATE INDEX tenants_email ON tenants (email) WHERE email IS NOT NULL;

-- What limits members of teams has been kept until now limits from here on.
INSERT INTO tenants (kind, owner, name, alias, max_budget, created_at, updated_at)
	SELECT 5, team, user_id, user_email, max_budget, 0, 0 FROM team_members
	WHERE max_budget IS NOT NULL;

-- Keys and teams may have their limits from a budget.
ALTER TABLE keys ADD COLUMN budget_id TEXT;
ALTER TABLE teams ADD COLUMN budget_id TEXT;
UPDATE keys SET budget_id = json_extract(extra, '$.budget_id'),
	extra = json_remove(extra, '$.budget_id')
	WHERE json_type(extra, '$.budget_id') = 'text';
UPDATE teams SET budget_id = json_extract(extra, '$.budget_id'),
	extra = json_remove(extra, '$.budget_id')
	WHERE json_type(extra, '$.budget_id') = 'text';
CREATE INDEX keys_budget ON keys (budget_id) WHERE budget_id IS NOT NULL;
CREATE INDEX teams_budget ON teams (budget_id) WHERE budget_id IS NOT NULL;

-- Who pays for an admitted request, besides key and team: their ids, 8 bytes each, as in a
-- journal's record of levels.
ALTER TABLE open_intents ADD COLUMN levels BLOB;
