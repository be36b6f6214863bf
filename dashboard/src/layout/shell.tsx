import { type Accessor, createEffect, createMemo, createSignal, Match, Switch } from 'solid-js'
import type { Viewer } from '../lib/api/documents.ts'
import { createLive } from '../lib/api/live.ts'
import { freshnessOf } from '../lib/freshness.ts'
import { type Key, listenForKeys } from '../lib/shortcuts.ts'
import type { Place } from '../lib/url-state.ts'
import { createFirstEvent } from '../pages/overview/onboarding/first-event.ts'
import { FirstSteps } from '../pages/overview/onboarding/quickstart.tsx'
import { Overview } from '../pages/overview/page.tsx'
import { NotAllowed } from './error-states.tsx'
import { Frame } from './layout.tsx'
import { KeysDialog } from './shortcuts-dialog.tsx'
import { type Openers, TopBar } from './top-bar.tsx'

const DEMO = 'demo'

/** The frame, the one live connection, and the page for the tenant chosen. */
export function Dashboard(props: {
  viewer: Viewer
  refreshViewer(): void
  place: Place
  now: Accessor<number>
}) {
  const { place, now } = props
  const tenants = createMemo(() => props.viewer.tenants.map((tenant) => tenant.id))
  const tenant = createMemo(
    () => place.tenant() ?? props.viewer.firstSteps?.tenant ?? tenants()[0] ?? '',
  )
  const isAllowed = createMemo(() => tenants().includes(tenant()))
  const live = createLive(() => (isAllowed() ? tenant() : undefined))
  const first = createFirstEvent(
    tenant,
    () => props.viewer.tenants.find(({ id }) => id === tenant())?.hasEvents ?? false,
    live.update,
    () => props.refreshViewer(),
  )
  const [showsKeys, setShowsKeys] = createSignal(false)
  const openers: Openers = { range() {}, zone() {} }
  const [pauseFeed, setPauseFeed] = createSignal<() => void>(() => {})

  const keys: Key[] = [
    { key: 'l', says: 'Switch live updates on and off', run: live.toggle },
    { key: 'p', says: 'Pause the live feed, and go on', run: () => pauseFeed()() },
    {
      key: 't',
      says: 'Chart or table',
      run: () => place.go({ view: place.view() === 'table' ? null : 'table' }),
    },
    {
      key: 'n',
      says: 'All events, or one line for each name',
      run: () => place.go({ split: place.split() ? null : 'name' }),
    },
    { key: 'r', says: 'Choose the time range', run: () => openers.range() },
    { key: 'z', says: 'Choose the time zone', run: () => openers.zone() },
    {
      key: 'Escape',
      says: 'Back to all events',
      run: () => place.name() && place.go({ name: null }),
    },
    { key: '?', says: 'Show these keys', run: () => setShowsKeys(true) },
  ]
  listenForKeys(keys)
  createEffect(() => {
    document.title = `${tenant()} · Overview · Sluice`
  })

  return (
    <Frame
      onKeys={() => setShowsKeys(true)}
      top={
        <TopBar
          tenants={tenants()}
          tenant={tenant()}
          place={place}
          now={now}
          freshness={
            isAllowed()
              ? freshnessOf(live.connection(), live.update(), live.pushedAt(), now())
              : undefined
          }
          onFreshness={live.toggle}
          openers={openers}
        />
      }
    >
      <Switch>
        <Match when={!isAllowed()}>
          <NotAllowed
            tenant={tenant()}
            tenants={tenants()}
            onChoose={(chosen) => place.go({ tenant: chosen })}
          />
        </Match>
        <Match when={!first.hasEvents()}>
          <FirstSteps
            tenant={tenant()}
            steps={props.viewer.firstSteps}
            demo={tenants().find((id) => id === DEMO && id !== tenant())}
            onDemo={(demo) => place.go({ tenant: demo })}
          />
        </Match>
        <Match when={tenant()} keyed>
          {(of) => (
            <Overview
              tenant={of}
              place={place}
              now={now}
              live={live}
              firstEvent={first.event()}
              setPauseFeed={(run) => setPauseFeed(() => run)}
            />
          )}
        </Match>
      </Switch>
      <KeysDialog keys={keys} isOpen={showsKeys()} onClose={() => setShowsKeys(false)} />
    </Frame>
  )
}
