/** What is in the tenant `default`, and nobody else may read. */
export const MARKER = 'only-for-members-of-it'

const RANGE = 'startTime: "2026-11-20T00:00:00Z", endTime: "2026-11-21T00:00:00Z"'
const UNKNOWN = '"0192a1b2-0000-7000-8000-000000000001"'

/**
 * How each field is called: about the tenant that is passed, in a way that changes nothing that others need. A field
 * without an example fails the test of the matrix.
 */
export const FIELD_EXAMPLES: Record<string, (tenant: string) => string> = {
  viewer: () => '{ viewer { kind tenants { id } memberships { tenant role permissions } } }',
  metrics: (t) =>
    `{ metrics(tenant: "${t}", name: "*", ${RANGE}, interval: TOTAL, groupBy: ["name"]) { value dimensions } }`,
  totals: (t) => `{ totals(tenant: "${t}", ${RANGE}) { count names { name count } } }`,
  compare: (t) =>
    `{ compare(tenant: "${t}", name: "*", ${RANGE}, interval: TOTAL) { points { value } } }`,
  explainChange: (t) =>
    `{ explainChange(tenant: "${t}", name: "*", ${RANGE}, fromAsOf: "2026-11-21T00:00:00Z") { after points { after } } }`,
  verification: () => '{ verification { clean differences } }',
  balance: (t) => `{ balance(tenant: "${t}", ${RANGE}) { unaccounted } }`,
  unaccountedIds: (t) => `{ unaccountedIds(tenant: "${t}", minute: "2026-11-20T10:00:00Z") }`,
  ratio: (t) =>
    `{ ratio(tenant: "${t}", numerator: {name: "*"}, denominator: {name: "*"}, ${RANGE}) { points { numerator } } }`,
  contributions: (t) =>
    `{ contributions(tenant: "${t}", name: "*", dimension: "name", ${RANGE}) { contributions { value } } }`,
  funnel: (t) =>
    `{ funnel(tenant: "${t}", steps: [{name: "*"}, {name: "*"}], ${RANGE}) { withoutActor } }`,
  retention: (t) =>
    `{ retention(tenant: "${t}", first: {name: "*"}, ${RANGE}) { cohorts { actors } } }`,
  eventNames: (t) => `{ eventNames(tenant: "${t}", ${RANGE}) { names { name } } }`,
  properties: (t) => `{ properties(tenant: "${t}", name: "*", ${RANGE}) { properties { path } } }`,
  topValues: (t) =>
    `{ topValues(tenant: "${t}", name: "*", dimension: "actor", ${RANGE}) { values { value } } }`,
  recentBuckets: (t) => `{ recentBuckets(tenant: "${t}") { name } }`,
  event: (t) => `{ event(tenant: "${t}", id: "${MARKER}") { id } }`,
  receipt: (t) => `{ receipt(tenant: "${t}", eventId: "${MARKER}") { outcome accepted { at } } }`,
  receipts: (t) =>
    `{ receipts(tenant: "${t}", idempotencyKey: "a") { hasMore receipts { outcome } } }`,
  events: (t) => `{ events(tenant: "${t}", first: 10) { edges { node { id name } } } }`,
  metricDefinitions: (t) => `{ metricDefinitions(tenant: "${t}") { name } }`,
  eventSchemas: (t) => `{ eventSchemas(tenant: "${t}") { schemas { name } } }`,
  eventSchema: (t) => `{ eventSchema(tenant: "${t}", name: "a") { properties { path } } }`,
  schemaDrift: (t) => `{ schemaDrift(tenant: "${t}") { message } }`,
  deadLetters: (t) => `{ deadLetters(tenant: "${t}", first: 10) { edges { node { original } } } }`,
  freshness: () => '{ freshness { state hour { p50 } edges { edge } } }',
  deadLetter: (t) => `{ deadLetter(tenant: "${t}", id: "1") { event deadLetter { original } } }`,
  deadLetterGroups: (t) =>
    `{ deadLetterGroups(tenant: "${t}", first: 10) { open groups { detail } } }`,
  deadLetterJobs: (t) => `{ deadLetterJobs(tenant: "${t}", id: "1") { filter patch } }`,
  planDeadLetters: (t) =>
    `mutation { planDeadLetters(tenant: "${t}", filter: {key: "none"}) { id } }`,
  cancelDeadLetterJob: (t) => `mutation { cancelDeadLetterJob(tenant: "${t}", id: "0") { id } }`,
  pipeline: () => '{ pipeline { partitions { partition } } }',
  apiKeys: (t) => `{ apiKeys(tenant: "${t}") { id name } }`,
  apiKeyUse: (t) => `{ apiKeyUse(tenant: "${t}", id: ${UNKNOWN}) { client } }`,
  auditLog: (t) => `{ auditLog(tenant: "${t}", first: 5) { edges { node { object after } } } }`,
  auditHead: (t) => `{ auditHead(tenant: "${t}") { sequence } }`,
  systemAuditLog: () => '{ systemAuditLog(first: 5) { edges { node { object } } } }',
  systemAuditHead: () => '{ systemAuditHead { sequence } }',
  members: (t) => `{ members(tenant: "${t}") { person { id email } role } }`,
  invitations: (t) => `{ invitations(tenant: "${t}") { email } }`,
  sessions: () => '{ sessions { id } }',
  declareMetric: (t) =>
    `mutation { declareMetric(tenant: "${t}", definition: {name: ""}) { name } }`,
  retireMetric: (t) => `mutation { retireMetric(tenant: "${t}", name: "unknown") }`,
  pinSchema: (t) =>
    `mutation { pinSchema(tenant: "${t}", name: "a", mode: OBSERVE, document: "1") { document } }`,
  unpinSchema: (t) => `mutation { unpinSchema(tenant: "${t}", name: "a", version: 1) }`,
  createTenant: () => 'mutation { createTenant(id: "default") { id } }',
  inviteMember: (t) =>
    `mutation { inviteMember(tenant: "${t}", email: "not an address", role: VIEWER) { url } }`,
  revokeInvitation: (t) => `mutation { revokeInvitation(tenant: "${t}", id: ${UNKNOWN}) }`,
  changeRole: (t) =>
    `mutation { changeRole(tenant: "${t}", person: "999999", role: VIEWER, version: 1) { role } }`,
  removeMember: (t) => `mutation { removeMember(tenant: "${t}", person: "999999") }`,
  leaveTenant: (t) => `mutation { leaveTenant(tenant: "${t}") }`,
  endSession: () => `mutation { endSession(id: ${UNKNOWN}) }`,
  endAllSessions: () => 'mutation { endAllSessions }',
  createApiKey: (t) =>
    `mutation { createApiKey(tenant: "${t}", input: {name: "", scopes: [READ]}) { secret } }`,
  changeApiKey: (t) =>
    `mutation { changeApiKey(tenant: "${t}", id: ${UNKNOWN}, version: 1, changes: {name: "x"}) { id } }`,
  rotateApiKey: (t) =>
    `mutation { rotateApiKey(tenant: "${t}", id: ${UNKNOWN}, version: 1) { secret } }`,
  revokeApiKey: (t) => `mutation { revokeApiKey(tenant: "${t}", id: ${UNKNOWN}) { id } }`,
  live: (t) => `subscription { live(tenant: "${t}") { recent { id name } } }`,
}

/** Errors that somebody gets who may use the field: what the example asks for does not exist, or cannot be. */
export const EXPECTED_ERRORS = new Set([
  'BAD_USER_INPUT',
  'KEY_NOT_FOUND',
  'METRIC_NOT_FOUND',
  'SCHEMA_NOT_FOUND',
  'SCHEMA_INVALID',
  'VERSION_CONFLICT',
  'MEMBER_NOT_FOUND',
  'INVITATION_NOT_FOUND',
  'SESSION_NOT_FOUND',
  'EVENT_NOT_FOUND',
  'DEAD_LETTER_JOB_NOT_FOUND',
  'RECEIPT_NOT_FOUND',
  'TENANT_EXISTS',
  'LAST_OWNER',
])
