import type { ListedKey } from '../../../identity/keys/listed-keys.ts'
import { type ApiKeyUser, apiKeyUse } from '../../../queries/identity/api-key-use.ts'
import { apiKeys } from '../../../queries/identity/api-keys.ts'
import { QUERY_LIMITS } from '../../../queries/limits.ts'
import type { Builder } from '../builder.ts'
import { needs } from '../permissions.ts'
import { checkUuid } from './check-uuid.ts'

export function addApiKeys(builder: Builder): ApiKeyTypes {
  const types = addTypes(builder)
  builder.queryField('apiKeys', (t) =>
    t.field({
      ...needs('keys.read'),
      type: [types.key],
      description: `API keys without their secrets, those that work first; at most ${QUERY_LIMITS.apiKeysListedMax}.`,
      complexity: { field: 5, multiplier: 20 },
      args: { tenant: t.arg.id() },
      async resolve(_, { tenant }, context, info) {
        const viewer = await context.tenant(tenant)
        return [...(await context.run(apiKeys, viewer, {}, info)).rows]
      },
    }),
  )
  addUse(builder)
  return types
}

function addUse(builder: Builder): void {
  const user = builder.objectRef<ApiKeyUser>('ApiKeyUser').implement({
    description: 'A client that sends events with an API key.',
    fields: (t) => ({
      client: t.exposeString('client', {
        nullable: true,
        description: 'The library, or the first product of the User-Agent; "(other)": one of many.',
      }),
      origin: t.exposeString('origin', {
        nullable: true,
        description: 'Of the page that sends them; null: no browser.',
      }),
      eventsPerMinute: t.exposeFloat('eventsPerMinute', {
        description: 'Mean since the beginning of the hour before this one.',
      }),
      eventsLastDay: t.exposeFloat('events'),
      lastSeenAt: t.expose('lastSeenAt', { type: 'DateTime' }),
    }),
  })
  builder.queryField('apiKeyUse', (t) =>
    t.field({
      ...needs('keys.read'),
      type: [user],
      description:
        'Who used an API key in the last day, the busiest first: whether it can be revoked after a rotation.',
      complexity: { field: 5, multiplier: 10 },
      args: { tenant: t.arg.id(), id: t.arg.id({ required: true }) },
      async resolve(_, { tenant, id }, context, info) {
        const viewer = await context.tenant(tenant)
        const keyId = checkUuid(id, 'KEY_NOT_FOUND')
        return [...(await context.run(apiKeyUse, viewer, { keyId }, info)).rows]
      },
    }),
  )
}

export type ApiKeyTypes = ReturnType<typeof addTypes>

function addTypes(builder: Builder) {
  const kind = builder.enumType('ApiKeyKind', {
    values: {
      PUBLIC: { value: 'pub', description: 'May be used in web pages; can only ingest.' },
      SECRET: { value: 'sec' },
      ADMINISTRATION: { value: 'adm' },
    } as const,
  })
  const scope = builder.enumType('ApiKeyScope', {
    values: {
      INGEST: { value: 'ingest' },
      READ: { value: 'read' },
      ADMIN: { value: 'admin' },
    } as const,
  })
  const state = builder.enumType('ApiKeyState', {
    values: ['ACTIVE', 'EXPIRED', 'REVOKED'] as const,
  })
  const key = builder.objectRef<ListedKey>('ApiKey').implement({
    description: 'What may be shown of an API key for ever. docs/keys.md describes the settings.',
    fields: (t) => ({
      id: t.exposeID('keyId'),
      name: t.exposeString('name'),
      displayPrefix: t.exposeString('displayPrefix', { description: 'Its first characters.' }),
      kind: t.expose('kind', { type: kind }),
      scopes: t.expose('scopes', { type: [scope] }),
      state: t.field({ type: state, resolve: stateOf }),
      origins: t.exposeStringList('origins', {
        description: 'Origins that browsers may send from; none: any.',
      }),
      eventsPerMinute: t.exposeInt('eventsPerMinute', {
        nullable: true,
        description: 'Null: the default.',
      }),
      mayImportHistory: t.exposeBoolean('mayImportHistory'),
      allowedEvents: t.exposeStringList('allowedEvents', {
        nullable: true,
        description: 'Names of events that it may send; null: any.',
      }),
      allowedProperties: t.exposeStringList('allowedProperties', {
        nullable: true,
        description: 'Properties that its events may have; null: any.',
      }),
      version: t.exposeInt('version', {
        description: 'Moves with every change; a change of an outdated version is refused.',
      }),
      createdAt: t.expose('createdAt', { type: 'DateTime' }),
      expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true }),
      revokedAt: t.expose('revokedAt', { type: 'DateTime', nullable: true }),
      lastUsedAt: t.expose('lastUsedAt', { type: 'DateTime', nullable: true }),
      eventsLastHour: t.exposeFloat('eventsLastHour', {
        description:
          'Events received with it, duplicates included, since the beginning of the hour before this one.',
      }),
      eventsLastDay: t.exposeFloat('eventsLastDay'),
      replacedBy: t.exposeID('replacedBy', {
        nullable: true,
        description: 'The id of the key that replaced it by rotation.',
      }),
    }),
  })
  return { key, kind, scope }
}

function stateOf({ revokedAt, expiresAt }: ListedKey) {
  if (revokedAt !== null) return 'REVOKED' as const
  return expiresAt !== null && Date.parse(expiresAt) <= Date.now() ? 'EXPIRED' : 'ACTIVE'
}
