import { expect, test } from 'vitest'
import { createPartTable } from './parts.ts'

function createTable() {
  const ends: [message: string, name: string][] = []
  let changes = 0
  const table = createPartTable(
    () => changes++,
    (message, name) => ends.push([message, name]),
  )
  return { table, ends, changes: () => changes }
}

test('a part that is down has no process id, and gets a new one with each restart', () => {
  const { table, changes } = createTable()
  const { onStarted, onEnd } = table.eventsOf('core')
  const since: string[] = []
  for (const [restarts, pid] of [101, 102, 103].entries()) {
    onStarted(pid)
    expect(table.pidOf('core')).toBe(pid)
    expect(table.parts).toMatchObject([{ name: 'core', pid, restarts }])
    since.push(table.parts[0]?.since ?? '')
    onEnd('core ended (SIGKILL)', 0)
    expect(table.pidOf('core')).toBeUndefined()
    expect(table.parts).toMatchObject([{ name: 'core', pid: null, restarts }])
  }
  expect(since).toEqual([...since].sort())
  // Also told of a restart that failed: still down, and not restarted once more.
  onEnd('core was not ready within 20 s', 400)
  expect(table.parts).toMatchObject([{ pid: null, restarts: 2 }])
  expect(changes()).toBe(7)
})

test('parts do not share their ends, and are listed in the order of their start', () => {
  const { table, ends } = createTable()
  table.eventsOf('postgres').onStarted(1)
  table.eventsOf('edge').onStarted(2)
  table.eventsOf('core').onStarted(3)
  table.eventsOf('edge').onEnd('edge ended (exit 1)', 1_500)
  table.eventsOf('core').onEnd('core ended (SIGKILL)', 0)
  expect(table.parts.map(({ name, pid }) => [name, pid])).toEqual([
    ['postgres', 1],
    ['edge', null],
    ['core', null],
  ])
  expect(ends).toEqual([
    ['edge ended (exit 1), restarting it in 1.5 s. Core and Postgres go on.', 'edge'],
    ['core ended (SIGKILL), restarting it now. The edge responds 503 until then.', 'core'],
  ])
})
