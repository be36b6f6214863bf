import { type RouteSectionProps, usePreloadRoute, useSearchParams } from '@solidjs/router'
import { createEffect, Match, on, onCleanup, Show, Switch } from 'solid-js'
import { SignedOut, Unreachable } from './layout/error-states.tsx'
import { Shell } from './layout/shell.tsx'
import { Skeleton } from './layout/skeleton.tsx'
import { denials, execute, signedOut } from './lib/api/client.ts'
import { VIEWER, viewerOf } from './lib/api/documents.ts'
import { createPolling } from './lib/api/polling.ts'
import { createQuery } from './lib/api/query.ts'
import { createNow } from './lib/time/clock.ts'
import { createUrlState } from './lib/url-state.ts'
import { pages } from './router.tsx'

const SIGN_IN_POLL_MS = 3_000
/** A role that was given or taken away is seen after so long, and at once where something is forbidden. */
const VIEWER_POLL_MS = 15_000

/** The page for a signed-in user, help to sign in, or an error. */
export function App(props: RouteSectionProps) {
  const setParams = useSearchParams()[1]
  const urlState = createUrlState(() => props.location.search, setParams)
  const now = createNow()
  const viewer = createQuery({
    scope: () => 'viewer',
    variables: () => ({ tenant: urlState.tenant() ?? '' }),
    async fetch(variables) {
      const result = await execute(VIEWER, variables)
      return result.ok ? { ok: true, data: viewerOf(result.data, variables.tenant) } : result
    },
  })
  createPolling([viewer], VIEWER_POLL_MS)
  createEffect(on(denials, viewer.invalidate, { defer: true }))
  // The code of the page is loaded while the viewer is.
  usePreloadRoute()(props.location.pathname)
  // After a sign-in in another tab, this one continues.
  createEffect(() => {
    if (!signedOut()) return
    const timer = setInterval(viewer.retry, SIGN_IN_POLL_MS)
    onCleanup(() => clearInterval(timer))
  })

  return (
    <Switch>
      <Match when={signedOut()}>
        <SignedOut />
      </Match>
      <Match when={viewer.data()}>
        {(data) => (
          <Shell
            pages={pages}
            viewer={data()}
            refreshViewer={viewer.invalidate}
            urlState={urlState}
            now={now}
          >
            {props.children}
          </Shell>
        )}
      </Match>
      <Match when={viewer.error()}>
        {(error) => (
          <Unreachable error={error()} now={now} zone={urlState.zone()} retry={viewer.retry} />
        )}
      </Match>
      <Match when={true}>
        <Show when={viewer.loading()}>
          <Skeleton />
        </Show>
      </Match>
    </Switch>
  )
}
