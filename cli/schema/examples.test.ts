import { expect, test } from 'vitest'
import { normalise } from '../../contract/event/normalise.ts'
import { compileSchema } from '../../contract/schema/compile-schema.ts'
import { findViolation } from '../../contract/schema/find-violation.ts'
import { createEvents } from '../load/events.ts'
import { EXAMPLE_SCHEMAS } from './examples.ts'

test('the events of a load test are as the example schemas of their types', () => {
  const events = createEvents({
    ...{ run: 7, duplicateRate: 0, badRate: 0, stride: 1, timeOf: () => Date.now() },
  })
  const names = new Set<string>()
  for (let i = 0; i < 300; i++) {
    const read = normalise(JSON.parse(events.serialize(events.plan(i))), {
      ...{ receivedAt: new Date().toISOString(), eventId: () => 'e' },
    })
    if (!read.ok) throw new Error(JSON.stringify(read.errors))
    const compiled = compileSchema(EXAMPLE_SCHEMAS[read.event.name])
    if (!compiled.ok) throw new Error(JSON.stringify(compiled.error))
    expect(findViolation(compiled.schema, read.event.properties)).toBeUndefined()
    names.add(read.event.name)
  }
  expect([...names].sort()).toEqual(Object.keys(EXAMPLE_SCHEMAS).sort())
})
