import { useCurrentMatches } from '@solidjs/router'
import {
  type Accessor,
  createEffect,
  createMemo,
  createSignal,
  ErrorBoundary,
  type JSX,
  Show,
  Suspense,
} from 'solid-js'
import type { Viewer } from '../lib/api/documents.ts'
import { createLive } from '../lib/api/live.ts'
import { AppContext, type AppState } from '../lib/app-context.ts'
import { createShortcuts } from '../lib/shortcuts.ts'
import type { UrlState } from '../lib/url-state.ts'
import type { Page } from '../router.tsx'
import { NotAllowed, PageFailed } from './error-states.tsx'
import { Layout } from './layout.tsx'
import { ShortcutsDialog } from './shortcuts-dialog.tsx'
import { PageSkeleton } from './skeleton.tsx'
import { TopBar } from './top-bar.tsx'

/** Everything around a page: the layout, the live connection, the tenant and the shortcuts. */
export function Shell(props: {
  pages: readonly Page[]
  viewer: Viewer
  refreshViewer(): void
  urlState: UrlState
  now: Accessor<number>
  children: JSX.Element
}) {
  const { urlState, now } = props
  const tenants = createMemo(() => props.viewer.tenants.map((tenant) => tenant.id))
  const tenant = createMemo(
    () => urlState.tenant() ?? props.viewer.onboarding?.tenant ?? tenants()[0] ?? '',
  )
  const isAllowed = createMemo(() => tenants().includes(tenant()))
  /** One that is not listed was just chosen: whether it exists is on its way. */
  const isUnknown = () =>
    props.viewer.hasMoreTenants &&
    urlState.tenant() !== undefined &&
    urlState.tenant() !== props.viewer.namedTenant
  const live = createLive(() => (isAllowed() ? tenant() : undefined))
  const shortcuts = createShortcuts()
  const [isDialogOpen, setDialogOpen] = createSignal(false)
  shortcuts.add([
    { key: 'l', description: 'Turn live updates on or off', run: live.toggle },
    { key: '?', description: 'Show keyboard shortcuts', run: () => setDialogOpen(true) },
  ])
  const matches = useCurrentMatches()
  const title = () => String(matches().at(-1)?.route.info?.title ?? '')
  createEffect(() => {
    document.title = `${tenant()} · ${title()} · Sluice`
  })
  const app: AppState = {
    viewer: () => props.viewer,
    refreshViewer: () => props.refreshViewer(),
    tenant,
    urlState,
    now,
    live,
    shortcuts,
  }

  return (
    <AppContext.Provider value={app}>
      <Layout
        pages={props.pages}
        onShortcuts={() => setDialogOpen(true)}
        top={<TopBar title={title()} tenants={tenants()} isAllowed={isAllowed()} />}
      >
        <Show
          when={isAllowed()}
          fallback={
            <Show when={!isUnknown()} fallback={<PageSkeleton />}>
              <NotAllowed
                tenant={tenant()}
                tenants={tenants()}
                onChoose={(chosen) => urlState.set({ tenant: chosen })}
              />
            </Show>
          }
        >
          <Show when={tenant()} keyed>
            {(shown) => (
              <AppContext.Provider value={{ ...app, tenant: () => shown }}>
                <ErrorBoundary fallback={<PageFailed />}>
                  <Suspense fallback={<PageSkeleton />}>{props.children}</Suspense>
                </ErrorBoundary>
              </AppContext.Provider>
            )}
          </Show>
        </Show>
      </Layout>
      <ShortcutsDialog
        shortcuts={shortcuts.list()}
        isOpen={isDialogOpen()}
        onOpenChange={setDialogOpen}
      />
    </AppContext.Provider>
  )
}
