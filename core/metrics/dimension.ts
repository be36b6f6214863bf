import type { EnrichmentField } from '../../contract/enrichment.ts'
import { ENRICHMENT_PREFIX, enrichmentField } from './enrichment.ts'

/** Where a dimension's value is in an event; as core/queries/sql/dimensions.ts reads it in SQL. */
export type Dimension =
  | { kind: 'column'; column: (typeof COLUMNS)[number] }
  | { kind: 'enrichment'; field: EnrichmentField }
  /** A key that contains dots itself comes first, then the path; without a dot there is no path. */
  | { kind: 'property'; key: string; path: string[] | undefined }

const COLUMNS = ['name', 'source', 'actor', 'session'] as const

/** @returns undefined where it names nothing: an empty part of a path, or a derived field that does not exist */
export function readDimension(dimension: string): Dimension | undefined {
  const column = COLUMNS.find((name) => name === dimension)
  if (column) return { kind: 'column', column }
  if (dimension.startsWith(ENRICHMENT_PREFIX)) {
    const field = enrichmentField(dimension)
    return field && { kind: 'enrichment', field }
  }
  const key = dimension.replace(/^properties\./, '')
  const path = key.split('.')
  if (path.includes('')) return undefined
  return { kind: 'property', key, path: path.length > 1 ? path : undefined }
}
