import { z } from '@hono/zod-openapi'
import { compare, limit } from './explore-schemas.ts'
import {
  aggregate,
  end,
  filterParameter,
  interval,
  metricsMeta,
  start,
  tenantParameter,
  timeZone,
} from './schemas.ts'

const instant = z.string().nullable().openapi({ format: 'date-time' })

export const comparedPoint = z
  .object({
    timestamp: instant,
    value: z.number().nullable(),
    previous_timestamp: instant,
    previous: z.number().nullable(),
    difference: z.number().nullable(),
    final: z.boolean().openapi({ description: 'Of both buckets.' }),
  })
  .openapi('ComparedPoint')

const filterOf = (of: string) => filterParameter(`Of the ${of}: dimension:value.`)
const name = z
  .string()
  .min(1, 'is empty')
  .openapi({ description: 'An event name; "*" for all.', example: 'order' })

export const ratioQuery = z.strictObject({
  numerator: name,
  denominator: name,
  numerator_aggregate: aggregate,
  denominator_aggregate: aggregate,
  numerator_filter: filterOf('numerator'),
  denominator_filter: filterOf('denominator'),
  start,
  end,
  interval,
  time_zone: timeZone,
  tenant: tenantParameter,
})

export const ratioPoint = z
  .object({
    timestamp: z.string().openapi({ format: 'date-time' }),
    value: z.number().nullable().openapi({
      description: 'Null where the denominator is 0, or one of the two is unknown.',
    }),
    numerator: z.number().nullable(),
    denominator: z.number().nullable(),
    final: z.boolean(),
  })
  .openapi('RatioPoint')

export const ratioMeta = metricsMeta
  .extend({
    zero_denominators: z.number().int().openapi({
      description: 'Points whose value is null because the denominator is 0.',
    }),
  })
  .openapi('RatioMeta')

export const comparisonMeta = metricsMeta
  .extend({ previous_start: z.string(), previous_end: z.string() })
  .openapi('ComparisonMeta')

export const contributionsQuery = z.strictObject({
  dimension: z.string().openapi({ example: 'plan' }),
  start,
  end,
  compare,
  time_zone: timeZone,
  aggregate: z.enum(['count', 'sum']).optional(),
  filter: filterOf('events'),
  limit,
  tenant: tenantParameter,
})

export const contribution = z
  .object({
    value: z.string().nullable().openapi({ description: 'Null: events without the dimension.' }),
    before: z.number(),
    after: z.number(),
    difference: z.number(),
    other: z.boolean().openapi({
      description: 'The last row: all values that are not listed, as (other).',
    }),
  })
  .openapi('Contribution')

export const contributionsMeta = comparisonMeta
  .extend({
    before: z.number(),
    after: z.number(),
    difference: z.number().openapi({ description: 'What the rows add up to.' }),
    found: z.number(),
  })
  .openapi('ContributionsMeta')
