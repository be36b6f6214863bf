import { raceTimeout } from '../lib/timeout.ts'
import { type AdmissionSettings, createAdmissionHandler } from './admission-on-redis.ts'

/** Serves admission and the key directory on Redis from workerd, for their suites. */
let serve: ReturnType<typeof createAdmissionHandler> | undefined

export default {
  fetch(request: Request, env: AdmissionSettings) {
    serve ??= createAdmissionHandler(env, raceTimeout)
    return serve(request)
  },
}
