-- Programs that people let act in their names. The redirect URIs have a space between them.
CREATE TABLE application (
    id            TEXT PRIMARY KEY,
    owner_id      TEXT NOT NULL,
    name          TEXT NOT NULL,
    redirect_uris TEXT NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX application_of_owner ON application (owner_id, id);

-- What a person let a client do, which is an application or our own command line. The refresh token of that number works;
-- those before it were used, and are kept to notice one that comes once more.
CREATE TABLE application_grant (
    id             TEXT PRIMARY KEY,
    client_id      TEXT NOT NULL,
    user_id        TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    owner_id       TEXT NOT NULL,
    scopes         TEXT NOT NULL,
    environment_id TEXT,
    created_at     INTEGER NOT NULL,
    last_used_at   INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    refresh_token  INTEGER NOT NULL
) STRICT;
CREATE INDEX application_grant_by_user ON application_grant (user_id, id);
CREATE INDEX application_grant_to_client ON application_grant (client_id);
CREATE INDEX application_grant_on_owner ON application_grant (owner_id);
CREATE INDEX application_grant_by_end ON application_grant (expires_at);

CREATE TABLE refresh_token (
    hash     BLOB PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES application_grant (id) ON DELETE CASCADE,
    n        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_token_of_grant ON refresh_token (grant_id);

-- What a person allowed, on its way to the client. grant_id is what it was exchanged for.
CREATE TABLE authorization_code (
    hash           BLOB PRIMARY KEY,
    client_id      TEXT NOT NULL,
    redirect_uri   TEXT NOT NULL,
    challenge      BLOB NOT NULL,
    user_id        TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    owner_id       TEXT NOT NULL,
    scopes         TEXT NOT NULL,
    environment_id TEXT,
    created_at     INTEGER NOT NULL,
    kept_until     INTEGER NOT NULL,
    grant_id       TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX authorization_code_of_user ON authorization_code (user_id);
CREATE INDEX authorization_code_to_client ON authorization_code (client_id);
CREATE INDEX authorization_code_on_owner ON authorization_code (owner_id);
CREATE INDEX authorization_code_by_end ON authorization_code (kept_until);
