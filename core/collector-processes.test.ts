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

test('the collector refuses HTTP on a public address, whatever core is reached by on its other port', () => {
  const on = { HOST: '203.0.113.7', SLUICE_PUBLIC_URL: 'https://sluice.example.com' }
  expect(check(on)).toThrow(/^HOST=203\.0\.113\.7: the collector would speak HTTP without TLS/)
  expect(check({ ...on, SLUICE_ALLOW_CLEARTEXT: 'true' })).not.toThrow()
  expect(check({ ...on, HOST: '10.0.0.7' })).not.toThrow()
})

test('the collector refuses to be the user of core in Redis', () => {
  const redis = { REDIS_URL: 'redis://127.0.0.1', SLUICE_REDIS_BRIDGE_URL: 'redis://127.0.0.1/0' }
  expect(check(redis)).toThrow('name the same user (default)')
  expect(check({ ...redis, SLUICE_REDIS_BRIDGE_URL: 'redis://edges:a@127.0.0.1' })).not.toThrow()
})
