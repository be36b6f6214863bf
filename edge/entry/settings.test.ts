import { expect, it } from 'vitest'
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
