-- Placeholder: trust_classes.
SELECT 1;
