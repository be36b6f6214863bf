import { createRedis } from '../admission/redis/redis.ts'
import { createRedisAdmission } from '../admission/redis/redis-admission.ts'
import { createHttpKeyDirectory } from '../auth/key-directory.ts'
import { createRedisKeyDirectory } from '../auth/redis-key-directory.ts'
import type { TimeoutStrategy } from '../lib/timeout.ts'
import { serveAdmission } from './remote-admission.ts'

/** The settings that name Redis and core. */
export const ADMISSION_SETTINGS = [
  'SLUICE_REDIS_REST_URL',
  'SLUICE_REDIS_TOKEN',
  'SLUICE_GATEWAY_URL',
  'SLUICE_GATEWAY_USERNAME',
  'SLUICE_GATEWAY_PASSWORD',
] as const
export type AdmissionSettings = Record<(typeof ADMISSION_SETTINGS)[number], string>

/** Long, because these suites do not test timeouts and the machine may be busy. */
const SLUICE_REDIS_TIMEOUT_MS = 10_000

/** Admission and key directory as the edge composes them with Redis. */
export function createAdmissionOnRedis(
  settings: AdmissionSettings,
  timeoutStrategy: TimeoutStrategy,
) {
  const { SLUICE_REDIS_REST_URL: url, SLUICE_REDIS_TOKEN: token } = settings
  const redis = createRedis({ url, token, msMax: SLUICE_REDIS_TIMEOUT_MS }, timeoutStrategy)
  const core = {
    url: settings.SLUICE_GATEWAY_URL,
    username: settings.SLUICE_GATEWAY_USERNAME,
    password: settings.SLUICE_GATEWAY_PASSWORD,
  }
  return {
    admission: createRedisAdmission(redis, true),
    directory: createRedisKeyDirectory(redis, createHttpKeyDirectory(core, timeoutStrategy), () =>
      Date.now(),
    ),
  }
}

export function createAdmissionHandler(
  settings: AdmissionSettings,
  timeoutStrategy: TimeoutStrategy,
) {
  const { admission, directory } = createAdmissionOnRedis(settings, timeoutStrategy)
  return serveAdmission(admission, directory)
}
