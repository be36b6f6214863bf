import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { RestEnv } from './admit.ts'
import { problems, respond } from './formats.ts'
import type { RunOperation } from './operation.ts'

export const PIPELINE_DOCUMENT = `query RestPipeline {
  pipeline {
    applied lag
    partitions { partition position end lag worker }
    gaps { partition expected available seenAt }
    otherLog { recorded found }
  }
}`

export interface PipelineData {
  pipeline: {
    applied: number | null
    lag: number | null
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

export function addPipelineRoute(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openapi(route, async (c) => {
    const { data } = await runOperation<PipelineData>(c, PIPELINE_DOCUMENT, {})
    const { lag, applied, partitions, gaps, otherLog } = data.pipeline
    return respond(c, {
      row: {
        lag,
        applied,
        partitions,
        gaps: gaps.map(({ seenAt, ...gap }) => ({ ...gap, seen_at: seenAt })),
        other_log: otherLog,
      },
    })
  })
}
