-- SPDX-License-Identifier: MIT
-- 0014_windows.sql - limits of keys and teams in windows of any length.
--
-- What the limits are stands in the rows of those who have them (extra.limit_windows and its kin),
-- and what has been used on the board; a new board is told by spend_logs, of keys by the index
-- that there is, of teams by this one.
CREATE INDEX spend_logs_team ON spend_logs (team, start_ns) WHERE team > 0;
