CREATE TABLE storefronts.users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    password text NOT NULL,
    scopes text[] NOT NULL DEFAULT '{}',
    role text,
    disabled boolean NOT NULL DEFAULT false,
    created timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_name ON storefronts.users (lower(name));

CREATE TABLE storefronts.sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES storefronts.users ON DELETE CASCADE,
    created timestamptz NOT NULL DEFAULT now(),
    used timestamptz NOT NULL DEFAULT now(),
    expires timestamptz NOT NULL,
    revoked timestamptz,
    agent text NOT NULL,
    address text NOT NULL
);
CREATE INDEX sessions_user ON storefronts.sessions (user_id);
CREATE INDEX sessions_expires ON storefronts.sessions (expires);
CREATE INDEX sessions_revoked ON storefronts.sessions (revoked) WHERE revoked IS NOT NULL;

-- Every refresh token of a session, the used ones too: a used one that comes back was stolen.
CREATE TABLE storefronts.refresh_tokens (
    digest bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES storefronts.sessions ON DELETE CASCADE,
    created timestamptz NOT NULL DEFAULT now(),
    used timestamptz
);
CREATE INDEX refresh_tokens_session ON storefronts.refresh_tokens (session_id);

CREATE TABLE storefronts.personal_tokens (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES storefronts.users ON DELETE CASCADE,
    name text NOT NULL,
    digest bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    expires timestamptz,
    used timestamptz
);
CREATE INDEX personal_tokens_user ON storefronts.personal_tokens (user_id);

CREATE TABLE storefronts.invites (
    digest bytea PRIMARY KEY,
    scopes text[] NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    expires timestamptz NOT NULL
);

-- Attempts to log in, by account and by address: counted here, so that restarts and replicas make no difference.
CREATE TABLE storefronts.attempts (
    key text PRIMARY KEY,
    failures integer NOT NULL,
    last timestamptz NOT NULL
);
CREATE INDEX attempts_last ON storefronts.attempts (last);
