import './settings.css'
import { A, Navigate, useLocation } from '@solidjs/router'
import { For, Show, Suspense } from 'solid-js'
import { Dynamic } from 'solid-js/web'
import { Forbidden } from '../../components/forbidden.tsx'
import { SkeletonRows } from '../../components/skeleton-rows.tsx'
import { useApp } from '../../lib/app-context.ts'
import { type SettingsSection, settingsSections } from './sections.ts'

/** What a team decides for its tenant, and each person for themselves. */
export default function SettingsPage() {
  const { may, urlState } = useApp()
  const location = useLocation()
  const isAllowed = ({ permission }: SettingsSection) => permission === undefined || may(permission)
  const allowed = () => settingsSections.filter(isAllowed)
  const section = () => settingsSections.find(({ path }) => path === location.pathname)
  const hrefOf = ({ path }: SettingsSection) => `${path}${urlState.sharedSearch()}`
  return (
    <div class="settings">
      <nav class="settings-nav" aria-label="Settings">
        <For each={allowed()}>
          {(each) => (
            <A class="settings-link" href={hrefOf(each)}>
              {each.title}
            </A>
          )}
        </For>
      </nav>
      <div class="settings-content">
        <Show
          when={section()}
          keyed
          fallback={
            <Show when={allowed()[0]}>{(first) => <Navigate href={() => hrefOf(first())} />}</Show>
          }
        >
          {(shown) => (
            <Show
              when={isAllowed(shown)}
              fallback={<Forbidden area={`${shown.title} in Settings`} />}
            >
              <Suspense fallback={<SkeletonRows widths={[60, 80, 50]} />}>
                <Dynamic component={shown.component} />
              </Suspense>
            </Show>
          )}
        </Show>
      </div>
    </div>
  )
}
