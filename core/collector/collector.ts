import { LIMITS } from '../../contract/limits.ts'
import { composeEdgeOn, type EdgeServices } from '../../edge/entry/compose-on.ts'
import type { EdgeOptions } from '../../edge/entry/settings.ts'
import type { Report } from '../../edge/http/report.ts'
import {
  type NodeEnv,
  type ServedEdge,
  type ServeOptions,
  serveEdge,
} from '../../edge/node/serve-edge.ts'
import type { RedisConnection } from '../db/redis-connection.ts'
import { createBatcher } from '../gateway/produce/batcher.ts'
import type { Log } from '../log/log.ts'
import { admitTogether } from './admit-together.ts'
import { createLogPublisher } from './log-publisher.ts'
import { createRedisClient } from './redis-client.ts'

export interface CollectorDeps {
  log: Pick<Log, 'append'>
  keys: EdgeServices['keys']
  /** For limits and locks; without it they are in this process's memory. */
  redis: Pick<RedisConnection, 'send'> | undefined
  /** How long Redis may take, in ms; LIMITS.redisMsMax without it. */
  redisMsMax?: number | undefined
  settings: EdgeOptions
  report: Report
}

/**
 * The edge in core's own process: the same app, which appends to the log and asks for keys and limits without HTTP
 * between. It responds to what is under way when it closes, and its last events are in the log then.
 * @throws when a setting is invalid · EADDRINUSE
 */
export async function startCollector(
  { log, keys, redis, redisMsMax = LIMITS.redisMsMax, settings, report }: CollectorDeps,
  options: ServeOptions,
): Promise<ServedEdge> {
  const batcher = createBatcher({ log, limits: { deadlineMs: LIMITS.publishMsMax } })
  const edge = composeEdgeOn(
    {
      keys,
      publish: createLogPublisher(batcher, report),
      redis: redis && admitTogether(createRedisClient(redis, redisMsMax)),
      report,
    },
    settings,
    {
      edgeNameOf: () => 'collector',
      addressOf: (_, env) => (env as NodeEnv).incoming.socket.remoteAddress,
    },
  )
  const served = await serveEdge((request, env) => edge.fetch(request, env), options)
  return {
    ...served,
    async close() {
      await served.close()
      await batcher.close()
    },
  }
}
