import type pg from 'pg'
import { flushEvery } from '../../lib/flush-every.ts'
import type { Logger } from '../../lib/logger.ts'
import { createViolationCounts } from '../../schemas/count-violations.ts'
import type { SampledEvent } from '../../schemas/event-shape.ts'
import { createShapeLearner } from '../../schemas/learn-shapes.ts'
import { SHAPE_LIMITS } from '../../schemas/shape-limits.ts'
import type { Decoded } from '../decode/decoded.ts'

/** Learns the shapes of events (core/schemas) from the batches that were written, and counts violations of their schemas. */
export interface EventShapes {
  observe(decoded: readonly Decoded[]): void
  /** Adds to Postgres what was learned, until the signal aborts, and then once more. */
  run(logger: Pick<Logger, 'warn'>, signal: AbortSignal): Promise<void>
}

export function createEventShapes(pool: pg.Pool): EventShapes {
  const learner = createShapeLearner(pool)
  const violations = createViolationCounts(pool)
  return {
    observe(decoded) {
      learner.sample(decoded.length, (i) => sampledOf(decoded[i] as Decoded))
      for (const item of decoded)
        if (item.kind === 'event' && item.violation) {
          const { tenantId, keyId, received, event } = item.row
          const of = { tenantId, keyId, name: event.name, receivedMs: received.ms }
          violations.add({ ...item.violation, ...of })
        }
    },
    run: (logger, signal) =>
      flushEvery(
        SHAPE_LIMITS.flushMs,
        async () => {
          const flushes = await Promise.allSettled([learner.flush(), violations.flush()])
          const failed = flushes.find(({ status }) => status === 'rejected')
          if (failed) throw (failed as PromiseRejectedResult).reason
        },
        (error) =>
          logger.warn({ error: String(error) }, 'storing the learned shapes of events failed'),
        signal,
      ),
  }
}

function sampledOf(item: Decoded): SampledEvent | undefined {
  if (item.kind !== 'event') return undefined
  const { tenantId, keyId, received, event } = item.row
  return {
    ...{ tenantId, keyId, receivedMs: received.ms },
    ...{ name: event.name, properties: event.properties },
  }
}
