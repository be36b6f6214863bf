import { z } from '@hono/zod-openapi'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import { end, filterParameter, metricsMeta, start, tenantParameter } from './schemas.ts'

const search = z.string().optional().openapi({
  description: 'A part of it, in any case; what begins with it comes first.',
})
export const limit = z.coerce
  .number()
  .int()
  .min(1)
  .max(QUERY_LIMITS.listMax)
  .optional()
  .openapi({ description: `${QUERY_LIMITS.listDefault} unless given.` })
export const compare = z.string().optional().openapi({
  description: 'previous_period (unless given), or another range as start/end.',
  example: 'previous_period',
})

export const namesQuery = z.strictObject({
  search,
  limit,
  start: start.optional().openapi({
    description: 'With end: the names that occur in this range, the most frequent first.',
  }),
  end: end.optional(),
  tenant: tenantParameter,
})

export const eventName = z
  .object({
    name: z.string(),
    count: z.number().nullable().openapi({ description: 'In the range; null without one.' }),
  })
  .openapi('EventName')

/** With a range, what its counts were read from as well. */
export const namesMeta = metricsMeta
  .partial()
  .extend({
    has_more: z.boolean().openapi({ description: 'Whether more names match.' }),
    complete: z.boolean().openapi({
      description: 'False: some names are counted together, and not listed.',
    }),
  })
  .openapi('EventNamesMeta')

export const propertiesQuery = z.strictObject({
  name: z.string().openapi({ description: 'An event name; "*" for all.', example: 'order' }),
  start,
  end,
  tenant: tenantParameter,
})

export const eventProperty = z
  .object({
    path: z.string().openapi({ description: 'As group_by, filter and dimension take it.' }),
    types: z.array(z.string()),
    count: z.number().openapi({ description: 'Events of the sample that have it.' }),
    share: z.number().openapi({ description: 'Their share of the sample.' }),
  })
  .openapi('EventProperty')

export const propertiesMeta = metricsMeta
  .extend({ sampled: z.number().openapi({ description: 'Events that were looked at.' }) })
  .openapi('EventPropertiesMeta')

export const topQuery = z.strictObject({
  dimension: z.string().openapi({
    description: 'source, actor, session, name, or a property by its path.',
    example: 'plan',
  }),
  start,
  end,
  filter: filterParameter(
    'dimension:value; several times for several dimensions or alternative values.',
  ),
  search,
  limit,
  tenant: tenantParameter,
})

export const valueCount = z
  .object({
    value: z.string().nullable().openapi({ description: 'Null: events without the dimension.' }),
    count: z.number(),
    share: z.number(),
    other: z.boolean().openapi({
      description: 'The last row: all events whose value is not listed, as (other).',
    }),
  })
  .openapi('ValueCount')

export const topMeta = metricsMeta
  .extend({
    total: z.number().openapi({ description: 'What the rows add up to.' }),
    found: z.number().openapi({ description: 'Different values, listed or not.' }),
  })
  .openapi('TopValuesMeta')
