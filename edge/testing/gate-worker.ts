import { forgetLate } from '../within.ts'
import { type GatePlaces, openGate } from './gate-on-redis.ts'

/** The gate and the keys on Redis in workerd, for their suites. */
let serve: ReturnType<typeof openGate> | undefined

export default {
  fetch(request: Request, env: GatePlaces) {
    serve ??= openGate(env, forgetLate)
    return serve(request)
  },
}
