import { raceTimeout } from '../lib/timeout.ts'
import { type GatePlaces, openGate } from './admission-on-redis.ts'

/** The gate and the keys on Redis in workerd, for their suites. */
let serve: ReturnType<typeof openGate> | undefined

export default {
  fetch(request: Request, env: GatePlaces) {
    serve ??= openGate(env, raceTimeout)
    return serve(request)
  },
}
