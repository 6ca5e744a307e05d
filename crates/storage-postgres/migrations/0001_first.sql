-- Identifiers are TypeIDs as text, instants are milliseconds since the Unix epoch, days are days since it. What is
-- compared or sorted does so by bytes (COLLATE "C"), whatever the locale of the database.

CREATE TABLE account (
    id         TEXT COLLATE "C" PRIMARY KEY,
    name       TEXT NOT NULL,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    closed_at  BIGINT
);

CREATE TABLE environment (
    id         TEXT COLLATE "C" PRIMARY KEY,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES account (id),
    name       TEXT NOT NULL,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    closed_at  BIGINT
);
CREATE INDEX environment_of_account ON environment (account_id, id);

-- In the plural, since `user` is a word of SQL's own.
CREATE TABLE users (
    id            TEXT COLLATE "C" PRIMARY KEY,
    email         TEXT COLLATE "C" NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at    BIGINT NOT NULL
);

-- An owner is an account or an environment; its identifier's prefix tells which.
CREATE TABLE role (
    user_id  TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    owner_id TEXT COLLATE "C" NOT NULL,
    role     TEXT NOT NULL CHECK (role IN ('administrator', 'author', 'reader')),
    PRIMARY KEY (user_id, owner_id)
);
CREATE INDEX role_on_owner ON role (owner_id);

CREATE TABLE invitation (
    owner_id   TEXT COLLATE "C" NOT NULL,
    email      TEXT COLLATE "C" NOT NULL,
    token      BYTEA NOT NULL UNIQUE,
    role       TEXT NOT NULL CHECK (role IN ('administrator', 'author', 'reader')),
    expires_at BIGINT NOT NULL,
    invited_by TEXT COLLATE "C",
    PRIMARY KEY (owner_id, email)
);
CREATE INDEX invitation_to_person ON invitation (email);

CREATE TABLE setup_link (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    token BYTEA NOT NULL
);

CREATE TABLE session (
    token      BYTEA PRIMARY KEY,
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX session_of_user ON session (user_id);

CREATE TABLE keypair (
    id              TEXT COLLATE "C" PRIMARY KEY,
    owner_id        TEXT COLLATE "C" NOT NULL,
    comment         TEXT NOT NULL,
    scopes          TEXT NOT NULL,
    enabled         BOOLEAN NOT NULL,
    generation      BIGINT NOT NULL,
    version         BIGINT NOT NULL,
    expires_at      BIGINT,
    created_at      BIGINT NOT NULL,
    created_by_kind TEXT NOT NULL,
    created_by_id   TEXT,
    created_by_name TEXT NOT NULL,
    secrets_made    BIGINT NOT NULL
);
CREATE INDEX keypair_of_owner ON keypair (owner_id, id);

CREATE TABLE keypair_secret (
    keypair_id   TEXT COLLATE "C" NOT NULL REFERENCES keypair (id) ON DELETE CASCADE,
    n            BIGINT NOT NULL,
    hint         TEXT NOT NULL,
    hash         BYTEA NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    PRIMARY KEY (keypair_id, n)
);

-- When the secret of that number last obtained or used a token. Apart and narrow: it is written all the time, and no edit
-- has to wait for that. Stays when the secret goes, and goes with the keypair.
CREATE TABLE key_use (
    keypair_id TEXT COLLATE "C" NOT NULL REFERENCES keypair (id) ON DELETE CASCADE,
    n          BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (keypair_id, n)
);

CREATE TABLE query (
    id             TEXT COLLATE "C" PRIMARY KEY,
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environment (id),
    title          TEXT NOT NULL,
    question       TEXT NOT NULL,
    version        BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    closed_at      BIGINT
);
CREATE INDEX query_of_environment ON query (environment_id, id);

-- Every respondent and machine of an environment by the keyed hash of its identifier, numbered 0, 1, 2 … in the order of
-- first sight. Kind 1 is a respondent, 2 a machine.
CREATE TABLE person (
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environment (id),
    kind           SMALLINT NOT NULL CHECK (kind IN (1, 2)),
    hash           BYTEA NOT NULL,
    ordinal        BIGINT NOT NULL,
    PRIMARY KEY (environment_id, kind, hash)
);
CREATE UNIQUE INDEX person_by_ordinal ON person (environment_id, kind, ordinal);

-- Respondent and machine are ordinals of persons. Callers' identifiers come in any order, so a batch writes to all of
-- their index: it holds hashes, which are short, of environment and identifier.
CREATE TABLE response (
    id             TEXT COLLATE "C" PRIMARY KEY,
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environment (id),
    external_id    TEXT,
    external_hash  BYTEA,
    query_id       TEXT COLLATE "C" REFERENCES query (id),
    score          SMALLINT NOT NULL CHECK (score BETWEEN 1 AND 5),
    text           TEXT,
    respondent     BIGINT,
    machine        BIGINT,
    at             BIGINT NOT NULL
);
CREATE UNIQUE INDEX response_once ON response (external_hash) WHERE external_hash IS NOT NULL;

-- What reports read: one row a day and series. A series is a query, '' for what answers none, or '*' for every response.
CREATE TABLE response_day (
    environment_id TEXT COLLATE "C" NOT NULL,
    series         TEXT COLLATE "C" NOT NULL,
    day            BIGINT NOT NULL,
    score_1        BIGINT NOT NULL,
    score_2        BIGINT NOT NULL,
    score_3        BIGINT NOT NULL,
    score_4        BIGINT NOT NULL,
    score_5        BIGINT NOT NULL,
    first_at       BIGINT NOT NULL,
    last_at        BIGINT NOT NULL,
    PRIMARY KEY (environment_id, series, day)
);

-- Who answered on which day: a roaring bitmap of ordinals in chunks of 65,536, and how many are in it.
CREATE TABLE response_day_people (
    environment_id TEXT COLLATE "C" NOT NULL,
    series         TEXT COLLATE "C" NOT NULL,
    kind           SMALLINT NOT NULL CHECK (kind IN (1, 2)),
    day            BIGINT NOT NULL,
    chunk          BIGINT NOT NULL,
    count          BIGINT NOT NULL,
    people         BYTEA NOT NULL,
    PRIMARY KEY (environment_id, series, kind, day, chunk)
);
-- A bitmap is compressed already.
ALTER TABLE response_day_people ALTER COLUMN people SET STORAGE EXTERNAL;

CREATE TABLE signing_key (
    kid        TEXT COLLATE "C" PRIMARY KEY,
    algorithm  TEXT NOT NULL,
    sealed     BYTEA NOT NULL,
    public_jwk TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE sealed (
    name  TEXT COLLATE "C" PRIMARY KEY,
    value BYTEA NOT NULL
);

-- `before` and `after` are TEXT and not JSON, since the hash of a line covers their bytes.
CREATE TABLE audit_event (
    sequence      BIGINT PRIMARY KEY,
    id            TEXT COLLATE "C" NOT NULL UNIQUE,
    at            BIGINT NOT NULL,
    actor_kind    TEXT NOT NULL,
    actor_id      TEXT,
    actor_name    TEXT NOT NULL,
    address       TEXT,
    action        TEXT NOT NULL,
    object_kind   TEXT NOT NULL,
    object_id     TEXT COLLATE "C" NOT NULL,
    owner_id      TEXT COLLATE "C",
    before        TEXT NOT NULL,
    after         TEXT NOT NULL,
    previous_hash BYTEA NOT NULL,
    hash          BYTEA NOT NULL
);
CREATE INDEX audit_event_of_owner ON audit_event (owner_id, sequence);
CREATE INDEX audit_event_on_object ON audit_event (object_id, sequence);
