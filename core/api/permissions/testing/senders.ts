import { createKey, revokeKey } from '../../../identity/api-keys.ts'
import { endSession } from '../../../identity/sessions.ts'
import type { QueryFixture } from '../../graphql/testing/fixture.ts'
import { FIELD_EXAMPLES } from './field-examples.ts'

export type Headers = Record<string, string>

export const SENDERS = [
  'anonymous',
  'public key',
  'write key',
  'read key',
  'admin key',
  'read key of other',
  'revoked key',
  'viewer',
  'editor',
  'admin',
  'owner',
  'owner of other',
  'ended session',
  'demoted to viewer',
  'removed',
  'operator',
  'person who is operator',
] as const
export type SenderName = (typeof SENDERS)[number]

/** One of each kind, by the headers that it sends. */
export async function createSenders(fixture: QueryFixture): Promise<Record<SenderName, Headers>> {
  const { db, database } = fixture
  const key = async (tenant: string, scope: 'ingest' | 'read' | 'admin', kind?: 'pub') => {
    const created = await createKey(db, {
      tenant,
      name: 'matrix',
      scopes: [scope],
      ...(kind && { kind }),
    })
    return { ...created, headers: { authorization: `Bearer ${created.key}` } }
  }
  const member = async (role: 'VIEWER' | 'EDITOR' | 'ADMIN' | 'OWNER', tenant = 'default') =>
    (await fixture.person({ [tenant]: role })).headers
  const revoked = await key('default', 'read')
  await revokeKey(db, revoked.keyId)
  const ended = await member('OWNER')
  await endSession(db, ended.cookie.split('=')[1] as string)
  // Each uses what they have first, so that whatever remembers it remembers the old role.
  const demoted = await fixture.person({ default: 'OWNER' })
  const removed = await fixture.person({ default: 'OWNER' })
  for (const { headers } of [demoted, removed])
    for (const name of ['topValues', 'totals', 'deadLetters']) {
      const example = FIELD_EXAMPLES[name] as (tenant: string) => string
      await fixture.execute(example('default'), headers)
    }
  await database.pool.query("UPDATE membership SET role = 'VIEWER' WHERE person_id = $1", [
    demoted.personId,
  ])
  await database.pool.query('DELETE FROM membership WHERE person_id = $1', [removed.personId])
  const operator = await fixture.person({})
  await database.pool.query('UPDATE person SET is_operator = true WHERE person_id = $1', [
    operator.personId,
  ])
  return {
    anonymous: {},
    'public key': (await key('default', 'ingest', 'pub')).headers,
    'write key': (await key('default', 'ingest')).headers,
    'read key': (await key('default', 'read')).headers,
    'admin key': (await key('default', 'admin')).headers,
    'read key of other': (await key('other', 'read')).headers,
    'revoked key': revoked.headers,
    viewer: await member('VIEWER'),
    editor: await member('EDITOR'),
    admin: await member('ADMIN'),
    owner: await member('OWNER'),
    'owner of other': await member('OWNER', 'other'),
    'ended session': ended,
    'demoted to viewer': demoted.headers,
    removed: removed.headers,
    operator: await fixture.session(),
    'person who is operator': operator.headers,
  }
}

const KEYS = ['read key', 'admin key'] as const
const OPERATORS = ['operator', 'person who is operator'] as const
const OWNERS = ['owner', ...OPERATORS] as const
const ADMINS = ['admin', ...OWNERS] as const
const EDITORS = ['editor', ...ADMINS] as const
const VIEWERS = ['viewer', 'demoted to viewer', ...EDITORS] as const

/**
 * Who may do what in `default`, written down once more: the table of the product is compared with what
 * people expect, not with itself.
 */
export const ALLOWED: Record<string, readonly SenderName[]> = {
  'events.read': [...VIEWERS, ...KEYS],
  'metrics.read': [...VIEWERS, ...KEYS],
  'metrics.declare': [...EDITORS, 'admin key'],
  'schemas.read': [...VIEWERS, ...KEYS],
  'schemas.write': EDITORS,
  'dead-letters.read': [...EDITORS, ...KEYS],
  'dead-letters.replay': EDITORS,
  'pipeline.read': [...VIEWERS, ...KEYS],
  'members.read': VIEWERS,
  'members.manage': ADMINS,
  'keys.read': EDITORS,
  'keys.manage': ADMINS,
  'settings.manage': ADMINS,
  'audit.read': ADMINS,
  'tenants.create': OPERATORS,
  'system.operate': OPERATORS,
  'own-sessions': VIEWERS,
  'who-am-i': [...VIEWERS, ...KEYS],
}

/** Their credentials are good for nothing here. */
export const DENIED: readonly SenderName[] = [
  'anonymous',
  'public key',
  'write key',
  'revoked key',
  'ended session',
]
