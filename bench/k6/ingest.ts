import { check } from 'k6'
import { scenario } from 'k6/execution'
import http from 'k6/http'
import { Counter } from 'k6/metrics'
import { type Mix, plan, STRANGERS_KEY } from './mix.ts'

/**
 * The load on the edge, for k6 1.x: requests at a steady rate whatever the answers take, each known beforehand
 * (mix.ts). bench/k6/run.ts starts it with its settings, and judges afterwards what the system says has come of it.
 */
interface Settings {
  mix: Mix
  rate: number
  seconds: number
  waitingMax: number
  /** Of edges, asked in turn. */
  urls: string[]
  /** One a tenant. */
  keys: string[]
  /** First answers may be forgotten: where they are kept may be away. */
  forgetful: boolean
  /** Where the summary goes. */
  summary: string
}
const settings: Settings = JSON.parse(open(__ENV.SETTINGS as string))
const { mix, rate, seconds, waitingMax, urls, keys } = settings

export const options = {
  scenarios: {
    ingest: {
      executor: 'constant-arrival-rate',
      rate,
      duration: `${seconds}s`,
      preAllocatedVUs: Math.min(50, waitingMax),
      maxVUs: waitingMax,
      gracefulStop: '30s',
    },
  },
  thresholds: {
    // No failures.
    checks: ['rate==1'],
    http_req_failed: ['rate==0'],
    wrong_answers: ['count==0'],
    // No latency that users would feel, and no request that was due and never sent.
    http_req_duration: ['p(95)<100'],
    dropped_iterations: ['count==0'],
  },
  summaryTrendStats: ['avg', 'med', 'p(90)', 'p(95)', 'p(99)', 'max'],
  noConnectionReuse: false,
  // Every one more makes each sample dearer, on the machine that is measured.
  systemTags: ['name', 'status', 'expected_response'],
}

/** What is right to answer is said by the plan, request for request. */
http.setResponseCallback(http.expectedStatuses(200, 202, 400, 401, 409, 422))

const started = new Counter('started')
const wrong = new Counter('wrong_answers')
/** What the answers said, tenant by tenant. */
const heard = keys.map((_, tenant) => ({
  accepted: new Counter(`accepted_${tenant}`),
  rejected: new Counter(`rejected_${tenant}`),
  warned: new Counter(`warned_${tenant}`),
  /** Events of answers that were given before. */
  replayed: new Counter(`replayed_${tenant}`),
  /** Events of repetitions that were taken for the first time: nobody knew the first answer. */
  anew: new Counter(`anew_${tenant}`),
}))
let complaints = 0

export default function ingest(): void {
  const i = scenario.iterationInTest
  const planned = plan(mix, i)
  started.add(1)
  const response = http.post(`${urls[i % urls.length]}${planned.path}`, planned.body, {
    headers: {
      'Content-Type': 'application/json',
      Authorization: `Bearer ${planned.stranger ? STRANGERS_KEY : keys[planned.tenant]}`,
      ...(planned.idempotencyKey && { 'Idempotency-Key': planned.idempotencyKey }),
    },
    timeout: '30s',
    tags: { name: planned.path },
  })
  const fault = judge(response, planned)
  check(response, { 'is answered as planned': () => fault === undefined })
  if (fault === undefined) return
  wrong.add(1)
  if (complaints++ < 3) console.error(`request ${i} (${planned.kind}): ${fault}`)
}

/** @returns what is wrong with the answer */
function judge(response: http.Response, planned: ReturnType<typeof plan>): string | undefined {
  const { status, body, error } = response
  const said = String(body ?? '')
  if (!planned.statuses.includes(status)) return `status ${status} ${error} ${said.slice(0, 300)}`
  const counts = heard[planned.tenant]
  if (!counts) return 'no such tenant'
  if (status === 422) counts.rejected.add(planned.rejected)
  // Those that cannot be told are told nothing but that it arrived.
  if (status === 200) counts.accepted.add(planned.accepted)
  if (status !== 202) return undefined
  const answer = JSON.parse(said) as { accepted: number; rejected: number; warnings?: unknown[] }
  const warned = answer.warnings?.length ?? 0
  if (response.headers['Idempotency-Replayed'] === 'true') counts.replayed.add(answer.accepted)
  else {
    if (planned.replay) counts.anew.add(answer.accepted)
    if (planned.replay && !settings.forgetful)
      return 'an answer that should have been the first one again'
    counts.accepted.add(answer.accepted)
    counts.rejected.add(answer.rejected)
    counts.warned.add(warned)
  }
  const { accepted, rejected } = answer
  if (accepted !== planned.accepted || rejected !== planned.rejected || warned !== planned.warned)
    return `accepted ${accepted}, rejected ${rejected}, warned ${warned}`
  return undefined
}

/** Everything that was measured, as JSON. */
export function handleSummary(data: unknown): Record<string, string> {
  return { [settings.summary]: JSON.stringify(data) }
}
