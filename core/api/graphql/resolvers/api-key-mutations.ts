import type { KeyKind, Scope } from '../../../../contract/api-key.ts'
import { createKey, revokeKey } from '../../../identity/api-keys.ts'
import { actorOf } from '../../../identity/audit/actor-of.ts'
import { type ListedKey, readKey } from '../../../identity/keys/listed-keys.ts'
import { rotateKey } from '../../../identity/rotate-key.ts'
import { setKey } from '../../../identity/set-key.ts'
import { ApiError, badInput } from '../../../lib/api-error.ts'
import { createTokenBuckets } from '../../../lib/token-buckets.ts'
import type { Builder } from '../builder.ts'
import type { RequestContext } from '../context.ts'
import { needs } from '../permissions.ts'
import type { ApiKeyTypes } from './api-keys.ts'
import { checkUuid } from './check-uuid.ts'

const OVERLAP_HOURS_DEFAULT = 24
const OVERLAP_HOURS_MAX = 365 * 24
const HOUR_MS = 3_600_000

/** Of one tenant: each makes every edge read the key again. */
const CHANGES_PER_MINUTE = 60

export function addApiKeyMutations(builder: Builder, types: ApiKeyTypes): void {
  const begin = createChanges()
  addCreation(builder, types, begin)
  addRotation(builder, types, begin)
  addChanges(builder, types, begin)
}

type BeginChange = ReturnType<typeof createChanges>

/** What every change begins with. */
function createChanges() {
  const attempts = createTokenBuckets({ perMinute: CHANGES_PER_MINUTE })
  return async (context: RequestContext, tenant: string | null | undefined) => {
    const viewer = await context.tenant(tenant)
    if (!attempts.take(viewer.tenant))
      throw new ApiError(
        'TOO_MANY_ATTEMPTS',
        `A tenant changes its API keys at most ${CHANGES_PER_MINUTE} times a minute.`,
        { retryAfterSeconds: 1 },
      )
    const record = (name: KeyEvent, keyId: string) =>
      recordChange(context, name, viewer.tenant, keyId)
    return { viewer, db: context.peopleDb, by: actorOf(context.viewer, context.sender), record }
  }
}

type KeyEvent = `api-key-${'created' | 'changed' | 'rotated' | 'revoked'}`

/** After it was committed. */
function recordChange(
  { securityLog, sender, viewer }: RequestContext,
  name: KeyEvent,
  tenant: string,
  keyId: string,
): void {
  const { credential, address, requestId } = sender
  securityLog?.record({
    name,
    outcome: 'allowed',
    actor: viewer.kind === 'PERSON' ? `person ${viewer.personId}` : credential,
    tenant,
    ...(address !== undefined && { address }),
    ...(requestId !== undefined && { requestId }),
    detail: `key_id ${keyId}`,
  })
}

function addCreation(
  builder: Builder,
  { key, kind, scope }: ApiKeyTypes,
  begin: BeginChange,
): void {
  const created = builder.objectRef<{ key: ListedKey; secret: string }>('CreatedApiKey').implement({
    fields: (t) => ({
      key: t.expose('key', { type: key }),
      secret: t.exposeString('secret', {
        description: 'The key itself. It cannot be read again: only its hash is stored.',
      }),
    }),
  })
  const input = builder.inputType('ApiKeyInput', {
    fields: (t) => ({
      name: t.string({ required: true }),
      scopes: t.field({ type: [scope], required: true }),
      kind: t.field({
        type: kind,
        description: 'Default: ADMINISTRATION with the scope ADMIN, else SECRET.',
      }),
      ...settingsFields(t),
    }),
  })
  builder.mutationField('createApiKey', (t) =>
    t.field({
      ...needs('keys.manage', { recentSignIn: true }),
      type: created,
      args: { tenant: t.arg.id(), input: t.arg({ type: input, required: true }) },
      async resolve(_, { tenant, input }, context) {
        const { viewer, db, by, record } = await begin(context, tenant)
        const { key, keyId } = await createKey(
          db,
          {
            ...readSettings(input),
            tenant: viewer.tenant,
            name: input.name,
            scopes: input.scopes as Scope[],
            kind: (input.kind ?? undefined) as KeyKind | undefined,
          },
          by,
        )
        record('api-key-created', keyId)
        return { key: await readKey(db, keyId), secret: key }
      },
    }),
  )
}

