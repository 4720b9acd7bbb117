-- SPDX-License-Identifier: MIT
-- A price that was imported.
INSERT INTO price_lines VALUES ('some-model', 'some-model	openai	chat	1000	100	1000	2000												');
INSERT INTO price_changes VALUES (1, 1767398400000000000, 'admin', 1, 0, 0, '{}');
