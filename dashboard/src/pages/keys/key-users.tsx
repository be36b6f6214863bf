import { For, Match, Switch } from 'solid-js'
import { Missing, QueryNotice } from '../../components/error-notice.tsx'
import { Scroll } from '../../components/scroll.tsx'
import { SkeletonRows } from '../../components/skeleton-rows.tsx'
import { Age } from '../../components/time.tsx'
import { createPolling } from '../../lib/api/polling.ts'
import { createQuery, isMissing } from '../../lib/api/query.ts'
import { useApp } from '../../lib/app-context.ts'
import { compact, exact } from '../../lib/format.ts'
import { fetchUse } from './queries.ts'

/** Which clients and origins sent events with a key in the last day. */
export function KeyUsers(props: { id: string }) {
  const { tenant } = useApp()
  const users = createQuery({
    scope: () => props.id,
    variables: () => ({ tenant: tenant(), id: props.id }),
    isRetried: ({ kind }) => kind === 'unreachable',
    fetch: fetchUse,
  })
  createPolling([users])
  return (
    <>
      <QueryNotice query={users} subject="Its clients are" />
      <Switch>
        <Match when={isMissing(users)}>
          <Missing subject="Its clients" />
        </Match>
        <Match when={users.loading()}>
          <SkeletonRows widths={[80, 60]} />
        </Match>
        <Match when={users.data()?.length === 0}>
          <p class="hint">Nobody sent events with it in the last day.</p>
        </Match>
        <Match when={users.data()}>
          {(list) => (
            <Scroll class="key-users" label="Clients that use the key">
              <table class="table">
                <thead>
                  <tr>
                    <th scope="col">Client</th>
                    <th scope="col">Origin</th>
                    <th scope="col" class="figures">
                      Events a minute
                    </th>
                    <th scope="col" class="figures">
                      Last day
                    </th>
                    <th scope="col">Last seen</th>
                  </tr>
                </thead>
                <tbody>
                  <For each={list()}>
                    {(user) => (
                      <tr>
                        <th scope="row">
                          <bdi class="key-client">{user.client ?? 'Unknown client'}</bdi>
                        </th>
                        <td>
                          <bdi class="key-client">{user.origin ?? 'None: no browser'}</bdi>
                        </td>
                        <td class="figures" title={exact(user.eventsPerMinute)}>
                          {compact(Math.round(user.eventsPerMinute * 10) / 10)}
                        </td>
                        <td class="figures" title={exact(user.eventsLastDay)}>
                          {compact(user.eventsLastDay)}
                        </td>
                        <td>
                          <Age at={user.lastSeenAt} />
                        </td>
                      </tr>
                    )}
                  </For>
                </tbody>
              </table>
            </Scroll>
          )}
        </Match>
      </Switch>
    </>
  )
}
