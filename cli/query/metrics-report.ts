import { DateTime } from 'luxon'
import { type CsvCell, csvLine } from '../../contract/csv.ts'
import type { Terminal } from '../terminal.ts'
import type { MetricsPoint, MetricsResult, MetricsVariables } from './metrics-request.ts'

/** Aligned columns, then where the numbers are from. */
export function printMetrics(
  terminal: Terminal,
  variables: MetricsVariables,
  result: MetricsResult,
): void {
  const { points } = result
  const groupBy = variables.groupBy ?? []
  const values = points.map(({ value }) => value.toLocaleString('en', { maximumFractionDigits: 6 }))
  const width = Math.max('Value'.length, ...values.map((value) => value.length))
  const hasLate = points.some(({ lateCount }) => lateCount > 0)
  if (points.length > 0)
    terminal.printTable(
      ['Time', ...groupBy, 'Value'.padStart(width), 'Final', ...(hasLate ? ['Late'] : [])],
      points.map((point, i) => [
        inZone(point.timestamp, variables.timeZone),
        ...groupBy.map((dimension) => point.dimensions[dimension] ?? '(none)'),
        (values[i] as string).padStart(width),
        point.isFinal ? 'final' : 'open',
        ...(hasLate ? [String(point.lateCount)] : []),
      ]),
    )
  for (const line of describeResult(variables, result)) terminal.print(terminal.muted(line))
}

function describeResult(variables: MetricsVariables, result: MetricsResult): string[] {
  const { timeZone, startTime, endTime, name, aggregate = 'COUNT' } = variables
  const { points, source, asOf, rawSince, groups } = result
  const range = `${inZone(startTime, timeZone)} to ${inZone(endTime, timeZone)} (${timeZone})`
  const origin = [
    ...(source ? [`source ${source}`] : []),
    ...(asOf ? [`as of ${inZone(asOf, timeZone)}`] : []),
  ].join(', ')
  const lines = [`${aggregate} of ${name}, ${range}${origin ? `; ${origin}` : ''}.`]
  if (points.length === 0) lines.unshift('No events in this range.')
  if (groups && groups.found > groups.listed)
    lines.push(`${groups.found} groups; those beyond the ${groups.listed} largest are (other).`)
  if (source?.includes('raw') && rawSince && rawSince > startTime)
    lines.push(
      `Events received before ${inZone(rawSince, timeZone)} are no longer kept one by one and are not counted here.`,
    )
  return lines
}

/** @returns the header and one line for each point */
export function metricsCsv(variables: MetricsVariables, { points }: MetricsResult): string[] {
  const groupBy = variables.groupBy ?? []
  const cellsOf = (point: MetricsPoint): CsvCell[] => [
    inZone(point.timestamp, variables.timeZone),
    ...groupBy.map((dimension) => point.dimensions[dimension] ?? null),
    point.value,
    point.isFinal,
    point.lateCount,
  ]
  const header = ['timestamp', ...groupBy, 'value', 'is_final', 'late_count']
  return [header, ...points.map(cellsOf)].map(csvLine)
}

export function metricsJson(variables: MetricsVariables, result: MetricsResult) {
  return {
    name: variables.name,
    aggregate: variables.aggregate ?? 'COUNT',
    start_time: inZone(variables.startTime, variables.timeZone),
    end_time: inZone(variables.endTime, variables.timeZone),
    interval: result.interval,
    time_zone: variables.timeZone,
    source: result.source,
    as_of: result.asOf,
    final_through: result.finalThrough,
    raw_since: result.rawSince,
    groups: result.groups,
    points: result.points.map((point) => ({
      timestamp: inZone(point.timestamp, variables.timeZone),
      value: point.value,
      dimensions: point.dimensions,
      is_final: point.isFinal,
      late_count: point.lateCount,
    })),
  }
}

/** `2026-11-30T06:00:00+01:00`. @param time RFC 3339 */
export function inZone(time: string, zone: string): string {
  return DateTime.fromISO(time, { zone }).toISO({ suppressMilliseconds: true }) ?? time
}
