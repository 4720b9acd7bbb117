-- SPDX-License-Identifier: MIT
-- A request of another gateway, and one whose row is gone.
INSERT INTO spend_imported VALUES (X'0C000000000000000000000000000009');
INSERT INTO spend_logs (id, request_id, key_id, deployment, model, end_user, start_ns, first_token_ns,
	end_ns, cost, reserve, input, output, cache_read, cache_write, reasoning, endpoint, status,
	outcome, flags, attempts, fallbacks, client_ip, team, tags) VALUES
	(8, X'0C000000000000000000000000000001', 5, -77, 'm', '', 1767398400000000001, 0,
	1767398401000000000, 11, 0, 1, 1, 0, 0, 0, 0, 200, 0, 8192, 1, 0, X'', 0, NULL);
UPDATE keys SET spend = spend + 11 WHERE id = 5;
UPDATE spend_daily SET requests = requests + 1, input = input + 1, output = output + 1, cost = cost + 11
	WHERE day = 20456 AND key_id = 5;
UPDATE spend_totals SET requests = requests + 1, input = input + 1, output = output + 1, cost = cost + 11
	WHERE at IN (20456, 20456 * 24) AND kind <> 6;
