import { createMemo, createSignal, createUniqueId, For, onMount, Show } from 'solid-js'
import { ChevronIcon, GlobeIcon } from '../components/icons.tsx'
import { Popover } from '../components/popover.tsx'
import { offsetName } from '../lib/format.ts'
import { allZones, searchZones, zoneName } from '../lib/time/zones.ts'
import { browserZone, type Place } from '../lib/url-state.ts'

const SHOWN_MAX = 80

/** Which clock on the wall tells the days and hours. Type to narrow, arrows to move, Enter to choose. */
export function ZonePicker(props: {
  place: Place
  now: () => number
  opener(open: () => void): void
}) {
  return (
    <Popover
      label="Time zone"
      class="zone"
      title={`${props.place.zone()}, ${offsetName(props.now(), props.place.zone())} (z)`}
      opener={props.opener}
      button={
        <>
          <GlobeIcon />
          <span class="control-text">
            {zoneName(props.place.zone().split('/').at(-1) as string)}
          </span>
          <ChevronIcon />
        </>
      }
    >
      {(close) => <ZoneList place={props.place} now={props.now()} close={close} />}
    </Popover>
  )
}

function ZoneList(props: { place: Place; now: number; close(): void }) {
  const id = createUniqueId()
  const zones = allZones([browserZone()], props.now)
  const [typed, setTyped] = createSignal('')
  const [at, setAt] = createSignal(0)
  const found = createMemo(() => searchZones(zones, typed(), SHOWN_MAX))
  let input!: HTMLInputElement
  let list!: HTMLDivElement
  onMount(() => input.focus())

  const move = (to: number) => {
    setAt(Math.max(0, Math.min(found().length - 1, to)))
    list.children[at()]?.scrollIntoView({ block: 'nearest' })
  }
  const choose = (zone: string | undefined) => {
    if (zone === undefined) return
    props.place.go({ zone: zone === browserZone() ? null : zone })
    props.close()
  }
  const steer = (event: KeyboardEvent) => {
    const moves: Record<string, () => void> = {
      ArrowDown: () => move(at() + 1),
      ArrowUp: () => move(at() - 1),
      Enter: () => choose(found()[at()]?.id),
    }
    const run = moves[event.key]
    if (run === undefined) return
    event.preventDefault()
    run()
  }
  return (
    <div class="zone-panel">
      <input
        ref={input}
        type="text"
        class="search"
        role="combobox"
        aria-label="Search time zones"
        aria-expanded="true"
        aria-controls={`${id}-list`}
        aria-activedescendant={found().length > 0 ? `${id}-${at()}` : undefined}
        placeholder="City, region or offset"
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => {
          setTyped(event.currentTarget.value)
          setAt(0)
        }}
        onKeyDown={steer}
      />
      <div class="zone-list" id={`${id}-list`} role="listbox" aria-label="Time zones" ref={list}>
        <For each={found()}>
          {(zone, i) => (
            // The input keeps the focus and moves the choice; the mouse comes in here.
            // biome-ignore lint/a11y/useFocusableInteractive: aria-activedescendant
            // biome-ignore lint/a11y/useKeyWithClickEvents: keys are heard by the input
            <div
              class="option"
              role="option"
              id={`${id}-${i()}`}
              aria-selected={zone.id === props.place.zone()}
              data-at={i() === at()}
              onClick={() => choose(zone.id)}
            >
              <span>
                {zone.says}
                <Show when={zone.id === browserZone()}>
                  <span class="hint"> this browser</span>
                </Show>
              </span>
              <span class="hint figures">{zone.offset}</span>
            </div>
          )}
        </For>
      </div>
      <Show when={found().length === 0}>
        <p class="hint">No time zone is called so.</p>
      </Show>
    </div>
  )
}
