import { type Accessor, createMemo } from 'solid-js'
import { type Answer, ask } from './api.ts'
import { SERIES_MAX, seriesColour } from './colours.ts'
import type { Live } from './live.ts'
import { fillGaps, type Point, remainder } from './points.ts'
import { createQuery, type Query } from './query.ts'
import { type MetricsVariables, metricsOf } from './questions.ts'
import { bucketEnd, type Interval, type Step, type Stretch } from './range.ts'

export interface Series {
  name: string
  colour: string
  points: Point[]
}

/** What the trend shows: as a picture, in its tooltip and as a table. */
export interface TrendData {
  step: Step
  times: number[]
  lines: Series[]
  previous: Point[] | undefined
  previousTimes: number[]
}

interface Asked {
  tenant: string
  zone: string
  stretch: Stretch
  names: string[]
  splits: boolean
}

export const ALL = '*'

/** From the live connection where that is finer, from `metrics` else. */
export function createTrend(options: {
  subject: Accessor<string>
  tenant: Accessor<string>
  zone: Accessor<string>
  stretch: Accessor<Stretch>
  /** One name, or every name. */
  name: Accessor<string | undefined>
  /** Names to show apart, if they are to be; undefined while not known. */
  split: Accessor<string[] | undefined>
  live: Live
}): { data: Accessor<TrendData | undefined>; query: Query<TrendData>; previous: Query<Point[]> } {
  const asked = (): Asked | undefined => {
    if (options.stretch().step === 'MINUTE') return undefined
    const parts = options.split()
    return {
      tenant: options.tenant(),
      zone: options.zone(),
      stretch: options.stretch(),
      names: parts ? [ALL, ...parts.slice(0, SERIES_MAX)] : [options.name() ?? ALL],
      splits: parts !== undefined,
    }
  }
  const query = createQuery(options.subject, asked, askTrend)
  const previous = createQuery(
    options.subject,
    () => (options.split() ? undefined : asked()),
    askPrevious,
  )
  const minutes = createMemo(() => {
    const { stretch, live } = options
    const update = live.update()
    return stretch().step === 'MINUTE' && update
      ? fromMinutes(update.minutes, stretch().buckets.length)
      : undefined
  })
  const data = createMemo(() => {
    if (options.stretch().step === 'MINUTE') return minutes()
    const answer = query.data()
    const before = previous.data()
    return answer && { ...answer, previous: answer.lines.length === 1 ? before : undefined }
  })
  return { data, query, previous }
}

/** The minutes themselves, and those before them as far as they reach back. */
export function fromMinutes(
  minutes: { minute: string; count: number }[],
  count: number,
): TrendData {
  const points = minutes.map((minute, i) => ({
    time: Date.parse(minute.minute),
    value: minute.count,
    isFinal: i < minutes.length - 1,
    lateCount: 0,
  }))
  const shown = points.slice(-count)
  const before = points.slice(-2 * count, -count)
  return {
    step: 'MINUTE',
    times: shown.map((point) => point.time),
    lines: [{ name: ALL, colour: 'var(--accent)', points: shown }],
    previous: before.length === count ? before : undefined,
    previousTimes: before.map((point) => point.time),
  }
}

async function askTrend({ stretch, names, splits, ...of }: Asked): Promise<Answer<TrendData>> {
  const answer = await ask(metricsOf(names.length), variables(of, stretch, stretch.buckets, names))
  if (answer.is === 'failed') return answer
  const series = names.map((name, i) => ({
    name,
    colour: splits ? seriesColour(i - 1) : 'var(--accent)',
    points: fillGaps(stretch.buckets, answer.data[`s${i}`] ?? []),
  }))
  const [whole, ...parts] = series
  const lines = splits && whole ? [...parts, other(whole, parts)] : series
  return {
    is: 'data',
    data: {
      step: stretch.step,
      times: stretch.buckets,
      lines,
      previous: undefined,
      previousTimes: stretch.previousBuckets,
    },
  }
}

async function askPrevious({ stretch, names, ...of }: Asked): Promise<Answer<Point[]>> {
  const buckets = stretch.previousBuckets
  const answer = await ask(metricsOf(names.length), variables(of, stretch, buckets, names))
  if (answer.is === 'failed') return answer
  return { is: 'data', data: fillGaps(buckets, answer.data.s0 ?? []) }
}

function variables(
  of: { tenant: string; zone: string },
  stretch: Stretch,
  buckets: number[],
  names: string[],
): MetricsVariables {
  const end = bucketEnd(buckets.at(-1) as number, stretch.step, of.zone)
  return {
    tenant: of.tenant,
    startTime: new Date(buckets[0] as number).toISOString(),
    endTime: new Date(end).toISOString(),
    interval: stretch.step as Interval,
    timeZone: of.zone,
    ...Object.fromEntries(names.map((name, i) => [`n${i}`, name])),
  }
}

const other = (whole: Series, parts: Series[]): Series => ({
  name: 'other',
  colour: seriesColour(SERIES_MAX),
  points: remainder(
    whole.points,
    parts.map((part) => part.points),
  ),
})
