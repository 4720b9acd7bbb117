-- SPDX-License-Identifier: MIT
-- Teams, one with a budget that was a field as others were; members, one with a budget of its own.
INSERT INTO teams (id, team_id, alias, organization_id, models, metadata, max_budget, spend,
	budget_duration, budget_reset_at, rpm_limit, created_at, updated_at, extra) VALUES
	(1, 't-1', 'Team 1', 'o-1', '["m"]', '{"b":2}', 9000000000, 200, '365d', 4102444800000000000, 500,
	1767225600000000000, 1767225600000000000, '{"budget_id":"b-1","tags":["y"]}'),
	(2, 't-2', NULL, NULL, '[]', '{}', NULL, 0, NULL, NULL, NULL, 1767225600000000000,
	1767225600000000000, '{}');
INSERT INTO team_members VALUES (1, 1, 'u-1', 'u-1@example.com', 'admin', 700000000),
	(2, 1, 'u-2', NULL, 'user', NULL);
INSERT INTO spend_logs (id, request_id, key_id, deployment, model, end_user, start_ns, first_token_ns,
	end_ns, cost, reserve, input, output, cache_read, cache_write, reasoning, endpoint, status,
	outcome, flags, attempts, fallbacks, client_ip, team) VALUES
	(6, X'03000000000000000000000000000001', 1, -77, 'm', 'c-1', 1767312003000000000, 0,
	1767312004000000000, 200, 300, 2, 2, 0, 0, 0, 0, 200, 0, 0, 1, 0, X'7F000001', 1);
UPDATE keys SET spend = spend + 200 WHERE id = 1;
INSERT INTO spend_daily SELECT 20455, 1, 'm', -77, 1, 0, 2, 2, 0, 0, 0, 200 WHERE true
	ON CONFLICT DO UPDATE SET requests = requests + 1, input = input + 2, output = output + 2,
	cost = cost + 200;
