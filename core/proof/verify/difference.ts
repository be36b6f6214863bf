/** What a verification found, and where. */
export type DifferenceKind =
  | 'rollup'
  | 'rollup-long'
  | 'metric'
  | 'sketch'
  | 'outcome'
  | 'outcome-total'
  | 'dead-letter'
  | 'duplicate-stored'
  | 'event-day'
  | 'event-changed'
  | 'event-not-in-log'
  | 'record-lost'
  | 'offset'
  | 'watermark'
  | 'unaccounted'

/** Events that differ from the log. */
export const EVENT_KINDS: ReadonlySet<DifferenceKind> = new Set([
  'record-lost',
  'event-changed',
  'event-not-in-log',
  'duplicate-stored',
  'event-day',
])

export interface Difference {
  kind: DifferenceKind
  /** 0: of no tenant, or of all. */
  tenant: number
  metric: string | null
  /** Start of the bucket or minute, RFC 3339; null where it is of no time. */
  bucket: string | null
  /** What is stored, and what was counted again. */
  stored: string | null
  recounted: string | null
  /** Ids of events, or `partition:offset` of records without one; at most IDS_MAX, and how many more there are. */
  ids: string[]
  moreIds: number
}

export const IDS_MAX = 20
/** Of one part; more of them are counted. */
export const DIFFERENCES_PER_PART_MAX = 200

export interface PartResult {
  /** How many rows or records were compared. */
  checked: number
  differences: Difference[]
  /** Differences that are not listed. */
  more: number
  /** What could not be compared, and why. */
  notChecked?: string
}

export function emptyResult(): PartResult {
  return { checked: 0, differences: [], more: 0 }
}

export function addDifference(
  result: PartResult,
  { kind, ...fields }: Pick<Difference, 'kind'> & Partial<Difference>,
): void {
  if (result.differences.length >= DIFFERENCES_PER_PART_MAX) {
    result.more++
    return
  }
  const { ids = [] } = fields
  result.differences.push({
    ...{ kind, tenant: 0, metric: null, bucket: null, stored: null, recounted: null, moreIds: 0 },
    ...fields,
    ids: ids.slice(0, IDS_MAX),
    ...(ids.length > IDS_MAX && { moreIds: ids.length - IDS_MAX }),
  })
}

/** What a verification found. */
export interface VerifyReport {
  /** Nothing differs, and everything could be compared. */
  clean: boolean
  /** Events, records and rows that were compared, by check. */
  checked: Record<string, number>
  differences: Difference[]
  /** Differences that are not listed. */
  moreDifferences: number
  /** What could not be compared, and why. */
  notChecked: string[]
  /** Tenants whose events are not what was sent: what these add up to proves nothing. */
  tenantsInDoubt: readonly number[] | 'all'
}
