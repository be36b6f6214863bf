import { DateTime } from 'luxon'
import { createSignal, For, Show } from 'solid-js'
import { ChevronIcon, ClockIcon } from '../components/icons.tsx'
import { Popover } from '../components/overlays/popover.tsx'
import { useApp, useShortcuts } from '../lib/app-context.ts'
import { rangeName } from '../lib/format.ts'
import { RELATIVES, type RelativeId, resolveRange } from '../lib/time/range.ts'

const DAYS_MAX = 3_650

/** A relative range, or one between two local times of the chosen zone. */
export function RangePicker() {
  const { urlState } = useApp()
  const [isOpen, setOpen] = createSignal(false)
  useShortcuts([{ key: 'r', description: 'Change the time range', run: () => setOpen(true) }])
  const label = () => {
    const range = urlState.range()
    if (range.kind === 'relative') return RELATIVES[range.id].label
    return rangeName(range.from, range.to, urlState.zone())
  }
  return (
    <Popover
      label="Time range"
      class="range"
      title="Time range (r)"
      isOpen={isOpen()}
      onOpenChange={setOpen}
      button={
        <>
          <ClockIcon />
          <span class="control-text">{label()}</span>
          <ChevronIcon />
        </>
      }
    >
      <div class="range-panel">
        <RelativeRanges onDone={() => setOpen(false)} />
        <AbsoluteRange onDone={() => setOpen(false)} />
      </div>
    </Popover>
  )
}

function RelativeRanges(props: { onDone(): void }) {
  const { urlState } = useApp()
  const isChosen = (id: RelativeId) => {
    const range = urlState.range()
    return range.kind === 'relative' && range.id === id
  }
  return (
    <div class="range-list">
      <For each={Object.entries(RELATIVES) as [RelativeId, { label: string }][]}>
        {([id, { label }]) => (
          <button
            type="button"
            class="option"
            aria-pressed={isChosen(id)}
            onClick={() => {
              urlState.setRange({ kind: 'relative', id })
              props.onDone()
            }}
          >
            {label}
          </button>
        )}
      </For>
    </div>
  )
}

function AbsoluteRange(props: { onDone(): void }) {
  const { urlState, now } = useApp()
  const zone = urlState.zone()
  const range = urlState.range()
  const shown =
    range.kind === 'absolute'
      ? { from: range.from, to: range.to }
      : { from: resolveRange(range, now(), zone).window.from, to: now() }
  const local = (time: number) => DateTime.fromMillis(time, { zone }).toFormat("yyyy-MM-dd'T'HH:mm")
  const [from, setFrom] = createSignal(local(shown.from))
  const [to, setTo] = createSignal(local(shown.to))
  const [error, setError] = createSignal<string>()

  const apply = (event: SubmitEvent) => {
    event.preventDefault()
    const [start, end] = [from(), to()].map((text) => DateTime.fromISO(text, { zone }))
    if (!start?.isValid || !end?.isValid) return setError('Enter a date and a time for both ends.')
    if (start >= end) return setError('The end must be after the start.')
    if (end.diff(start, 'days').days > DAYS_MAX)
      return setError('A range can be at most ten years long.')
    urlState.setRange({ kind: 'absolute', from: start.toMillis(), to: end.toMillis() })
    props.onDone()
  }
  const field = (label: string, value: () => string, set: (text: string) => void) => (
    <label class="field">
      {label}
      <input
        type="datetime-local"
        value={value()}
        aria-invalid={error() !== undefined}
        onInput={(event) => {
          set(event.currentTarget.value)
          setError(undefined)
        }}
      />
    </label>
  )
  return (
    <form class="range-form" onSubmit={apply}>
      {field('From', from, setFrom)}
      {field('To', to, setTo)}
      <p class="hint">Times are in {zone.replaceAll('_', ' ')}, rounded to 15 minutes.</p>
      <Show when={error()}>
        {(message) => (
          <p class="hint wrong" role="alert">
            {message()}
          </p>
        )}
      </Show>
      <button type="submit" class="button primary">
        Apply
      </button>
      <p class="hint">You can also drag across the chart.</p>
    </form>
  )
}
