/**
 * The metric under which event names beyond LIMITS.eventNamesPerTenantMax are counted. No event can have
 * the empty name, whatever wrote its record.
 */
export const OTHER_METRIC = ''
