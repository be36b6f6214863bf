import { createEffect, Match, onCleanup, Show, Switch } from 'solid-js'
import { SignedOut, Unreachable } from './layout/error-states.tsx'
import { Dashboard } from './layout/shell.tsx'
import { Skeleton } from './layout/skeleton.tsx'
import { ask, signedOut } from './lib/api/client.ts'
import { VIEWER } from './lib/api/documents.ts'
import { createQuery } from './lib/api/query.ts'
import { createNow } from './lib/time/clock.ts'
import { createPlace } from './lib/url-state.ts'

const LOOK_AGAIN_MS = 3_000

/** Who is asking decides what there is: the dashboard, a way to sign in, or a word about what is wrong. */
export function App() {
  const place = createPlace()
  const now = createNow()
  const viewer = createQuery(
    () => 'viewer',
    () => 'viewer',
    async () => {
      const answer = await ask(VIEWER, {})
      return answer.is === 'data' ? { is: 'data', data: answer.data.viewer } : answer
    },
  )
  // Somebody may sign in in another tab: then this one goes on by itself.
  createEffect(() => {
    if (!signedOut()) return
    const timer = setInterval(viewer.retry, LOOK_AGAIN_MS)
    onCleanup(() => clearInterval(timer))
  })

  return (
    <Switch>
      <Match when={signedOut()}>
        <SignedOut />
      </Match>
      <Match when={viewer.data()}>
        {(known) => (
          <Dashboard viewer={known()} refreshViewer={viewer.nudge} place={place} now={now} />
        )}
      </Match>
      <Match when={viewer.trouble()}>
        {(trouble) => (
          <Unreachable trouble={trouble()} now={now} zone={place.zone()} retry={viewer.retry} />
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
