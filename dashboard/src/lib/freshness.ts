import type { PipelineHealth } from './api/documents.ts'
import type { Connection } from './api/live.ts'
import { duration } from './format.ts'

const LAG_SECONDS_MAX = 5
const SILENCE_MS_MAX = 8_000

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
      detail: `Events are accepted, but the ${update.failingComponent} is down, so numbers are not updated.`,
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
