import { ERRORS } from '../../contract/errors.ts'
import type { AuthenticatedRequest } from '../auth/authenticate.ts'
import type { ResponseSpec } from '../formats/ingest-format.ts'
import { HttpProblem } from '../http/http-problem.ts'
import { respond } from '../http/respond.ts'
import type { ReadRequest } from '../ingest/read-events.ts'
import type { Admission, AdmissionRequest, AdmissionResult } from './admission.ts'
import { type BeginResult, inFlightProblem, type Lock } from './idempotency.ts'
import { readIdempotentRequest } from './idempotent-request.ts'
import {
  degradedHeaders,
  limitDetail,
  limiterUnavailable,
  maxBatch,
  overLimitProblem,
  type RateLimitResult,
  rateLimitedProblem,
  rateLimitHeaders,
} from './rate-limiter.ts'

export type IngestRequest = AuthenticatedRequest & ReadRequest

/** A request within the rate limit that nobody else works on. */
export interface AdmittedRequest extends IngestRequest {
  /** When the client sent an Idempotency-Key. */
  idempotent: Idempotent | undefined
}

export interface Idempotent {
  /** Bare, without the quotes of the header's other form. */
  key: string
  /** Digest of the events as they were sent. */
  content: string
}

export interface AdmissionDeps {
  admission: Admission
  now: () => number
}

/**
 * Admits a request and gives it to `next`, or answers it from the idempotency store.
 * @param next gives the response of success, which is stored under the Idempotency-Key
 * @throws BATCH_OVER_LIMIT (or what the format has instead), RATE_LIMITED, LIMITER_UNAVAILABLE,
 * IDEMPOTENCY_KEY_INVALID, IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_IN_FLIGHT, and what `next` throws
 */
export async function admitRequest(
  request: IngestRequest,
  { admission, now }: AdmissionDeps,
  next: (request: AdmittedRequest) => Promise<ResponseSpec>,
): Promise<Response> {
  const { c, key, format } = request
  const cost = request.batch.items.length
  if (admission.rateLimiter && cost > maxBatch(key))
    throw overLimitProblem(format, cost, maxBatch(key))
  const idempotency = await readIdempotentRequest(request)
  const admitted: AdmittedRequest = { ...request, idempotent: idempotency }
  if (!admission.rateLimiter && !idempotency) return respond(c, await next(admitted))

  const { rateLimit, begun } = await askAdmission(admission, { key, cost, idempotency }, now())
  const headers = c.get('headers')
  if (rateLimit) Object.assign(headers, await rateLimitHeaders(rateLimit, key))
  if (begun) Object.assign(headers, degradedHeaders(begun))
  if (rateLimit && !rateLimit.allowed)
    throw rateLimitedProblem(rateLimit, limitDetail(rateLimit, cost), format.rateLimitedCode)
  if (begun && begun.kind !== 'acquired') return respond(c, replay(begun, headers))

  let response: ResponseSpec
  try {
    response = await next(admitted)
  } catch (error) {
    await cancelAdmission(rateLimit, begun, error)
    throw error
  }
  await begun?.complete(response, now())
  return respond(c, response)
}

async function askAdmission(
  admission: Admission,
  request: AdmissionRequest,
  now: number,
): Promise<AdmissionResult> {
  try {
    return await admission.admit(request, now)
  } catch (error) {
    throw limiterUnavailable(error)
  }
}

function replay(begun: Exclude<BeginResult, Lock>, headers: Record<string, string>): ResponseSpec {
  if (begun.kind === 'mismatch') throw new HttpProblem('IDEMPOTENCY_KEY_REUSED')
  if (begun.kind === 'in-flight') throw inFlightProblem(begun)
  headers['idempotency-replayed'] = 'true'
  return begun.response
}

/** Only success is stored: a request that failed may be sent again, and is validated again. */
async function cancelAdmission(
  rateLimit: RateLimitResult | undefined,
  lock: Lock | undefined,
  error: unknown,
): Promise<void> {
  const status = error instanceof HttpProblem ? ERRORS[error.code].status : 500
  await Promise.all([
    // An outage of the log costs the client nothing.
    status >= 500 ? rateLimit?.refund() : undefined,
    lock?.release(),
  ])
}
