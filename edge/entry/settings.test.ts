import { expect, it } from 'vitest'
import { abortOnTimeout } from '../lib/timeout.ts'
import { composeEdge } from './compose.ts'
import { readSettings } from './settings.ts'

const required = {
  SLUICE_GATEWAY_URL: 'http://127.0.0.1:4000/gateway',
  SLUICE_GATEWAY_USERNAME: 'sluice',
  SLUICE_GATEWAY_PASSWORD: 'secret',
}

it('a setting that is empty, or that workerd binds to null, counts as missing', () => {
  const environment = { ...required, SLUICE_EDGE_NAME: '', SLUICE_DOCS_KEY: null }
  expect(readSettings(environment)).toEqual(required)
})

it('a number that Wrangler binds is read like its text', () => {
  expect(readSettings({ ...required, SLUICE_REDIS_TIMEOUT_MS: 100 })).toEqual({
    ...required,
    SLUICE_REDIS_TIMEOUT_MS: '100',
  })
})

it('the edge does not start with a setting under its former name', () => {
  expect(() => readSettings({ ...required, WITHOUT_REDIS: 'closed' })).toThrow(
    'WITHOUT_REDIS is now SLUICE_REDIS_FAILURE_POLICY',
  )
})

it.each(Object.keys(required))('the edge does not start without %s', (name) => {
  expect(() => readSettings({ ...required, [name]: '' })).toThrow(`${name} is not set`)
})

it('the edge does not send passwords over http to a public host unless that is asked for', () => {
  const runtime = { timeout: abortOnTimeout, edgeNameOf: () => 'x', addressOf: () => undefined }
  const compose = (changes: object) =>
    composeEdge(readSettings({ ...required, ...changes }), runtime)
  const remote = { SLUICE_GATEWAY_URL: 'http://core.example.com/gateway' }
  expect(() => compose(remote)).toThrow('SLUICE_GATEWAY_URL sends passwords and events over http')
  expect(() =>
    compose({ SLUICE_REDIS_REST_URL: 'http://203.0.113.9', SLUICE_REDIS_TOKEN: 't' }),
  ).toThrow('SLUICE_REDIS_REST_URL')
  compose({ ...remote, SLUICE_ALLOW_CLEARTEXT: true })
  compose({ SLUICE_GATEWAY_URL: 'http://core:4000/gateway' })
  compose({ SLUICE_GATEWAY_URL: 'https://core.example.com/gateway' })
})
