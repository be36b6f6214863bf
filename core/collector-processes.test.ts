import { expect, test } from 'vitest'
import { checkCollector } from './collector-processes.ts'
import { readConfig } from './config.ts'

const check = (env: Record<string, string>) => () => checkCollector(readConfig(env))

test('several processes of the collector need a Redis in which they share their limits; one does not', () => {
  expect(check({ SLUICE_COLLECTOR_PROCESSES: '2' })).toThrow('REDIS_URL is not set')
  expect(check({ SLUICE_COLLECTOR_PROCESSES: '1' })).not.toThrow()
  const redis = { SLUICE_COLLECTOR_PROCESSES: '2', REDIS_URL: 'redis://127.0.0.1' }
  expect(check(redis)).not.toThrow()
})
