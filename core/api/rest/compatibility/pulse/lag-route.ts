import { createRoute, z } from '@hono/zod-openapi'
import { PIPELINE_DOCUMENT, type PipelineData } from '../../pipeline-route.ts'
import { type App, type CompatibilityDeps, onlyTenant, responsesOf } from '../shared.ts'

const CONSUMER_GROUP = 'sluice-worker'
const WARNING_ABOVE = 1_000

const route = createRoute({
  method: 'get',
  path: '/admin/kafka/lag',
  tags: ['Pulse'],
  summary: 'Records of the log that are not processed yet',
  request: { query: onlyTenant },
  responses: responsesOf(
    'The lag of all partitions together.',
    z.object({
      consumerGroup: z.string(),
      totalLag: z.number().int().nullable().openapi({
        description: 'Null for API keys: all tenants share the log.',
      }),
      status: z.enum(['ok', 'warning', 'unknown']),
    }),
  ),
})

export function addPulseLag(app: App, { runOperation }: CompatibilityDeps): void {
  app.openapi(route, async (c) => {
    const { data } = await runOperation<PipelineData>(c, PIPELINE_DOCUMENT, {})
    const { lag } = data.pipeline
    const body = { consumerGroup: CONSUMER_GROUP, totalLag: lag, status: statusOf(data.pipeline) }
    return c.json(body, 200)
  })
}

function statusOf({ lag, gaps, otherLog }: PipelineData['pipeline']) {
  if (gaps.length > 0 || otherLog !== null) return 'warning'
  if (lag === null) return 'unknown'
  return lag > WARNING_ABOVE ? 'warning' : 'ok'
}
