import pg from 'pg'
import { expect, inject, test } from 'vitest'
import { CopyTimeoutError } from '../write/copy-rows.ts'
import { FencedError } from '../write/positions.ts'
import { classifyFailure } from './failure.ts'

/** The error that a statement fails with. */
async function errorOf(sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: inject('postgresUrl') })
  client.on('error', () => {})
  await client.connect()
  try {
    return await client.query(sql).then(
      () => undefined,
      (error) => error,
    )
  } finally {
    await client.end()
  }
}

test('only an error that may be a record’s fault starts a search among the records', async () => {
  expect(classifyFailure(await errorOf("SELECT 'x'::int"))).toBe('row')
  expect(
    classifyFailure(
      await errorOf("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'XX000'; END $$"),
    ),
  ).toBe('unknown')
  for (const none of [
    await errorOf('SELECT pg_terminate_backend(pg_backend_pid())'),
    await errorOf("SET statement_timeout = '1 ms'; SELECT pg_sleep(1)"),
    new FencedError('events.raw'),
    new CopyTimeoutError(),
  ])
    expect(classifyFailure(none), String(none)).toBe('retry')
  expect(classifyFailure(await errorOf('SELECT FROM nothing_of_this_name'))).toBe('alarm')
})
