-- SPDX-License-Identifier: MIT
-- An access group, and a key that names it.
INSERT INTO access_groups VALUES (1, 'ag-1', 'Group 1', NULL, '["m"]', '[]', '[]', '["t-1"]', '[]',
	1767398400000000000, 'admin', 1767398400000000000, 'admin');
UPDATE keys SET extra = json_set(extra, '$.access_group_ids', json('["ag-1"]')) WHERE id = 3;
