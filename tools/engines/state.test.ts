import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EnginePorts } from './engines.ts'
import { readSaved, writeSaved } from './state.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'sluice-state-'))
})
afterEach(() => rmSync(home, { recursive: true }))

const portsOf = (brokers: number, from = 1): EnginePorts => ({
  kafka: Array.from({ length: brokers }, (_, i) => ({ broker: from + i, controller: 100 + i })),
  redis: from + 50,
  postgres: from + 60,
})

test('a start finds the passwords of the last one, and the ports of a cluster that was larger before', () => {
  const first = readSaved(home)
  expect(first.ports).toEqual({})
  writeSaved(home, first, portsOf(3))
  expect(readSaved(home)).toEqual({ ...first, ports: portsOf(3) })

  // With one broker, whose port has changed.
  writeSaved(home, readSaved(home), portsOf(1, 9))
  const { kafka } = portsOf(3)
  expect(readSaved(home)).toEqual({
    ...first,
    ports: { ...portsOf(1, 9), kafka: [...portsOf(1, 9).kafka, ...kafka.slice(1)] },
  })
  writeSaved(home, readSaved(home), portsOf(2))
  expect(readSaved(home).ports.kafka).toEqual(kafka)
})
