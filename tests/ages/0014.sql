-- SPDX-License-Identifier: MIT
-- A key with a limit in a window.
UPDATE keys SET extra = json_set(extra, '$.limit_windows', json('[{"duration":"1h","requests":50}]'))
	WHERE id = 3;
