/** The processes that `npm start` supervises. */
export const PARTS = ['postgres', 'core', 'edge'] as const
export type PartName = (typeof PARTS)[number]

/** One of them, as run.json and `sluice status --json` show it. */
export interface Part {
  name: PartName
  /** null while it is down */
  pid: number | null
  /** When this process was ready, RFC 3339 in UTC. */
  since: string
  /** How often it ended by itself and was restarted since the start. */
  restarts: number
}

/** What a part tells the supervisor. */
export interface PartEvents {
  /** It is ready: for the first time, or again. */
  onStarted(pid: number): void
  /** It ended by itself, or a restart failed; the next restart is tried after `delayMs`. */
  onEnd(reason: string, delayMs: number): void
}

export interface PartTable {
  readonly parts: readonly Part[]
  pidOf(name: PartName): number | undefined
  /** @param onEnd is told in one sentence what ended and what happens next */
  eventsOf(name: PartName): PartEvents
}

const OTHERS: Record<PartName, string> = {
  postgres: 'Core and the edge go on and retry',
  core: 'The edge responds 503 until then',
  edge: 'Core and Postgres go on',
}

/**
 * @param onChange is called after each change
 * @param onEnd gets one sentence: what ended, and what happens next
 */
export function createPartTable(
  onChange: () => void,
  onEnd: (message: string, name: PartName) => void,
): PartTable {
  const parts: Part[] = []
  const find = (name: PartName) => parts.find((part) => part.name === name)
  return {
    parts,
    pidOf: (name) => find(name)?.pid ?? undefined,
    eventsOf: (name) => ({
      onStarted(pid) {
        const part = find(name)
        const since = new Date().toISOString()
        if (part) Object.assign(part, { pid, since, restarts: part.restarts + 1 })
        else parts.push({ name, pid, since, restarts: 0 })
        onChange()
      },
      onEnd(reason, delayMs) {
        const part = find(name)
        if (part) part.pid = null
        const when = delayMs > 0 ? `in ${(delayMs / 1000).toFixed(1)} s` : 'now'
        onEnd(`${reason}, restarting it ${when}. ${OTHERS[name]}.`, name)
        onChange()
      },
    }),
  }
}
