import { expect, it } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { RECORD } from '../testing/memory-edge.ts'
import { createBudgets, sharesOfKey } from './budgets.ts'

const OVERLOADED = expect.objectContaining({ code: 'OVERLOADED' })

function setUp() {
  const clock = { now: 1_000_000 }
  return { clock, budgets: createBudgets(() => clock.now) }
}

it.each([
  ['reading', LIMITS.edgeBytesReadingMax, LIMITS.bodyReadMsMax],
  ['readingUnknown', LIMITS.edgeBytesReadingUnknownMax, LIMITS.bodyReadMsMax],
  [
    'unauthenticated',
    LIMITS.edgeBytesUnauthenticatedMax,
    LIMITS.lookupWaitMsMax + LIMITS.keyLookupMsMax,
  ],
  ['ingest', LIMITS.edgeBytesInFlightMax, LIMITS.publishMsMax],
] as const)(
  'the budget "%s" is full with %i bytes, for as long as its stage may take',
  (name, bytes, ms) => {
    const { clock, budgets } = setUp()
    budgets[name].acquire(bytes - 1)
    clock.now += ms
    expect(() => budgets[name].acquire(2)).toThrow(OVERLOADED)
    budgets[name].acquire(1)
  },
)

it('the keys of a tenant share its part of the budget, and each has its own', () => {
  const { edgeBytesPerKeyMax: perKey, edgeBytesPerTenantMax: perTenant } = LIMITS
  const { budgets } = setUp()
  const acquire = (key_id: string, tenant: string, bytes: number) =>
    budgets.ingest.acquire(bytes, sharesOfKey({ ...RECORD, key_id, tenant }))
  acquire('k1', 'acme', perKey)
  expect(() => acquire('k1', 'acme', 1)).toThrow(OVERLOADED)
  acquire('k2', 'acme', perTenant - perKey)
  expect(() => acquire('k2', 'acme', 1)).toThrow(OVERLOADED)
  expect(() => acquire('k3', 'acme', 1)).toThrow(OVERLOADED)
  acquire('k4', 'other', LIMITS.edgeBytesInFlightMax - perTenant)
})
