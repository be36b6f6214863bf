import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { numberSql, textSql } from './backfill-sql.ts'
import { compileMetric } from './compile-metric.ts'
import { PROPERTY_TEXT_CHARS_MAX, propertyText } from './property-text.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database?.drop())

const KEYS = ['a', 'b', 'aa', 'a.b', 'a.0', 'list', 'é', '0', '-1']
const leaf = fc.oneof(
  fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0') && text.isWellFormed()),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1e21, -1.5e-7, 5e-324, 1e290, 1.1e290, 123456789012345680000, 0.1),
  fc.boolean(),
  fc.constant(null),
)
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...KEYS), tie('value'), { maxKeys: 4 }),
  ),
}))
const properties = fc.dictionary(fc.constantFrom(...KEYS), value, { maxKeys: 6 })
const DIMENSIONS = ['a', 'a.b', 'list.0', 'list.-1.aa', 'a.b.é', 'a.0', 'b. 1', 'list.+1']

test('a batch finds the dimensions and the value of an event that Postgres finds', async () => {
  const samples = fc.sample(properties, 400)
  const texts = samples.map((each) => JSON.stringify(each))
  for (const path of DIMENSIONS) {
    const metric = compileMetric({
      ...{ metricId: 1, tenantId: 1, name: 'm', events: undefined, filters: [] },
      ...{ value: path, dimensions: [path] },
    })
    const values: unknown[] = [texts]
    const add = (each: unknown) => `$${values.push(each)}`
    const { rows } = await database.pool.query(
      `SELECT ${textSql(path, add)} AS dim, ${numberSql(path, add)} AS value
         FROM unnest($1::jsonb[]) WITH ORDINALITY e (properties, i) ORDER BY i`,
      values,
    )
    rows.forEach((row, i) => {
      const properties = JSON.parse(texts[i] ?? '')
      const event = { event_id: '', name: 'n', occurred_at: '', properties }
      // Longer ones are cut, which SQL does around this expression.
      expect(metric.dimsOf({ event })[0]?.slice(0, 200) ?? null, `${path} of ${texts[i]}`).toEqual(
        row.dim?.slice(0, 200) ?? null,
      )
      expect(metric.valueOf(event) ?? null, `${path} of ${texts[i]}`).toEqual(row.value)
    })
  }
})

/** A text is read as it is. */
const beginning = (text: string | null) =>
  text?.startsWith('{') || text?.startsWith('[') ? text.slice(0, PROPERTY_TEXT_CHARS_MAX) : text

test('a property is written as jsonb writes it', async () => {
  const samples = fc.sample(value, 500).map((each) => JSON.stringify(each))
  const { rows } = await database.pool.query(
    "SELECT jsonb_build_object('k', j) ->> 'k' AS text FROM unnest($1::jsonb[]) WITH ORDINALITY u (j, i) ORDER BY i",
    [samples],
  )
  rows.forEach(({ text }, i) => {
    expect(propertyText(JSON.parse(samples[i] ?? '')), samples[i]).toBe(beginning(text))
  })
})

test('of a large object or list only the beginning is read, which is what jsonb begins with', async () => {
  const key = (i: number) => `${i % 2 === 0 ? '\uffee' : '\u{1f600}'}${i}`
  const large: unknown[] = [
    Object.fromEntries(Array.from({ length: 900 }, (_, i) => [key(i), { value: i }])),
    Array.from({ length: 900 }, (_, i) => ({ value: 'x'.repeat(i % 9) })),
    [['"'.repeat(3_000)], 1],
    { a: { b: { c: ['x'.repeat(5_000)] } } },
    { ['k'.repeat(2_000)]: 1 },
  ]
  const { rows } = await database.pool.query(
    "SELECT jsonb_build_object('k', j) ->> 'k' AS text FROM unnest($1::jsonb[]) WITH ORDINALITY u (j, i) ORDER BY i",
    [large.map((each) => JSON.stringify(each))],
  )
  rows.forEach(({ text }, i) => {
    expect(text.length).toBeGreaterThan(PROPERTY_TEXT_CHARS_MAX)
    expect(propertyText(large[i])).toBe(beginning(text))
  })
})

test('what a metric reads of a list does not grow with it', () => {
  let read = 0
  const list = new Proxy(
    Array.from({ length: 10_000 }, () => 'element'),
    {
      get(target, property, receiver) {
        read++
        return Reflect.get(target, property, receiver)
      },
    },
  )
  propertyText(list)
  expect(read).toBeLessThan(500)
})
