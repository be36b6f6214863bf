import { createHash } from 'node:crypto'
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { ZodType } from 'zod'
import { type CsvCell, csvLine } from '../../../contract/csv.ts'
import { problem } from './schemas.ts'

type Row = Record<string, unknown>

/** What a request asks for. */
export type RestResult =
  | {
      rows: readonly Row[]
      meta: Row
      /** Members of `dimensions` that are columns of CSV. */
      dimensions?: readonly string[]
      /** Members of meta that differ although nothing has changed. */
      unchanging?: readonly string[]
    }
  | { row: Row }

export const CSV = 'text/csv'
export const NDJSON = 'application/x-ndjson'
export const JSON_TYPE = 'application/json'
export type TableType = typeof CSV | typeof NDJSON | typeof JSON_TYPE
/** Long enough for any list, too short to cost anything. */
const ACCEPT_CHARS_MAX = 1_000
const FILE_NAME_CHARS_MAX = 60

/**
 * Responds in the format of `Accept`: JSON with `data` and `meta`; CSV, one row a line; or NDJSON, one row a line.
 * The latter two carry the members of meta as headers. With `If-None-Match` it is 304 while nothing has changed.
 */
export function respond(c: Context, result: RestResult): Response {
  const type = 'rows' in result ? chooseType(c.req.header('accept')) : JSON_TYPE
  const etag = etagOf(type, result)
  const headers: Record<string, string> = {
    ETag: etag,
    // Kept by the client alone, which asks each time whether it has changed.
    'Cache-Control': 'private, no-cache',
    Vary: 'Accept, Authorization, X-API-Key, Cookie',
  }
  const known = c.req.header('if-none-match')?.split(',') ?? []
  if (known.some((each) => each.trim() === etag)) return c.body(null, 304, headers)
  Object.assign(headers, headersOf(type, c.req.path))
  if ('meta' in result && type !== JSON_TYPE) Object.assign(headers, metaHeaders(result.meta))
  return c.body(bodyOf(type, result), 200, headers)
}

/** Of CSV and NDJSON with a file's name, so that a browser saves them and shows nothing: "metrics-orders.csv". */
export function headersOf(type: TableType, path: string): Record<string, string> {
  if (type === JSON_TYPE) return { 'Content-Type': JSON_TYPE }
  const name = path.replace(/^\/v1\//, '').replaceAll(/[^A-Za-z0-9]+/g, '-')
  const file = `${name.slice(0, FILE_NAME_CHARS_MAX)}.${type === CSV ? 'csv' : 'ndjson'}`
  return {
    'Content-Type': `${type}; charset=utf-8`,
    'Content-Disposition': `attachment; filename="${file}"`,
  }
}

/** The first of the three that the client names; JSON unless it names one. */
export function chooseType(accept = ''): TableType {
  for (const part of accept.slice(0, ACCEPT_CHARS_MAX).split(',')) {
    const [type = ''] = part.trim().toLowerCase().split(';')
    if (type === CSV || type === JSON_TYPE) return type
    if (type === NDJSON || type === 'application/ndjson') return NDJSON
  }
  return JSON_TYPE
}

function bodyOf(type: string, result: RestResult): string {
  if ('row' in result) return JSON.stringify({ data: result.row })
  const { rows, meta, dimensions = [] } = result
  if (type === JSON_TYPE) return JSON.stringify({ data: rows, meta })
  return linesOf(type, rows, { dimensions, hasHeader: true })
}

/** Rows as lines of CSV or NDJSON. */
export function linesOf(
  type: string,
  rows: readonly Row[],
  { dimensions = [], hasHeader }: { dimensions?: readonly string[]; hasHeader: boolean },
): string {
  if (type === NDJSON) return rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  return csvOf(rows, dimensions, hasHeader)
}

function etagOf(type: string, result: RestResult): string {
  const hash = createHash('sha256').update(type)
  if ('row' in result) hash.update(JSON.stringify(result.row))
  else {
    const { rows, meta, unchanging = [] } = result
    const kept = Object.entries(meta).filter(([name]) => !unchanging.includes(name))
    hash.update(JSON.stringify([rows, kept]))
  }
  return `W/"${hash.digest('base64url').slice(0, 22)}"`
}

function csvOf(rows: readonly Row[], dimensions: readonly string[], hasHeader: boolean): string {
  const names = Object.keys(rows[0] ?? {}).flatMap((name) =>
    name === 'dimensions' ? [...dimensions] : [name],
  )
  const lines = rows.map((row) => {
    const { dimensions: values = {}, ...columns } = row
    return csvLine(
      Object.keys(row).flatMap((name) =>
        name === 'dimensions'
          ? dimensions.map((dimension) => cellOf((values as Row)[dimension]))
          : [cellOf(columns[name])],
      ),
    )
  })
  if (names.length === 0) return ''
  return `${[...(hasHeader ? [csvLine(names)] : []), ...lines].join('\r\n')}\r\n`
}

function cellOf(value: unknown): CsvCell {
  if (value === undefined || value === null) return null
  return typeof value === 'object' ? JSON.stringify(value) : (value as CsvCell)
}

/** `query_id` as `Sluice-Query-Id`, and so on. */
function metaHeaders(meta: Row): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(meta)) {
    if (value === null || value === undefined) continue
    const words = name.split('_').map((word) => word[0]?.toUpperCase() + word.slice(1))
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
    // Header values are Latin-1; a name may hold anything.
    headers[`Sluice-${words.join('-')}`] = encodeURI(text)
  }
  return headers
}

/** For the description of a route. */
export function tableContent(row: ZodType, meta: ZodType) {
  return {
    description:
      'Rows, and what they mean. CSV and NDJSON carry the members of meta as headers Sluice-….',
    content: {
      [JSON_TYPE]: { schema: z.object({ data: z.array(row), meta }) },
      [CSV]: { schema: z.string() },
      [NDJSON]: { schema: z.string() },
    },
  }
}

const problemContent = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: problem } },
})

export const problems = {
  304: { description: 'Nothing has changed since the response with this ETag.' },
  400: problemContent('A parameter is missing, unknown or invalid; `parameter` names it.'),
  401: problemContent('No key with the scope read, and no session.'),
  403: problemContent('The key lacks the scope read, or belongs to another tenant.'),
  404: problemContent('No event with this id is stored, or the path does not exist.'),
  422: problemContent('The query is too large.'),
  429: problemContent('Too many unknown credentials, or too many queries at once.'),
  503: problemContent('The query took too long, or the database does not respond.'),
}

const { 304: _, ...problemsOfChanges } = problems

/** Of requests that change something. */
export const changeProblems = {
  ...problemsOfChanges,
  404: problemContent('Nothing of this name exists, or the path does not exist.'),
  409: problemContent('The name is taken, or a limit is reached; `detail` states which.'),
  413: problemContent('The body is too large.'),
  415: problemContent('The body is not sent as application/json.'),
}
