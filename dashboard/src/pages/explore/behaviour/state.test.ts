import { expect, test } from 'vitest'
import { funnelParams, parseFunnel, parseMode, parseRetention, retentionParams } from './state.ts'

function search(changes: Record<string, string | string[] | null>): URLSearchParams {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(changes))
    for (const each of value === null ? [] : [value].flat()) params.append(name, each)
  return new URLSearchParams(params.toString())
}

test('a link restores a funnel and a retention', () => {
  const funnel = { steps: ['a', '<b>', 'a'], windowSeconds: 3_600 }
  expect(parseFunnel(search(funnelParams(funnel)))).toEqual(funnel)
  for (const interval of ['DAY', 'WEEK'] as const) {
    const retention = { first: 'signup', returning: undefined, interval }
    expect(parseRetention(search(retentionParams(retention)))).toEqual(retention)
  }
})

test('a link with what nobody can ask shows the default', () => {
  const params = new URLSearchParams('show=toString&window=7&step=&cohort=year')
  expect(parseMode(params)).toBe('trend')
  expect(parseFunnel(params)).toEqual({ steps: [], windowSeconds: 604_800 })
  expect(parseRetention(params).interval).toBe('DAY')
})
