import type pg from 'pg'
import { flushEvery } from '../../lib/flush-every.ts'
import type { Logger } from '../../lib/logger.ts'
import type { SampledEvent } from '../../schemas/event-shape.ts'
import { createShapeLearner } from '../../schemas/learn-shapes.ts'
import { SHAPE_LIMITS } from '../../schemas/shape-limits.ts'
import type { Decoded } from '../decode/decoded.ts'

/** Learns the shapes of events (core/schemas) from the batches that were written. */
export interface EventShapes {
  observe(decoded: readonly Decoded[]): void
  /** Adds to Postgres what was learned, until the signal aborts, and then once more. */
  run(logger: Pick<Logger, 'warn'>, signal: AbortSignal): Promise<void>
}

export function createEventShapes(pool: pg.Pool): EventShapes {
  const learner = createShapeLearner(pool)
  return {
    observe: (decoded) => learner.sample(decoded.length, (i) => sampledOf(decoded[i] as Decoded)),
    run: (logger, signal) =>
      flushEvery(
        SHAPE_LIMITS.flushMs,
        learner.flush,
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
