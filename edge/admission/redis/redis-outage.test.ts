import { expect, it } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import type { ReportEntry } from '../../http/report.ts'
import { RedisError, TooLargeForRedisError } from './redis.ts'
import { watchRedis } from './redis-outage.ts'

/** A watched Redis whose replies the test gives, and a clock that it sets. */
function watchedRedis() {
  const clock = { ms: 1_000_000 }
  const asked: PromiseWithResolvers<unknown[]>[] = []
  const reports: ReportEntry[] = []
  const ask = () => {
    const reply = Promise.withResolvers<unknown[]>()
    asked.push(reply)
    return reply.promise
  }
  const redis = watchRedis({
    redis: { run: ask, get: ask },
    now: () => clock.ms,
    report: (entry) => reports.push(entry),
    policy: 'local',
  })
  /** What became of one request: its value, or the name of its error. */
  const get = () => redis.get('a').catch((error: Error) => error.name)
  const fail = async (error: Error = new RedisError('away')) => {
    const result = get()
    asked.at(-1)?.reject(error)
    return result
  }
  return { clock, asked, reports, redis, get, fail }
}

it('after a failure no request asks Redis until the pause is over, and then one of three does', async () => {
  const { clock, asked, redis, get, fail } = watchedRedis()
  expect([redis.up, await fail(), redis.up]).toEqual([true, 'RedisError', false])
  clock.ms += LIMITS.redisPauseMs - 1
  expect([await get(), asked.length]).toEqual(['RedisError', 1])
  clock.ms += 1
  const probe = get()
  expect(await Promise.all([get(), get()])).toEqual(['RedisError', 'RedisError'])
  expect(asked).toHaveLength(2)
  asked[1]?.resolve(['value'])
  expect([await probe, redis.up]).toEqual([['value'], true])
  const all = [get(), get(), get()]
  expect(asked).toHaveLength(5)
  for (const { resolve } of asked) resolve([])
  expect(await Promise.all(all)).toEqual([[], [], []])
})

it('a probe that fails begins the pause again, and the outage is reported once', async () => {
  const { clock, asked, reports, redis, get, fail } = watchedRedis()
  for (let probe = 1; probe <= 3; probe++) {
    expect([await fail(), asked.length]).toEqual(['RedisError', probe])
    clock.ms += LIMITS.redisPauseMs - 1
    expect([await get(), asked.length]).toEqual(['RedisError', probe])
    clock.ms += 1
  }
  expect(reports.map(({ what }) => what)).toEqual([
    'Redis does not answer; SLUICE_REDIS_FAILURE_POLICY=local holds',
  ])
  redis.counts.without += 7
  const probe = get()
  asked.at(-1)?.resolve([])
  await probe
  const seconds = (3 * LIMITS.redisPauseMs) / 1000
  expect(reports[1]?.what).toBe(
    `Redis is back after ${seconds} s; 7 requests went without it (local)`,
  )
})

it('a reply to a request from before the outage does not end it', async () => {
  const { asked, redis, get, fail } = watchedRedis()
  const early = get()
  await fail()
  asked[0]?.resolve(['late'])
  expect([await early, redis.up, await get(), asked.length]).toEqual([
    ['late'],
    false,
    'RedisError',
    2,
  ])
})

it('a value that is too large for Redis does not count as an outage', async () => {
  const { reports, redis, fail } = watchedRedis()
  expect(await fail(new TooLargeForRedisError('too large'))).toBe('RedisError')
  expect([redis.up, reports]).toEqual([true, []])
})
