import { LIMITS } from '../../contract/limits.ts'
import type { ProduceRecord, ProduceResult } from '../../contract/log/kafka-rest.ts'
import { HttpProblem } from '../http/http-problem.ts'
import { describeError, type Report } from '../http/report.ts'
import type { TimeoutStrategy } from '../lib/timeout.ts'

/** Resolves when the log has the records, with an offset for each in their order. @throws LOG_UNAVAILABLE · BODY_TOO_LARGE */
export type Publish = (records: ProduceRecord[]) => Promise<PartitionOffset[]>

export type PartitionOffset = Pick<ProduceResult, 'partition' | 'offset'>

/** Kafka over REST, in one of its dialects. Rejects when not all of the records are in the log. */
export type KafkaRestClient = (
  records: ProduceRecord[],
  send: SendRequest,
) => Promise<PartitionOffset[]>

/** One request, tried a second time where that may help, and what `read` makes of its response. */
export type SendRequest = <T>(
  request: KafkaRestRequest,
  read: (response: unknown) => T,
) => Promise<T>

export interface KafkaRestRequest {
  url: string
  method: string
  headers: Headers
  body: string
}

/** The other side refused all of the records or some. */
export class ProduceError extends Error {
  override readonly name = 'ProduceError'
  readonly status: number
  /** Whether the same request may succeed at once. */
  readonly isRetryable: boolean

  /** @param message in numbers only: it is reported */
  constructor(message: string, status: number, isRetryable: boolean) {
    super(message)
    this.status = status
    this.isRetryable = isRetryable
  }
}

/** A response that does not follow the protocol. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}

/** The same for every dialect: one deadline, one retry, one way of reporting a failure. */
export function createPublisher(
  client: KafkaRestClient,
  withinTimeout: TimeoutStrategy,
  report: Report,
): Publish {
  return async (records) => {
    try {
      return await withinTimeout(LIMITS.publishMsMax, (signal) =>
        client(records, (request, read) => sendWithRetry(request, read, signal)),
      )
    } catch (error) {
      const refused = error instanceof ProduceError ? error : undefined
      const tooLarge = refused?.status === 413
      report({
        level: tooLarge ? 'error' : 'warn',
        what: `the log did not confirm${refused ? `: ${refused.message}` : ''}`,
        error: describeError(error),
      })
      // It would be too large the next time, too. A client that sent many events can split them.
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
 * Retries once after a network error or a 5xx, when the records may be in the log or not: the same
 * ids make the repetition harmless.
 */
async function sendWithRetry<T>(
  { url, ...init }: KafkaRestRequest,
  read: (response: unknown) => T,
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
      if (signal?.aborted || retries === 0 || !isRetryable(error)) throw error
    }
  }
}

/** A response that is not JSON, or not the protocol's, will be the same next time. */
function isRetryable(error: unknown): boolean {
  if (error instanceof ProduceError) return error.isRetryable
  return !(error instanceof SyntaxError || error instanceof ProtocolError)
}
