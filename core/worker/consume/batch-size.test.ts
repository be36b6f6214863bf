import { expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { createBatchSize } from './batch-size.ts'

test('batches are halved after a statement that timed out, down to fifty records, and grow again after a while', () => {
  const size = createBatchSize()
  expect([size.recordsMax, size.patience()]).toEqual([LIMITS.logBatchRecordsMax, undefined])
  size.failed({ code: '40P01' })
  expect(size.recordsMax).toBe(LIMITS.logBatchRecordsMax)
  size.failed({ code: '57014' })
  expect(size.recordsMax).toBe(LIMITS.logBatchRecordsMax / 2)
  expect(size.patience()?.aborted).toBe(false)
  for (let i = 0; i < 20; i++) size.failed({ code: '57014' })
  expect(size.recordsMax).toBe(50)
  for (let i = 0; i < 20; i++) size.grow()
  expect(size.recordsMax).toBe(LIMITS.logBatchRecordsMax)
})
