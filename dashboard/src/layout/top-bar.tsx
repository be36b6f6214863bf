import { For, Match, Show, Switch } from 'solid-js'
import { ChevronIcon, MoonIcon, SunIcon, SystemIcon } from '../components/icons.tsx'
import type { Freshness } from '../lib/freshness.ts'
import { nextTheme, theme } from '../lib/theme.ts'
import type { Place } from '../lib/url-state.ts'
import { RangePicker } from './range-picker.tsx'
import { ZonePicker } from './zone-picker.tsx'

export interface Openers {
  range(): void
  zone(): void
}

/** Whose numbers, of which time, told by which clock, and how fresh. */
export function TopBar(props: {
  tenants: string[]
  tenant: string
  place: Place
  now: () => number
  /** Undefined while there is nothing to follow. */
  freshness: Freshness | undefined
  onFreshness(): void
  openers: Openers
}) {
  return (
    <>
      <h1 class="sr-only">Overview</h1>
      <label class="control tenant">
        <span class="sr-only">Tenant</span>
        <select
          value={props.tenant}
          onChange={(event) => props.place.go({ tenant: event.currentTarget.value, name: null })}
        >
          <Show when={!props.tenants.includes(props.tenant)}>
            <option value={props.tenant} selected disabled>
              {props.tenant}
            </option>
          </Show>
          <For each={props.tenants}>
            {(tenant) => (
              <option value={tenant} selected={tenant === props.tenant}>
                {tenant}
              </option>
            )}
          </For>
        </select>
        <ChevronIcon />
      </label>
      <RangePicker
        place={props.place}
        now={props.now}
        opener={(open) => {
          props.openers.range = open
        }}
      />
      <ZonePicker
        place={props.place}
        now={props.now}
        opener={(open) => {
          props.openers.zone = open
        }}
      />
      <span class="top-gap" />
      <Show when={props.freshness}>
        {(freshness) => (
          <button
            type="button"
            class="badge"
            data-tone={freshness().tone}
            title={`${freshness().because} Click or press l to switch live on and off.`}
            onClick={() => props.onFreshness()}
          >
            <span class="badge-dot" aria-hidden="true" />
            {freshness().says}
          </button>
        )}
      </Show>
      <button
        type="button"
        class="control theme"
        title={`Theme: ${theme()}. Click for the next.`}
        aria-label={`Theme: ${theme()}`}
        onClick={nextTheme}
      >
        <Switch>
          <Match when={theme() === 'system'}>
            <SystemIcon />
          </Match>
          <Match when={theme() === 'light'}>
            <SunIcon />
          </Match>
          <Match when={theme() === 'dark'}>
            <MoonIcon />
          </Match>
        </Switch>
      </button>
    </>
  )
}
