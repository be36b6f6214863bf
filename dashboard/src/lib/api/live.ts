import { type Accessor, createEffect, createSignal, on, onCleanup } from 'solid-js'
import { backoffMs } from '../backoff.ts'
import { type Failure, follow } from './client.ts'
import { LIVE, type LiveUpdate } from './documents.ts'

/** A connection that says nothing for so long is given up, whatever the socket believes. */
const SILENCE_MS_MAX = 20_000

/** How the live connection is. `off` is the person's own wish. */
export type Connection =
  | { is: 'connecting' }
  | { is: 'open' }
  | { is: 'waiting'; failure: Failure; since: number; tries: number; nextTryAt: number }
  | { is: 'off'; since: number }

export interface Live {
  connection: Accessor<Connection>
  /** The last push, kept when the connection is lost. */
  update: Accessor<LiveUpdate | undefined>
  /** When it came, by this browser's clock. */
  pushedAt: Accessor<number>
  /** What to add to this browser's clock to get the server's; 0 when they agree within a second. */
  skewMs: Accessor<number>
  isOn: Accessor<boolean>
  toggle(): void
  retry(): void
}

/** Follows one tenant (none while undefined), and comes back by itself after every interruption. */
export function createLive(tenant: Accessor<string | undefined>): Live {
  const [connection, setConnection] = createSignal<Connection>({ is: 'connecting' })
  const [update, setUpdate] = createSignal<LiveUpdate>()
  const [pushedAt, setPushedAt] = createSignal(0)
  const [skewMs, setSkewMs] = createSignal(0)
  const [isOn, setOn] = createSignal(true)

  let stop: () => void = () => {}
  let timer: ReturnType<typeof setTimeout> | undefined
  let tries = 0
  let lostAt = 0

  const lose = (failure: Failure) => {
    stop()
    tries++
    if (tries === 1) lostAt = Date.now()
    const wait = backoffMs(tries)
    setConnection({ is: 'waiting', failure, since: lostAt, tries, nextTryAt: Date.now() + wait })
    clearTimeout(timer)
    timer = setTimeout(connect, wait)
  }

  const listen = () => {
    clearTimeout(timer)
    timer = setTimeout(
      () => lose({ kind: 'unreachable', says: `has been silent for ${SILENCE_MS_MAX / 1000} s` }),
      SILENCE_MS_MAX,
    )
  }

  const connect = () => {
    const of = tenant()
    stop()
    if (of === undefined) return
    if (tries === 0) setConnection({ is: 'connecting' })
    listen()
    stop = follow(
      LIVE,
      { tenant: of },
      {
        push(data) {
          tries = 0
          listen()
          setPushedAt(Date.now())
          setSkewMs((was) => skewOf(Date.parse(data.live.at) - Date.now(), was))
          setUpdate(data.live)
          setConnection((was) => (was.is === 'open' ? was : { is: 'open' }))
        },
        end: lose,
      },
    )
  }

  const leave = () => {
    stop()
    clearTimeout(timer)
    tries = 0
  }

  createEffect(
    on([tenant, isOn], ([of], before) => {
      leave()
      // Nobody must see one tenant's numbers under another's name.
      if (before && before[0] !== of) setUpdate(undefined)
      if (isOn()) connect()
      else setConnection({ is: 'off', since: Date.now() })
    }),
  )

  const retry = () => {
    if (isOn() && connection().is === 'waiting') connect()
  }
  const whenSeen = () => document.hidden || retry()
  document.addEventListener('visibilitychange', whenSeen)
  window.addEventListener('online', retry)
  onCleanup(() => {
    leave()
    document.removeEventListener('visibilitychange', whenSeen)
    window.removeEventListener('online', retry)
  })

  return { connection, update, pushedAt, skewMs, isOn, toggle: () => setOn((was) => !was), retry }
}

/** The way here takes its time: only a difference that this does not explain is one, and it keeps still. */
export function skewOf(differenceMs: number, was: number): number {
  if (Math.abs(differenceMs) < SKEW_MS_MIN) return 0
  return Math.abs(differenceMs - was) < SKEW_MS_MIN ? was : differenceMs
}
const SKEW_MS_MIN = 1_500
