import { z } from '@hono/zod-openapi'
import type { ListedKey } from '../../../identity/keys/listed-keys.ts'
import type { ApiKeyUser } from '../../../queries/identity/api-key-use.ts'

const texts = z.array(z.string())
const kind = z.enum(['public', 'secret', 'administration'])
const scope = z.enum(['ingest', 'read', 'admin'])
const time = z.string().openapi({ format: 'date-time' })

const settings = {
  origins: texts.openapi({ description: 'Origins that browsers may send from; none: any.' }),
  events_per_minute: z.number().int().nullable().openapi({ description: 'Null: the default.' }),
  may_import_history: z.boolean(),
  expires_at: time.nullable().openapi({ description: 'Null: never.' }),
  allowed_events: texts.nullable().openapi({
    description: 'Of a public key: names of events that it may send. Null: any.',
  }),
  allowed_properties: texts.nullable().openapi({
    description: 'Of a public key: properties that its events may have. Null: any.',
  }),
}

export const apiKey = z
  .object({
    id: z.string(),
    name: z.string(),
    display_prefix: z.string(),
    kind,
    scopes: z.array(scope),
    state: z.enum(['active', 'expired', 'revoked']),
    ...settings,
    version: z.number().int().openapi({ description: 'Moves with every change.' }),
    created_at: time,
    revoked_at: time.nullable(),
    last_used_at: time.nullable(),
    events_last_hour: z.number(),
    events_last_day: z.number(),
    replaced_by: z.string().nullable(),
  })
  .openapi('ApiKey')

export const keyUser = z
  .object({
    client: z.string().nullable(),
    origin: z.string().nullable(),
    events_per_minute: z.number(),
    events_last_day: z.number(),
    last_seen_at: time,
  })
  .openapi('ApiKeyUser')

const optional = z.strictObject(settings).partial().shape
export const newKeyBody = z.strictObject({
  name: z.string(),
  scopes: z.array(scope),
  kind: kind.optional(),
  ...optional,
})
const version = z.number().int().optional().openapi({
  description: 'The version that the change was made for, unless If-Match names it.',
})
export const keyChangesBody = z.strictObject({ version, name: z.string().optional(), ...optional })
export const rotationBody = z.strictObject({ version, overlap_hours: z.number().optional() })

export const KEY_FIELDS = `id name displayPrefix kind scopes state origins eventsPerMinute mayImportHistory
  allowedEvents allowedProperties version createdAt expiresAt revokedAt lastUsedAt eventsLastHour eventsLastDay replacedBy`

/** As GraphQL returns it. */
export type KeyNode = Omit<ListedKey, 'keyId' | 'tenant' | 'kind' | 'scopes'> & {
  id: string
  kind: string
  scopes: string[]
  state: string
}

export function toRestKey(node: KeyNode) {
  return {
    id: node.id,
    name: node.name,
    display_prefix: node.displayPrefix,
    kind: node.kind.toLowerCase(),
    scopes: node.scopes.map((each) => each.toLowerCase()),
    state: node.state.toLowerCase(),
    origins: node.origins,
    events_per_minute: node.eventsPerMinute,
    may_import_history: node.mayImportHistory,
    expires_at: node.expiresAt,
    allowed_events: node.allowedEvents,
    allowed_properties: node.allowedProperties,
    version: node.version,
    created_at: node.createdAt,
    revoked_at: node.revokedAt,
    last_used_at: node.lastUsedAt,
    events_last_hour: node.eventsLastHour,
    events_last_day: node.eventsLastDay,
    replaced_by: node.replacedBy,
  }
}

export type UserNode = Omit<ApiKeyUser, 'events'> & { eventsLastDay: number }

export function toRestUser(node: UserNode) {
  return {
    client: node.client,
    origin: node.origin,
    events_per_minute: node.eventsPerMinute,
    events_last_day: node.eventsLastDay,
    last_seen_at: node.lastSeenAt,
  }
}

type Settings = z.infer<typeof newKeyBody> | z.infer<typeof keyChangesBody>

/** What is missing stays missing: GraphQL takes null for another thing. */
export function toKeyInput(body: Settings): Record<string, unknown> {
  const { kind, scopes } = body as Partial<z.infer<typeof newKeyBody>>
  return {
    name: body.name,
    kind: kind?.toUpperCase(),
    scopes: scopes?.map((each) => each.toUpperCase()),
    origins: body.origins,
    eventsPerMinute: body.events_per_minute,
    mayImportHistory: body.may_import_history,
    expiresAt: body.expires_at,
    allowedEvents: body.allowed_events,
    allowedProperties: body.allowed_properties,
  }
}
