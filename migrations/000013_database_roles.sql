-- Placeholder: database_roles.
SELECT 1;
