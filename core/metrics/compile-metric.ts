import type { TrackedEvent } from '../../contract/event/event.ts'
import { LIMITS } from '../../contract/limits.ts'
import { type Dimension, readDimension } from './dimension.ts'
import type { Enrichment } from './enrichment.ts'
import type { MetricDefinition } from './metric-definition.ts'
import { METRIC_LIMITS } from './metric-limits.ts'
import { propertyAt, propertyText } from './property-text.ts'

/** One version of a metric, ready to count events. */
export interface CompiledMetric {
  metricId: number
  tenantId: number
  /** Whether an event whose name is one of the metric's passes its filters. */
  accepts(counted: CountedEvent): boolean
  valueOf(event: TrackedEvent): number | undefined
  dimsOf(counted: CountedEvent): Dims
}

export interface CountedEvent {
  event: TrackedEvent
  /** Undefined: nothing was derived from it. */
  enrichment?: Enrichment | undefined
}

/** A value for each dimension; null where the event has none. */
export type Dims = readonly (string | null)[]

/** Those of one tenant, by the name of the events that they count. */
export interface TenantMetrics {
  version: number
  of(eventName: string): readonly CompiledMetric[]
}

export interface StoredMetric extends MetricDefinition {
  metricId: number
  tenantId: number
}

export function compileMetrics(version: number, stored: readonly StoredMetric[]): TenantMetrics {
  const ofAll: CompiledMetric[] = []
  const byName = new Map<string, CompiledMetric[]>()
  const names = new Set(stored.flatMap(({ events }) => events ?? []))
  for (const name of names) byName.set(name, [])
  for (const definition of stored) {
    const compiled = compileMetric(definition)
    if (definition.events === undefined) ofAll.push(compiled)
    for (const name of new Set(definition.events ?? names)) byName.get(name)?.push(compiled)
  }
  return { version, of: (eventName) => byName.get(eventName) ?? ofAll }
}

export function compileMetric(definition: StoredMetric): CompiledMetric {
  const { metricId, tenantId, filters, value, dimensions } = definition
  const conditions = filters.map((filter) => ({
    textOf: readerOf(filter.dimension),
    values: new Set(filter.in),
  }))
  const readers = dimensions.map(readerOf)
  const source = value === 'value' ? undefined : readDimension(value)
  return {
    metricId,
    tenantId,
    accepts: (counted) =>
      conditions.length === 0 ||
      conditions.every(({ textOf, values }) => {
        const text = textOf(counted)
        return text !== null && values.has(text)
      }),
    valueOf: source ? (event) => numberAt(event, source) : (event) => event.value,
    dimsOf: (counted) => readers.map((textOf) => cut(textOf(counted))),
  }
}

function readerOf(name: string): (counted: CountedEvent) => string | null {
  const dimension = readDimension(name)
  if (dimension === undefined) return () => null
  if (dimension.kind === 'column') {
    const { column } = dimension
    return ({ event }) => event[column] ?? null
  }
  if (dimension.kind === 'enrichment') {
    const { field } = dimension
    return ({ enrichment }) => enrichment?.[field] ?? null
  }
  const { key, path } = dimension
  return ({ event: { properties } }) => {
    const value = properties[key]
    // The most frequent kind; what every object inherits is no text.
    if (typeof value === 'string') return value
    const text = Object.hasOwn(properties, key) ? propertyText(properties[key]) : null
    return text === null && path ? propertyText(propertyAt(properties, path)) : text
  }
}

/** A number of a property, where it is one and a sum of many still fits a double. */
function numberAt({ properties }: TrackedEvent, dimension: Dimension): number | undefined {
  if (dimension.kind !== 'property') return undefined
  const { key, path } = dimension
  const own = Object.hasOwn(properties, key) ? (properties[key] ?? undefined) : undefined
  const value = own === undefined && path ? propertyAt(properties, path) : own
  return typeof value === 'number' && Math.abs(value) <= LIMITS.valueMax ? value : undefined
}

const { dimensionValueCharsMax: CHARS_MAX } = METRIC_LIMITS

/** As Postgres' left(): by code points. And as COPY stores it, without half a character. */
function cut(text: string | null): string | null {
  if (text === null) return null
  const whole = text.isWellFormed() ? text : text.toWellFormed()
  if (whole.length <= CHARS_MAX) return whole
  return [...whole.slice(0, 2 * CHARS_MAX)].slice(0, CHARS_MAX).join('')
}
