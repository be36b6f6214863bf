import { z } from '@hono/zod-openapi'
import { readTime } from '../../../contract/event/time.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'

/** Names of REST for what GraphQL writes in capitals. */
const INTERVALS = ['minute', 'quarter_hour', 'hour', 'day', 'week', 'month', 'total'] as const
const AGGREGATES = ['count', 'sum', 'min', 'max', 'avg', 'uniques', 'p50', 'p95', 'p99'] as const

/** @param example with which a page to try it begins */
export const time = (description: string, example?: string) =>
  z
    .string()
    .superRefine((text, context) => {
      const read = readTime(text)
      if (!read.ok) context.addIssue({ code: 'custom', message: read.detail })
    })
    .openapi({ description, format: 'date-time', ...(example && { example }) })

export const tenantParameter = z.string().optional().openapi({
  description: 'For people who are signed in. An API key has one tenant, its own.',
})

/** So often may a parameter be in a URL; GraphQL has narrower limits for what they say. */
const REPEATED_MAX = QUERY_LIMITS.filtersMax * QUERY_LIMITS.filterValuesMax

export const repeatable = z.preprocess(
  (value) => (value === undefined ? value : [value].flat()),
  z.array(z.string()).max(REPEATED_MAX, `may be there at most ${REPEATED_MAX} times`),
)

/** `group_by=a,b`, or the parameter several times. */
const list = repeatable.transform((all) => all.flatMap((each) => each.split(',')))

/** `filter=dimension:value`, several times; values of one dimension are alternatives. */
const filters = repeatable
  .refine((all) => all.every((each) => each.indexOf(':') > 0), {
    message: 'is not of the form dimension:value',
  })
  .transform((all) => {
    const values = new Map<string, string[]>()
    for (const each of all) {
      const at = each.indexOf(':')
      const dimension = each.slice(0, at)
      const known = values.get(dimension)
      if (known) known.push(each.slice(at + 1))
      else values.set(dimension, [each.slice(at + 1)])
    }
    return [...values].map(([dimension, of]) => ({ dimension, in: of }))
  })

export const filterParameter = (description: string) =>
  filters.optional().openapi({
    type: 'array',
    items: { type: 'string', pattern: '^[^:]+:' },
    description,
  })

/** A range, with which a page to try it begins. */
export const start = time('The first instant that counts.', '2026-11-01T00:00:00Z')
export const end = time('The first instant that does not count any more.', '2026-12-01T00:00:00Z')

export const interval = z.enum(INTERVALS).optional().openapi({
  description: 'Length of a bucket; one that suits the range unless given.',
})
export const timeZone = z.string().optional().openapi({
  description: 'Name of the zone in which days, weeks and months begin; UTC unless given.',
  example: 'Europe/Berlin',
})
export const aggregate = z
  .enum(AGGREGATES)
  .optional()
  .openapi({ description: 'count unless given.' })

export const metricsQuery = z.strictObject({
  start,
  end,
  interval,
  time_zone: timeZone,
  aggregate,
  group_by: list.optional().openapi({
    type: 'string',
    description: `Up to ${QUERY_LIMITS.groupByMax} dimensions, with commas between: source, actor, session, name, a derived field such as enrichment.country, or a property by its path; such as source,plan.`,
  }),
  filter: filterParameter(
    'dimension:value; several times for several dimensions or alternative values; such as plan:pro.',
  ),
  compare: z.string().optional().openapi({
    description:
      'previous_period, or another range as start/end: rows have the values of both. Not with group_by.',
    example: 'previous_period',
  }),
  exactness: z.enum(['exact', 'estimate']).optional().openapi({
    description:
      'Of uniques and percentiles: from sketches where they exist (estimate, unless given), or from single events as long as they are held. Other aggregates are always exact.',
  }),
  tenant: tenantParameter,
})

export const eventsQuery = z.strictObject({
  name: z.string().optional().openapi({ description: 'Events of this name only.' }),
  start: time('The first instant that counts, by the time of occurrence.').optional(),
  end: time('The first instant that does not count any more.').optional(),
  filter: filterParameter('dimension:value, as in metrics; several times for several.'),
  request_id: z.string().optional().openapi({
    description: 'Events that came with this request: the X-Request-Id of its response.',
  }),
  idempotency_key: z.string().optional().openapi({
    description: 'Events of requests with this Idempotency-Key, however old they are.',
  }),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(QUERY_LIMITS.restStreamEventsMax)
    .optional()
    .openapi({
      description: `${QUERY_LIMITS.eventsPageDefault} unless given; as JSON at most ${QUERY_LIMITS.eventsPageMax}.`,
    }),
  after: z.string().optional().openapi({ description: 'meta.next_cursor of the page before.' }),
  before: z.string().optional().openapi({ description: 'meta.previous_cursor of the page after.' }),
  tenant: tenantParameter,
})

