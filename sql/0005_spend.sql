-- SPDX-License-Identifier: MIT
-- 0005_spend.sql - sums for reports by day and by hour, kept in the transaction that inserts rows.
--
-- Four tables, so that no report ever reads single requests: spend_daily knows all that a
-- request has one of, spend_labels what it may have many of or that is without bound (tags, end
-- users), and spend_totals one thing at a time, so that a sum over years reads few rows.
-- spend_tagged is there for exports.

-- What names' numbers mean, of models, users, organizations, end users, tags. 0 is none.
CREATE TABLE spend_names (
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE
) STRICT;

ALTER TABLE spend_logs ADD COLUMN tags TEXT;	-- JSON: a list of strings; NULL: none

DROP TABLE spend_daily;
CREATE TABLE spend_daily (
	day INTEGER NOT NULL,			-- since 1970-01-01, UTC, of the request's start
	key_id INTEGER NOT NULL,		-- 0: the master key
	team INTEGER NOT NULL,			-- teams.id; 0: none
	user INTEGER NOT NULL,			-- spend_names.id, as the next two
	organization INTEGER NOT NULL,
	model INTEGER NOT NULL,			-- as asked
	deployment INTEGER NOT NULL,		-- deployments.id_hash; 0: none was asked
	endpoint INTEGER NOT NULL,		-- enum journal_call
	requests INTEGER NOT NULL,
	failed INTEGER NOT NULL,
	unpriced INTEGER NOT NULL,		-- cost nothing because nobody knows a price
	input INTEGER NOT NULL,
	output INTEGER NOT NULL,
	cache_read INTEGER NOT NULL,
	cache_write INTEGER NOT NULL,
	reasoning INTEGER NOT NULL,
	cost INTEGER NOT NULL,
	PRIMARY KEY (day, key_id, team, user, organization, model, deployment, endpoint)
) STRICT, WITHOUT ROWID;
CREATE INDEX spend_daily_key ON spend_daily (key_id, day);
CREATE INDEX spend_daily_team ON spend_daily (team, day) WHERE team <> 0;
CREATE INDEX spend_daily_user ON spend_daily (user, day) WHERE user <> 0;
CREATE INDEX spend_daily_organization ON spend_daily (organization, day) WHERE organization <> 0;

CREATE TABLE spend_labels (
	kind INTEGER NOT NULL,			-- enum rollup_kind: an end user or a tag
	label INTEGER NOT NULL,			-- spend_names.id
	day INTEGER NOT NULL,
	key_id INTEGER NOT NULL,
	model INTEGER NOT NULL,
	deployment INTEGER NOT NULL,
	endpoint INTEGER NOT NULL,
	requests INTEGER NOT NULL,
	failed INTEGER NOT NULL,
	unpriced INTEGER NOT NULL,
	input INTEGER NOT NULL,
	output INTEGER NOT NULL,
	cache_read INTEGER NOT NULL,
	cache_write INTEGER NOT NULL,
	reasoning INTEGER NOT NULL,
	cost INTEGER NOT NULL,
	PRIMARY KEY (kind, label, day, key_id, model, deployment, endpoint)
) STRICT, WITHOUT ROWID;
CREATE INDEX spend_labels_day ON spend_labels (kind, day);

CREATE TABLE spend_totals (
	span INTEGER NOT NULL,			-- 0: days; 1: hours
	kind INTEGER NOT NULL,			-- enum rollup_kind: what id is
	at INTEGER NOT NULL,			-- days or hours since 1970
	id INTEGER NOT NULL,
	requests INTEGER NOT NULL,
	failed INTEGER NOT NULL,
	unpriced INTEGER NOT NULL,
	input INTEGER NOT NULL,
	output INTEGER NOT NULL,
	cache_read INTEGER NOT NULL,
	cache_write INTEGER NOT NULL,
	reasoning INTEGER NOT NULL,
	cost INTEGER NOT NULL,
	PRIMARY KEY (span, kind, at, id)
) STRICT, WITHOUT ROWID;

