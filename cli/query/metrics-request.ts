import { UsageError } from '../../core/lib/usage-error.ts'

/** Arguments of the GraphQL field `metrics`. */
export interface MetricsVariables {
  name: string
  startTime: string
  endTime: string
  timeZone: string
  interval?: string | undefined
  aggregate?: string | undefined
  groupBy?: readonly string[] | undefined
  filter?: readonly { dimension: string; in: string[] }[] | undefined
  tenant?: string | undefined
}

export interface MetricsPoint {
  /** RFC 3339 in UTC */
  timestamp: string
  value: number
  dimensions: Record<string, string | null>
  isFinal: boolean
  lateCount: number
}

export interface MetricsResult {
  points: readonly MetricsPoint[]
  interval: string
  source: string | undefined
  /** The time as of which a cached result is right. */
  asOf: string | undefined
  finalThrough: string | undefined
  /** Single events received earlier are no longer kept, and not counted where they are read. */
  rawSince: string | undefined
  groups: { found: number; listed: number } | undefined
}

interface Body {
  data: { metrics: MetricsPoint[] }
  extensions?: {
    source?: string
    cache?: { asOf?: string }
    metrics?: { metrics?: Partial<Omit<MetricsResult, 'points'>> }
  }
}

const QUERY = `query ($name: String!, $startTime: DateTime!, $endTime: DateTime!, $timeZone: String, $interval: Interval,
  $aggregate: Aggregate, $groupBy: [String!], $filter: [DimensionFilter!], $tenant: ID) {
  metrics(name: $name, startTime: $startTime, endTime: $endTime, timeZone: $timeZone, interval: $interval,
    aggregate: $aggregate, groupBy: $groupBy, filter: $filter, tenant: $tenant) {
    timestamp value dimensions isFinal lateCount
  }
}`
const QUERY_MS_MAX = 30_000
const DETAIL_CHARS_MAX = 200

/**
 * Sends one query to a GraphQL endpoint.
 * @throws UsageError with the message of the server and what to do about it
 */
export async function requestMetrics(
  endpoint: { url: string; key: string },
  variables: MetricsVariables,
): Promise<MetricsResult> {
  const { data, extensions } = await post<Body>(endpoint, QUERY, variables)
  const info = extensions?.metrics?.metrics
  return {
    points: data.metrics,
    interval: info?.interval ?? variables.interval ?? '',
    source: info?.source ?? extensions?.source,
    asOf: extensions?.cache?.asOf ?? info?.asOf,
    finalThrough: info?.finalThrough,
    rawSince: info?.rawSince,
    groups: info?.groups,
  }
}

interface Failed {
  errors?: { message: string; extensions?: { code?: string } }[]
}

/**
 * Sends one document to a GraphQL endpoint.
 * @throws UsageError with the message of the server and what to do about it
 */
export async function post<Result extends { data: unknown }>(
  { url, key }: { url: string; key: string },
  query: string,
  variables: object,
): Promise<Result> {
  let response: Response
  let text: string
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(QUERY_MS_MAX),
    })
    text = await response.text()
  } catch (error) {
    const { message, cause } = error as Error
    const reason = cause instanceof Error ? cause.message || String(cause) : message
    throw new UsageError(
      `${url} cannot be reached: ${reason}`,
      'Give the URL of core with --url, or start Sluice with "npm start".',
    )
  }
  let body: Result & Failed
  try {
    body = JSON.parse(text) as Result & Failed
  } catch {
    throw new UsageError(
      `${url} responded with ${response.status} and no JSON: ${text.slice(0, DETAIL_CHARS_MAX)}`,
      'Give the URL of core with --url, such as https://sluice.example.com.',
    )
  }
  if (body.errors?.[0] || !body.data) throw toUsageError(body.errors?.[0])
  return body
}

const HINTS: Record<string, string> = {
  UNAUTHENTICATED: 'Give a key with the scope read in SLUICE_READ_KEY or with --key-file.',
  FORBIDDEN:
    'A key sees its own tenant, with the scope read. Create one: npm run sluice -- key create --tenant <tenant> --scope read',
}

function toUsageError(error: NonNullable<Failed['errors']>[number] | undefined): UsageError {
  const hint = HINTS[error?.extensions?.code ?? '']
  return new UsageError(
    error?.message ?? 'The server responded without a result.',
    hint ?? '"npm run sluice -- query --help" lists the options.',
  )
}
