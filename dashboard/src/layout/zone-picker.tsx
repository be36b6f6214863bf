import { createSignal, ErrorBoundary, lazy, Suspense } from 'solid-js'
import { ChevronIcon, GlobeIcon } from '../components/icons.tsx'
import { Popover } from '../components/overlays/popover.tsx'
import { useApp, useShortcuts } from '../lib/app-context.ts'
import { offsetName } from '../lib/format.ts'
import { zoneLabel } from '../lib/time/zones.ts'

/** Loaded when it is opened: the combobox is as large as the rest of the top bar. */
const ZoneSearch = lazy(() => import('./zone-search.tsx'))

/** The time zone in which days and hours begin. */
export function ZonePicker() {
  const { urlState, now } = useApp()
  const [isOpen, setOpen] = createSignal(false)
  useShortcuts([{ key: 'z', description: 'Change the time zone', run: () => setOpen(true) }])
  return (
    <Popover
      label="Time zone"
      class="zone"
      title={`${urlState.zone()}, ${offsetName(now(), urlState.zone())} (z)`}
      isOpen={isOpen()}
      onOpenChange={setOpen}
      button={
        <>
          <GlobeIcon />
          <span class="control-text">{zoneLabel(urlState.zone().split('/').at(-1) as string)}</span>
          <ChevronIcon />
        </>
      }
    >
      <ErrorBoundary fallback={<p class="hint failed">Could not be loaded. Reload the page.</p>}>
        <Suspense fallback={<div class="zone-panel zone-loading" aria-busy="true" />}>
          <ZoneSearch onDone={() => setOpen(false)} />
        </Suspense>
      </ErrorBoundary>
    </Popover>
  )
}
