-- SPDX-License-Identifier: MIT
-- One of each kind of tenant, budgets with and without limits for single models, and those who
-- have them. sk-age-4-lent has its limits from b-1.
INSERT INTO tenants (id, kind, owner, name, alias, email, role, organization_id, budget_id, max_budget,
	spend, budget_duration, budget_reset_at, rpm_limit, created_at, updated_at, extra) VALUES
	(101, 3, 0, 'u-1', 'User 1', 'u-1@example.com', 'internal_user', NULL, NULL, 5000000000, 1500000200,
	'365d', 4102444800000000000, 100, 1767225600000000000, 1767225600000000000, '{}'),
	(102, 4, 0, 'o-1', 'Organization 1', NULL, NULL, NULL, 'b-1', NULL, 200, NULL, NULL, NULL,
	1767225600000000000, 1767225600000000000, '{}'),
	(103, 5, 1, 'u-2', NULL, NULL, NULL, NULL, 'b-1', 800000000, 40, NULL, NULL, NULL,
	1767225600000000000, 1767225600000000000, '{}'),
	(104, 6, 0, 'c-1', NULL, NULL, NULL, NULL, 'b-1', NULL, 1000000200, NULL, NULL, NULL,
	1767225600000000000, 1767225600000000000, '{}'),
	(105, 7, 0, 'tag-1', NULL, NULL, NULL, NULL, 'b-2', NULL, 0, NULL, NULL, NULL, 1767225600000000000,
	1767225600000000000, '{}'),
	(106, 8, 0, 'b-1', NULL, NULL, NULL, NULL, NULL, 60000000000, 0, NULL, NULL, 600,
	1767225600000000000, 1767225600000000000, '{"model_max_budget":{"m":{"budget_limit":7,"time_period":"30d"}}}'),
	(107, 8, 0, 'b-2', NULL, NULL, NULL, NULL, NULL, 1000000000, 0, NULL, NULL, NULL,
	1767225600000000000, 1767225600000000000, '{}'),
	(108, 9, 102, 'u-1', NULL, NULL, 'org_admin', NULL, NULL, NULL, 0, NULL, NULL, NULL,
	1767225600000000000, 1767225600000000000, '{}');
INSERT INTO keys (id, token_hash, key_name, alias, team_id, spend, created_at, updated_at, extra, budget_id) VALUES
	(5, X'AFC67B83AC532F00FEB7168C9EF339364F626287598FA0F3B655DC000F87B53E', 'sk-...lent', 'lent',
	NULL, 0, 1767225600000000000, 1767225600000000000, '{"tags":["z"]}', 'b-1');
