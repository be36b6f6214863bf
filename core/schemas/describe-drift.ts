import type { ShapeType } from './event-shape.ts'

export const DRIFT_KINDS = ['NEW_PROPERTY', 'TYPE_CHANGED', 'VANISHED', 'VIOLATION'] as const
export type DriftKind = (typeof DRIFT_KINDS)[number]

/** A change against what was learned about events of a name, or against its pinned schema. */
export interface Drift {
  kind: DriftKind
  name: string
  /** A JSON pointer into the properties; of a violation into the event. "[]" stands for the items of an array. */
  path: string
  /** Which type is new; of a property that vanished, the one it had; null of a violation. */
  type: ShapeType | null
  /** The types it had before. */
  formerTypes: readonly ShapeType[]
  /** When it was seen first; of a property that vanished, last. By the time of receipt, RFC 3339. */
  at: string
  lastAt: string
  /** Of the sampled events since then; of a property that vanished, of those before. From 0 to 1; null of a violation. */
  share: number | null
  /** How many events had it: of those that were sampled; of a violation, of all. */
  events: number
  /** What is wrong, and the version of the schema; null unless it is a violation. */
  detail: string | null
  version: number | null
  /** The API key of the example, by id and name. */
  keyId: string | null
  keyName: string | null
}

/** One sentence, such as "price became a string at 2026-12-01 14:02 UTC in 3 % of events, first from the key k". */
export function describeDrift(drift: Drift): string {
  const path = drift.path
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
    .join('.')
  const at = `at ${drift.at.slice(0, 16).replace('T', ' ')} UTC`
  const key = drift.keyName ?? drift.keyId
  const from = key === null ? '' : `, first from the key ${key}`
  if (drift.kind === 'VIOLATION')
    return `${drift.path} ${drift.detail}, in ${drift.events} events since ${drift.at.slice(0, 16).replace('T', ' ')} UTC${from} (version ${drift.version} of the schema)`
  const percent = `${describeShare(drift.share ?? 0)} of events`
  if (drift.kind === 'VANISHED') return `${path} was seen last ${at}; it was in ${percent}`
  if (drift.kind === 'NEW_PROPERTY')
    return `${path}, ${withArticle(drift.type)}, is new ${at} in ${percent}${from}`
  return `${path} became ${withArticle(drift.type)} ${at} in ${percent}${from}`
}

/** As REST and the command line show it. */
export function driftToJson(drift: Drift & { message: string }) {
  const { kind, formerTypes, lastAt, keyId, keyName, message, ...rest } = drift
  return {
    kind: kind.toLowerCase(),
    ...rest,
    former_types: formerTypes,
    last_at: lastAt,
    key_id: keyId,
    key_name: keyName,
    message,
  }
}

export function describeShare(share: number): string {
  if (share > 0 && share < 0.01) return 'less than 1 %'
  return `${Math.round(share * 100)} %`
}

function withArticle(type: ShapeType | null): string {
  if (type === 'null' || type === null) return 'null'
  return type === 'array' || type === 'object' ? `an ${type}` : `a ${type}`
}
