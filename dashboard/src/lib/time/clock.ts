import { type Accessor, createMemo, createSignal, onCleanup } from 'solid-js'

/** The current time in milliseconds, updated every second. */
export function createNow(everyMs = 1_000): Accessor<number> {
  const [now, setNow] = createSignal(Date.now())
  const timer = setInterval(() => setNow(Date.now()), everyMs)
  onCleanup(() => clearInterval(timer))
  return now
}

/** The time at which a page's range ends: the server's clock; with live updates off the page stands still. */
export function createLiveClock({
  live,
  now,
}: {
  live: { isOn(): boolean; skewMs(): number }
  now: Accessor<number>
}): Accessor<number> {
  return createMemo<number>((previous) => (live.isOn() ? now() + live.skewMs() : previous), now())
}
