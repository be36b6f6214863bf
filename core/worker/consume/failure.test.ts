import pg from 'pg'
import { expect, inject, test } from 'vitest'
import { CopyTimeoutError, FencedError } from '../write/write-batch.ts'
import { classify } from './failure.ts'

/** What Postgres says to a statement. */
async function said(sql: string): Promise<unknown> {
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

test('only what may be a record’s fault is looked for among the records', async () => {
  expect(classify(await said("SELECT 'x'::int"))).toBe('row')
  expect(
    classify(await said("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'XX000'; END $$")),
  ).toBe('unknown')
  for (const none of [
    await said('SELECT pg_terminate_backend(pg_backend_pid())'),
    await said("SET statement_timeout = '1 ms'; SELECT pg_sleep(1)"),
    new FencedError('events.raw'),
    new CopyTimeoutError(),
  ])
    expect(classify(none), String(none)).toBe('retry')
  expect(classify(await said('SELECT FROM nothing_of_this_name'))).toBe('alarm')
})
