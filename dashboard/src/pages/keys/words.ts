import type { ApiKey } from './queries.ts'

/** What the scopes of a key allow, as a person would say it. */
export const SCOPES: Record<ApiKey['scopes'][number], string> = {
  INGEST: 'send events',
  READ: 'read numbers and events',
  ADMIN: 'read numbers and events, and declare metrics',
}

export const KINDS: Record<ApiKey['kind'], { name: string; hint: string }> = {
  PUBLIC: {
    name: 'Public',
    hint: 'for websites and apps, where everybody can read it: it can only send events',
  },
  SECRET: { name: 'Secret', hint: 'for servers and scripts' },
  ADMINISTRATION: { name: 'Administration', hint: 'for scripts that declare metrics' },
}

export const STATES: Record<ApiKey['state'], { name: string; tone: string }> = {
  ACTIVE: { name: 'Active', tone: 'good' },
  EXPIRED: { name: 'Expired', tone: 'warn' },
  REVOKED: { name: 'Revoked', tone: 'bad' },
}
