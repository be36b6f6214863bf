import { LIMITS } from '../../../../../contract/limits.ts'
import { actorOf } from '../../../../identity/audit/actor-of.ts'
import { ApiError, badInput } from '../../../../lib/api-error.ts'
import { checkText } from '../../../../lib/check-text.ts'
import { createTokenBuckets } from '../../../../lib/token-buckets.ts'
import { type EventSchemaDetails, eventSchema } from '../../../../queries/schemas/event-schemas.ts'
import { pinSchema, unpinSchema } from '../../../../schemas/pin-schema.ts'
import type { SchemaMode } from '../../../../schemas/pinned-schemas.ts'
import type { Builder } from '../../builder.ts'
import { needs } from '../../permissions.ts'

/** Each publishes the keys of the tenant again. */
const CHANGES_PER_MINUTE = 30

const VERSION = 'The pinned version that the change is for; null: none is pinned.'

export function addPinSchema(
  builder: Builder,
  details: ReturnType<ReturnType<typeof builder.objectRef<EventSchemaDetails>>['implement']>,
  mode: ReturnType<typeof addSchemaMode>,
): void {
  const attempts = createTokenBuckets({ perMinute: CHANGES_PER_MINUTE })
  const takeChange = (tenant: string) => {
    if (attempts.take(tenant)) return
    throw new ApiError(
      'TOO_MANY_ATTEMPTS',
      `A tenant changes its schemas at most ${CHANGES_PER_MINUTE} times a minute.`,
      { retryAfterSeconds: 1 },
    )
  }
  builder.mutationField('pinSchema', (t) =>
    t.field({
      ...needs('schemas.write'),
      type: details,
      description:
        'Pins a schema for events of a name: the given one, or the pinned one in another mode, or the generated one. In force within a minute. For people who are signed in, not for API keys.',
      args: {
        tenant: t.arg.id(),
        name: t.arg.string({ required: true }),
        mode: t.arg({ type: mode, required: true }),
        document: t.arg.string({ description: 'JSON Schema, draft 2020-12, as text.' }),
        version: t.arg.int({ description: VERSION }),
      },
      async resolve(_, { tenant, document, version, mode, ...args }, context, info) {
        const viewer = await context.tenant(tenant)
        takeChange(viewer.tenant)
        const db = context.peopleDb
        const name = readName(args.name)
        const read: typeof eventSchema = (_, ...rest) => eventSchema(db, ...rest)
        const [before] = (await context.run(read, viewer, { name }, info)).rows
        const text = document ?? before?.document ?? before?.generated
        if (text == null) throw new ApiError('SCHEMA_NOT_FOUND')
        const change = { name, mode, document: text, version: version ?? null }
        await pinSchema(db, viewer.tenantId, change, actorOf(context.viewer, context.sender))
        const [pinned] = (await context.run(read, viewer, { name }, info)).rows
        if (!pinned) throw new ApiError('SCHEMA_NOT_FOUND')
        return pinned
      },
    }),
  )
  builder.mutationField('unpinSchema', (t) =>
    t.boolean({
      ...needs('schemas.write'),
      description: 'Events of the name may be anything again.',
      args: {
        tenant: t.arg.id(),
        name: t.arg.string({ required: true }),
        version: t.arg.int({ required: true, description: VERSION }),
      },
      async resolve(_, { tenant, name, version }, context) {
        const viewer = await context.tenant(tenant)
        takeChange(viewer.tenant)
        const by = actorOf(context.viewer, context.sender)
        const db = context.peopleDb
        await unpinSchema(db, viewer.tenantId, { name: readName(name), version }, by)
        return true
      },
    }),
  )
}

export function addSchemaMode(builder: Builder) {
  const modes: Record<'OBSERVE' | 'DEAD_LETTER' | 'REJECT', { value: SchemaMode }> = {
    OBSERVE: { value: 'observe' },
    DEAD_LETTER: { value: 'dead-letter' },
    REJECT: { value: 'reject' },
  }
  return builder.enumType('SchemaMode', {
    description:
      'What becomes of an event that violates its schema: it is stored and counted; it becomes a dead letter; or the edge refuses it.',
    values: modes,
  })
}

/** As names of events are stored. */
function readName(text: string): string {
  const name = checkText('name', text, LIMITS.eventNameCharsMax).normalize('NFC').trim()
  if (name === '') throw badInput('name', 'is empty')
  return name
}
