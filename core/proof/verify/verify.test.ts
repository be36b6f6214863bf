import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ProofSystem } from '../testing/proof-system.ts'
import { seedProofSystem } from './testing/seed.ts'
import { verify } from './verify.ts'

let seed: ProofSystem
beforeAll(async () => {
  seed = await seedProofSystem()
}, 120_000)
afterAll(() => seed?.close())

describe('a verification', () => {
  test('of a clean database finds nothing, and compares everything', async () => {
    const report = await verify({ databaseUrl: seed.database.url, log: seed.log })
    expect(report).toMatchObject({
      clean: true,
      differences: [],
      moreDifferences: 0,
      notChecked: [],
    })
    console.log(JSON.stringify(report.checked))
  })
})
