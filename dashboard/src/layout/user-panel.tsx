import { A } from '@solidjs/router'
import { createSignal, onMount, Show } from 'solid-js'
import { ActionError } from '../components/forms/action-error.tsx'
import { Choice } from '../components/forms/choice.tsx'
import { SessionsIcon, SignOutIcon } from '../components/icons.tsx'
import { createAction } from '../lib/api/action.ts'
import { mutate } from '../lib/api/client.ts'
import { roleIn } from '../lib/api/documents.ts'
import { graphql } from '../lib/api/graphql.ts'
import { useApp } from '../lib/app-context.ts'
import { ROLES } from '../lib/roles.ts'
import { chooseTheme, theme } from '../lib/theme.ts'

const END_ALL = graphql(`
  mutation EndAllSessions { endAllSessions(includingThis: true) }
`)

/** What the user menu shows. */
export default function UserPanel(props: { onDone(): void }) {
  const { viewer, tenant, urlState } = useApp()
  let panel!: HTMLDivElement
  onMount(() => panel.querySelector<HTMLElement>('a, button')?.focus({ preventScroll: true }))
  return (
    <div class="user-panel" ref={panel}>
      <div class="user-name">
        <bdi class="user-title">{viewer().person?.name ?? 'Operator'}</bdi>
        <Show when={viewer().person?.email}>{(email) => <bdi class="hint">{email()}</bdi>}</Show>
        <span class="hint">{roleText(viewer(), tenant())}</span>
      </div>
      <div class="user-theme">
        <span>Theme</span>
        <Choice
          label="Theme"
          chosen={theme()}
          options={{ system: 'System', light: 'Light', dark: 'Dark' }}
          choose={chooseTheme}
        />
      </div>
      <hr />
      <A
        class="menu-item"
        href={`/settings/sessions${urlState.sharedSearch()}`}
        onClick={() => props.onDone()}
      >
        <SessionsIcon />
        Your sessions
      </A>
      <form method="post" action="/logout">
        <button type="submit" class="menu-item">
          <SignOutIcon />
          Sign out
        </button>
      </form>
      <EndAll />
    </div>
  )
}

/** It signs out this browser too, so it asks once. */
function EndAll() {
  const { refreshViewer } = useApp()
  const [isAsking, setAsking] = createSignal(false)
  const endAll = createAction(() => mutate(END_ALL, {}))
  const run = async () => {
    // The next response says that this browser is signed out.
    if (await endAll.run(undefined)) refreshViewer()
  }
  return (
    <Show
      when={isAsking()}
      fallback={
        <button type="button" class="menu-item" onClick={() => setAsking(true)}>
          <SignOutIcon />
          End all sessions…
        </button>
      }
    >
      <fieldset class="user-confirm">
        <legend class="sr-only">End all sessions</legend>
        <p class="hint">Every browser in which you are signed in is signed out, this one too.</p>
        <ActionError error={endAll.error()} />
        <p class="form-actions">
          <button
            type="button"
            class="button danger"
            ref={(button) => queueMicrotask(() => button.focus())}
            disabled={endAll.isRunning()}
            onClick={run}
          >
            End all sessions
          </button>
          <button type="button" class="button" onClick={() => setAsking(false)}>
            Cancel
          </button>
        </p>
      </fieldset>
    </Show>
  )
}

function roleText(
  viewer: Parameters<typeof roleIn>[0] & { isOperator: boolean },
  tenant: string,
): string {
  if (viewer.isOperator) return 'Operator: all tenants'
  const role = roleIn(viewer, tenant)
  return role ? `${ROLES[role].name} of ${tenant}` : 'Member of no tenant'
}
