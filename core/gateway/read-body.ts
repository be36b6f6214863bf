import type { HonoRequest } from 'hono'
import { LIMITS } from '../../contract/limits.ts'
import { type ByteSemaphore, createByteSemaphore } from './byte-semaphore.ts'
import { KafkaRestError } from './kafka-rest-error.ts'
import { BadProduceError } from './produce/read-records.ts'

/**
 * One body of the edge with everything that wrapping it in records may add: JSON in JSON doubles quotes and
 * backslashes, and a number may be spelled longer than it came.
 */
export const BODY_BYTES_MAX = 8 * LIMITS.bodyBytesMax

/** Where large bodies are read. Unread ones stay with their senders. */
export interface BodyBudget {
  semaphore: ByteSemaphore
  /** How long a body waits for it, in ms. */
  waitMsMax: number
}

/** Of this process, whoever reads for the log. */
const GATEWAY: BodyBudget = {
  semaphore: createByteSemaphore(LIMITS.gatewayBodiesBytesMax),
  waitMsMax: LIMITS.gatewayProduceMsMax,
}
/** Never waits: as much is in a socket's buffers anyway. */
const SMALL_BYTES = 64 * 1024

/** @throws BadProduceError when it is too large, too slow, or breaks off · RefusedError 429 when too much is being read */
export async function readBody(
  request: HonoRequest,
  bytesMax: number = BODY_BYTES_MAX,
  { semaphore: room, waitMsMax: msMax }: BodyBudget = GATEWAY,
): Promise<ArrayBuffer | Uint8Array> {
  const announced = request.header('content-length')
  const bytes = Number(announced ?? bytesMax)
  if (bytes > bytesMax) throw tooLarge(bytesMax)
  const leave = bytes > SMALL_BYTES && (await room.acquire(bytes, msMax))
  if (leave === undefined)
    throw new KafkaRestError(429, 'TOO_MANY_BODIES: other large bodies are being read')
  const reading =
    announced === undefined ? readChunks(request.raw.body, bytesMax) : request.arrayBuffer()
  // Not when we lose patience, but when nothing more of it comes.
  if (leave) reading.then(leave, leave)
  let timer: NodeJS.Timeout | undefined
  const slow = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new BadProduceError(408, 'the body came too slowly')),
      LIMITS.bodyReadMsMax,
    )
  })
  try {
    return await Promise.race([reading, slow])
  } catch (error) {
    if (error instanceof BadProduceError) throw error
    throw new BadProduceError(400, 'the body broke off')
  } finally {
    clearTimeout(timer)
  }
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

function tooLarge(bytesMax: number): BadProduceError {
  return new BadProduceError(413, `the body is larger than ${bytesMax} bytes`)
}
