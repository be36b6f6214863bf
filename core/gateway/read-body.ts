import type { HonoRequest } from 'hono'
import { LIMITS } from '../../contract/limits.ts'
import { createSemaphore, type Semaphore } from '../lib/semaphore.ts'
import { TimeoutError, withTimeout } from '../lib/timeout.ts'
import { KafkaRestError } from './kafka-rest-error.ts'

/**
 * One body of the edge with everything that wrapping it in records may add: JSON in JSON doubles quotes and
 * backslashes, and a number may be written longer than it came.
 */
export const BODY_BYTES_MAX = 8 * LIMITS.bodyBytesMax

/** The memory for large bodies. Bodies that wait for it are not read: they stay with their senders. */
export interface BodyBudget {
  /** Its units are bytes. */
  semaphore: Semaphore
  waitMsMax: number
}

/** Of this process, for all that is read for the log. */
const LOG_BODY_BUDGET: BodyBudget = {
  semaphore: createSemaphore(LIMITS.gatewayBodiesBytesMax),
  waitMsMax: LIMITS.gatewayProduceMsMax,
}
/** A small body never waits: as much is in a socket's buffers anyway. */
const SMALL_BYTES = 64 * 1024

/** @throws KafkaRestError when the body is too large, too slow, or breaks off, or too much is being read already */
export async function readBody(
  request: HonoRequest,
  bytesMax: number = BODY_BYTES_MAX,
  budget: BodyBudget = LOG_BODY_BUDGET,
): Promise<ArrayBuffer | Uint8Array> {
  const announced = request.header('content-length')
  const bytes = Number(announced ?? bytesMax)
  if (bytes > bytesMax) throw tooLarge(bytesMax)
  const release = await acquire(budget, bytes)
  const reading: Promise<ArrayBuffer | Uint8Array> =
    announced === undefined ? readChunks(request.raw.body, bytesMax) : request.arrayBuffer()
  // Not when the deadline passes, but when nothing more of the body comes.
  reading.then(release, release)
  try {
    return await withTimeout(LIMITS.bodyReadMsMax, 'the body', reading)
  } catch (error) {
    if (error instanceof KafkaRestError) throw error
    throw error instanceof TimeoutError
      ? new KafkaRestError('BODY_TOO_SLOW', 'the body came too slowly')
      : new KafkaRestError('BODY_INCOMPLETE', 'the body broke off')
  }
}

/** @returns what releases the bytes */
async function acquire({ semaphore, waitMsMax }: BodyBudget, bytes: number): Promise<() => void> {
  // An invalid length is NaN, which no semaphore may wait for.
  if (!(bytes > SMALL_BYTES)) return () => {}
  const release = await semaphore.tryAcquire(bytes, waitMsMax)
  if (!release) throw new KafkaRestError('TOO_MANY_BODIES', 'other large bodies are being read')
  return release
}

async function readChunks(
  body: ReadableStream<Uint8Array> | null,
  bytesMax: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body ?? []) {
    size += chunk.length
    if (size > bytesMax) throw tooLarge(bytesMax)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function tooLarge(bytesMax: number): KafkaRestError {
  return new KafkaRestError('BODY_TOO_LARGE', `the body is larger than ${bytesMax} bytes`)
}
