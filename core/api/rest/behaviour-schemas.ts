import { z } from '@hono/zod-openapi'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import {
  end,
  filterParameter,
  metricsMeta,
  repeatable,
  start,
  tenantParameter,
  timeZone,
} from './schemas.ts'

const { funnelStepsMax, funnelWindowSecondsMax, funnelWindowSecondsDefault } = QUERY_LIMITS
const filter = filterParameter(
  'dimension:value; several times for several dimensions or alternative values.',
)

/** `filter_1=plan:pro` is for the first step. */
const filterNames = Array.from({ length: funnelStepsMax }, (_, i) => `filter_${i + 1}`)

export const funnelQuery = z
  .strictObject({
    step: repeatable.openapi({
      type: 'array',
      items: { type: 'string' },
      minItems: 2,
      maxItems: funnelStepsMax,
      description: `An event name, "*" for all; 2 to ${funnelStepsMax} times, in the order of the steps. filter_1, filter_2 … are the filters of each.`,
      example: ['page_view', 'order'],
    }),
    start,
    end,
    window_seconds: z.coerce
      .number()
      .int()
      .min(1)
      .max(funnelWindowSecondsMax)
      .optional()
      .openapi({
        description: `From the first step to the last; ${funnelWindowSecondsDefault} unless given.`,
      }),
    tenant: tenantParameter,
  })
  .extend(Object.fromEntries(filterNames.map((name) => [name, filter])))

export const funnelStep = z
  .object({
    name: z.string(),
    actors: z.number().openapi({ description: 'Who got as far as this step.' }),
    conversion: z.number().nullable().openapi({ description: 'Of the step before.' }),
    overall: z.number().nullable().openapi({ description: 'Of the first step.' }),
    median_seconds: z.number().nullable().openapi({
      description: 'From the first step to this one.',
    }),
  })
  .openapi('FunnelStep')

export const funnelMeta = metricsMeta
  .extend({
    without_actor: z.number().openapi({
      description: 'Events that match a step and have no actor: they are not counted.',
    }),
  })
  .openapi('FunnelMeta')

export const retentionQuery = z.strictObject({
  first: z
    .string()
    .min(1, 'is empty')
    .openapi({ description: 'An event name; "*" for all.', example: 'signup' }),
  returning: z
    .string()
    .min(1, 'is empty')
    .optional()
    .openapi({ description: 'The first event unless given.' }),
  first_filter: filter,
  returning_filter: filter,
  start,
  end,
  interval: z.enum(['day', 'week']).optional().openapi({ description: 'day unless given.' }),
  time_zone: timeZone,
  tenant: tenantParameter,
})

export const retentionCohort = z
  .object({
    timestamp: z.string().openapi({ format: 'date-time' }),
    date: z.string().openapi({ format: 'date' }),
    actors: z.number().openapi({ description: 'Whose first event of the range is in it.' }),
    returned: z.array(z.number()).openapi({
      description: 'How many of them returned in each period since; the first is their own.',
    }),
  })
  .openapi('RetentionCohort')
