-- SPDX-License-Identifier: MIT
-- Keys with and without limits, one that is gone, what they spent on two days, a request that was
-- not over. Their texts are sk-age-1-budgeted, -blocked, -free and -deleted.
INSERT INTO keys (id, token_hash, key_name, alias, user_id, team_id, organization_id, models, aliases,
	metadata, permissions, max_budget, soft_budget, spend, spend_since, budget_duration,
	budget_reset_at, rpm_limit, tpm_limit, max_parallel_requests, expires, created_at, created_by,
	updated_at, updated_by, last_used, extra) VALUES
	(1, X'1D7C366D4427B2A3F9DE8FEA7590DB326C5D9AFA921FAD99019E8E59DB665A5C', 'sk-...eted',
	'budgeted', 'u-1', 't-1', 'o-1', '["m"]', '{"fast":"m"}', '{"a":1}', '{}', 3000000000,
	2500000000, 1500000000, 1767225600000000000, '365d', 4102444800000000000, 1000, 100000, 10,
	4102444800000000000, 1767225600000000000, 'admin', 1767225601000000000, 'admin',
	1767312000000000000, '{"budget_id":"b-1","tags":["x"]}');
INSERT INTO keys (id, token_hash, key_name, alias, spend, blocked, created_at, updated_at) VALUES
	(2, X'36225A7DE59118CF2707583646B1FBE4D679093A4F727D0E252EF1BF7FBE72F3', 'sk-...cked',
	'blocked', 0, 1, 1767225600000000000, 1767225600000000000),
	(3, X'A60CDF5026C53DE31511B061A60319910DD8195EDFEB9E5B459C20FD0C96DD44', 'sk-...free',
	'free', 70, 0, 1767225600000000000, 1767225600000000000);
INSERT INTO keys_deleted VALUES
	(4, X'FFC6BC01ACA83608636B275201BAF7D1E3A90410347E43596E0644367CDF4BEB', 'sk-...eted', 'deleted',
	'u-2', NULL, 'o-2', 500, 1767225600000000000, 1767312000000000000, 'admin');
INSERT INTO deployments VALUES (-77, 'id-77', 'm', 'openai', 'plain', 'http://127.0.0.1:1/v1');
INSERT INTO spend_logs (id, request_id, key_id, deployment, model, end_user, start_ns, first_token_ns,
	end_ns, cost, reserve, input, output, cache_read, cache_write, reasoning, endpoint, status,
	outcome, flags, attempts, fallbacks, client_ip) VALUES
	(1, X'01000000000000000000000000000001', 1, -77, 'm', 'c-1', 1767225600000000001,
	1767225600100000000, 1767225601000000000, 1000000000, 2000000000, 10, 20, 1, 2, 3, 0, 200, 0, 0, 1,
	0, X'7F000001'),
	(2, X'01000000000000000000000000000002', 1, -77, 'm', '', 1767312000000000000, 0,
	1767312001000000000, 500000000, 500000000, 5, 6, 0, 0, 0, 0, 500, 3, 8, 2, 1, X'7F000001'),
	(3, X'01000000000000000000000000000003', 3, 0, 'nobody-s', 'c-2', 1767229200000000000, 0,
	1767229201000000000, 70, 70, 7, 0, 0, 0, 0, 0, 200, 0, 16, 0, 0, X''),
	(4, X'01000000000000000000000000000004', 4, -77, 'm', '', 1767229200000000001, 0,
	1767229201000000000, 500, 500, 1, 1, 0, 0, 0, 1, 200, 0, 0, 1, 0, X''),
	(5, X'01000000000000000000000000000005', 0, -77, 'm', '', 1767229200000000002, 0,
	1767229201000000000, 9, 9, 1, 1, 0, 0, 0, 0, 200, 0, 0, 1, 0, X'');
INSERT INTO spend_daily VALUES (20454, 1, 'm', -77, 1, 0, 10, 20, 1, 2, 3, 1000000000),
	(20455, 1, 'm', -77, 1, 1, 5, 6, 0, 0, 0, 500000000), (20454, 3, 'nobody-s', 0, 1, 0, 7, 0, 0, 0, 0, 70),
	(20454, 4, 'm', -77, 1, 0, 1, 1, 0, 0, 0, 500), (20454, 0, 'm', -77, 1, 0, 1, 1, 0, 0, 0, 9);
INSERT INTO journals VALUES (-5, 0, 4096);
INSERT INTO open_intents (request_id, epoch, key_id, deployment, model, end_user, start_ns, reserve,
	endpoint, flags, client_ip) VALUES
	(X'01000000000000000000000000000006', -5, 3, -77, 'm', '', 1767312002000000000, 400, 0, 0, X'');
