import type { Context, MiddlewareHandler } from 'hono'
import type { KeyRecord } from '../../contract/api-key.ts'
import type { Bytes } from '../lib/bytes.ts'

/** As `new Response`; a runtime may have a cheaper one. */
export type CreateResponse = (
  body: string | Bytes | null,
  init: { status: number; headers: Record<string, string> },
) => Response

/** Set by `beginResponse` on every request. All else goes from step to step as a typed value. */
export interface EdgeEnv {
  Bindings: { createResponse?: CreateResponse }
  Variables: {
    requestId: string
    /** Of the response; every step may add to them. Lower-case names. */
    headers: Record<string, string>
    /** Of the sender, once it is known: for security events alone. */
    key?: KeyRecord
  }
}

export type EdgeContext = Context<EdgeEnv>
export type Handler = (c: EdgeContext) => Response | Promise<Response>
export type Middleware = MiddlewareHandler<EdgeEnv>
