import { check } from 'k6'
import { scenario } from 'k6/execution'
import http from 'k6/http'
import { Counter } from 'k6/metrics'
import { type Mix, plan, UNKNOWN_KEY } from './mix.ts'

/**
 * The load on the edge, for k6 1.x: requests at a constant rate regardless of response times, each planned by
 * mix.ts. bench/k6/run.ts starts it with its settings and checks the results in the system afterwards.
 */
interface Settings {
  mix: Mix
  rate: number
  seconds: number
  inFlightMax: number
  /** URLs of the edges, used in turn. */
  urls: string[]
  /** The key of each tenant. */
  keys: string[]
  /** Stored responses may be lost, because their store may be unavailable. */
  mayForgetResponses: boolean
  /** File for the summary. */
  summary: string
}
const settings: Settings = JSON.parse(open(__ENV.SETTINGS as string))
const { mix, rate, seconds, inFlightMax, urls, keys } = settings

export const options = {
  scenarios: {
    ingest: {
      executor: 'constant-arrival-rate',
      rate,
      duration: `${seconds}s`,
      preAllocatedVUs: Math.min(50, inFlightMax),
      maxVUs: inFlightMax,
      gracefulStop: '30s',
    },
  },
  thresholds: {
    checks: ['rate==1'],
    http_req_failed: ['rate==0'],
    wrong_answers: ['count==0'],
    // Low latency, and no request that was due but never sent.
    http_req_duration: ['p(95)<100'],
    dropped_iterations: ['count==0'],
  },
  summaryTrendStats: ['avg', 'med', 'p(90)', 'p(95)', 'p(99)', 'max'],
  noConnectionReuse: false,
  // Each further tag makes every sample more expensive, on the machine that is measured.
  systemTags: ['name', 'status', 'expected_response'],
}

/** The plan decides which status is right for which request. */
http.setResponseCallback(http.expectedStatuses(200, 202, 400, 401, 409, 422))

const started = new Counter('started')
const wrong = new Counter('wrong_answers')
/** What the responses reported, by tenant. */
const reported = keys.map((_, tenant) => ({
  accepted: new Counter(`accepted_${tenant}`),
  rejected: new Counter(`rejected_${tenant}`),
  warned: new Counter(`warned_${tenant}`),
  /** Events in replayed responses. */
  replayed: new Counter(`replayed_${tenant}`),
  /** Events of repetitions that were processed again, because the first response was lost. */
  reprocessed: new Counter(`reprocessed_${tenant}`),
}))
let errorsLogged = 0

export default function ingest(): void {
  const i = scenario.iterationInTest
  const planned = plan(mix, i)
  started.add(1)
  const response = http.post(`${urls[i % urls.length]}${planned.path}`, planned.body, {
    headers: {
      'Content-Type': 'application/json',
      Authorization: `Bearer ${planned.hasUnknownKey ? UNKNOWN_KEY : keys[planned.tenant]}`,
      ...(planned.idempotencyKey && { 'Idempotency-Key': planned.idempotencyKey }),
    },
    timeout: '30s',
    tags: { name: planned.path },
  })
  const error = checkResponse(response, planned)
  check(response, { 'the response is as planned': () => error === undefined })
  if (error === undefined) return
  wrong.add(1)
  if (errorsLogged++ < 3) console.error(`request ${i} (${planned.kind}): ${error}`)
}

/** @returns the error in the response */
function checkResponse(
  response: http.Response,
  planned: ReturnType<typeof plan>,
): string | undefined {
  const { status, body, error } = response
  const text = String(body ?? '')
  if (!planned.statuses.includes(status)) return `status ${status} ${error} ${text.slice(0, 300)}`
  const counts = reported[planned.tenant]
  if (!counts) return 'no such tenant'
  if (status === 422) counts.rejected.add(planned.rejected)
  // Formats whose clients drop on 4xx report nothing but the acceptance.
  if (status === 200) counts.accepted.add(planned.accepted)
  if (status !== 202) return undefined
  const summary = JSON.parse(text) as { accepted: number; rejected: number; warnings?: unknown[] }
  const warned = summary.warnings?.length ?? 0
  if (response.headers['Idempotency-Replayed'] === 'true') counts.replayed.add(summary.accepted)
  else {
    if (planned.replay) counts.reprocessed.add(summary.accepted)
    if (planned.replay && !settings.mayForgetResponses)
      return 'a new response instead of the stored one'
    counts.accepted.add(summary.accepted)
    counts.rejected.add(summary.rejected)
    counts.warned.add(warned)
  }
  const { accepted, rejected } = summary
  if (accepted !== planned.accepted || rejected !== planned.rejected || warned !== planned.warned)
    return `accepted ${accepted}, rejected ${rejected}, warned ${warned}`
  return undefined
}

/** Writes all metrics as JSON. */
export function handleSummary(data: unknown): Record<string, string> {
  return { [settings.summary]: JSON.stringify(data) }
}
