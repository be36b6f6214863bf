import type { Context, MiddlewareHandler } from 'hono'
import type { KeyRecord } from '../../contract/api-key.ts'

/** Set by `beginResponse` on every request. All else goes from step to step as a typed value. */
export interface EdgeEnv {
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
