import { type Accessor, createMemo } from 'solid-js'
import { SERIES_MAX, seriesColour } from '../../../../charts/colours.ts'
import { fillGaps, type Point, remainder } from '../../../../charts/points.ts'
import { type Answer, ask } from '../../../../lib/api/client.ts'
import { METRICS } from '../../../../lib/api/documents.ts'
import type { Live } from '../../../../lib/api/live.ts'
import { createQuery, type Query } from '../../../../lib/api/query.ts'
import type { Interval, Step, Stretch, Window } from '../../../../lib/time/range.ts'

export interface Series {
  name: string
  colour: string
  points: Point[]
}

/** What the trend shows: as a picture, in its tooltip and as a table. */
export interface TrendData {
  step: Step
  times: number[]
  /** What of the first and the last bucket is counted. */
  window: Window
  /** All lines together: what is final and what came late is known of the whole only. */
  whole: Point[]
  lines: Series[]
  previous: Point[] | undefined
  previousTimes: number[]
  previousWindow: Window
}

interface Asked {
  tenant: string
  stretch: Stretch
  name: string
  /** Names to show apart, if any. */
  parts: string[] | undefined
}

export const ALL = '*'

/** From the live connection where that is finer, from `metrics` else. */
export function createTrend(options: {
  subject: Accessor<string>
  tenant: Accessor<string>
  stretch: Accessor<Stretch>
  /** One name, or every name. */
  name: Accessor<string | undefined>
  isSplit: Accessor<boolean>
  /** Names to show apart; undefined while not known. */
  split: Accessor<string[] | undefined>
  live: Live
}): { data: Accessor<TrendData | undefined>; query: Query<TrendData>; previous: Query<Point[]> } {
  const asked = (): Asked | undefined => {
    if (options.stretch().step === 'MINUTE') return undefined
    const parts = options.isSplit() ? options.split()?.slice(0, SERIES_MAX) : undefined
    if (options.isSplit() && parts === undefined) return undefined
    return {
      tenant: options.tenant(),
      stretch: options.stretch(),
      name: options.name() ?? ALL,
      parts,
    }
  }
  const query = createQuery(options.subject, asked, askTrend)
  const previous = createQuery(
    options.subject,
    () => (options.isSplit() ? undefined : asked()),
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
    window: EVER,
    whole: shown,
    lines: [{ name: ALL, colour: 'var(--accent)', points: shown }],
    previous: before.length === count ? before : undefined,
    previousTimes: before.map((point) => point.time),
    previousWindow: EVER,
  }
}

/** Minutes are always counted whole. */
const EVER = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY }

async function askTrend(asked: Asked): Promise<Answer<TrendData>> {
  const { stretch, name } = asked
  const parts = asked.parts ?? []
  const answer = await ask(METRICS, variables(asked, stretch.window, parts))
  if (answer.is === 'failed') return answer
  const whole = fillGaps(stretch.buckets, answer.data.whole)
  const lines = parts.map((part, i) => {
    const points = answer.data.parts?.filter((point) => point.dimensions.name === part) ?? []
    return { name: part, colour: seriesColour(i), points: fillGaps(stretch.buckets, points) }
  })
  const rest = remainder(
    whole,
    lines.map((line) => line.points),
  )
  const other = { name: 'other', colour: seriesColour(SERIES_MAX), points: rest }
  const single = { name, colour: 'var(--accent)', points: whole }
  return {
    is: 'data',
    data: {
      step: stretch.step,
      times: stretch.buckets,
      window: stretch.window,
      whole,
      lines: asked.parts ? [...lines, other] : [single],
      previous: undefined,
      previousTimes: stretch.previousBuckets,
      previousWindow: stretch.previousWindow,
    },
  }
}

async function askPrevious(asked: Asked): Promise<Answer<Point[]>> {
  const { previousBuckets, previousWindow } = asked.stretch
  const answer = await ask(METRICS, variables(asked, previousWindow, []))
  if (answer.is === 'failed') return answer
  return { is: 'data', data: fillGaps(previousBuckets, answer.data.whole) }
}

function variables({ tenant, stretch, name }: Asked, { from, to }: Window, parts: string[]) {
  return {
    tenant,
    name,
    startTime: new Date(from).toISOString(),
    endTime: new Date(to).toISOString(),
    interval: stretch.step as Interval,
    timeZone: stretch.zone,
    splits: parts.length > 0,
    filter: [{ dimension: 'name', in: parts }],
  }
}