export const metricPoint = z
  .object({
    timestamp: z.string().openapi({ description: 'Start of the bucket.', format: 'date-time' }),
    value: z.number(),
    dimensions: z.record(z.string(), z.string().nullable()).openapi({
      description: 'One member for each dimension of group_by; null where events have none.',
    }),
    final: z.boolean().openapi({
      description:
        'Only late events, imports and replays can still change it, and they leave a mark.',
    }),
    late_count: z.number().openapi({ description: 'Events that came after the bucket was final.' }),
    revised: z.string().nullable().openapi({
      description: 'When the bucket last changed after it was final; null: never.',
      format: 'date-time',
    }),
  })
  .openapi('MetricPoint')

export const metricsMeta = z
  .object({
    as_of: z.string().openapi({ description: 'When the number was read.', format: 'date-time' }),
    source: z.enum(['rollup', 'raw', 'rollup+raw', 'sketch', 'sketch+raw']).openapi({
      description:
        'What it was read from: 15-minute rollups, sketches, single events, or two of them.',
    }),
    final: z.boolean().openapi({ description: 'Whether every bucket of the range is final.' }),
    final_through: z.string().nullable().openapi({ format: 'date-time' }),
    verified_through: z.string().nullable().openapi({
      description: 'What was stored by then, in buckets before it, was recounted and was right.',
      format: 'date-time',
    }),
    definition: z
      .object({ metric: z.string(), kind: z.enum(['event', 'metric']), version: z.number().int() })
      .openapi({
        description: 'What was counted: a declared metric, or an event name, which has version 1.',
      }),
    error_bound: z.number().openapi({
      description:
        '0: exact. Of uniques from sketches the relative standard error: 95 % of values are within twice as much. Of percentiles the relative error at most of the two values that it lies between.',
    }),
    query_id: z.string().openapi({
      description: 'The same for the same question, through whichever interface it was asked.',
    }),
    interval: z.string(),
    time_zone: z.string(),
    groups: z.object({ found: z.number(), listed: z.number() }).nullable().openapi({
      description: 'With group_by: groups beyond those listed are counted as (other).',
    }),
    raw_since: z.string().nullable().openapi({
      description:
        'Single events are held since then; earlier ones are not counted, unless sketches have them.',
      format: 'date-time',
    }),
    complete_since: z.string().nullable().openapi({
      description:
        'Of a declared metric whose history is not counted yet: earlier buckets lack events.',
      format: 'date-time',
    }),
    series_limit: z.number().nullable().openapi({
      description:
        'Of a declared metric: so many combinations of dimension values are counted apart, and some of this range are in (other).',
    }),
  })
  .openapi('MetricsMeta')

export const event = z
  .object({
    id: z.string(),
    name: z.string(),
    occurred_at: z.string(),
    client_occurred_at: z.string().nullable(),
    received_at: z.string(),
    stored_at: z.string(),
    actor: z.string().nullable(),
    session: z.string().nullable(),
    source: z.string().nullable(),
    value: z.number().nullable(),
    properties: z.record(z.string(), z.unknown()),
    context: z.record(z.string(), z.unknown()).nullable(),
    enrichment: z
      .object({
        browser: z.string().optional(),
        os: z.string().optional(),
        device: z.string().optional(),
        is_bot: z.boolean().optional(),
        country: z.string().optional(),
        region: z.string().optional(),
        city: z.string().optional(),
        referrer_host: z.string().optional(),
        utm_source: z.string().optional(),
        utm_medium: z.string().optional(),
        utm_campaign: z.string().optional(),
        utm_term: z.string().optional(),
        utm_content: z.string().optional(),
        processed_at: z.string(),
      })
      .nullable()
      .openapi({
        description:
          'What was derived from the event; null where the tenant declares nothing. Each but processed_at is a dimension: enrichment.browser.',
      }),
    schema_version: z.string().nullable(),
    request_id: z.string().nullable(),
    trust_class: z.enum(['server', 'public']),
    partition: z.number().int(),
    offset: z.string(),
  })
  .openapi('Event')

export const eventsMeta = z
  .object({
    next_cursor: z.string().nullable().openapi({ description: 'Older events; null: none.' }),
    previous_cursor: z.string().nullable().openapi({ description: 'Newer events; null: none.' }),
  })
  .openapi('EventsMeta')

export const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    instance: z.string(),
    code: z.string(),
    request_id: z.string().optional(),
    parameter: z.string().optional().openapi({ description: 'What has to be changed.' }),
  })
  .openapi('Problem')

export const metricName = z.object({
  name: z.string().openapi({
    description: 'A declared metric or an event name; "*" counts all events.',
    example: 'page_view',
  }),
})

export const eventId = z.object({ id: z.string() })

export const tenantQuery = z.strictObject({ tenant: tenantParameter })
