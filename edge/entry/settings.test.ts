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

it.each(Object.keys(required))('the edge does not start without %s', (name) => {
  expect(() => readSettings({ ...required, [name]: '' })).toThrow(`${name} is not set`)
})
