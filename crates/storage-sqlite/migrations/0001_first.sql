-- Identifiers are TypeIDs as text, instants are milliseconds since the Unix epoch, days are days since it.

-- `Fbk1`: by which the file tells that it is a store of Feedback, also to file(1).
PRAGMA application_id = 1180855089;

CREATE TABLE account (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    closed_at  INTEGER
) STRICT;

CREATE TABLE environment (
    id         TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    name       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    closed_at  INTEGER
) STRICT;
CREATE INDEX environment_of_account ON environment (account_id, id);

CREATE TABLE user (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;

-- An owner is an account or an environment; its identifier's prefix tells which.
CREATE TABLE role (
    user_id  TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    owner_id TEXT NOT NULL,
    role     TEXT NOT NULL CHECK (role IN ('administrator', 'author', 'reader')),
    PRIMARY KEY (user_id, owner_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX role_on_owner ON role (owner_id);

CREATE TABLE invitation (
    owner_id   TEXT NOT NULL,
    email      TEXT NOT NULL,
    token      BLOB NOT NULL UNIQUE,
    role       TEXT NOT NULL CHECK (role IN ('administrator', 'author', 'reader')),
    expires_at INTEGER NOT NULL,
    invited_by TEXT,
    PRIMARY KEY (owner_id, email)
) STRICT;
CREATE INDEX invitation_to_person ON invitation (email);

CREATE TABLE setup_link (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    token BLOB NOT NULL
) STRICT;

CREATE TABLE session (
    token      BLOB PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX session_of_user ON session (user_id);

CREATE TABLE keypair (
    id              TEXT PRIMARY KEY,
    owner_id        TEXT NOT NULL,
    comment         TEXT NOT NULL,
    scopes          TEXT NOT NULL,
    enabled         INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    generation      INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    expires_at      INTEGER,
    created_at      INTEGER NOT NULL,
    created_by_kind TEXT NOT NULL,
    created_by_id   TEXT,
    created_by_name TEXT NOT NULL,
    secrets_made    INTEGER NOT NULL
) STRICT;
CREATE INDEX keypair_of_owner ON keypair (owner_id, id);

CREATE TABLE keypair_secret (
    keypair_id   TEXT NOT NULL REFERENCES keypair (id) ON DELETE CASCADE,
    n            INTEGER NOT NULL,
    hint         TEXT NOT NULL,
    hash         BLOB NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    PRIMARY KEY (keypair_id, n)
) STRICT, WITHOUT ROWID;

-- When the secret of that number last obtained or used a token. Apart and narrow: it is written all the time, and no edit
-- has to wait for that. Stays when the secret goes, and goes with the keypair.
CREATE TABLE key_use (
    keypair_id TEXT NOT NULL REFERENCES keypair (id) ON DELETE CASCADE,
    n          INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (keypair_id, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE query (
    id             TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environment (id),
    title          TEXT NOT NULL,
    question       TEXT NOT NULL,
    version        INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    closed_at      INTEGER
) STRICT;
CREATE INDEX query_of_environment ON query (environment_id, id);

-- Every respondent and machine of an environment by the keyed hash of its identifier, numbered 0, 1, 2 … in the order of
-- first sight. Kind 1 is a respondent, 2 a machine.
CREATE TABLE person (
    environment_id TEXT NOT NULL REFERENCES environment (id),
    kind           INTEGER NOT NULL CHECK (kind IN (1, 2)),
    hash           BLOB NOT NULL,
    ordinal        INTEGER NOT NULL,
    PRIMARY KEY (environment_id, kind, hash)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX person_by_ordinal ON person (environment_id, kind, ordinal);

-- Respondent and machine are ordinals of persons. Callers' identifiers come in any order, so a batch writes to all of
-- their index: it holds hashes, which are short, of environment and identifier.
CREATE TABLE response (
    id             TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environment (id),
    external_id    TEXT,
    external_hash  BLOB,
    query_id       TEXT REFERENCES query (id),
    score          INTEGER NOT NULL CHECK (score BETWEEN 1 AND 5),
    text           TEXT,
    respondent     INTEGER,
    machine        INTEGER,
    at             INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX response_once ON response (external_hash) WHERE external_hash IS NOT NULL;

-- What reports read: one row a day and series. A series is a query, '' for what answers none, or '*' for every response.
CREATE TABLE response_day (
    environment_id TEXT NOT NULL,
    series         TEXT NOT NULL,
    day            INTEGER NOT NULL,
    score_1        INTEGER NOT NULL,
    score_2        INTEGER NOT NULL,
    score_3        INTEGER NOT NULL,
    score_4        INTEGER NOT NULL,
    score_5        INTEGER NOT NULL,
    first_at       INTEGER NOT NULL,
    last_at        INTEGER NOT NULL,
    PRIMARY KEY (environment_id, series, day)
) STRICT, WITHOUT ROWID;

-- Who answered on which day: a roaring bitmap of ordinals in chunks of 65,536, and how many are in it. The count comes
-- first so that it is read without the bitmap.
CREATE TABLE response_day_people (
    environment_id TEXT NOT NULL,
    series         TEXT NOT NULL,
    kind           INTEGER NOT NULL CHECK (kind IN (1, 2)),
    day            INTEGER NOT NULL,
    chunk          INTEGER NOT NULL,
    count          INTEGER NOT NULL,
    people         BLOB NOT NULL,
    PRIMARY KEY (environment_id, series, kind, day, chunk)
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_key (
    kid        TEXT PRIMARY KEY,
    algorithm  TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    public_jwk TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sealed (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE audit_event (
    sequence      INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    at            INTEGER NOT NULL,
    actor_kind    TEXT NOT NULL,
    actor_id      TEXT,
    actor_name    TEXT NOT NULL,
    address       TEXT,
    action        TEXT NOT NULL,
    object_kind   TEXT NOT NULL,
    object_id     TEXT NOT NULL,
    owner_id      TEXT,
    before        TEXT NOT NULL,
    after         TEXT NOT NULL,
    previous_hash BLOB NOT NULL,
    hash          BLOB NOT NULL
) STRICT;
CREATE INDEX audit_event_of_owner ON audit_event (owner_id, sequence);
CREATE INDEX audit_event_on_object ON audit_event (object_id, sequence);
