import { DateTime } from 'luxon'
import { createSignal, For, Show } from 'solid-js'
import { ChevronIcon, ClockIcon } from '../components/icons.tsx'
import { Popover } from '../components/popover.tsx'
import { rangeName } from '../lib/format.ts'
import { RELATIVES, type RelativeId, stretchOf } from '../lib/time/range.ts'
import type { Place } from '../lib/url-state.ts'

/** The last so many hours, or from one moment to another on the wall clock of the chosen zone. */
export function RangePicker(props: {
  place: Place
  now: () => number
  opener(open: () => void): void
}) {
  const range = () => props.place.range()
  const says = () => {
    const chosen = range()
    if (chosen.is === 'relative') return RELATIVES[chosen.id].says
    return rangeName(chosen.from, chosen.to, props.place.zone())
  }
  const isChosen = (id: RelativeId) => {
    const chosen = range()
    return chosen.is === 'relative' && chosen.id === id
  }
  return (
    <Popover
      label="Time range"
      class="range"
      title="Time range (r)"
      opener={props.opener}
      button={
        <>
          <ClockIcon />
          <span class="control-text">{says()}</span>
          <ChevronIcon />
        </>
      }
    >
      {(close) => (
        <div class="range-panel">
          <div class="range-list">
            <For each={Object.entries(RELATIVES) as [RelativeId, { says: string }][]}>
              {([id, { says }]) => (
                <button
                  type="button"
                  class="option"
                  aria-pressed={isChosen(id)}
                  onClick={() => {
                    props.place.goRange({ is: 'relative', id })
                    close()
                  }}
                >
                  {says}
                </button>
              )}
            </For>
          </div>
          <AbsoluteRange place={props.place} now={props.now} close={close} />
        </div>
      )}
    </Popover>
  )
}

function AbsoluteRange(props: { place: Place; now: () => number; close(): void }) {
  const zone = props.place.zone()
  const chosen = props.place.range()
  const shown =
    chosen.is === 'absolute'
      ? { from: chosen.from, to: chosen.to }
      : { from: stretchOf(chosen, props.now(), zone).window.from, to: props.now() }
  const local = (time: number) => DateTime.fromMillis(time, { zone }).toFormat("yyyy-MM-dd'T'HH:mm")
  const [from, setFrom] = createSignal(local(shown.from))
  const [to, setTo] = createSignal(local(shown.to))
  const [wrong, setWrong] = createSignal<string>()

  const apply = (event: SubmitEvent) => {
    event.preventDefault()
    const [start, end] = [from(), to()].map((text) => DateTime.fromISO(text, { zone }))
    if (!start?.isValid || !end?.isValid) return setWrong('Give both ends as a date and a time.')
    if (start >= end) return setWrong('The end must come after the start.')
    if (end.diff(start, 'days').days > 3_650) return setWrong('At most ten years at once.')
    props.place.goRange({ is: 'absolute', from: start.toMillis(), to: end.toMillis() })
    props.close()
  }
  const field = (label: string, value: () => string, set: (text: string) => void) => (
    <label class="field">
      {label}
      <input
        type="datetime-local"
        value={value()}
        aria-invalid={wrong() !== undefined}
        onInput={(event) => {
          set(event.currentTarget.value)
          setWrong(undefined)
        }}
      />
    </label>
  )
  return (
    <form class="range-form" onSubmit={apply}>
      {field('From', from, setFrom)}
      {field('To', to, setTo)}
      <p class="hint">
        On the clock of {zone.replaceAll('_', ' ')}, widened to whole quarters of an hour.
      </p>
      <Show when={wrong()}>
        {(says) => (
          <p class="hint wrong" role="alert">
            {says()}
          </p>
        )}
      </Show>
      <button type="submit" class="button primary">
        Show this range
      </button>
      <p class="hint">Or drag across the chart.</p>
    </form>
  )
}
