-- People with roles (docs/identity.md): who they are, what they may do in which tenant, who is invited, and the sessions
-- of their browsers.

-- Workers that still run lock this table first in every batch: they wait here, and never in a ring with us.
LOCK TABLE log_position IN SHARE MODE;

-- A person is an issuer and its subject, never an e-mail address: addresses are given to others.
CREATE TABLE person (
  person_id    int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  issuer       text NOT NULL,
  subject      text NOT NULL,
  email        text,
  name         text NOT NULL,
  -- May do everything in all tenants.
  is_operator  boolean NOT NULL DEFAULT false,
  created_at   timestamptz NOT NULL DEFAULT now(),
  UNIQUE (issuer, subject)
);
-- Who uses the system concerns no query: the role that reads sees no row, whatever it may read.
ALTER TABLE person ENABLE ROW LEVEL SECURITY;
CREATE POLICY not_for_readers ON person USING (current_user <> 'sluice_read');

CREATE TABLE membership (
  tenant_id  int NOT NULL REFERENCES tenant,
  person_id  int NOT NULL REFERENCES person,
  role       text NOT NULL CHECK (role IN ('VIEWER', 'EDITOR', 'ADMIN', 'OWNER')),
  -- Moves with each change of the role, so that of two who change it, the second learns of the first.
  version    int NOT NULL DEFAULT 1,
  joined_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, person_id)
);
CREATE INDEX membership_of_person ON membership (person_id);

CREATE TABLE invitation (
  invitation_id  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id      int NOT NULL REFERENCES tenant,
  token_sha256   bytea NOT NULL UNIQUE,
  -- In lower case; whoever accepts must have shown that it is theirs.
  email          text NOT NULL CHECK (email = lower(email)),
  role           text NOT NULL CHECK (role IN ('VIEWER', 'EDITOR', 'ADMIN', 'OWNER')),
  -- NULL: the operator, by a login link or the command line.
  invited_by     int REFERENCES person,
  created_at     timestamptz NOT NULL DEFAULT now(),
  expires_at     timestamptz NOT NULL,
  accepted_at    timestamptz,
  accepted_by    int REFERENCES person,
  revoked_at     timestamptz
);
CREATE INDEX invitation_of_tenant ON invitation (tenant_id, created_at);

ALTER TABLE session
  -- Names the session in lists; it opens nothing.
  ADD COLUMN session_id        uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
  -- NULL: the operator, who signed in by a login link. A session never outlives its person.
  ADD COLUMN person_id         int REFERENCES person ON DELETE CASCADE,
  ADD COLUMN method            text NOT NULL DEFAULT 'link' CHECK (method IN ('link', 'oidc', 'passkey')),
  ADD COLUMN device            text,
  ADD COLUMN address           text,
  -- Written at most once a minute.
  ADD COLUMN last_used_at      timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN authenticated_at  timestamptz NOT NULL DEFAULT now(),
  -- What the provider calls its own session (sid), so that it can end this one.
  ADD COLUMN provider_session  text,
  ADD CHECK ((person_id IS NULL) = (method = 'link'));
UPDATE session SET last_used_at = created_at, authenticated_at = created_at;
CREATE INDEX session_of_person ON session (person_id) WHERE person_id IS NOT NULL;
