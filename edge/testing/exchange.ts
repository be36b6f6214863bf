import type { IncomingHttpHeaders } from 'node:http'

/** One HTTP request of a test. */
export interface EdgeRequest {
  method?: string
  path?: string
  headers?: Record<string, string>
  body?: string | Uint8Array
  /** Sends the body without Content-Length, in chunks that end at these bytes, in order, or every 64 kB. */
  chunked?: boolean | readonly number[]
}

/** The edge's response to it. */
export interface EdgeResponse {
  status: number
  headers: IncomingHttpHeaders
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests read responses of every shape
  json: any
}
