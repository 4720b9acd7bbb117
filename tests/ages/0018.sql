-- SPDX-License-Identifier: MIT
-- Whose tokens a key governs.
INSERT INTO token_keys VALUES (1, 'tk-1', 'sub', 'someone', 3, NULL, 1, 1767398400000000000, 'admin',
	1767398400000000000, 'admin');
