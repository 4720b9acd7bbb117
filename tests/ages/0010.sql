-- SPDX-License-Identifier: MIT
-- A second member of the organization, who has a limit there.
INSERT INTO tenants (id, kind, owner, name, role, max_budget, spend, created_at, updated_at) VALUES
	(109, 9, 102, 'u-2', 'internal_user', 300000000, 5, 1767398400000000000, 1767398400000000000);