-- Of spend_daily's rows the part that had tags, by the whole list of them: for exports alone,
-- which must not count a request twice because it has two tags.
CREATE TABLE spend_tagged (
	day INTEGER NOT NULL,
	key_id INTEGER NOT NULL,
	team INTEGER NOT NULL,
	user INTEGER NOT NULL,
	organization INTEGER NOT NULL,
	model INTEGER NOT NULL,
	deployment INTEGER NOT NULL,
	endpoint INTEGER NOT NULL,
	tags INTEGER NOT NULL,			-- spend_names.id, of the list as JSON
	requests INTEGER NOT NULL,
	failed INTEGER NOT NULL,
	unpriced INTEGER NOT NULL,
	input INTEGER NOT NULL,
	output INTEGER NOT NULL,
	cache_read INTEGER NOT NULL,
	cache_write INTEGER NOT NULL,
	reasoning INTEGER NOT NULL,
	cost INTEGER NOT NULL,
	PRIMARY KEY (day, key_id, team, user, organization, model, deployment, endpoint, tags)
) STRICT, WITHOUT ROWID;

-- What was spent before there were these tables.
INSERT OR IGNORE INTO spend_names (name) SELECT DISTINCT model FROM spend_logs WHERE model <> '';
INSERT OR IGNORE INTO spend_names (name)
	SELECT DISTINCT end_user FROM spend_logs WHERE end_user <> '';
INSERT OR IGNORE INTO spend_names (name)
	SELECT user_id FROM keys WHERE user_id <> '' UNION
	SELECT user_id FROM keys_deleted WHERE user_id <> '' UNION
	SELECT organization_id FROM keys WHERE organization_id <> '' UNION
	SELECT organization_id FROM keys_deleted WHERE organization_id <> '' UNION
	SELECT organization_id FROM teams WHERE organization_id <> '';
CREATE TABLE spend_old AS
	SELECT l.start_ns / 3600000000000 AS hour, l.key_id, l.team,
		coalesce(u.id, 0) AS user, coalesce(o.id, 0) AS organization,
		coalesce(m.id, 0) AS model, l.deployment, l.endpoint, coalesce(e.id, 0) AS end_user,
		count(*) AS requests, sum(l.flags & 8 OR l.status >= 400) AS failed,
		sum((l.flags & 16) / 16) AS unpriced, sum(l.input) AS input,
		sum(l.output) AS output, sum(l.cache_read) AS cache_read,
		sum(l.cache_write) AS cache_write, sum(l.reasoning) AS reasoning,
		CAST(min(total(l.cost), 1e18) AS INTEGER) AS cost
	FROM spend_logs l LEFT JOIN keys k ON k.id = l.key_id
		LEFT JOIN keys_deleted x ON x.id = l.key_id LEFT JOIN teams t ON t.id = l.team
		LEFT JOIN spend_names u ON u.name = coalesce(k.user_id, x.user_id)
		LEFT JOIN spend_names o ON o.name =
			coalesce(k.organization_id, x.organization_id, t.organization_id)
		LEFT JOIN spend_names m ON m.name = l.model
		LEFT JOIN spend_names e ON e.name = l.end_user
	GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;
INSERT INTO spend_daily
	SELECT hour / 24, key_id, team, user, organization, model, deployment, endpoint,
		sum(requests), sum(failed), sum(unpriced), sum(input), sum(output),
		sum(cache_read), sum(cache_write), sum(reasoning),
		CAST(min(total(cost), 1e18) AS INTEGER)
	FROM spend_old GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
INSERT INTO spend_labels
	SELECT 5, end_user, hour / 24, key_id, model, deployment, endpoint, sum(requests),
		sum(failed), sum(unpriced), sum(input), sum(output), sum(cache_read),
		sum(cache_write), sum(reasoning), CAST(min(total(cost), 1e18) AS INTEGER)
	FROM spend_old WHERE end_user <> 0 GROUP BY 1, 2, 3, 4, 5, 6, 7;
INSERT INTO spend_totals
	SELECT s.span, k.kind, CASE s.span WHEN 0 THEN hour / 24 ELSE hour END,
		CASE k.kind WHEN 0 THEN 0 WHEN 1 THEN key_id WHEN 2 THEN team WHEN 3 THEN user
			WHEN 4 THEN organization WHEN 5 THEN end_user WHEN 7 THEN model
			WHEN 8 THEN deployment ELSE endpoint END AS id,
		sum(requests), sum(failed), sum(unpriced), sum(input), sum(output),
		sum(cache_read), sum(cache_write), sum(reasoning),
		CAST(min(total(cost), 1e18) AS INTEGER)
	FROM spend_old, (SELECT 0 AS span UNION ALL SELECT 1) s,
		(SELECT 0 AS kind UNION ALL VALUES (1), (2), (3), (4), (5), (7), (8), (9)) k
	WHERE k.kind <> 5 OR id <> 0
	GROUP BY 1, 2, 3, 4;
DROP TABLE spend_old;
