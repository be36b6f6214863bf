import type { Context, MiddlewareHandler } from 'hono'
import type { KeyRecord } from '../../contract/api-key.ts'
import type { Bytes, IncomingBatch, IngestFormat, ResponseSpec } from '../formats/ingest-format.ts'

/** What the steps hand on to each other while one request is worked on. */
export interface EdgeEnv {
  Variables: {
    /** From `begin`. */
    requestId: string
    /** Of the answer; every step may add to them. Lower-case names. */
    headers: Record<string, string>
    /** From `authenticate`. */
    key: KeyRecord
    /** `?historical=true`, and the key may. */
    historical: boolean
    /** From `readEvents`. */
    way: IngestFormat
    incoming: IncomingBatch
    /** The decoded body, for the fingerprint of an idempotent request. */
    bytes: Bytes
    /** When the body was there, in milliseconds since the epoch. */
    receivedMs: number
    /** From `claim`, when the client sent one: bare, without the quotes of the header's other form. */
    idempotencyKey: string | undefined
    /** From `ingest`, when events were taken. */
    said: ResponseSpec | undefined
  }
}

export type EdgeContext = Context<EdgeEnv>
export type Middleware = MiddlewareHandler<EdgeEnv>
