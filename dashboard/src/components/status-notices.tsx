import { createMemo, Match, Switch } from 'solid-js'
import type { QueryGroup } from '../lib/api/query-group.ts'
import { useApp } from '../lib/app-context.ts'
import { clock } from '../lib/format.ts'
import { CONSEQUENCES } from '../lib/freshness.ts'
import { ErrorNotice } from './error-notice.tsx'
import { WarnIcon } from './icons.tsx'

/** Problems of the whole page: the server is unreachable, the live connection is lost, or a component is down. */
export function StatusNotices(props: {
  queries: QueryGroup
  /** When the data arrived that is still shown; milliseconds. */
  dataAt: number | undefined
}) {
  const { live, now, urlState } = useApp()
  const lostConnection = () => {
    const connection = live.connection()
    return connection.kind === 'waiting' ? connection : undefined
  }
  const retry = () => {
    props.queries.retry()
    live.retry()
  }
  return (
    <Switch>
      <Match when={props.queries.unreachable()}>
        {(error) => (
          <ErrorNotice
            title="Data cannot be loaded."
            error={error()}
            dataAt={props.dataAt}
            now={now}
            zone={urlState.zone()}
            retry={retry}
          />
        )}
      </Match>
      <Match when={lostConnection()}>
        {(connection) => (
          <ErrorNotice
            title="Live updates are interrupted."
            error={{ ...connection(), message: connection().error.message }}
            dataAt={live.updatedAt() || undefined}
            now={now}
            zone={urlState.zone()}
            retry={retry}
          />
        )}
      </Match>
      <Match when={live.update()?.failingComponent}>
        {(component) => <ComponentDown component={component()} />}
      </Match>
    </Switch>
  )
}

const NAMES: Record<string, string> = { redis: 'Redis server' }

function ComponentDown(props: { component: string }) {
  const { live, urlState } = useApp()
  // Another component may fail before the first is back.
  const failure = createMemo<{ component: string; since: number }>((previous) =>
    previous?.component === props.component
      ? previous
      : { component: props.component, since: live.updatedAt() },
  )
  return (
    <div class="notice bad">
      <WarnIcon />
      <p role="status">
        <strong>The {NAMES[props.component] ?? props.component} is down</strong> since{' '}
        {clock(failure().since, urlState.zone())}. {CONSEQUENCES[props.component] ?? ''} This page
        recovers by itself.
      </p>
    </div>
  )
}
