import { useCurrentMatches } from '@solidjs/router'
import {
  type Accessor,
  createEffect,
  createMemo,
  createSignal,
  ErrorBoundary,
  type JSX,
  lazy,
  Show,
  Suspense,
} from 'solid-js'
import { Forbidden } from '../components/forbidden.tsx'
import { mayIn, type Viewer } from '../lib/api/documents.ts'
import { createLive } from '../lib/api/live.ts'
import { AppContext, type AppState } from '../lib/app-context.ts'
import { createShortcuts } from '../lib/shortcuts.ts'
import type { UrlState } from '../lib/url-state.ts'
import type { Page, PageInfo } from '../router.tsx'
import { NoTenant, NotAllowed, PageFailed } from './error-states.tsx'
import { Layout } from './layout.tsx'
import { PageSkeleton } from './skeleton.tsx'
import { TopBar } from './top-bar.tsx'

/** Loaded when it is opened for the first time. */
const ShortcutsDialog = lazy(() => import('./shortcuts-dialog.tsx'))

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
  const onboardingTenant = () => {
    const { onboarding, hasMoreTenants } = props.viewer
    const id = onboarding?.tenant
    return id !== undefined && (hasMoreTenants || tenants().includes(id)) ? id : undefined
  }
  const tenant = createMemo(() => urlState.tenant() ?? onboardingTenant() ?? tenants()[0] ?? '')
  const isAllowed = createMemo(() => tenants().includes(tenant()))
  /** One that is not listed was just chosen: whether it exists is on its way. */
  const isUnknown = () =>
    props.viewer.hasMoreTenants &&
    urlState.tenant() !== undefined &&
    urlState.tenant() !== props.viewer.namedTenant
  const live = createLive(() => (isAllowed() ? tenant() : undefined))
  const shortcuts = createShortcuts()
  const [isDialogOpen, setDialogOpen] = createSignal(false)
  const isDialogNeeded = createMemo<boolean>((was) => was || isDialogOpen(), false)
  shortcuts.add([
    { key: 'l', description: 'Turn live updates on or off', run: live.toggle },
    { key: '?', description: 'Show keyboard shortcuts', run: () => setDialogOpen(true) },
  ])
  const matches = useCurrentMatches()
  const info = () => matches().at(-1)?.route.info as PageInfo | undefined
  const title = () => info()?.title ?? ''
  createEffect(() => {
    document.title = [tenant(), title(), 'Sluice'].filter((part) => part !== '').join(' · ')
  })
  const may = (permission: string) => mayIn(props.viewer, tenant(), permission)
  const isVisible = ({ permission }: Page) => permission === undefined || may(permission)
  const isForbidden = () => {
    const permission = info()?.permission
    return permission !== undefined && !may(permission)
  }
  const app: AppState = {
    viewer: () => props.viewer,
    refreshViewer: () => props.refreshViewer(),
    tenant,
    may,
    urlState,
    now,
    live,
    shortcuts,
  }

  return (
    <AppContext.Provider value={app}>
      <Layout
        pages={tenants().length > 0 ? props.pages.filter(isVisible) : []}
        onShortcuts={() => setDialogOpen(true)}
        top={
          <TopBar
            title={title()}
            tenants={tenants()}
            isAllowed={isAllowed()}
            hasRange={isAllowed() && (info()?.hasRange ?? false)}
          />
        }
      >
        <Show
          when={isAllowed()}
          fallback={
            <Show when={!isUnknown()} fallback={<PageSkeleton />}>
              <Show
                when={tenants().length > 0}
                fallback={<NoTenant viewer={props.viewer} onCheck={props.refreshViewer} />}
              >
                <NotAllowed
                  viewer={props.viewer}
                  tenant={tenant()}
                  tenants={tenants()}
                  onChoose={(chosen) => urlState.set({ tenant: chosen })}
                />
              </Show>
            </Show>
          }
        >
          <Show when={tenant()} keyed>
            {(shown) => (
              <AppContext.Provider value={{ ...app, tenant: () => shown }}>
                <ErrorBoundary fallback={<PageFailed />}>
                  <Show when={!isForbidden()} fallback={<Forbidden area={title()} />}>
                    <Suspense fallback={<PageSkeleton />}>{props.children}</Suspense>
                  </Show>
                </ErrorBoundary>
              </AppContext.Provider>
            )}
          </Show>
        </Show>
      </Layout>
      <Show when={isDialogNeeded()}>
        <Suspense>
          <ShortcutsDialog
            shortcuts={shortcuts.list()}
            isOpen={isDialogOpen()}
            onOpenChange={setDialogOpen}
          />
        </Suspense>
      </Show>
    </AppContext.Provider>
  )
}
