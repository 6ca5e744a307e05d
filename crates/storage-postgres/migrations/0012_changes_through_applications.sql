-- The application that a person used for a change. The version before names none.
ALTER TABLE audit_event ADD COLUMN client_id TEXT;
