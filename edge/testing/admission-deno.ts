import { abortOnTimeout } from '../lib/timeout.ts'
import {
  ADMISSION_SETTINGS,
  type AdmissionSettings,
  createAdmissionHandler,
} from './admission-on-redis.ts'

/** Serves admission and the key directory on Redis from Deno, for their suites. */
const env = Object.fromEntries(ADMISSION_SETTINGS.map((name) => [name, Deno.env.get(name) ?? '']))
Deno.serve(
  {
    hostname: '127.0.0.1',
    port: 0,
    onListen: ({ port }) => console.log(`admission on http://127.0.0.1:${port}`),
  },
  createAdmissionHandler(env as unknown as AdmissionSettings, abortOnTimeout),
)
