import { createMemo, createSignal, For, Match, Show, Switch } from 'solid-js'
import { Missing } from '../../../components/error-notice.tsx'
import { Choice } from '../../../components/forms/choice.tsx'
import { Panel } from '../../../components/panel.tsx'
import { Scroll } from '../../../components/scroll.tsx'
import { isMissing } from '../../../lib/api/query.ts'
import { compact, exact, rangeName } from '../../../lib/format.ts'
import { usePipeline } from '../context.ts'
import { type Cell, cellsOf, PERIODS } from '../sums.ts'

/** Of each column, from the bottom; what is missing is drawn at its full height. */
const PARTS = {
  outcomes: 'with an outcome',
  waiting: 'waiting',
  unaccounted: 'unaccounted',
} as const
type Part = keyof typeof PARTS

/** Accepted events against their outcomes, minute by minute. */
export function BalancePanel() {
  const { balance, period, end, urlState } = usePipeline()
  const [view, setView] = createSignal<'strip' | 'table'>('strip')
  const cells = createMemo(() => cellsOf(balance.data()?.minutes ?? [], PERIODS[period()], end()))
  return (
    <Panel
      title={
        <>
          Balance <span class="panel-unit">accepted = stored + duplicates + dead + waiting</span>
        </>
      }
      aside={
        <Choice
          label="View of the balance"
          chosen={view()}
          options={{ strip: 'Chart', table: 'Table' }}
          choose={setView}
        />
      }
    >
      <Switch>
        <Match when={isMissing(balance)}>
          <Missing subject="The balance" />
        </Match>
        <Match when={balance.data() === undefined}>
          <div class="balance-strip">
            <Show when={balance.loading()}>
              <span class="skeleton-chart" />
            </Show>
          </div>
        </Match>
        <Match when={balance.data()?.minutes.length === 0}>
          <p class="empty">
            No events were received in the {PERIODS[period()].name}. Once some are, each minute is
            compared here.
          </p>
        </Match>
        <Match when={view() === 'strip'}>
          <Strip cells={cells()} />
        </Match>
        <Match when={view() === 'table'}>
          <Table cells={cells()} zone={urlState.zone()} />
        </Match>
      </Switch>
    </Panel>
  )
}

const differenceOf = ({ missing, surplus }: Cell) => missing + surplus

function Strip(props: { cells: readonly Cell[] }) {
  const { urlState } = usePipeline()
  const highest = () => Math.max(1, ...props.cells.map(({ received }) => received))
  const name = (cell: Cell) => rangeName(cell.from, cell.to, urlState.zone())
  const different = () => props.cells.filter((cell) => differenceOf(cell) > 0).length
  const label = () =>
    `${props.cells.length} columns from ${name(props.cells[0] as Cell)}; ${different()} do not add up. The table has the same numbers as text.`
  const heights = (cell: Cell): [Part, number][] => {
    const height = (count: number) => (count / highest()) * 100
    return differenceOf(cell) > 0
      ? [['unaccounted', 100]]
      : [
          ['waiting', height(cell.waiting)],
          ['outcomes', height(cell.outcomes)],
        ]
  }
  return (
    <>
      <div class="balance-strip" role="img" aria-label={label()}>
        <For each={props.cells}>
          {(cell) => (
            <span class="balance-column" title={`${name(cell)}: ${textOf(cell)}`}>
              <For each={heights(cell)}>
                {([part, height]) => (
                  <span
                    class="balance-part"
                    data-part={part}
                    style={{ height: height > 0 ? `max(2px, ${height}%)` : '0' }}
                  />
                )}
              </For>
            </span>
          )}
        </For>
      </div>
      <p class="balance-axis">
        <span>{name(props.cells[0] as Cell)}</span>
        <span>{urlState.zone()}</span>
        <span>now</span>
      </p>
      <ul class="legend balance-legend">
        <For each={Object.entries(PARTS)}>
          {([part, text]) => (
            <li class="legend-item">
              <span class="balance-part legend-square" data-part={part} />
              {text}
            </li>
          )}
        </For>
      </ul>
    </>
  )
}

function textOf(cell: Cell): string {
  const parts = [
    `${exact(cell.received)} accepted`,
    `${exact(cell.outcomes)} with an outcome`,
    `${exact(cell.waiting)} waiting`,
    `${exact(differenceOf(cell))} unaccounted`,
  ]
  return parts.join(', ')
}

/** The numbers of the strip, newest first, without the minutes that have none. */
function Table(props: { cells: readonly Cell[]; zone: string }) {
  const rows = () =>
    props.cells.filter((cell) => cell.received + cell.surplus > 0 || cell.outcomes > 0).reverse()
  const counts = (cell: Cell) => [
    cell.received,
    cell.stored,
    cell.duplicates + cell.conflicting,
    cell.dead,
    cell.waiting,
  ]
  return (
    <Scroll class="balance-table" label="The balance as a table">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Received</th>
            <For each={['Accepted', 'Stored', 'Duplicates', 'Dead', 'Waiting', 'Unaccounted']}>
              {(title) => (
                <th scope="col" class="figures">
                  {title}
                </th>
              )}
            </For>
          </tr>
        </thead>
        <tbody>
          <For each={rows()}>
            {(cell) => (
              <tr>
                <th scope="row">{rangeName(cell.from, cell.to, props.zone)}</th>
                <For each={counts(cell)}>
                  {(count) => (
                    <td class="figures" title={exact(count)}>
                      {compact(count)}
                    </td>
                  )}
                </For>
                <td class="figures" classList={{ wrong: differenceOf(cell) > 0 }}>
                  {exact(differenceOf(cell))}
                </td>
              </tr>
            )}
          </For>
        </tbody>
      </table>
    </Scroll>
  )
}
