import type { LiveUpdate } from './api/documents.ts'
import type { Connection } from './api/live.ts'
import { duration } from './format.ts'

const BEHIND_SECONDS_MAX = 5
const SILENCE_MS_MAX = 8_000

/** How much of the present is on the screen, in one short line. */
export interface Freshness {
  tone: 'good' | 'warn' | 'bad' | 'muted'
  says: string
  /** The longer sentence, on hover. */
  because: string
}

/** `live · 0.8 s behind`, amber with its age when stale, red with the hop's name when one broke. */
export function freshnessOf(
  connection: Connection,
  update: Pick<LiveUpdate, 'behindSeconds' | 'broken'> | undefined,
  pushedAt: number,
  now: number,
): Freshness {
  const age = duration(now - pushedAt)
  if (connection.is === 'off')
    return {
      tone: 'muted',
      says: update ? `live is off · ${age} old` : 'live is off',
      because: 'The page stands still. Press l to go on.',
    }
  if (connection.is === 'connecting' || (update === undefined && connection.is === 'open'))
    return { tone: 'muted', says: 'connecting', because: 'Opening the live connection.' }
  if (connection.is === 'waiting') {
    const next = duration(Math.max(0, connection.nextTryAt - now))
    return {
      tone: 'warn',
      says: update ? `reconnecting · ${age} old` : 'reconnecting',
      because: `Sluice ${connection.failure.says}. Try ${connection.tries + 1} in ${next}.`,
    }
  }
  if (update?.broken)
    return {
      tone: 'bad',
      says: `broken at the ${update.broken}`,
      because: `Events are taken in, but the ${update.broken} does not work: numbers stand still.`,
    }
  if (now - pushedAt > SILENCE_MS_MAX)
    return { tone: 'warn', says: `stale · ${age} old`, because: 'No word from Sluice since then.' }
  const behind = update?.behindSeconds ?? 0
  // Nobody looks more often than that, so less would be a guess.
  const says = `${duration(Math.max(100, behind * 1000))} behind`
  return behind > BEHIND_SECONDS_MAX
    ? { tone: 'warn', says, because: 'Events wait in the log; the worker is catching up.' }
    : {
        tone: 'good',
        says: `live · ${says}`,
        because: 'How far the numbers are behind what was taken in.',
      }
}
