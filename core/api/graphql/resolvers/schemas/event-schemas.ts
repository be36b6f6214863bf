import {
  CARDINALITIES,
  type EventProperty,
  type EventSchema,
  type EventSchemaDetails,
  type EventSchemasResult,
  eventSchema,
  eventSchemas,
} from '../../../../queries/schemas/event-schemas.ts'
import { type SchemaDrift, schemaDrift } from '../../../../queries/schemas/schema-drift.ts'
import { DRIFT_KINDS } from '../../../../schemas/describe-drift.ts'
import type { PinnedVersion } from '../../../../schemas/pin-schema.ts'
import type { Builder } from '../../builder.ts'
import { needs } from '../../permissions.ts'
import { addPinSchema, addSchemaMode } from './pin-schema.ts'

const PATH = 'A JSON pointer into the properties; "[]" stands for the items of an array.'

/** What was learned about the events of a tenant, and how they changed. */
export function addEventSchemas(builder: Builder): void {
  const mode = addSchemaMode(builder)
  const schema = addSchemaType(builder, mode)
  const page = builder.objectRef<EventSchemasResult>('EventSchemas').implement({
    fields: (t) => ({
      schemas: t.field({ type: [schema], resolve: ({ rows }) => [...rows] }),
      hasMore: t.exposeBoolean('hasMore'),
    }),
  })
  builder.queryField('eventSchemas', (t) =>
    t.field({
      ...needs('schemas.read'),
      type: page,
      description:
        'Names whose events were sampled, or whose schema is pinned, in alphabetical order.',
      complexity: 25,
      args: {
        tenant: t.arg.id(),
        limit: t.arg.int(),
        after: t.arg.string({ description: 'The last name of the page before.' }),
      },
      resolve: async (_, { tenant, ...args }, context, info) =>
        context.run(eventSchemas, await context.tenant(tenant), args, info),
    }),
  )
  addPinSchema(builder, addEventSchema(builder, schema), mode)
  addDrift(builder)
}

function addSchemaType(builder: Builder, mode: ReturnType<typeof addSchemaMode>) {
  const pinned = builder.objectRef<PinnedVersion>('PinnedSchema').implement({
    fields: (t) => ({
      version: t.exposeInt('version'),
      mode: t.expose('mode', { type: mode }),
    }),
  })
  return builder.objectRef<EventSchema>('EventSchema').implement({
    description: 'What was learned about events of a name, from a sample.',
    fields: (t) => ({
      name: t.exposeString('name'),
      sampled: t.exposeFloat('sampled', { description: 'How many events were sampled.' }),
      firstAt: t.expose('firstAt', {
        type: 'DateTime',
        nullable: true,
        description: 'By the time of receipt; null where no event was sampled.',
      }),
      lastAt: t.expose('lastAt', { type: 'DateTime', nullable: true }),
      pinned: t.expose('pinned', { type: pinned, nullable: true }),
      paths: t.exposeInt('paths', { description: 'How many paths of properties are known.' }),
    }),
  })
}

function addEventSchema(builder: Builder, schema: ReturnType<typeof addSchemaType>) {
  const cardinality = builder.enumType('Cardinality', { values: CARDINALITIES })
  const type = builder.objectRef<EventProperty['types'][number]>('LearnedType').implement({
    fields: (t) => ({
      type: t.exposeString('type', {
        description: 'array, boolean, null, number, object or string.',
      }),
      share: t.exposeFloat('share', { description: 'Of the events that have the property.' }),
    }),
  })
  const property = builder.objectRef<EventProperty>('LearnedProperty').implement({
    fields: (t) => ({
      path: t.exposeString('path', { description: PATH }),
      presence: t.exposeFloat('presence', {
        description: 'In which share of the sampled events it was, from 0 to 1.',
      }),
      types: t.field({ type: [type], resolve: ({ types }) => types }),
      cardinality: t.expose('cardinality', {
        type: cardinality,
        nullable: true,
        description: 'How many different values were seen; null for objects and arrays.',
      }),
      firstAt: t.expose('firstAt', { type: 'DateTime' }),
      lastAt: t.expose('lastAt', { type: 'DateTime' }),
    }),
  })
  const result = builder.objectRef<EventSchemaDetails>('EventSchemaDetails').implement({
    fields: (t) => ({
      schema: t.expose('schema', { type: schema }),
      properties: t.field({ type: [property], resolve: ({ properties }) => properties }),
      document: t.exposeString('document', {
        nullable: true,
        description: 'The pinned schema, as JSON.',
      }),
      generated: t.exposeString('generated', {
        nullable: true,
        description: 'A schema of what was learned, as JSON, to be pinned.',
      }),
    }),
  })
  builder.queryField('eventSchema', (t) =>
    t.field({
      ...needs('schemas.read'),
      type: result,
      nullable: true,
      description:
        'What was learned about events of one name, and its schema; null where there is neither.',
      complexity: 25,
      args: { tenant: t.arg.id(), name: t.arg.string({ required: true }) },
      async resolve(_, { tenant, ...args }, context, info) {
        const viewer = await context.tenant(tenant)
        return (await context.run(eventSchema, viewer, args, info)).rows[0] ?? null
      },
    }),
  )
  return result
}

function addDrift(builder: Builder): void {
  const kind = builder.enumType('DriftKind', { values: DRIFT_KINDS })
  const drift = builder.objectRef<SchemaDrift>('SchemaDrift').implement({
    description:
      'A change against what was learned about events of a name, or against its pinned schema.',
    fields: (t) => ({
      kind: t.expose('kind', { type: kind }),
      name: t.exposeString('name'),
      path: t.exposeString('path', { description: PATH }),
      type: t.exposeString('type', {
        nullable: true,
        description:
          'Which type is new; of a property that vanished, the one it had; null of a violation.',
      }),
      formerTypes: t.stringList({ resolve: ({ formerTypes }) => [...formerTypes] }),
      at: t.expose('at', {
        type: 'DateTime',
        description: 'When it was seen first; of a property that vanished, last.',
      }),
      lastAt: t.expose('lastAt', { type: 'DateTime' }),
      events: t.exposeFloat('events', {
        description: 'How many events had it: of those that were sampled; of a violation, of all.',
      }),
      detail: t.exposeString('detail', {
        nullable: true,
        description: 'Of a violation: what is wrong.',
      }),
      version: t.exposeInt('version', {
        nullable: true,
        description: 'Of a violation: the version of the schema.',
      }),
      share: t.exposeFloat('share', {
        nullable: true,
        description:
          'Of the sampled events since then; of a property that vanished, of those before; null of a violation.',
      }),
      keyId: t.exposeID('keyId', {
        nullable: true,
        description: 'The API key of the first event that had it.',
      }),
      keyName: t.exposeString('keyName', { nullable: true }),
      message: t.exposeString('message', { description: 'All of it in one sentence.' }),
    }),
  })
  builder.queryField('schemaDrift', (t) =>
    t.field({
      ...needs('schemas.read'),
      type: [drift],
      description:
        'Changes against what was learned, and violations of schemas that observe, newest first.',
      complexity: { field: 25, multiplier: 5 },
      args: {
        tenant: t.arg.id(),
        name: t.arg.string({ description: 'Of events of this name alone.' }),
        since: t.arg({ type: 'DateTime', description: 'Seven days ago unless given.' }),
        limit: t.arg.int(),
      },
      async resolve(_, { tenant, ...args }, context, info) {
        const viewer = await context.tenant(tenant)
        return [...(await context.run(schemaDrift, viewer, args, info)).rows]
      },
    }),
  )
}
