import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { RestEnv } from './admit.ts'
import { problems, respond } from './formats.ts'
import type { RunOperation } from './operation.ts'
import { end, start, tenantQuery } from './schemas.ts'

export const PIPELINE_DOCUMENT = `query RestPipeline {
  pipeline {
    applied lag unaccounted
    partitions { partition position end lag worker }
    gaps { partition expected available seenAt }
    otherLog { recorded found }
  }
}`

export interface PipelineData {
  pipeline: {
    applied: number | null
    lag: number | null
    unaccounted: number
    partitions: {
      partition: number
      position: number | null
      end: number | null
      lag: number | null
      worker: string | null
    }[]
    gaps: {
      partition: number
      expected: number | null
      available: number | null
      seenAt: string
    }[]
    otherLog: { recorded: string; found: string } | null
  }
}

const offset = z
  .number()
  .int()
  .nullable()
  .openapi({ description: 'Null for API keys: offsets are those of all tenants together.' })

const pipelineLag = z
  .object({
    lag: offset,
    applied: offset,
    unaccounted: z.number().int().openapi({
      description:
        'Events without an outcome, and outcomes without an event: 0 unless something is wrong.',
    }),
    partitions: z.array(
      z.object({
        partition: z.number().int(),
        position: offset,
        end: offset,
        lag: offset,
        worker: z.string().nullable(),
      }),
    ),
    gaps: z
      .array(
        z.object({
          partition: z.number().int(),
          expected: offset,
          available: offset,
          seen_at: z.string().openapi({ format: 'date-time' }),
        }),
      )
      .openapi({ description: 'Records missing from the log; their partitions are paused.' }),
    other_log: z.object({ recorded: z.string(), found: z.string() }).nullable().openapi({
      description: 'Set where the stored offsets belong to another log: nothing is read.',
    }),
  })
  .openapi('PipelineLag')

const route = createRoute({
  method: 'get',
  path: '/v1/pipeline/lag',
  tags: ['Queries'],
  summary: 'How far the workers are behind the log',
  description:
    'By partition. All tenants share the pipeline: people who are signed in see its figures, API keys whether it is paused.',
  request: { query: z.strictObject({}) },
  responses: {
    200: {
      description: 'The lag.',
      content: { 'application/json': { schema: z.object({ data: pipelineLag }) } },
    },
    ...problems,
  },
})

export function addPipelineRoutes(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  addBalanceRoute(app, runOperation)
  app.openapi(route, async (c) => {
    const { data } = await runOperation<PipelineData>(c, PIPELINE_DOCUMENT, {})
    const { lag, applied, unaccounted, partitions, gaps, otherLog } = data.pipeline
    return respond(c, {
      row: {
        lag,
        applied,
        unaccounted,
        partitions,
        gaps: gaps.map(({ seenAt, ...gap }) => ({ ...gap, seen_at: seenAt })),
        other_log: otherLog,
      },
    })
  })
}

const BALANCE_DOCUMENT = `query RestBalance($tenant: ID, $start: DateTime!, $end: DateTime!) {
  balance(tenant: $tenant, startTime: $start, endTime: $end) {
    unaccounted accepted inFlight counting
    minutes { minute accepted stored duplicates conflicting dead inFlight unaccounted }
  }
}`

type Counts = Record<
  'accepted' | 'stored' | 'duplicates' | 'conflicting' | 'dead' | 'inFlight' | 'unaccounted',
  number
>

interface BalanceData {
  balance: Pick<Counts, 'unaccounted' | 'accepted' | 'inFlight'> & {
    counting: boolean
    minutes: (Counts & { minute: string })[]
  }
}

const count = z.number().int()

const balanceSheet = z
  .object({
    unaccounted: count.openapi({ description: '0: every accepted event has its outcome.' }),
    accepted: count,
    in_flight: count,
    counting: z.boolean(),
    minutes: z.array(
      z.object({
        minute: z.string().openapi({ format: 'date-time' }),
        ...{ accepted: count, stored: count, duplicates: count, conflicting: count, dead: count },
        ...{ in_flight: count, unaccounted: count },
      }),
    ),
  })
  .openapi('Balance')

const balanceRoute = createRoute({
  method: 'get',
  path: '/v1/balance',
  tags: ['Queries'],
  summary: 'Accepted events against their outcomes',
  description:
    'By the minute of receipt: accepted = stored + duplicates + conflicting + dead + in_flight + unaccounted.',
  request: { query: z.strictObject({ ...tenantQuery.shape, start, end }) },
  responses: {
    200: {
      description: 'The balance sheet.',
      content: { 'application/json': { schema: z.object({ data: balanceSheet }) } },
    },
    ...problems,
  },
})

function addBalanceRoute(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openapi(balanceRoute, async (c) => {
    const { data } = await runOperation<BalanceData>(c, BALANCE_DOCUMENT, c.req.valid('query'))
    const { inFlight, minutes, ...totals } = data.balance
    return respond(c, {
      row: {
        ...totals,
        in_flight: inFlight,
        minutes: minutes.map(({ inFlight, ...minute }) => ({ ...minute, in_flight: inFlight })),
      },
    })
  })
}
