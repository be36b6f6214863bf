import { LIMITS } from '../../contract/limits.ts'
import type { ProduceRecord, ProduceResult } from '../../contract/log/kafka-rest.ts'
import { describeError, HttpProblem, type Report } from '../http/http-problem.ts'
import type { TimeoutStrategy } from '../lib/timeout.ts'

/** Resolves when the log has the records, with a position for each in their order. @throws LOG_UNAVAILABLE · BODY_TOO_LARGE */
export type Publish = (records: ProduceRecord[]) => Promise<PartitionOffset[]>

export type PartitionOffset = Pick<ProduceResult, 'partition' | 'offset'>

/** Some REST bridge to a Kafka, in its own words. What it throws means that not all of the records are there. */
export type KafkaRestClient = (
  records: ProduceRecord[],
  ask: SendRequest,
) => Promise<PartitionOffset[]>

/** One request, tried a second time where that may help, and what is read from its answer. */
export type SendRequest = <T>(request: KafkaRestRequest, read: (answer: unknown) => T) => Promise<T>

export interface KafkaRestRequest {
  url: string
  method: string
  headers: Headers
  body: string
}

/** The bridge said no, to all of the records or to some. */
export class ProduceError extends Error {
  override readonly name = 'BridgeError'
  readonly status: number
  /** Whether the same request may succeed at once. */
  readonly isRetryable: boolean

  /** @param what in numbers only: it is reported */
  constructor(what: string, status: number, isRetryable: boolean) {
    super(what)
    this.status = status
    this.isRetryable = isRetryable
  }
}

/** Whatever the bridge: one deadline, one second try, one way of saying that it did not work. */
export function createPublisher(
  bridge: KafkaRestClient,
  exchange: TimeoutStrategy,
  report: Report,
): Publish {
  return async (records) => {
    try {
      return await exchange(LIMITS.publishMsMax, (signal) =>
        bridge(records, (request, read) => sendWithRetry(request, read, signal)),
      )
    } catch (error) {
      const said = error instanceof ProduceError ? error : undefined
      const tooLarge = said?.status === 413
      report({
        level: tooLarge ? 'error' : 'warn',
        what: `the log did not confirm${said ? `: ${said.message}` : ''}`,
        error: describeError(error),
      })
      // It would be too large the next time, too. Who sent many events can send them in two halves.
      if (tooLarge)
        throw new HttpProblem('BODY_TOO_LARGE', {
          detail: 'The log does not take this much in one record or request; split the batch.',
        })
      throw new HttpProblem('LOG_UNAVAILABLE', {
        headers: { 'retry-after': String(LIMITS.retryAfterSecondsWithoutLog) },
      })
    }
  }
}

/**
 * A second try after a network error or a 5xx, when the records may be in the log or not: the same
 * ids make the repetition harmless.
 */
async function sendWithRetry<T>(
  { url, ...init }: KafkaRestRequest,
  read: (answer: unknown) => T,
  signal?: AbortSignal,
): Promise<T> {
  for (let retries: number = LIMITS.publishRetriesMax; ; retries--) {
    try {
      const response = await fetch(url, { ...init, redirect: 'manual', signal })
      if (response.ok) return read(await response.json())
      await response.body?.cancel()
      const { status } = response
      throw new ProduceError(`status ${status}`, status, status >= 500)
    } catch (error) {
      if (signal?.aborted || retries === 0 || !mayPass(error)) throw error
    }
  }
}

/** An answer that is not JSON, or not the one agreed on, will be the same next time. */
function mayPass(error: unknown): boolean {
  if (error instanceof ProduceError) return error.isRetryable
  return !(error instanceof SyntaxError || error instanceof ProtocolError)
}

/** An answer that is none to the question. */
export class ProtocolError extends Error {
  override readonly name = 'UnfitError'
}
