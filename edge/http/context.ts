import type { Context, MiddlewareHandler } from 'hono'

/** Set by `beginResponse` on every request. All else goes from step to step as a typed value. */
export interface EdgeEnv {
  Variables: {
    requestId: string
    /** Of the response; every step may add to them. Lower-case names. */
    headers: Record<string, string>
  }
}

export type EdgeContext = Context<EdgeEnv>
export type Handler = (c: EdgeContext) => Response | Promise<Response>
export type Middleware = MiddlewareHandler<EdgeEnv>
