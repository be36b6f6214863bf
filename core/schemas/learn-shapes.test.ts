import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { createDatabase, type Database } from '../db/database.ts'
import { createKey } from '../identity/api-keys.ts'
import { createTenant } from '../identity/tenants.ts'
import { type TenantViewer, tenantViewer } from '../identity/viewer.ts'
import { eventSchema, eventSchemas } from '../queries/schemas/event-schemas.ts'
import { schemaDrift } from '../queries/schemas/schema-drift.ts'
import { createViolationCounts } from './count-violations.ts'
import type { SampledEvent } from './event-shape.ts'
import { createShapeLearner, type ShapeLearner } from './learn-shapes.ts'
import { SHAPE_LIMITS } from './shape-limits.ts'

let database: TestDatabase
let db: Database
let viewer: TenantViewer
let keyId: string
let nowMs: number
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url)
  for (const tenant of ['shop', 'other']) await createTenant(db, { tenant })
  keyId = (await createKey(db, { tenant: 'shop', name: 'till', scopes: ['ingest'] })).keyId
  viewer = await tenantViewer(db, { kind: 'SESSION' }, 'shop')
  const hourAgo = (await database.pool.query('SELECT now()')).rows[0].now.getTime() - 3_600_000
  // Postgres writes no zeros at the end of milliseconds.
  nowMs = hourAgo - (hourAgo % 1_000) + 123
})
beforeEach(() => database.pool.query('TRUNCATE event_shape, event_shape_path'))
afterAll(async () => {
  await db?.destroy()
  await database?.drop()
})

type Properties = Record<string, unknown>

/** Learns from as many events, each batch of them small enough that all are sampled. */
function learn(
  learner: ShapeLearner,
  count: number,
  properties: (i: number) => Properties,
  fields: Partial<SampledEvent> = {},
): void {
  for (let i = 0; i < count; i++)
    learner.sample(1, () => ({
      ...{ tenantId: viewer.tenantId, name: 'order', receivedMs: nowMs + i, keyId },
      ...fields,
      properties: properties(i),
    }))
}

test('paths, types, presence and cardinality are learned over flushes of several workers', async () => {
  const workers = [createShapeLearner(database.pool), createShapeLearner(database.pool)]
  const order = (i: number) => ({
    price: i + 0.5,
    currency: 'EUR',
    size: ['S', 'M', 'L'][i % 3],
    ...(i % 4 === 0 && { coupon: i % 8 === 0 ? 'x' : null }),
    cart: { items: [{ sku: `s${i}` }, { sku: `t${i}` }] },
  })
  for (const _ of [1, 2]) {
    for (const worker of workers) learn(worker, 20, order)
    await Promise.all(workers.map((worker) => worker.flush()))
  }
  const { rows: names } = await eventSchemas(db, viewer, {})
  expect(names).toEqual([
    {
      ...{ name: 'order', sampled: 80, paths: 8, pinned: null },
      firstAt: new Date(nowMs).toISOString(),
      lastAt: new Date(nowMs + 19).toISOString(),
    },
  ])
  const [found] = (await eventSchema(db, viewer, { name: 'order' })).rows
  expect(
    found?.properties.map(({ path, presence, cardinality, types }) => [
      ...[path, presence, cardinality],
      types.map(({ type, share }) => `${type} ${share}`).join(', '),
    ]),
  ).toEqual([
    ['/cart', 1, null, 'object 1'],
    ['/cart/items', 1, null, 'array 1'],
    ['/cart/items/[]', 1, null, 'object 1'],
    ['/cart/items/[]/sku', 1, 'MANY', 'string 1'],
    ['/coupon', 0.25, 'FEW', 'string 0.6, null 0.4'],
    ['/currency', 1, 'ONE', 'string 1'],
    ['/price', 1, 'MANY', 'number 1'],
    ['/size', 1, 'FEW', 'string 1'],
  ])
  // No value is stored, in whichever column.
  const { rows: stored } = await database.pool.query(
    'SELECT p::text AS row FROM event_shape_path p',
  )
  expect(stored.map(({ row }) => row).join()).not.toMatch(/EUR|s19/)
  const other = await tenantViewer(db, { kind: 'SESSION' }, 'other')
  expect((await eventSchemas(db, other, {})).rows).toEqual([])
  expect((await eventSchema(db, other, { name: 'order' })).rows).toEqual([])
})

