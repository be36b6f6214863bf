import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TOPICS } from '../contract/log/topics.ts'
import { createDatabase } from '../core/db/database.ts'
import { createKey } from '../core/identity/api-keys.ts'
import { createPostgresLog } from '../core/log/postgres/postgres-log.ts'
import { type CoreProcess, startCore } from './lib/core-process.ts'
import { createTestDatabase, type TestDatabase } from './lib/database.ts'
import { rawRecord } from './lib/records.ts'

/** The guides' own queries, run as a stranger would paste them. */
const CORE = 'http://127.0.0.1:4000'
/** Kinds of queries beside numbers over time. */
const KINDS =
  /(?:v1\/|[?&]|\/)(names|properties|top|compare|ratio|contributions|funnel|retention|changes)\b/
const ALL = ['README.md', 'docs/querying.md', 'docs/rest.md'].flatMap((file) => {
  const text = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8')
  const blocks = [...text.matchAll(/```sh\n([^`]*)```/g)].map((found) => found[1] ?? '')
  const queries = blocks.filter(
    (block) => /^curl "?http:[^ ]*(graphql|v1\/metric)/.test(block) || KINDS.test(block),
  )
  return (queries.length > 0 ? queries : ['']).map(
    (command, i) => [`${file}, the ${i + 1}.`, command] as const,
  )
})
const COMMANDS = ALL.filter(([, command]) => !KINDS.test(command))
const KIND_COMMANDS = ALL.flatMap(([, command]) => {
  const [, kind = ''] = KINDS.exec(command) ?? []
  return kind === '' ? [] : [[kind, command] as const]
})

let database: TestDatabase
let core: CoreProcess
let readKey: string
let adminKey: string
const appended = new Map<string, number>()
beforeAll(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  const db = createDatabase(database.url, { max: 1 })
  readKey = (await createKey(db, { tenant: 'default', name: 'a reader', scopes: ['read'] })).key
  adminKey = (await createKey(db, { tenant: 'default', name: 'an admin', scopes: ['admin'] })).key
  await db.destroy()
  core = await startCore({ roles: ['api', 'worker'], databaseUrl: database.url })
})
afterAll(async () => {
  await core?.stop()
  await database.drop()
})

async function runCommand(command: string): Promise<string> {
  const { stdout } = await promisify(execFile)(
    'bash',
    ['-ec', command.replaceAll(CORE, core.url).replace(/^curl /, 'curl -sS --fail-with-body ')],
    {
      env: { PATH: process.env.PATH, READ_KEY: readKey, ADMIN_KEY: adminKey },
      timeout: 10_000,
    },
  )
  return stdout
}

test.each(COMMANDS)(
  'the curl command that queries (%s) returns the events of its range',
  async (_, command) => {
    if (command.includes('metric-definitions')) {
      const stdout = await runCommand(command)
      if (command.includes('DELETE')) expect(stdout).toBe('')
      else expect(JSON.parse(stdout).data.definition).toMatchObject({ name: 'visits', version: 1 })
      return
    }
    const start = /(?:startTime: \\"|start=)([^"\\&]+)/.exec(command)?.[1] ?? ''
    const log = await createPostgresLog({ url: database.url })
    await log.append(TOPICS.raw.name, [rawRecord({ occurred_at: start, historical: true })])
    await log.close()
    const run = async () => {
      const { data } = JSON.parse(await runCommand(command))
      return data.metrics ?? data
    }
    // Some of them ask about the same day.
    const value = (appended.get(start) ?? 0) + 1
    appended.set(start, value)
    await expect
      .poll(run, { timeout: 20_000, interval: 200 })
      .toMatchObject([{ timestamp: expect.any(String), value }])
  },
)

/** What each kind has to return of one actor's visit, sign-up and order in its range, a day apart from the others'. */
const EXPECTED: Record<string, object> = {
  names: { data: [{ name: 'page_view', count: 1 }] },
  properties: { data: [{ path: 'actor' }, { path: 'plan', types: ['string'] }] },
  compare: { data: [{ value: 3, previous: 0, difference: 3 }] },
  ratio: { data: [{ value: 1, numerator: 1, denominator: 1 }], meta: { zero_denominators: 0 } },
  contributions: { data: [{ value: 'pro', before: 0, after: 3 }], meta: { difference: 3 } },
  changes: {
    data: [{ before: 0, after: 3, causes: [{ cause: 'import', events: 3, amount: 3 }] }],
    meta: { difference: 3, complete: true },
  },
  funnel: {
    data: [
      { name: 'page_view', actors: 1, conversion: 1 },
      { name: 'signup', actors: 1, median_seconds: 600 },
      { name: 'order', actors: 1, overall: 1, median_seconds: 1200 },
    ],
  },
  retention: { data: [{ date: '2026-11-17', actors: 1, returned: [1] }] },
  top: { data: [{ value: 'pro', count: 3, other: false }], meta: { total: 3 } },
}

test('the guides show every kind of query', () => {
  const kinds = KIND_COMMANDS.map(([kind]) => kind)
  expect([...new Set(kinds)].sort()).toEqual(Object.keys(EXPECTED).sort())
})

test.each(KIND_COMMANDS)(
  'the curl command that shows the kind "%s" returns what happened in its range',
  async (kind, command) => {
    const start = Date.parse(/(?:startTime: \\"|start=)([^"\\&]+)/.exec(command)?.[1] ?? '')
    const log = await createPostgresLog({ url: database.url })
    const records = ['page_view', 'signup', 'order'].map((name, i) =>
      rawRecord({
        name,
        actor: 'ann',
        value: 10,
        properties: { plan: 'pro' },
        occurred_at: new Date(start + (i + 1) * 600_000).toISOString(),
        historical: true,
      }),
    )
    await log.append(TOPICS.raw.name, records)
    await log.close()
    await expect
      .poll(async () => JSON.parse(await runCommand(command)), { timeout: 20_000, interval: 200 })
      .toMatchObject(EXPECTED[kind] as object)
  },
)
