import * as Combobox from '@kobalte/core/combobox'
import { createMemo, createSignal, onMount, Show } from 'solid-js'
import { useApp } from '../lib/app-context.ts'
import { allZones, searchZones, type Zone } from '../lib/time/zones.ts'
import { browserZone } from '../lib/url-state.ts'

const SHOWN_MAX = 80

/** Type to filter, arrows to move, Enter to choose: the first match where none is highlighted. */
export default function ZoneSearch(props: { onDone(): void }) {
  const { urlState, now } = useApp()
  const zones = allZones([urlState.zone(), browserZone()], now())
  const [typed, setTyped] = createSignal('')
  const found = createMemo(() => searchZones(zones, typed(), SHOWN_MAX))
  let input!: HTMLInputElement
  onMount(() => input.focus())

  const choose = (zone: Zone | null | undefined) => {
    if (!zone) return
    urlState.set({ zone: zone.id === browserZone() ? null : zone.id })
    props.onDone()
  }
  return (
    <Combobox.Root<Zone>
      class="zone-panel"
      open
      allowsEmptyCollection
      options={found()}
      optionValue="id"
      optionTextValue="label"
      optionLabel="label"
      defaultFilter={() => true}
      placeholder="City, region or offset"
      onInputChange={setTyped}
      onChange={choose}
      itemComponent={(item) => <ZoneOption {...item} current={urlState.zone()} />}
    >
      <Combobox.Control>
        <Combobox.Input
          ref={input}
          class="search"
          aria-label="Search time zones"
          onKeyDown={(event: KeyboardEvent) => {
            if (event.key === 'Enter' && !input.getAttribute('aria-activedescendant'))
              choose(found()[0])
          }}
        />
      </Combobox.Control>
      <Combobox.Listbox class="zone-list" aria-label="Time zones" />
      <Show when={found().length === 0}>
        <p class="hint">No time zone matches.</p>
      </Show>
    </Combobox.Root>
  )
}

function ZoneOption(
  props: Parameters<NonNullable<Combobox.ComboboxRootProps<Zone>['itemComponent']>>[0] & {
    current: string
  },
) {
  const zone = () => props.item.rawValue
  const note = () =>
    [zone().id === props.current && 'selected', zone().id === browserZone() && 'this browser']
      .filter(Boolean)
      .join(', ')
  return (
    <Combobox.Item item={props.item} class="option" data-current={zone().id === props.current}>
      <span>
        {zone().label} <span class="hint">{note()}</span>
      </span>
      <span class="hint figures">{zone().offset}</span>
    </Combobox.Item>
  )
}
