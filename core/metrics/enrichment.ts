import type { EnrichmentField } from '../../contract/enrichment.ts'

/** What was derived from one event; a field that is not known is absent. `is_bot` is `true` or `false`. */
export type Enrichment = { readonly [field in EnrichmentField]?: string }

/**
 * `event.enrichment`: the fields in this order, with a unit separator between them, cut after the last that is known: 67
 * bytes an event with all of them declared, where jsonb takes 208, which repeats the names (docs/adr/0023-enrichment.md).
 * Events keep what they have, so a new field is added at the end.
 */
const FIELDS: readonly EnrichmentField[] = [
  'browser',
  'os',
  'device',
  'is_bot',
  'country',
  'region',
  'city',
  'referrer_host',
  'utm_source',
  'utm_medium',
  'utm_campaign',
  'utm_term',
  'utm_content',
]
export const ENRICHMENT_FIELDS = FIELDS
const SEPARATOR = '\x1f'
export const ENRICHMENT_PREFIX = 'enrichment.'

/** @returns null where nothing is known. No value holds a control character. */
export function encodeEnrichment(of: Enrichment | undefined): string | null {
  if (of === undefined) return null
  let text = ''
  let separators = ''
  for (const field of FIELDS) {
    const value = of[field]
    if (value) {
      text += separators + (field === 'is_bot' ? value.charAt(0) : value)
      separators = ''
    }
    separators += SEPARATOR
  }
  return text === '' ? null : text
}

export function decodeEnrichment(text: string | null): Enrichment | undefined {
  if (text === null) return undefined
  const values = text.split(SEPARATOR)
  return Object.fromEntries(
    FIELDS.flatMap((field, i) => {
      const value = values[i]
      if (!value) return []
      return [[field, field === 'is_bot' ? String(value === 't') : value]]
    }),
  )
}

/** The field that a dimension names; undefined where it names none. */
export function enrichmentField(dimension: string): EnrichmentField | undefined {
  if (!dimension.startsWith(ENRICHMENT_PREFIX)) return undefined
  const name = dimension.slice(ENRICHMENT_PREFIX.length)
  return FIELDS.find((field) => field === name)
}

/** A field of `event e` as text, in SQL. */
export function enrichmentSql(field: EnrichmentField): string {
  const part = `split_part(e.enrichment, E'\\x1f', ${FIELDS.indexOf(field) + 1})`
  if (field === 'is_bot') return `(CASE ${part} WHEN 't' THEN 'true' WHEN 'f' THEN 'false' END)`
  return `nullif(${part}, '')`
}

/** Rows `(field, value)` of the fields that `column` holds, in SQL; of `is_bot` as it is stored. */
export function enrichmentRowsSql(column: string): string {
  return `ROWS FROM (unnest('{${FIELDS.join(',')}}'::text[]), string_to_table(${column}, E'\\x1f', ''))`
}
