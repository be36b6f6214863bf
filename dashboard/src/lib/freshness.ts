import type { PipelineHealth } from './api/documents.ts'
import type { Connection } from './api/live.ts'
import { duration } from './format.ts'

const LAG_SECONDS_MAX = 5
const SILENCE_MS_MAX = 8_000

/** Of a component that is down. */
export const CONSEQUENCES: Record<string, string> = {
  edge: 'New events are refused at one edge at least, and clients retry them.',
  gateway: 'New events are refused with status 503, and clients retry them.',
  log: 'New events are refused with status 503, and clients retry them.',
  worker: 'Events are still accepted and wait in the log, but the numbers are not updated.',
  redis: 'Events are counted; edges limit their rates by themselves.',
  database: 'Nothing can be read or counted. Accepted events wait in the log.',
}

/** What canaries measured in the last hour, for the explanation on hover. Times in seconds. */
export function measuredText(hour: { p50: number | null; p95: number | null } | undefined): string {
  if (hour?.p50 == null || hour.p95 == null) return ''
  const [p50, p95] = [duration(hour.p50 * 1000), duration(hour.p95 * 1000)]
  return ` In the last hour an event could be queried after ${p50} (p50), ${p95} (p95).`
}

/** How up to date the page is, as the badge in the top bar shows it. */
export interface Freshness {
  tone: 'good' | 'warn' | 'bad' | 'muted'
  label: string
  /** The explanation on hover. */
  detail: string
}

/**
 * `live · 0.8 s behind`, amber with its age when stale, red with the component's name when one failed.
 * @param updatedAt when the last update arrived, milliseconds
 */
export function freshnessOf(
  connection: Connection,
  update: PipelineHealth | undefined,
  updatedAt: number,
  now: number,
): Freshness {
  const age = duration(now - updatedAt)
  if (connection.kind === 'off')
    return {
      tone: 'muted',
      label: update ? `live updates off · ${age} old` : 'live updates off',
      detail: 'Live updates are paused.',
    }
  if (connection.kind === 'connecting' || (update === undefined && connection.kind === 'open'))
    return { tone: 'muted', label: 'connecting', detail: 'Opening the live connection.' }
  if (connection.kind === 'waiting') {
    const wait = duration(Math.max(0, connection.nextTryAt - now))
    return {
      tone: 'warn',
      label: update ? `reconnecting · ${age} old` : 'reconnecting',
      detail: `${connection.error.message} Attempt ${connection.tries + 1} in ${wait}.`,
    }
  }
  if (update?.failingComponent)
    return {
      tone: 'bad',
      label: `${update.failingComponent} down`,
      detail: CONSEQUENCES[update.failingComponent] ?? '',
    }
  if (now - updatedAt > SILENCE_MS_MAX)
    return {
      tone: 'warn',
      label: `stale · ${age} old`,
      detail: 'No update from Sluice since then.',
    }
  return lagOf(update?.lagSeconds ?? 0)
}

function lagOf(seconds: number): Freshness {
  // The lag is measured ten times a second, so a smaller number would be a guess.
  const label = `${duration(Math.max(100, seconds * 1000))} behind`
  return seconds > LAG_SECONDS_MAX
    ? { tone: 'warn', label, detail: 'Events wait in the log; the worker is catching up.' }
    : {
        tone: 'good',
        label: `live · ${label}`,
        detail: 'How far the numbers are behind the accepted events.',
      }
}
