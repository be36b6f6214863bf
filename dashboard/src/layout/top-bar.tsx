import { Show } from 'solid-js'
import { execute } from '../lib/api/client.ts'
import { FRESHNESS } from '../lib/api/documents.ts'
import { createPolling } from '../lib/api/polling.ts'
import { createQuery } from '../lib/api/query.ts'
import { useApp } from '../lib/app-context.ts'
import { freshnessOf, measuredText } from '../lib/freshness.ts'
import { RangePicker } from './range-picker.tsx'
import { TenantPicker } from './tenant-picker.tsx'
import { UserMenu } from './user-menu.tsx'
import { ZonePicker } from './zone-picker.tsx'

/** Tenant, time range, time zone, freshness and the user menu. */
export function TopBar(props: {
  title: string
  tenants: string[]
  /** Whether there is a tenant to follow. */
  isAllowed: boolean
  /** Whether what the page shows depends on the time range. */
  hasRange: boolean
}) {
  return (
    <>
      <h1 class="sr-only">{props.title}</h1>
      <Show when={props.tenants.length > 0}>
        <TenantPicker tenants={props.tenants} />
      </Show>
      <Show when={props.hasRange}>
        <RangePicker />
      </Show>
      <ZonePicker />
      <span class="top-gap" />
      <Show when={props.isAllowed}>
        <FreshnessBadge />
      </Show>
      <UserMenu />
    </>
  )
}

/** About as often as there is a canary. */
const MEASURED_MS = 60_000

function FreshnessBadge() {
  const { live, now, tenant, may } = useApp()
  const measured = createQuery({
    scope: tenant,
    variables: () => (may('pipeline.read') ? {} : undefined),
    fetch: () => execute(FRESHNESS, {}),
  })
  createPolling([measured], MEASURED_MS)
  const freshness = () => freshnessOf(live.connection(), live.update(), live.updatedAt(), now())
  return (
    <button
      type="button"
      class="badge"
      data-tone={freshness().tone}
      title={`${freshness().detail}${measuredText(measured.data()?.freshness.hour)} Click to turn live updates ${live.isOn() ? 'off' : 'on'} (l).`}
      onClick={() => live.toggle()}
    >
      <span class="badge-dot" aria-hidden="true" />
      {freshness().label}
    </button>
  )
}
