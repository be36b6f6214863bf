import { afterAll, beforeAll, expect, test } from 'vitest'
import { rawRecord, rawValue } from '../../../tests/lib/records.ts'
import { openProofSystem, type ProofSystem } from '../../proof/testing/proof-system.ts'
import {
  nowPatch,
  openWorkbench,
  rejectedByEdge,
  tooOld,
  type Workbench,
} from './testing/workbench.ts'

let system: ProofSystem
let workbench: Workbench
let stopWorker: () => Promise<void>
beforeAll(async () => {
  system = await openProofSystem()
  workbench = openWorkbench(system.database.url)
  stopWorker = system.startWorker()
  await system.append([
    rawRecord({ event_id: 'sent-again', name: 'order', value: 2 }),
    ...['a', 'b', 'c'].map((id) => tooOld(id)),
    tooOld('sent-again', { value: 3 }),
    tooOld('other', { tenant: 'other' }),
    rejectedByEdge({ userId: 'u', properties: { n: 1 } }),
    rawValue('not JSON'),
  ])
  await system.untilApplied()
})
afterAll(async () => {
  await workbench.close()
  await system.close()
})

const rows = async (text: string) => (await system.database.pool.query(text)).rows

test('a group counts the dead letters of one cause, whichever batch had them', async () => {
  const of = `SELECT reason, pointer, open::int, state FROM dead_letter_group WHERE tenant_id = 1 ORDER BY 1`
  expect(await rows(of)).toEqual([
    { reason: 'NAME_MISSING', pointer: '/name', open: 1, state: 'open' },
    { reason: 'OCCURRED_AT_TOO_OLD', pointer: '/occurred_at', open: 3, state: 'open' },
  ])
  await system.append([tooOld('d')])
  await system.untilApplied()
  expect(await rows(of)).toMatchObject([{ open: 1 }, { open: 4 }])
  expect(await rows('SELECT sum(count)::int AS n FROM dead_letter_hour')).toEqual([{ n: 6 }])
  expect(
    await rows(`SELECT sum(count)::int AS n FROM dead_letter_reason WHERE reason = 'NOT_JSON'`),
  ).toEqual([{ n: 1 }])
})

test('a plan by the rules of now says what stays dead and why, and changes nothing', async () => {
  const before = await rows('SELECT dead_letter_id, state FROM dead_letter ORDER BY 1')
  const plan = await workbench.run({ filter: {} })
  expect(plan).toMatchObject({
    ...{ state: 'done', total: 5, processed: 5, stored: 0, dead: 5, refused: 0 },
    reasons: { OCCURRED_AT_TOO_OLD: 4, NAME_MISSING: 1 },
  })
  expect(plan.examples).toHaveLength(4)
  expect(await rows('SELECT dead_letter_id, state FROM dead_letter ORDER BY 1')).toEqual(before)
})

test('a plan of a patch says what would be stored, and what cannot be patched', async () => {
  expect(await workbench.run({ filter: {}, patch: nowPatch() })).toMatchObject({
    ...{ processed: 5, stored: 4, dead: 0, refused: 1, reasons: { PATCH_FAILED: 1 } },
  })
  const named = JSON.stringify([{ op: 'add', path: '/name', value: 'page' }])
  const filter = { reason: 'NAME_MISSING' }
  expect(await workbench.run({ filter, patch: named })).toMatchObject({ stored: 1 })
  const renamed = JSON.stringify([{ op: 'replace', path: '/event_id', value: 'another' }])
  expect(await workbench.run({ filter: { name: 'order' }, patch: renamed })).toMatchObject({
    refused: 4,
    reasons: { EVENT_ID_CHANGED: 4 },
  })
})

test('what Postgres stores in no text may stand in the name of a property, and ends no job', async () => {
  const properties = { [`${'x'.repeat(180)}${'😀'.repeat(20)}`]: 'a\0b' }
  const original = { event: 'order', messageId: 'nul', properties }
  await system.append([rejectedByEdge(original)])
  await system.untilApplied()
  const add = (path: string) => JSON.stringify([{ op: 'add', path, value: 'a\0b' }])
  for (const path of ['/properties/a\0b', `/properties/${'x'.repeat(170)}${'😀'.repeat(20)}`])
    expect(await workbench.run({ filter: {}, patch: add(path) })).toMatchObject({ state: 'done' })
  await rows(`DELETE FROM dead_letter WHERE original LIKE '%nul%'::bytea`)
})

test('the same job is begun once, and no more than three are open', async () => {
  await stopWorker()
  const begin = (name: string) => workbench.begin({ filter: { name } })
  const ids = [await begin('a'), await begin('b'), await begin('c')]
  expect(await begin('a')).toBe(ids[0])
  await expect(begin('d')).rejects.toMatchObject({ code: 'TOO_MANY_JOBS' })
  await workbench.cancel(ids[1] as string)
  expect(await workbench.job(ids[1] as string)).toMatchObject({ state: 'cancelled' })
  expect(await begin('d')).toMatch(/^\d+$/)
})
