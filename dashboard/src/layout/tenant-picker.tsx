import { createSignal, ErrorBoundary, For, lazy, Show, Suspense } from 'solid-js'
import { ChevronIcon } from '../components/icons.tsx'
import { Popover } from '../components/overlays/popover.tsx'
import { useApp, useShortcuts } from '../lib/app-context.ts'

/** Loaded when it is opened, like the one for time zones. */
const TenantSearch = lazy(() => import('./tenant-search.tsx'))

/** A list where the viewer has all tenants, a search where there are more. */
export function TenantPicker(props: { tenants: string[] }) {
  const { viewer } = useApp()
  return (
    <Show when={viewer().hasMoreTenants} fallback={<TenantSelect tenants={props.tenants} />}>
      <TenantPopover />
    </Show>
  )
}

function TenantSelect(props: { tenants: string[] }) {
  const { tenant, urlState } = useApp()
  return (
    <label class="control tenant">
      <span class="sr-only">Tenant</span>
      <select
        value={tenant()}
        onChange={(event) => urlState.set({ tenant: event.currentTarget.value, name: null })}
      >
        <Show when={!props.tenants.includes(tenant())}>
          <option value={tenant()} selected disabled>
            {tenant()}
          </option>
        </Show>
        <For each={props.tenants}>
          {(id) => (
            <option value={id} selected={id === tenant()}>
              {id}
            </option>
          )}
        </For>
      </select>
      <ChevronIcon />
    </label>
  )
}

function TenantPopover() {
  const { tenant } = useApp()
  const [isOpen, setOpen] = createSignal(false)
  useShortcuts([{ key: 'c', description: 'Change the tenant', run: () => setOpen(true) }])
  return (
    <Popover
      label="Tenant"
      class="tenants"
      title={`${tenant()} (c)`}
      isOpen={isOpen()}
      onOpenChange={setOpen}
      button={
        <>
          <span class="control-text">{tenant()}</span>
          <ChevronIcon />
        </>
      }
    >
      <ErrorBoundary fallback={<p class="hint failed">Could not be loaded. Reload the page.</p>}>
        <Suspense fallback={<div class="zone-panel zone-loading" aria-busy="true" />}>
          <TenantSearch onDone={() => setOpen(false)} />
        </Suspense>
      </ErrorBoundary>
    </Popover>
  )
}
