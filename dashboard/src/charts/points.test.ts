import { expect, test } from 'vitest'
import { resolveRange } from '../lib/time/range.ts'
import { fillEmptyBuckets, remainder } from './points.ts'

const at = (time: string) => Date.parse(`2026-11-21T${time}:00Z`)
const range = resolveRange(
  { kind: 'absolute', from: at('10:00'), to: at('11:00') },
  at('12:00'),
  'UTC',
)
const point = (time: string, value: number, isFinal: boolean, lateCount = 0) => ({
  timestamp: new Date(at(time)).toISOString(),
  value,
  isFinal,
  lateCount,
})
const finals = (finalThrough: number | undefined) =>
  fillEmptyBuckets(range, [], finalThrough).map(({ isFinal }) => isFinal)

test('a bucket without events is 0, and final only up to the time that the server returned', () => {
  const points = [point('10:15', 5, true, 2), point('10:45', 7, false)]
  expect(fillEmptyBuckets(range, points, at('10:40'))).toEqual([
    { time: at('10:00'), value: 0, isFinal: true, lateCount: 0 },
    { time: at('10:15'), value: 5, isFinal: true, lateCount: 2 },
    { time: at('10:30'), value: 0, isFinal: false, lateCount: 0 },
    { time: at('10:45'), value: 7, isFinal: false, lateCount: 0 },
  ])
})

test('a range without any event is final up to the time that the server returned', () => {
  expect(finals(at('10:30'))).toEqual([true, true, false, false])
  expect(finals(at('11:00'))).toEqual([true, true, true, true])
})

test('no empty bucket is final while the server returns no such time', () => {
  expect(finals(undefined)).toEqual([false, false, false, false])
})

test('a bucket in which the range ends is final when the range is', () => {
  const months = resolveRange(
    { kind: 'absolute', from: Date.parse('2023-01-01T00:00:00Z'), to: at('10:00') },
    at('12:00'),
    'UTC',
  )
  const last = (finalThrough: number) => fillEmptyBuckets(months, [], finalThrough).at(-1)?.isFinal
  expect([last(at('09:59')), last(at('10:00'))]).toEqual([false, true])
})

test('the remainder is never negative', () => {
  const line = (...values: number[]) =>
    values.map((value, time) => ({ time, value, isFinal: true, lateCount: 0 }))
  const rest = remainder(line(10, 10), [line(3, 6), line(2, 6)])
  expect(rest.map(({ value }) => value)).toEqual([5, 0])
})
