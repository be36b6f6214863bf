import { createSignal, For, Match, Show, Switch } from 'solid-js'
import { Missing, QueryNotice } from '../../../components/error-notice.tsx'
import { ActionError } from '../../../components/forms/action-error.tsx'
import { ConfirmDialog } from '../../../components/overlays/confirm-dialog.tsx'
import { Panel } from '../../../components/panel.tsx'
import { SkeletonRows } from '../../../components/skeleton-rows.tsx'
import { Age, Stamp } from '../../../components/time.tsx'
import { createAction } from '../../../lib/api/action.ts'
import { createPolling } from '../../../lib/api/polling.ts'
import { createQuery, isMissing } from '../../../lib/api/query.ts'
import { useApp } from '../../../lib/app-context.ts'
import { exact } from '../../../lib/format.ts'
import { endOtherSessions, endSession, fetchSessions, type Session } from './queries.ts'

const METHODS = {
  LINK: 'Sign-in link',
  OIDC: 'Identity provider',
  PASSKEY: 'Passkey',
} as const

/** The browsers in which the viewer is signed in. */
export default function SessionsSection() {
  const { refreshViewer } = useApp()
  const sessions = createQuery({
    scope: () => 'sessions',
    variables: () => ({}),
    fetch: fetchSessions,
  })
  createPolling([sessions])
  const [isAsking, setAsking] = createSignal(false)
  const end = createAction(endSession)
  const endOthers = createAction(endOtherSessions)
  const others = () => (sessions.data() ?? []).filter(({ isCurrent }) => !isCurrent).length
  const endOne = async (session: Session) => {
    await end.run({ id: session.id })
    // Without a session the response to this one says so, and the page for signing in is shown.
    if (session.isCurrent) refreshViewer()
    sessions.retry()
  }
  const confirmOthers = async () => {
    if (!(await endOthers.run(undefined))) return false
    sessions.retry()
    setAsking(false)
    return true
  }
  return (
    <Panel
      title="Your sessions"
      aside={
        <Show when={others() > 0}>
          <button type="button" class="button" onClick={() => setAsking(true)}>
            End all other sessions…
          </button>
        </Show>
      }
    >
      <p class="panel-note">
        The browsers in which you are signed in. If you do not know one of them, end it.
      </p>
      <QueryNotice query={sessions} subject="The sessions are" />
      <ActionError error={end.error()} />
      <Switch>
        <Match when={isMissing(sessions)}>
          <Missing subject="The sessions" />
        </Match>
        <Match when={sessions.loading()}>
          <SkeletonRows widths={[60, 80]} />
        </Match>
        <Match when={sessions.data()}>
          {(list) => (
            <ul class="entities">
              <For each={list().map(({ id }) => id)}>
                {(id) => (
                  <Show when={list().find((each) => each.id === id)}>
                    {(session) => (
                      <SessionRow
                        session={session()}
                        isEnding={end.isRunning()}
                        onEnd={() => endOne(session())}
                      />
                    )}
                  </Show>
                )}
              </For>
            </ul>
          )}
        </Match>
      </Switch>
      <ConfirmDialog
        title="End all other sessions?"
        isOpen={isAsking()}
        onOpenChange={setAsking}
        confirmLabel={`End ${exact(others())} ${others() === 1 ? 'session' : 'sessions'}`}
        error={endOthers.error()}
        isRunning={endOthers.isRunning()}
        onConfirm={confirmOthers}
      >
        <p>
          {others() === 1 ? 'The other browser is' : `${exact(others())} other browsers are`} signed
          out. This one stays signed in.
        </p>
      </ConfirmDialog>
    </Panel>
  )
}

function SessionRow(props: { session: Session; isEnding: boolean; onEnd(): void }) {
  const device = () => props.session.device ?? 'Unknown device'
  return (
    <li class="entity">
      <div class="entity-main">
        <bdi class="entity-name">{device()}</bdi>
        <Show when={props.session.isCurrent}>
          <span class="tag">This browser</span>
        </Show>
        <span class="hint entity-sub">
          {METHODS[props.session.method]}, from{' '}
          <bdi>{props.session.address ?? 'an unknown address'}</bdi>
        </span>
      </div>
      <div class="entity-fact">
        <span class="entity-label">Last used</span>
        <Age at={props.session.lastUsedAt} />
      </div>
      <div class="entity-fact">
        <span class="entity-label">Signed in</span>
        <Stamp at={props.session.signedInAt} />
      </div>
      <div class="entity-actions">
        <button
          type="button"
          class="button"
          disabled={props.isEnding}
          onClick={() => props.onEnd()}
        >
          {props.session.isCurrent ? 'Sign out' : 'End'}
          <span class="sr-only"> the session in {device()}</span>
        </button>
      </div>
    </li>
  )
}
