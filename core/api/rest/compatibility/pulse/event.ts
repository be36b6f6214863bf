import { z } from '@hono/zod-openapi'
import type { EventNode } from '../../events-document.ts'

const instant = z.string().openapi({ format: 'date-time' })

export const pulseEvent = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    eventId: z.string(),
    idempotencyKey: z.string().nullable().openapi({
      description: 'Where it was searched for; else null: it is not kept with events.',
    }),
    eventType: z.string(),
    schemaVersion: z.union([z.number(), z.string()]).nullable(),
    occurredAt: instant,
    receivedAt: instant,
    processedAt: instant,
    payload: z.record(z.string(), z.unknown()),
    status: z.literal('processed'),
  })
  .openapi('PulseEvent')

export function toPulseEvent(
  node: EventNode,
  tenantId: string,
  idempotencyKey: string | null = null,
): z.infer<typeof pulseEvent> {
  return {
    id: node.id,
    tenantId,
    eventId: node.id,
    idempotencyKey,
    eventType: node.name,
    schemaVersion: schemaVersionOf(node.schemaVersion),
    occurredAt: node.occurredAt,
    receivedAt: node.receivedAt,
    processedAt: node.storedAt,
    payload: node.properties,
    status: 'processed',
  }
}

/** A number where it was one: versions are kept as text. */
function schemaVersionOf(version: string | null): number | string | null {
  return version !== null && /^\d{1,15}$/.test(version) ? Number(version) : version
}
