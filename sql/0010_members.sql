-- SPDX-License-Identifier: MIT
-- 0010_members.sql - members of organizations, what a team's members may do, default budgets.

-- Members of organizations are tenants of kind 9, found from the user's side too; what belongs to
-- an organization is looked for by its admins.
CREATE INDEX tenants_member ON tenants (name) WHERE kind = 9;
CREATE INDEX keys_organization ON keys (organization_id) WHERE organization_id IS NOT NULL;
CREATE INDEX teams_organization ON teams (organization_id) WHERE organization_id IS NOT NULL;
