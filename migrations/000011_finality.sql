-- Placeholder: finality.
SELECT 1;
