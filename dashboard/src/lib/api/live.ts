import { type Accessor, createEffect, createSignal, on, onCleanup } from 'solid-js'
import { backoffMs } from '../backoff.ts'
import { type ApiError, subscribe } from './client.ts'
import { LIVE, type LiveUpdate } from './documents.ts'

/** A connection without an update for so long is given up, whatever the state of its socket. */
const SILENCE_MS_MAX = 20_000

/** The state of the live connection. `off`: the user switched it off. */
export type Connection =
  | { kind: 'connecting' }
  | { kind: 'open' }
  | { kind: 'waiting'; error: ApiError; since: number; tries: number; nextTryAt: number }
  | { kind: 'off'; since: number }

export interface Live {
  connection: Accessor<Connection>
  /** The last update, kept when the connection is lost. */
  update: Accessor<LiveUpdate | undefined>
  /** When it arrived, by this browser's clock. */
  updatedAt: Accessor<number>
  /** What to add to this browser's clock to get the server's; 0 when they agree within a second. */
  skewMs: Accessor<number>
  isOn: Accessor<boolean>
  toggle(): void
  retry(): void
}

/** Opens the subscription; returns a function that closes it. */
export type SubscribeLive = (
  tenant: string,
  on: { data(data: { live: LiveUpdate }): void; end(error: ApiError): void },
) => () => void

const subscribeLive: SubscribeLive = (tenant, on) => subscribe(LIVE, { tenant }, on)

/** Follows one tenant (none while undefined), and reconnects after every interruption. */
export function createLive(
  tenant: Accessor<string | undefined>,
  subscribeTo: SubscribeLive = subscribeLive,
): Live {
  const [connection, setConnection] = createSignal<Connection>({ kind: 'connecting' })
  const [update, setUpdate] = createSignal<LiveUpdate>()
  const [updatedAt, setUpdatedAt] = createSignal(0)
  const [skewMs, setSkewMs] = createSignal(0)
  const [isOn, setOn] = createSignal(true)

  let unsubscribe: () => void = () => {}
  let timer: ReturnType<typeof setTimeout> | undefined
  let tries = 0
  let lostAt = 0

  const reconnectLater = (error: ApiError) => {
    unsubscribe()
    tries++
    if (tries === 1) lostAt = Date.now()
    const wait = backoffMs(tries)
    setConnection({ kind: 'waiting', error, since: lostAt, tries, nextTryAt: Date.now() + wait })
    clearTimeout(timer)
    timer = setTimeout(connect, wait)
  }

  const restartSilenceTimer = () => {
    clearTimeout(timer)
    const message = `Sluice sent no update for ${SILENCE_MS_MAX / 1000} s.`
    timer = setTimeout(() => reconnectLater({ kind: 'unreachable', message }), SILENCE_MS_MAX)
  }

  const receive = (received: LiveUpdate) => {
    tries = 0
    restartSilenceTimer()
    setUpdatedAt(Date.now())
    setSkewMs((previous) => clockSkew(Date.parse(received.at) - Date.now(), previous))
    setUpdate(received)
    setConnection((current) => (current.kind === 'open' ? current : { kind: 'open' }))
  }

  const connect = () => {
    const followed = tenant()
    unsubscribe()
    if (followed === undefined) return
    if (tries === 0) setConnection({ kind: 'connecting' })
    restartSilenceTimer()
    unsubscribe = subscribeTo(followed, {
      data: ({ live }) => receive(live),
      end: reconnectLater,
    })
  }

  const disconnect = () => {
    unsubscribe()
    clearTimeout(timer)
    tries = 0
  }

  createEffect(
    on([tenant, isOn], ([followed], before) => {
      disconnect()
      // One tenant's numbers are never shown under another's name.
      if (before && before[0] !== followed) setUpdate(undefined)
      if (isOn()) connect()
      else setConnection({ kind: 'off', since: Date.now() })
    }),
  )

  const retry = () => {
    if (isOn() && connection().kind === 'waiting') connect()
  }
  const onVisibilityChange = () => document.hidden || retry()
  document.addEventListener('visibilitychange', onVisibilityChange)
  window.addEventListener('online', retry)
  onCleanup(() => {
    disconnect()
    document.removeEventListener('visibilitychange', onVisibilityChange)
    window.removeEventListener('online', retry)
  })

  const toggle = () => setOn((on) => !on)
  return { connection, update, updatedAt, skewMs, isOn, toggle, retry }
}

/** A network delay looks like a small difference, so only a large one counts; small changes of it do not. */
export function clockSkew(differenceMs: number, previous: number): number {
  if (Math.abs(differenceMs) < SKEW_MS_MIN) return 0
  return Math.abs(differenceMs - previous) < SKEW_MS_MIN ? previous : differenceMs
}
const SKEW_MS_MIN = 1_500
