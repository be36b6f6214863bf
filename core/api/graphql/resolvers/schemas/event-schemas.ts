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
import type { Builder } from '../../builder.ts'
import { needs } from '../../permissions.ts'

const PATH = 'A JSON pointer into the properties; "[]" stands for the items of an array.'

/** What was learned about the events of a tenant, and how they changed. */
export function addEventSchemas(builder: Builder): void {
  const schema = addSchemaType(builder)
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
      description: 'Names whose events were sampled, in alphabetical order.',
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
  addEventSchema(builder, schema)
  addDrift(builder)
}

function addSchemaType(builder: Builder) {
  return builder.objectRef<EventSchema>('EventSchema').implement({
    description: 'What was learned about events of a name, from a sample.',
    fields: (t) => ({
      name: t.exposeString('name'),
      sampled: t.exposeFloat('sampled', { description: 'How many events were sampled.' }),
      firstAt: t.expose('firstAt', { type: 'DateTime', description: 'By the time of receipt.' }),
      lastAt: t.expose('lastAt', { type: 'DateTime' }),
      paths: t.exposeInt('paths', { description: 'How many paths of properties are known.' }),
    }),
  })
}

function addEventSchema(builder: Builder, schema: ReturnType<typeof addSchemaType>): void {
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
    }),
  })
  builder.queryField('eventSchema', (t) =>
    t.field({
      ...needs('schemas.read'),
      type: result,
      nullable: true,
      description: 'What was learned about events of one name; null where none was sampled.',
      complexity: 25,
      args: { tenant: t.arg.id(), name: t.arg.string({ required: true }) },
      async resolve(_, { tenant, ...args }, context, info) {
        const viewer = await context.tenant(tenant)
        return (await context.run(eventSchema, viewer, args, info)).rows[0] ?? null
      },
    }),
  )
}

function addDrift(builder: Builder): void {
  const kind = builder.enumType('DriftKind', { values: DRIFT_KINDS })
  const drift = builder.objectRef<SchemaDrift>('SchemaDrift').implement({
    description: 'A change against what was learned about events of a name.',
    fields: (t) => ({
      kind: t.expose('kind', { type: kind }),
      name: t.exposeString('name'),
      path: t.exposeString('path', { description: PATH }),
      type: t.exposeString('type', {
        description: 'Which type is new; of a property that vanished, the one it had.',
      }),
      formerTypes: t.stringList({ resolve: ({ formerTypes }) => [...formerTypes] }),
      at: t.expose('at', {
        type: 'DateTime',
        description: 'When it was seen first; of a property that vanished, last.',
      }),
      lastAt: t.expose('lastAt', { type: 'DateTime' }),
      share: t.exposeFloat('share', {
        description:
          'Of the sampled events since then; of a property that vanished, of those before.',
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
      description: 'Changes against what was learned, newest first.',
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
