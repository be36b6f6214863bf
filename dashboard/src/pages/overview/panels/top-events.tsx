import { For, Show } from 'solid-js'
import { ChangeMark } from '../../../components/change-mark.tsx'
import { Panel } from '../../../components/panel.tsx'
import { isOneName, type NameCount, type Totals } from '../../../lib/api/documents.ts'
import { compact, exact, share } from '../../../lib/format.ts'
import type { Place } from '../../../lib/url-state.ts'

/** What happens most. A click narrows the page to one name. */
export function TopNames(props: { totals: Totals | undefined; isLoading: boolean; place: Place }) {
  const names = () => props.totals?.names ?? []
  const whole = () => props.totals?.count ?? 0
  const highest = () => Math.max(1, ...names().map((name) => name.count))
  const rest = () => {
    const others = (pick: (of: NameCount) => number) =>
      names().reduce((sum, name) => sum + pick(name), 0)
    return {
      count: whole() - others((name) => name.count),
      previousCount: (props.totals?.previousCount ?? 0) - others((name) => name.previousCount),
    }
  }
  const toggle = (name: string) =>
    props.place.go({ name: props.place.name() === name ? null : name })

  return (
    <Panel title="Top events" class="top-names">
      <Show
        when={props.totals}
        fallback={
          <Show when={props.isLoading}>
            <div class="bone-rows">
              <For each={[90, 62, 48, 40, 31, 24, 18, 12]}>
                {(width) => <span class="bone" style={{ width: `${width}%` }} />}
              </For>
            </div>
          </Show>
        }
      >
        <Show
          when={names().length > 0}
          fallback={<p class="nothing">No events in this range. Choose a longer one above.</p>}
        >
          <table class="table bars">
            <thead>
              <tr>
                <th scope="col">Event</th>
                <th scope="col" class="figures">
                  Count
                </th>
                <th scope="col" class="figures">
                  Share
                </th>
                <th scope="col" class="figures">
                  Change
                </th>
              </tr>
            </thead>
            <tbody>
              <For each={names().map((name) => name.name)}>
                {(name, i) => {
                  const of = () => names()[i()] as NameCount
                  return (
                    <tr data-chosen={props.place.name() === name}>
                      <th scope="row">
                        <span
                          class="bar"
                          style={{ width: `${((of()?.count ?? 0) / highest()) * 100}%` }}
                        />
                        <button
                          type="button"
                          class="bar-name"
                          disabled={!isOneName(name)}
                          aria-pressed={props.place.name() === name}
                          title={`${name}: click to see it alone`}
                          onClick={() => toggle(name)}
                        >
                          {name}
                        </button>
                      </th>
                      <td class="figures" title={exact(of()?.count ?? 0)}>
                        {compact(of()?.count ?? 0)}
                      </td>
                      <td class="figures muted">{share(of()?.count ?? 0, whole())}</td>
                      <td class="figures">
                        <ChangeMark
                          value={of()?.count ?? 0}
                          before={of()?.previousCount ?? 0}
                          none="–"
                        />
                      </td>
                    </tr>
                  )
                }}
              </For>
              <Show when={rest().count > 0}>
                <tr class="muted">
                  <th scope="row">
                    <span class="bar-name">all others</span>
                  </th>
                  <td class="figures" title={exact(rest().count)}>
                    {compact(rest().count)}
                  </td>
                  <td class="figures">{share(rest().count, whole())}</td>
                  <td class="figures">
                    <ChangeMark value={rest().count} before={rest().previousCount} none="–" />
                  </td>
                </tr>
              </Show>
            </tbody>
          </table>
        </Show>
      </Show>
    </Panel>
  )
}
