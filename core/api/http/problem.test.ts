import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { API_ERRORS, ERRORS } from '../../../contract/errors.ts'
import { ApiError } from '../../lib/api-error.ts'
import { handleError } from './problem.ts'

const lines: { fields: object; message: string }[] = []

/** Responds to a request whose handler throws this. */
async function responseTo(error: Error) {
  lines.length = 0
  const app = new Hono()
  app.onError(handleError({ error: (fields, message) => void lines.push({ fields, message }) }))
  app.get('/path', () => {
    throw error
  })
  const response = await app.request('/path')
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  return { status: response.status, body: await response.json() }
}

test('an error for clients has the status of its code and its own detail, and is not logged', async () => {
  const error = new ApiError('BAD_USER_INPUT', 'names must be between 0 and 100')
  expect(await responseTo(error)).toMatchObject({
    status: 400,
    body: {
      code: 'BAD_USER_INPUT',
      title: API_ERRORS.BAD_USER_INPUT.message,
      detail: error.message,
      instance: '/path',
    },
  })
  expect(lines).toEqual([])
})

test('an unavailable database is temporary, and any other error is internal', async () => {
  const refused = Object.assign(new Error('connect to 10.0.0.1 failed'), { code: 'ECONNREFUSED' })
  const unavailable = await responseTo(refused)
  expect(unavailable).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE' } })
  expect(JSON.stringify(unavailable)).not.toContain('10.0.0.1')
  expect(lines).toMatchObject([{ message: 'request failed', fields: { path: '/path' } }])
  expect(await responseTo(new Error('oops'))).toMatchObject({
    status: 500,
    body: { code: 'INTERNAL', detail: ERRORS.INTERNAL.message },
  })
})

test('no code has two entries in the tables of errors', () => {
  const codes = [...Object.keys(ERRORS), ...Object.keys(API_ERRORS)]
  expect(codes.length).toBe(new Set(codes).size)
})
