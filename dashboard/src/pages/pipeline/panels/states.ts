import { type Accessor, createMemo } from 'solid-js'
import { usePipeline } from '../context.ts'

export type ComponentId = 'EDGE' | 'LOG' | 'WORKER' | 'POSTGRES' | 'QUERIES'

export interface State {
  tone: 'good' | 'warn' | 'bad' | 'muted'
  label: string
  /** On hover. */
  detail: string
}

const GOOD: State = { tone: 'good', label: 'OK', detail: 'Events go through.' }
const DOWN: State = { tone: 'bad', label: 'Down', detail: 'Events do not go through.' }
const LAG_SECONDS_MAX = 5

/** How each component of the pipeline does, by what fails, waits or does not add up. */
export function createStates(): Accessor<Record<ComponentId, State>> {
  const { sums, lag, freshness, live, balance } = usePipeline()
  return createMemo<Record<ComponentId, State>>(() => {
    const update = live.update()
    const failing = new Set<string | undefined>([
      freshness.data()?.failingComponent ?? undefined,
      // The live connection names what it sees itself, and within seconds.
      update?.failingComponent === 'database'
        ? 'POSTGRES'
        : update?.failingComponent?.toUpperCase(),
    ])
    const isUnknown = balance.data() === undefined && update === undefined
    const stateOf = (id: ComponentId, otherwise: State = GOOD): State => {
      if (failing.has(id)) return DOWN
      return isUnknown ? { tone: 'muted', label: 'Unknown', detail: 'Not known yet.' } : otherwise
    }
    const { missing = 0, surplus = 0 } = sums() ?? {}
    const isPaused = (lag.data()?.gaps.length ?? 0) > 0 || Boolean(lag.data()?.otherLog)
    const isBehind = (update?.lagSeconds ?? 0) > LAG_SECONDS_MAX
    return {
      EDGE: edgeState(failing) ?? stateOf('EDGE'),
      LOG: stateOf(
        'LOG',
        isPaused ? { tone: 'bad', label: 'Paused', detail: 'Partitions are not read.' } : GOOD,
      ),
      WORKER:
        missing + surplus > 0
          ? {
              tone: 'bad',
              label: failing.has('WORKER') ? 'Down' : 'Does not add up',
              detail: 'What came in is not what went out and what waits.',
            }
          : stateOf(
              'WORKER',
              isBehind
                ? { tone: 'warn', label: 'Behind', detail: 'Events wait in the log.' }
                : GOOD,
            ),
      POSTGRES: stateOf('POSTGRES'),
      QUERIES: stateOf('QUERIES'),
    }
  })
}

/** Without these an edge accepts nothing. */
function edgeState(failing: ReadonlySet<string | undefined>): State | undefined {
  if (failing.has('GATEWAY')) return { ...DOWN, label: 'Gateway down' }
  if (failing.has('REDIS')) return { ...DOWN, label: 'Redis down' }
  return undefined
}
