import { Match, Show, Switch } from 'solid-js'
import { MoonIcon, SunIcon, SystemIcon } from '../components/icons.tsx'
import { useApp } from '../lib/app-context.ts'
import { freshnessOf } from '../lib/freshness.ts'
import { nextTheme, theme } from '../lib/theme.ts'
import { RangePicker } from './range-picker.tsx'
import { TenantPicker } from './tenant-picker.tsx'
import { ZonePicker } from './zone-picker.tsx'

/** Tenant, time range, time zone, freshness and theme. */
export function TopBar(props: {
  title: string
  tenants: string[]
  /** Whether there is a tenant to follow. */
  isAllowed: boolean
}) {
  return (
    <>
      <h1 class="sr-only">{props.title}</h1>
      <TenantPicker tenants={props.tenants} />
      <RangePicker />
      <ZonePicker />
      <span class="top-gap" />
      <Show when={props.isAllowed}>
        <FreshnessBadge />
      </Show>
      <ThemeButton />
    </>
  )
}

function FreshnessBadge() {
  const { live, now } = useApp()
  const freshness = () => freshnessOf(live.connection(), live.update(), live.updatedAt(), now())
  return (
    <button
      type="button"
      class="badge"
      data-tone={freshness().tone}
      title={`${freshness().detail} Click to turn live updates ${live.isOn() ? 'off' : 'on'} (l).`}
      onClick={() => live.toggle()}
    >
      <span class="badge-dot" aria-hidden="true" />
      {freshness().label}
    </button>
  )
}

function ThemeButton() {
  return (
    <button
      type="button"
      class="control theme"
      title={`Theme: ${theme()}. Click to change.`}
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
  )
}
