-- SPDX-License-Identifier: MIT
-- Objects and configurations, whose secrets are not sealed here by any key.
INSERT INTO seal VALUES (1, X'000102030405060708090A0B0C0D0E0F', NULL);
INSERT INTO objects VALUES (1, 'model', 'id-1', 'm-1', X'AA', '{"id":"id-1"}', 1767398400000000000, 'admin',
	1767398400000000000, 'admin'),
	(2, 'access_group', 'g-1', 'g-1', X'AB', '{"model_names":["m"]}', 1767398400000000000, NULL,
	1767398400000000000, NULL);
INSERT INTO config_history VALUES (1, 1, 1767398400000000000, '', 'start', '[]', X'BB', 2, X'AC'),
	(2, 2, 1767398400000000001, 'admin', 'reload', '[]', X'BC', 2, NULL);
