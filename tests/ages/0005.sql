-- SPDX-License-Identifier: MIT
-- A request with tags, in all sums.
INSERT INTO spend_logs (id, request_id, key_id, deployment, model, end_user, start_ns, first_token_ns,
	end_ns, cost, reserve, input, output, cache_read, cache_write, reasoning, endpoint, status,
	outcome, flags, attempts, fallbacks, client_ip, team, tags) VALUES
	(7, X'05000000000000000000000000000001', 5, -77, 'm', '', 1767398400000000000, 0,
	1767398401000000000, 30, 30, 3, 4, 0, 0, 0, 0, 200, 0, 0, 1, 0, X'', 0, '["tag-1"]');
UPDATE keys SET spend = 30 WHERE id = 5;
INSERT OR IGNORE INTO spend_names (name) VALUES ('tag-1'), ('["tag-1"]'), ('m');
INSERT INTO spend_daily SELECT 20456, 5, 0, 0, 0, id, -77, 0, 1, 0, 0, 3, 4, 0, 0, 0, 30
	FROM spend_names WHERE name = 'm';
INSERT INTO spend_labels SELECT 6, t.id, 20456, 5, m.id, -77, 0, 1, 0, 0, 3, 4, 0, 0, 0, 30
	FROM spend_names t, spend_names m WHERE t.name = 'tag-1' AND m.name = 'm';
INSERT INTO spend_totals SELECT span, kind, CASE span WHEN 0 THEN 20456 ELSE 20456 * 24 END, CASE kind
	WHEN 1 THEN 5 WHEN 6 THEN (SELECT id FROM spend_names WHERE name = 'tag-1')
	WHEN 7 THEN (SELECT id FROM spend_names WHERE name = 'm') WHEN 8 THEN -77 ELSE 0 END,
	1, 0, 0, 3, 4, 0, 0, 0, 30 FROM (SELECT 0 AS span UNION VALUES (1)),
	(SELECT 0 AS kind UNION VALUES (1), (2), (3), (4), (6), (7), (8), (9));
INSERT INTO spend_tagged SELECT 20456, 5, 0, 0, 0, m.id, -77, 0, t.id, 1, 0, 0, 3, 4, 0, 0, 0, 30
	FROM spend_names t, spend_names m WHERE t.name = '["tag-1"]' AND m.name = 'm';
