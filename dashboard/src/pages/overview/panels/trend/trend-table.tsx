import { DateTime } from 'luxon'
import { For, Show } from 'solid-js'
import { csvLine } from '../../../../../../contract/csv.ts'
import { CopyButton } from '../../../../components/copy-button.tsx'
import { Scroll } from '../../../../components/scroll.tsx'
import { clippedBucketName, exact } from '../../../../lib/format.ts'
import { clipBucket } from '../../../../lib/time/range.ts'
import { ALL, type TrendData } from './trend-query.ts'

/** The numbers of the chart as text, newest first. */
export function TrendTable(props: { data: TrendData; zone: string }) {
  const rows = () => props.data.times.map((_, i) => i).reverse()
  const bucketLabel = (start: number) =>
    clippedBucketName(start, props.data.resolution, props.zone, props.data.window)

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
                  Previous period
                </th>
              </Show>
              <th scope="col" class="figures">
                Late events
              </th>
              <th scope="col">State</th>
            </tr>
          </thead>
          <tbody>
            <For each={rows()}>
              {(i) => (
                <tr>
                  <th scope="row">{bucketLabel(props.data.times[i] as number)}</th>
                  <For each={props.data.lines}>
                    {(line) => <td class="figures">{exact(line.points[i]?.value ?? 0)}</td>}
                  </For>
                  <Show when={props.data.previous}>
                    {(previous) => (
                      <td class="figures muted">{exact(previous()[i]?.value ?? 0)}</td>
                    )}
                  </Show>
                  <td class="figures muted">{exact(props.data.whole[i]?.lateCount ?? 0)}</td>
                  <td class="muted">{props.data.whole[i]?.isFinal ? 'final' : 'not final yet'}</td>
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

/** RFC 4180, one line for each bucket, times with their offset. */
function csvOf(data: TrendData, zone: string): string {
  const header = ['time', ...data.lines.map(({ name }) => (name === ALL ? 'events' : name))]
  const lines = data.times.map((time, i) => [
    DateTime.fromMillis(clipBucket(time, data.resolution, zone, data.window).from, { zone }).toISO({
      suppressMilliseconds: true,
    }) ?? '',
    ...data.lines.map((line) => String(line.points[i]?.value ?? 0)),
    ...(data.previous ? [String(data.previous[i]?.value ?? 0)] : []),
    String(data.whole[i]?.isFinal ?? false),
  ])
  const all = [[...header, ...(data.previous ? ['previous_period'] : []), 'is_final'], ...lines]
  return `${all.map(csvLine).join('\r\n')}\r\n`
}
