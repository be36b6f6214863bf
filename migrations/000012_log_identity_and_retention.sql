-- Placeholder: log_identity_and_retention.
SELECT 1;
