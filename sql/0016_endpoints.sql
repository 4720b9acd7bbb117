-- SPDX-License-Identifier: MIT
-- 0016_endpoints.sql - what probes of deployments found; limits of budgets for single models.

CREATE TABLE health_checks (
	number INTEGER PRIMARY KEY,		-- the largest is the newest
	model_id TEXT NOT NULL,
	model_name TEXT NOT NULL,
	is_well INTEGER NOT NULL CHECK (is_well IN (0, 1)),
	error TEXT NOT NULL,			-- '' where it is well
	took_ms INTEGER NOT NULL,
	checked_by TEXT NOT NULL,
	checked_at INTEGER NOT NULL
) STRICT;
CREATE INDEX health_checks_model ON health_checks (model_id, number);

-- Whoever has a budget has its limits for single models, too, as a member of extra: those that were
-- given before there was anybody who minded them.
UPDATE keys SET extra = json_set(extra, '$.model_max_budget_of_budget', json((SELECT
	json_extract(b.extra, '$.model_max_budget') FROM tenants b WHERE b.kind = 8 AND b.owner = 0
	AND b.name = keys.budget_id))) WHERE budget_id IN (SELECT name FROM tenants WHERE kind = 8
	AND json_type(extra, '$.model_max_budget') = 'object');
UPDATE teams SET extra = json_set(extra, '$.model_max_budget_of_budget', json((SELECT
	json_extract(b.extra, '$.model_max_budget') FROM tenants b WHERE b.kind = 8 AND b.owner = 0
	AND b.name = teams.budget_id))) WHERE budget_id IN (SELECT name FROM tenants WHERE kind = 8
	AND json_type(extra, '$.model_max_budget') = 'object');
UPDATE tenants SET extra = json_set(extra, '$.model_max_budget_of_budget', json((SELECT
	json_extract(b.extra, '$.model_max_budget') FROM tenants b WHERE b.kind = 8 AND b.owner = 0
	AND b.name = tenants.budget_id))) WHERE kind IN (4, 6, 7) AND budget_id IN (SELECT name FROM
	tenants WHERE kind = 8 AND json_type(extra, '$.model_max_budget') = 'object');
