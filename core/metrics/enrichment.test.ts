import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ENRICHMENTS } from '../../contract/enrichment.ts'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import {
  decodeEnrichment,
  ENRICHMENT_FIELDS,
  type Enrichment,
  encodeEnrichment,
  enrichmentField,
  enrichmentRowsSql,
  enrichmentSql,
} from './enrichment.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

/** A value for each field, and all of them. */
const FULL = Object.fromEntries(
  ENRICHMENT_FIELDS.map((field) => [field, field === 'is_bot' ? 'false' : `of ${field}`]),
) as Enrichment
const SAMPLES: readonly Enrichment[] = [
  FULL,
  { ...FULL, is_bot: 'true' },
  ...ENRICHMENT_FIELDS.map((field) => ({ [field]: FULL[field] })),
  ...ENRICHMENT_FIELDS.map((field) => ({ ...FULL, [field]: undefined })),
  { browser: 'Ünïcode 😀', utm_content: "';--" },
]
const known = (of: Enrichment) =>
  Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined))

test('every field that can be declared is stored', () => {
  expect([...ENRICHMENT_FIELDS].sort()).toEqual(Object.values(ENRICHMENTS).flat().sort())
})

test('what was derived is read as it was written, and nothing as nothing', () => {
  for (const sample of SAMPLES)
    expect(decodeEnrichment(encodeEnrichment(sample))).toEqual(known(sample))
  expect(encodeEnrichment({ browser: 'Chrome', device: 'mobile' })).toBe('Chrome\x1f\x1fmobile')
  for (const nothing of [undefined, {}, { browser: undefined, city: '' }])
    expect(encodeEnrichment(nothing)).toBeNull()
  expect(decodeEnrichment(null)).toBeUndefined()
  // Of a later version, which adds a field at the end.
  expect(decodeEnrichment(`${encodeEnrichment(FULL)}\x1fnew`)).toEqual(FULL)
})

test('Postgres reads the fields that were written', async () => {
  const texts = [...SAMPLES.map(encodeEnrichment), null]
  const fields = ENRICHMENT_FIELDS.map((field) => `${enrichmentSql(field)} AS ${field}`)
  const { rows } = await database.pool.query(
    `SELECT ${fields.join(', ')} FROM unnest($1::text[]) WITH ORDINALITY e (enrichment, i) ORDER BY i`,
    [texts],
  )
  expect(rows.map((row) => Object.entries(row).filter(([, value]) => value !== null))).toEqual(
    [...SAMPLES.map(known), {}].map((sample) =>
      ENRICHMENT_FIELDS.flatMap((field) => (field in sample ? [[field, sample[field]]] : [])),
    ),
  )
  const listed = await database.pool.query(
    `SELECT field, value FROM ${enrichmentRowsSql('$1::text')} AS f (field, value) WHERE value IS NOT NULL`,
    [encodeEnrichment(FULL)],
  )
  expect(listed.rows).toEqual(
    ENRICHMENT_FIELDS.map((field) => ({ field, value: field === 'is_bot' ? 'f' : FULL[field] })),
  )
})

test('only the names of fields are dimensions', () => {
  expect(enrichmentField('enrichment.city')).toBe('city')
  for (const other of ['enrichment.', 'enrichment', 'city', 'enrichment.City', 'enrichment.city.x'])
    expect(enrichmentField(other)).toBeUndefined()
})

test('events from before the fields keep their properties of the same name in declared metrics', async () => {
  const file = readdirSync('migrations').find((name) => name.endsWith('_enrichment.sql'))
  const migration = readFileSync(`migrations/${file}`, 'utf8')
  const update = migration.slice(migration.indexOf('UPDATE metric_definition'))
  const { pool } = database
  const { rows: tenants } = await pool.query(
    "INSERT INTO tenant (slug) VALUES ('former') RETURNING tenant_id",
  )
  const insert = (name: string, filters: object, value: string, dimensions: string[]) =>
    pool.query(
      `INSERT INTO metric_definition (tenant_id, name, version, filters, value_path, dimensions, activated_at, offsets)
       VALUES ($1, $2, 1, $3, $4, $5, now(), '{}')`,
      [tenants[0].tenant_id, name, JSON.stringify(filters), value, dimensions],
    )
  await insert('a', { 'enrichment.x': ['1'], plan: ['2'] }, 'value', ['plan', 'enrichment.country'])
  await insert('b', {}, 'enrichment.total', [])
  await insert('c', { plan: ['enrichment.x'] }, 'value', ['my.enrichment.x', 'enrichment'])
  await pool.query(update)
  const { rows } = await pool.query(
    'SELECT filters, value_path, dimensions FROM metric_definition ORDER BY name',
  )
  expect(rows).toEqual([
    {
      filters: { 'properties.enrichment.x': ['1'], plan: ['2'] },
      value_path: 'value',
      dimensions: ['plan', 'properties.enrichment.country'],
    },
    { filters: {}, value_path: 'properties.enrichment.total', dimensions: [] },
    {
      filters: { plan: ['enrichment.x'] },
      value_path: 'value',
      dimensions: ['my.enrichment.x', 'enrichment'],
    },
  ])
})
