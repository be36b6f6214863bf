import { isCleartextBeyondPrivate } from '../contract/cleartext.ts'
import { UsageError } from './lib/usage-error.ts'
import { CANARY_EDGES_MAX, type CanarySettings } from './proof/canaries/canary-settings.ts'

const SECONDS = 60
const SECONDS_MIN = 5
const TARGET_SECONDS = 5
const OBJECTIVE_PERCENT = 99

/**
 * SLUICE_CANARY_SECONDS, SLUICE_CANARY_EDGES, SLUICE_FRESHNESS_SECONDS and SLUICE_FRESHNESS_OBJECTIVE.
 * @throws UsageError that names the variable
 */
export function readCanaries(env: NodeJS.ProcessEnv, allowCleartext: boolean): CanarySettings {
  const seconds = number(env, 'SLUICE_CANARY_SECONDS', 0, 3_600) ?? SECONDS
  if (seconds > 0 && seconds < SECONDS_MIN)
    throw new UsageError(
      'SLUICE_CANARY_SECONDS is too short.',
      `Set it to ${SECONDS_MIN} to 3600 seconds, or to 0 for no canaries.`,
    )
  return {
    intervalMs: seconds * 1_000,
    edges: readEdges(env, allowCleartext),
    targetSeconds: number(env, 'SLUICE_FRESHNESS_SECONDS', 0.1, 3_600) ?? TARGET_SECONDS,
    objectivePercent: number(env, 'SLUICE_FRESHNESS_OBJECTIVE', 1, 99.999) ?? OBJECTIVE_PERCENT,
  }
}

function readEdges({ SLUICE_CANARY_EDGES: list = '' }: NodeJS.ProcessEnv, allowCleartext: boolean) {
  const edges = list
    .split(',')
    .map((url) => url.trim().replace(/\/$/, ''))
    .filter((url) => url !== '')
  const invalid = edges.find(
    (url) => !/^https?:/.test(url) || !URL.canParse(url) || new URL(url).origin !== url,
  )
  if (invalid !== undefined || edges.length > CANARY_EDGES_MAX)
    throw new UsageError(
      'SLUICE_CANARY_EDGES is not a list of edges.',
      `Set it to 1 to ${CANARY_EDGES_MAX} URLs such as https://events.example.com, separated by commas.`,
    )
  if (!allowCleartext && edges.some(isCleartextBeyondPrivate))
    throw new UsageError(
      "SLUICE_CANARY_EDGES: the connection would be unencrypted and leave this machine's private networks.",
      'Use https:// URLs, or set SLUICE_ALLOW_CLEARTEXT=true if that network is yours alone.',
    )
  return [...new Set(edges)]
}

function number(
  env: NodeJS.ProcessEnv,
  name: string,
  min: number,
  max: number,
): number | undefined {
  const text = env[name]
  if (!text) return undefined
  const value = Number(text)
  if (!(value >= min && value <= max))
    throw new UsageError(`${name} is not a valid number.`, `Set it to ${min} to ${max}.`)
  return value
}
