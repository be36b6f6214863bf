import { DateTime } from 'luxon'
import { For, Show } from 'solid-js'
import { CopyButton } from '../../../../components/copy-button.tsx'
import { Scroll } from '../../../../components/scroll.tsx'
import { exact, partName } from '../../../../lib/format.ts'
import { partOf } from '../../../../lib/time/range.ts'
import { ALL, type TrendData } from './trend-data.ts'

/** The numbers of the chart as text, newest first, to read or to copy. */
export function TrendTable(props: { data: TrendData; zone: string }) {
  const rows = () => props.data.times.map((_, i) => i).reverse()
  const named = (start: number) => partName(start, props.data.step, props.zone, props.data.window)

  return (
    <div class="table-frame">
      <Scroll class="table-scroll" label="The chart as a table">
        <table class="table">
          <thead>
            <tr>
              <th scope="col">Time</th>
              <For each={props.data.lines}>
                {(line) => (
                  <th scope="col" class="figures">
                    {line.name === ALL ? 'Events' : line.name}
                  </th>
                )}
              </For>
              <Show when={props.data.previous}>
                <th scope="col" class="figures">
                  Period before
                </th>
              </Show>
              <th scope="col" class="figures">
                Came late
              </th>
              <th scope="col">State</th>
            </tr>
          </thead>
          <tbody>
            <For each={rows()}>
              {(i) => (
                <tr>
                  <th scope="row">{named(props.data.times[i] as number)}</th>
                  <For each={props.data.lines}>
                    {(line) => <td class="figures">{exact(line.points[i]?.value ?? 0)}</td>}
                  </For>
                  <Show when={props.data.previous}>
                    {(previous) => (
                      <td class="figures muted">{exact(previous()[i]?.value ?? 0)}</td>
                    )}
                  </Show>
                  <td class="figures muted">{exact(props.data.whole[i]?.lateCount ?? 0)}</td>
                  <td class="muted">{props.data.whole[i]?.isFinal ? 'final' : 'still counting'}</td>
                </tr>
              )}
            </For>
          </tbody>
        </table>
      </Scroll>
      <CopyButton what="as CSV" text={() => csvOf(props.data, props.zone)} />
    </div>
  )
}

/** RFC 4180, one line a bucket, times with their offset. */
function csvOf(data: TrendData, zone: string): string {
  const header = ['time', ...data.lines.map(({ name }) => (name === ALL ? 'events' : name))]
  const lines = data.times.map((time, i) => [
    DateTime.fromMillis(partOf(time, data.step, zone, data.window).from, { zone }).toISO({
      suppressMilliseconds: true,
    }) ?? '',
    ...data.lines.map((line) => String(line.points[i]?.value ?? 0)),
    ...(data.previous ? [String(data.previous[i]?.value ?? 0)] : []),
    String(data.whole[i]?.isFinal ?? false),
  ])
  const all = [[...header, ...(data.previous ? ['period_before'] : []), 'is_final'], ...lines]
  return `${all.map((line) => line.map(quoted).join(',')).join('\r\n')}\r\n`
}

const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