test('a changed type, a new property and one that vanished are drift, with time, share and key', async () => {
  const learner = createShapeLearner(database.pool)
  learn(learner, 100, () => ({ price: 1, old: { inside: true } }))
  await learner.flush()
  expect((await schemaDrift(db, viewer, {})).rows).toEqual([])
  const laterMs = nowMs + 60_000
  learn(
    learner,
    100,
    (i) => ({ price: i >= 97 ? '1' : 1, ...(i % 2 && { fresh: { a: 1, b: 2 } }) }),
    { receivedMs: laterMs },
  )
  await learner.flush()
  const at = new Date(laterMs).toISOString().slice(0, 16).replace('T', ' ')
  const before = new Date(nowMs + 99).toISOString()
  const { rows } = await schemaDrift(db, viewer, { name: 'order' })
  expect(rows.map(({ message }) => message)).toEqual([
    `fresh, an object, is new at ${at} UTC in 51 % of events, first from the key till`,
    `price became a string at ${at} UTC in 100 % of events, first from the key till`,
    `old was seen last at ${before.slice(0, 16).replace('T', ' ')} UTC; it was in 100 % of events`,
  ])
  expect(rows[1]).toMatchObject({ type: 'string', formerTypes: ['number'], keyId })
  expect(rows[2]).toMatchObject({ path: '/old', at: before })
  // The string is one of a hundred from then on.
  learn(learner, 97, () => ({ price: 1 }), { receivedMs: laterMs })
  await learner.flush()
  const [, changed] = (await schemaDrift(db, viewer, {})).rows
  expect(changed?.share).toBeCloseTo(0.03)
  const since = new Date(laterMs + 1).toISOString()
  expect((await schemaDrift(db, viewer, { since })).rows).toEqual([])
})

test('names, paths and values are bounded, whatever is sent', async () => {
  const learner = createShapeLearner(database.pool)
  const deep = (depth: number): unknown => (depth === 0 ? 1 : { d: deep(depth - 1) })
  const hostile = Object.fromEntries([
    ...Array.from({ length: 900 }, (_, i) => [`k${i}`, i]),
    ['x'.repeat(300), 1],
  ])
  for (let flush = 0; flush < 3; flush++) {
    for (let i = 0; i < 400; i++)
      learn(learner, 1, () => ({ a: 1 }), { name: `name ${flush} ${i}` })
    learn(learner, 1, () => ({ ...hostile, [`new ${flush}`]: 1 }))
    learn(learner, 1, () => ({ ['y'.repeat(300)]: 1, deep: deep(30) }), { name: 'deep' })
    await learner.flush()
  }
  const count = async (text: string) => (await database.pool.query(text)).rows[0].count
  expect(await count('SELECT count(*)::int FROM event_shape')).toBe(SHAPE_LIMITS.namesPerTenantMax)
  const ofName = "SELECT count(*)::int FROM event_shape_path WHERE name = 'order'"
  expect(await count(ofName)).toBe(SHAPE_LIMITS.pathsPerNameMax)
  expect(await count("SELECT count(*)::int FROM event_shape_path WHERE name = 'deep'")).toBe(
    SHAPE_LIMITS.depthMax,
  )
})

test('of a large batch a bounded number of events is sampled, evenly spread', () => {
  const learner = createShapeLearner(database.pool)
  const sampled: number[] = []
  learner.sample(10_000, (i) => {
    sampled.push(i)
    return undefined
  })
  expect(sampled.length).toBe(SHAPE_LIMITS.sampledPerBatchMax)
  const gaps = sampled.slice(1).map((at, i) => at - (sampled[i] as number))
  expect(new Set(gaps)).toEqual(new Set([156, 157]))
})

test('what was not seen for a month is forgotten, and a flush that fails loses its sample alone', async () => {
  const learner = createShapeLearner(database.pool)
  learn(learner, 2, () => ({ a: 1 }), { name: 'old', receivedMs: nowMs - 31 * 86_400_000 })
  await learner.flush()
  learn(learner, 2, () => ({ a: 1 }), { name: 'bad\0' })
  await expect(learner.flush()).rejects.toThrow()
  learn(learner, 3, () => ({ a: 1 }))
  await learner.flush()
  await createShapeLearner(database.pool).flush()
  const { rows } = await eventSchemas(db, viewer, {})
  expect(rows.map(({ name, sampled }) => [name, sampled])).toEqual([['order', 3]])
})

test('a violation at a property whose name Postgres cannot store loses no other one', async () => {
  const counts = createViolationCounts(database.pool)
  const of = { tenantId: viewer.tenantId, name: 'order', version: 1, receivedMs: nowMs, keyId }
  const pointers = ['/properties/price', '/properties/a\0b', `/${'x'.repeat(254)}😀`]
  for (const pointer of pointers) counts.add({ ...of, pointer, detail: 'is missing' })
  await counts.flush()
  const { rows } = await database.pool.query(
    'SELECT pointer FROM event_schema_violation ORDER BY length(pointer) DESC, pointer',
  )
  expect(rows.map(({ pointer }) => pointer)).toEqual([
    `/${'x'.repeat(254)}\ufffd`,
    '/properties/price',
    '/properties/ab',
  ])
})

test('names with many paths share what a worker holds between two flushes', async () => {
  const learner = createShapeLearner(database.pool)
  const wide = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`p${i}`, i]))
  for (let i = 0; i < 200; i++) learn(learner, 1, () => wide, { name: `wide ${i}` })
  await learner.flush()
  const { rows } = await database.pool.query('SELECT count(*)::int AS n FROM event_shape_path')
  expect(rows[0].n).toBe(SHAPE_LIMITS.heldPathsMax)
})
