import {
  type EventName,
  type EventNamesResult,
  eventNames,
} from '../../../queries/explore/event-names.ts'
import {
  type EventPropertiesResult,
  type EventProperty,
  eventProperties,
} from '../../../queries/explore/event-properties.ts'
import {
  type TopValuesResult,
  topValues,
  type ValueCount,
} from '../../../queries/explore/top-values.ts'
import { QUERY_LIMITS } from '../../../queries/limits.ts'
import type { Builder } from '../builder.ts'
import { needs } from '../permissions.ts'

const SEARCH = 'A part of it, in any case; what begins with it comes first.'
const LIMIT = `At most ${QUERY_LIMITS.listMax}.`

/** What there is to query: names, properties and values. */
export function addExplore(builder: Builder): void {
  addEventNames(builder)
  addProperties(builder)
  addTopValues(builder)
}

function addEventNames(builder: Builder): void {
  const eventName = builder.objectRef<EventName>('EventName').implement({
    fields: (t) => ({
      name: t.exposeString('name'),
      count: t.exposeFloat('count', {
        nullable: true,
        description: 'Events in the range; null without a range.',
      }),
    }),
  })
  const result = builder.objectRef<EventNamesResult>('EventNames').implement({
    fields: (t) => ({
      names: t.field({ type: [eventName], resolve: ({ rows }) => [...rows] }),
      hasMore: t.exposeBoolean('hasMore', {
        description: 'Whether more names match than are listed.',
      }),
      complete: t.exposeBoolean('complete', {
        description:
          'False: the tenant has more names than are counted apart; those that are counted together are not listed.',
      }),
    }),
  })
  builder.queryField('eventNames', (t) =>
    t.field({
      ...needs('events.read'),
      type: result,
      description:
        'Event names, for type-ahead: in alphabetical order, or those of a range, the most frequent first.',
      complexity: 25,
      args: {
        tenant: t.arg.id(),
        search: t.arg.string({ description: SEARCH }),
        startTime: t.arg({ type: 'DateTime' }),
        endTime: t.arg({ type: 'DateTime' }),
        limit: t.arg.int({ defaultValue: QUERY_LIMITS.listDefault, description: LIMIT }),
      },
      resolve: async (_, { tenant, ...args }, context, info) =>
        context.run(eventNames, await context.tenant(tenant), args, info),
    }),
  )
}

function addProperties(builder: Builder): void {
  const property = builder.objectRef<EventProperty>('EventProperty').implement({
    fields: (t) => ({
      path: t.exposeString('path', { description: 'As groupBy, filter and dimension take it.' }),
      types: t.exposeStringList('types', {
        description: 'Types of JSON that its values have: array, boolean, number, object, string.',
      }),
      count: t.exposeFloat('count', { description: 'Events of the sample that have it.' }),
      share: t.exposeFloat('share', { description: 'Their share of the sample, from 0 to 1.' }),
    }),
  })
  const result = builder.objectRef<EventPropertiesResult>('EventProperties').implement({
    fields: (t) => ({
      properties: t.field({ type: [property], resolve: ({ rows }) => [...rows] }),
      sampled: t.exposeFloat('sampled', { description: 'Events that were looked at.' }),
    }),
  })
  builder.queryField('properties', (t) =>
    t.field({
      ...needs('events.read'),
      type: result,
      description: `Which properties the events of a name have, by the newest ${QUERY_LIMITS.sampleEventsMax} of the range: shares are rough, and rare properties may be missing.`,
      complexity: 50,
      args: {
        tenant: t.arg.id(),
        name: t.arg.string({ required: true }),
        startTime: t.arg({ type: 'DateTime', required: true }),
        endTime: t.arg({ type: 'DateTime', required: true }),
      },
      resolve: async (_, { tenant, ...args }, context, info) =>
        context.run(eventProperties, await context.tenant(tenant), args, info),
    }),
  )
}

function addTopValues(builder: Builder): void {
  const value = builder.objectRef<ValueCount>('ValueCount').implement({
    fields: (t) => ({
      value: t.exposeString('value', {
        nullable: true,
        description: 'Null: events without the dimension.',
      }),
      count: t.exposeFloat('count'),
      share: t.exposeFloat('share', { description: 'Of the total, from 0 to 1.' }),
      isOther: t.exposeBoolean('isOther', {
        description: 'The last value: all events whose value is not listed, as "(other)".',
      }),
    }),
  })
  const result = builder.objectRef<TopValuesResult>('TopValues').implement({
    fields: (t) => ({
      values: t.field({
        type: [value],
        description: 'They add up to the total.',
        resolve: ({ rows }) => [...rows],
      }),
      total: t.exposeFloat('total', {
        description: 'Events of the range that the filter leaves; the search does not change it.',
      }),
      found: t.exposeFloat('found', {
        description: 'Different values that match the search, listed or not.',
      }),
    }),
  })
  builder.queryField('topValues', (t) =>
    t.field({
      ...needs('events.read'),
      type: result,
      description:
        'The most frequent values of a dimension, with exact counts; all other events are counted as "(other)". dimension and filter as in metrics.',
      complexity: 50,
      args: {
        tenant: t.arg.id(),
        name: t.arg.string({ required: true }),
        dimension: t.arg.string({ required: true }),
        startTime: t.arg({ type: 'DateTime', required: true }),
        endTime: t.arg({ type: 'DateTime', required: true }),
        filter: t.arg({ type: ['DimensionFilter'] }),
        search: t.arg.string({ description: SEARCH }),
        limit: t.arg.int({ defaultValue: QUERY_LIMITS.listDefault, description: LIMIT }),
      },
      resolve: async (_, { tenant, ...args }, context, info) =>
        context.run(topValues, await context.tenant(tenant), args, info),
    }),
  )
}
