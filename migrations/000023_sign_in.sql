-- Sign-in by providers of OpenID Connect and by passkeys (docs/sign-in.md). Adds tables alone; sluice_grant_roles() gives
-- readers none of them.

-- Sign-ins that wait for their provider, for at most ten minutes. Read once, and deleted by that.
CREATE TABLE pending_sign_in (
  state_sha256    bytea PRIMARY KEY,
  -- Of the cookie of the browser that began.
  browser_sha256  bytea NOT NULL,
  provider        text NOT NULL,
  nonce           text NOT NULL,
  verifier        text NOT NULL,
  redirect_uri    text NOT NULL,
  return_to       text NOT NULL,
  again           boolean NOT NULL,
  -- An IPv4 address, or a /64 of IPv6.
  address_group   text NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at      timestamptz NOT NULL
);
CREATE INDEX pending_sign_in_by_address ON pending_sign_in (address_group, created_at);
CREATE INDEX pending_sign_in_by_age ON pending_sign_in (created_at);

-- Which person an address of SLUICE_OPERATORS stands for, from the first sign-in on: who gets that address later is
-- somebody else.
CREATE TABLE operator_binding (
  issuer        text NOT NULL,
  -- Of the address in lower case.
  email_sha256  bytea NOT NULL,
  person_id     int NOT NULL REFERENCES person ON DELETE CASCADE,
  bound_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (issuer, email_sha256)
);

CREATE TABLE passkey (
  credential_id  bytea PRIMARY KEY,
  person_id      int NOT NULL REFERENCES person ON DELETE CASCADE,
  -- COSE
  public_key     bytea NOT NULL,
  -- Of signatures, where the authenticator counts them.
  counter        bigint NOT NULL,
  transports     text[] NOT NULL,
  name           text NOT NULL,
  created_at     timestamptz NOT NULL DEFAULT now(),
  last_used_at   timestamptz
);
CREATE INDEX passkey_of_person ON passkey (person_id);

-- What an authenticator has to sign, for at most ten minutes. Read once, and deleted by that.
CREATE TABLE passkey_challenge (
  challenge_sha256   bytea PRIMARY KEY,
  browser_sha256     bytea NOT NULL,
  purpose            text NOT NULL CHECK (purpose IN ('sign-in', 'accept', 'add')),
  -- To accept: of the invitation. To add: whose passkey.
  invitation_sha256  bytea,
  person_id          int REFERENCES person ON DELETE CASCADE,
  -- What the authenticator keeps as the user; the subject of the person.
  user_handle        text,
  address_group      text NOT NULL,
  created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at         timestamptz NOT NULL
);
CREATE INDEX passkey_challenge_by_address ON passkey_challenge (address_group, created_at);
CREATE INDEX passkey_challenge_by_age ON passkey_challenge (created_at);
