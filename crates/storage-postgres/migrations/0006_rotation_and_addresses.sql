-- For how many seconds a secret has to be idle to end by itself, and from when on that counts: both or neither. The version
-- before lets such a secret be.
ALTER TABLE keypair_secret ADD COLUMN retire_when_idle BIGINT;
ALTER TABLE keypair_secret ADD COLUMN idle_counts_from BIGINT;
CREATE INDEX keypair_secret_to_retire ON keypair_secret (keypair_id, n) WHERE retire_when_idle IS NOT NULL;

-- The networks that a keypair may be used from, with a space between; from anywhere without one. The version before does
-- not ask.
ALTER TABLE keypair ADD COLUMN allowed_addresses TEXT NOT NULL DEFAULT '';
