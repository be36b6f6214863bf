/**
 * Errors of core's own APIs (GraphQL, sign-in, key directory), beside those of ERRORS.
 * A table of its own, so that the edge's bundle leaves it out.
 */
export const API_ERRORS = {
  BAD_USER_INPUT: { status: 400, retryable: false, message: 'An argument is invalid.' },
  SIGN_IN_INVALID: {
    status: 400,
    retryable: false,
    message: 'The response of the provider could not be verified; begin again.',
  },
  SIGN_IN_EXPIRED: {
    status: 400,
    retryable: false,
    message:
      'This sign-in took longer than 10 minutes, was used already, or began in another browser or tab; begin again.',
  },
  LOGOUT_TOKEN_INVALID: {
    status: 400,
    retryable: false,
    message: 'The logout token is not valid.',
  },
  UNAUTHENTICATED: {
    status: 401,
    retryable: false,
    message: 'Sign in, or send an API key with the scope read.',
  },
  GATEWAY_UNAUTHENTICATED: {
    status: 401,
    retryable: false,
    message: 'Send the credentials of the gateway.',
  },
  SIGN_IN_LINK_INVALID: {
    status: 401,
    retryable: false,
    message: 'This sign-in link was used, has expired, or does not exist.',
  },
  PASSKEY_INVALID: {
    status: 401,
    retryable: false,
    message: 'This passkey is not known here, or did not prove who you are.',
  },
  METRICS_UNAUTHENTICATED: {
    status: 401,
    retryable: false,
    message: 'Send the token of SLUICE_METRICS_TOKEN as "Authorization: Bearer …".',
  },
  FORBIDDEN: {
    status: 403,
    retryable: false,
    message: 'These credentials do not allow this request.',
  },
  SIGN_IN_AGAIN: {
    status: 403,
    retryable: false,
    message: 'Sign in again first: this change needs a sign-in of the last 15 minutes.',
  },
  INVITATION_FOR_ANOTHER: {
    status: 403,
    retryable: false,
    message: 'This invitation is for another e-mail address, or yours is not verified.',
  },
  NOT_A_MEMBER: {
    status: 403,
    retryable: false,
    message: 'Nobody has invited you yet; ask an owner or admin of your team for an invitation.',
  },
  SIGN_IN_LINKS_OFF: {
    status: 403,
    retryable: false,
    message: 'Sign-in links are switched off here; choose another way to sign in.',
  },
  CROSS_SITE_REFUSED: {
    status: 403,
    retryable: false,
    message: 'This request must come from a page of Sluice itself.',
  },
  PUBLIC_URL_MISSING: {
    status: 403,
    retryable: false,
    message: 'Browsers sign in through a proxy only when SLUICE_PUBLIC_URL is set to its URL.',
  },
  METRICS_NOT_ALLOWED: {
    status: 403,
    retryable: false,
    message:
      'Metrics are shown on this machine only; set SLUICE_METRICS_TOKEN and send it as a Bearer token.',
  },
  EVENT_NOT_FOUND: { status: 404, retryable: false, message: 'No event with this id is stored.' },
  SCHEMA_NOT_FOUND: {
    status: 404,
    retryable: false,
    message: 'No schema of events with this name is known.',
  },
  RECEIPT_NOT_FOUND: {
    status: 404,
    retryable: false,
    message: 'Nothing is known of such an event.',
  },
  SCHEMA_INVALID: {
    status: 422,
    retryable: false,
    message: 'The schema cannot be pinned; errors names what is wrong, with its pointer.',
  },
  SCHEMA_LIMIT_REACHED: {
    status: 409,
    retryable: false,
    message: 'There cannot be more pinned schemas; unpin one first.',
  },
  METRIC_NOT_FOUND: {
    status: 404,
    retryable: false,
    message: 'No metric with this name is declared.',
  },
  DEAD_LETTER_NOT_FOUND: {
    status: 404,
    retryable: false,
    message: 'No dead letter with this id is kept.',
  },
  DEAD_LETTER_JOB_NOT_FOUND: {
    status: 404,
    retryable: false,
    message: 'No job of the dead-letter workbench has this id.',
  },
  TOO_MANY_JOBS: {
    status: 409,
    retryable: true,
    message: 'Three jobs are open already; wait until one is done, or cancel one.',
  },
  MEMBER_NOT_FOUND: { status: 404, retryable: false, message: 'Nobody with this id is a member.' },
  SESSION_NOT_FOUND: {
    status: 404,
    retryable: false,
    message: 'You have no session with this id.',
  },
  INVITATION_NOT_FOUND: {
    status: 404,
    retryable: false,
    message: 'This invitation was used, revoked, has expired, or does not exist.',
  },
  PASSKEY_NOT_FOUND: { status: 404, retryable: false, message: 'You have no such passkey.' },
  KEY_NOT_FOUND: { status: 404, retryable: false, message: 'This API key does not exist.' },
  PASSKEYS_NOT_AVAILABLE: {
    status: 409,
    retryable: false,
    message: 'Passkeys are switched off here, or the address of this page is not a host name.',
  },
  PASSKEY_EXISTS: { status: 409, retryable: false, message: 'This passkey is known already.' },
  PASSKEY_LIMIT_REACHED: {
    status: 409,
    retryable: false,
    message: 'You cannot have more passkeys; remove one first.',
  },
  LAST_PASSKEY: {
    status: 409,
    retryable: false,
    message: 'Without this passkey you could not sign in again; add another one first.',
  },
  LAST_OWNER: {
    status: 409,
    retryable: false,
    message: 'A tenant keeps one owner; make somebody else an owner first.',
  },
  TENANT_EXISTS: { status: 409, retryable: false, message: 'A tenant with this id exists.' },
  MEMBER_LIMIT_REACHED: {
    status: 409,
    retryable: false,
    message: 'There cannot be more members or open invitations; remove one first.',
  },
  VERSION_CONFLICT: {
    status: 409,
    retryable: false,
    message: 'It was changed in the meantime; read it again and repeat the change.',
  },
  KEY_NOT_ACTIVE: {
    status: 409,
    retryable: false,
    message: 'This API key was revoked, has expired or was replaced; create a new one.',
  },
  KEY_LIMIT_REACHED: {
    status: 409,
    retryable: false,
    message: 'A tenant cannot have more API keys that work; revoke one first.',
  },
  METRIC_NAME_TAKEN: {
    status: 409,
    retryable: false,
    message: 'Events have this name; choose another one for the metric.',
  },
  METRIC_LIMIT_REACHED: {
    status: 409,
    retryable: false,
    message: 'A tenant cannot have more metrics; remove one first.',
  },
  HOST_NOT_ALLOWED: {
    status: 421,
    retryable: false,
    message: 'This host name is not configured; add it as the public URL if it should be.',
  },
  QUERY_TOO_LARGE: { status: 422, retryable: false, message: 'The query is too large.' },
  TOO_MANY_ATTEMPTS: {
    status: 429,
    retryable: true,
    message:
      'Too many unknown credentials came from this address; try again after Retry-After seconds.',
  },
  INTERNAL_SERVER_ERROR: {
    status: 500,
    retryable: true,
    message: 'Something failed on our side.',
  },
  QUERY_CANCELLED: {
    status: 503,
    retryable: true,
    message: 'The client left, so the query was cancelled.',
  },
  QUERY_TOO_SLOW: {
    status: 503,
    retryable: false,
    message: 'The query took too long; choose a shorter range, or leave out groupBy and filter.',
  },
  DATABASE_UNAVAILABLE: {
    status: 503,
    retryable: true,
    message: 'The database does not respond right now; try again soon.',
  },
  UNAVAILABLE: {
    status: 503,
    retryable: true,
    message: 'This service is unavailable right now; try again soon.',
  },
  PROVIDER_UNAVAILABLE: {
    status: 503,
    retryable: true,
    message: 'The provider of this sign-in does not respond as it should; try again soon.',
  },
  DASHBOARD_NOT_BUILT: {
    status: 503,
    retryable: false,
    message: 'The dashboard was not built; "npm start" builds it.',
  },
} as const satisfies Record<string, { status: number; retryable: boolean; message: string }>

export type ApiErrorCode =
  | keyof typeof API_ERRORS
  | 'OVERLOADED'
  | 'MEDIA_TYPE_UNSUPPORTED'
  | 'METHOD_NOT_ALLOWED'
  | 'BODY_TOO_LARGE'
