import { untrack } from 'solid-js'
import { useApp } from '../app-context.ts'
import type { EventRange } from './event-options.ts'

const RECENT_MS = 30 * 86_400_000

/** The last thirty days by the server's clock, as they are when a list of names is opened. */
export function createRecentRange(): () => EventRange {
  const { tenant, now, live } = useApp()
  return () => {
    const end = untrack(now) + live.skewMs()
    const at = (time: number) => new Date(time).toISOString()
    return { tenant: tenant(), startTime: at(end - RECENT_MS), endTime: at(end) }
  }
}
