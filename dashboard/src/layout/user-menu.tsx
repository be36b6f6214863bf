import { createSignal, ErrorBoundary, lazy, Suspense } from 'solid-js'
import { PersonIcon } from '../components/icons.tsx'
import { Popover } from '../components/overlays/popover.tsx'
import { useApp, useShortcuts } from '../lib/app-context.ts'

/** Loaded when it is opened. */
const UserPanel = lazy(() => import('./user-panel.tsx'))

/** Who is signed in, the theme, and signing out. */
export function UserMenu() {
  const { viewer } = useApp()
  const [isOpen, setOpen] = createSignal(false)
  useShortcuts([{ key: 'u', description: 'Open the user menu', run: () => setOpen(true) }])
  const name = () => viewer().person?.name ?? 'Operator'
  return (
    <Popover
      label="User menu"
      class="user"
      title={`${name()} (u)`}
      isOpen={isOpen()}
      onOpenChange={setOpen}
      button={
        <>
          <PersonIcon />
          <span class="sr-only">{name()}</span>
        </>
      }
    >
      <ErrorBoundary fallback={<p class="hint failed">Could not be loaded. Reload the page.</p>}>
        <Suspense fallback={<div class="user-panel user-loading" aria-busy="true" />}>
          <UserPanel onDone={() => setOpen(false)} />
        </Suspense>
      </ErrorBoundary>
    </Popover>
  )
}
