-- When somebody who had found a secret reported it; and by what a secret is found that comes without its Key ID.
ALTER TABLE keypair_secret ADD COLUMN leaked_at INTEGER;
CREATE INDEX keypair_secret_by_hash ON keypair_secret (hash);