function addRotation(builder: Builder, { key }: ApiKeyTypes, begin: BeginChange): void {
  const rotated = builder
    .objectRef<{ key: ListedKey; secret: string; replaced: ListedKey }>('RotatedApiKey')
    .implement({
      fields: (t) => ({
        key: t.expose('key', { type: key }),
        secret: t.exposeString('secret', { description: 'The new key; shown once.' }),
        replaced: t.expose('replaced', { type: key, description: 'The old key.' }),
      }),
    })
  builder.mutationField('rotateApiKey', (t) =>
    t.field({
      ...needs('keys.manage', { recentSignIn: true }),
      type: rotated,
      description: 'Creates a key with the same settings; the old one keeps working for a time.',
      args: {
        tenant: t.arg.id(),
        id: t.arg.id({ required: true }),
        version: t.arg.int({ required: true }),
        overlapHours: t.arg.float({ defaultValue: OVERLAP_HOURS_DEFAULT }),
      },
      async resolve(_, { tenant, id, version, overlapHours }, context) {
        const { viewer, db, by, record } = await begin(context, tenant)
        const hours = overlapHours ?? OVERLAP_HOURS_DEFAULT
        if (!(hours >= 0 && hours <= OVERLAP_HOURS_MAX))
          throw badInput('overlapHours', `must be between 0 and ${OVERLAP_HOURS_MAX}`)
        const until = new Date(Date.now() + hours * HOUR_MS)
        const options = { by, tenantId: viewer.tenantId, version }
        const result = await rotateKey(db, checkUuid(id, 'KEY_NOT_FOUND'), { until }, options)
        record('api-key-rotated', result.old.keyId)
        return {
          key: await readKey(db, result.keyId),
          secret: result.key,
          replaced: result.old,
        }
      },
    }),
  )
}

function addChanges(builder: Builder, { key }: ApiKeyTypes, begin: BeginChange): void {
  const changes = builder.inputType('ApiKeyChanges', {
    description: 'What is left out stays as it is.',
    fields: (t) => ({ name: t.string(), ...settingsFields(t) }),
  })
  builder.mutationField('changeApiKey', (t) =>
    t.field({
      ...needs('keys.manage', { recentSignIn: true }),
      type: key,
      description: 'Every edge uses the change within 60 s.',
      args: {
        tenant: t.arg.id(),
        id: t.arg.id({ required: true }),
        version: t.arg.int({ required: true }),
        changes: t.arg({ type: changes, required: true }),
      },
      async resolve(_, { tenant, id, version, changes }, context) {
        const { viewer, db, by, record } = await begin(context, tenant)
        const settings = { ...readSettings(changes), name: changes.name ?? undefined }
        if (Object.values(settings).every((value) => value === undefined))
          throw badInput('changes', 'has no change')
        const options = { by, tenantId: viewer.tenantId, version }
        const changed = await setKey(db, checkUuid(id, 'KEY_NOT_FOUND'), settings, options)
        record('api-key-changed', changed.keyId)
        return changed
      },
    }),
  )
  builder.mutationField('revokeApiKey', (t) =>
    t.field({
      ...needs('keys.manage', { recentSignIn: true }),
      type: key,
      description: 'Core refuses the key at once, every edge within 60 s.',
      args: {
        tenant: t.arg.id(),
        id: t.arg.id({ required: true }),
        version: t.arg.int({ description: 'Default: whichever it has.' }),
      },
      async resolve(_, { tenant, id, version }, context) {
        const { viewer, db, by, record } = await begin(context, tenant)
        const options = { by, tenantId: viewer.tenantId, version: version ?? undefined }
        const revoked = await revokeKey(db, checkUuid(id, 'KEY_NOT_FOUND'), options)
        record('api-key-revoked', revoked.keyId)
        return revoked
      },
    }),
  )
}

type InputFields = Parameters<NonNullable<Parameters<Builder['inputType']>[1]['fields']>>[0]

function settingsFields(t: InputFields) {
  return {
    origins: t.stringList({ description: 'https://shop.example or https://*.shop.example.' }),
    eventsPerMinute: t.int({ description: 'Null: the default.' }),
    mayImportHistory: t.boolean(),
    expiresAt: t.field({ type: 'DateTime', description: 'Null: never.' }),
    allowedEvents: t.stringList({
      description: 'Of a public key: names of events that it may send. Null: any.',
    }),
    allowedProperties: t.stringList({
      description: 'Of a public key: properties that its events may have. Null: any.',
    }),
  }
}

interface SettingsInput {
  origins?: string[] | null | undefined
  eventsPerMinute?: number | null | undefined
  mayImportHistory?: boolean | null | undefined
  expiresAt?: string | null | undefined
  allowedEvents?: string[] | null | undefined
  allowedProperties?: string[] | null | undefined
}

function readSettings(input: SettingsInput) {
  const { expiresAt } = input
  return {
    origins: input.origins === null ? [] : input.origins,
    eventsPerMinute: input.eventsPerMinute,
    mayImportHistory: input.mayImportHistory ?? undefined,
    expiresAt: expiresAt ? readFuture(expiresAt) : (expiresAt as null | undefined),
    allowedEvents: input.allowedEvents,
    allowedProperties: input.allowedProperties,
  } as const
}

function readFuture(time: string): Date {
  if (Date.parse(time) <= Date.now()) throw badInput('expiresAt', 'has passed; revoke the key')
  return new Date(time)
}
