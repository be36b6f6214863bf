import { expect, it } from 'vitest'
import { createPointerMap } from './pointer-map.ts'

it('a pointer is mapped by the innermost entry that it lies within, and of the same by the last', () => {
  const map = createPointerMap()
  map.add('/properties/time', '/occurred_at')
  map.add('/properties', '/properties')
  map.add('/properties/time', '/properties/time_')
  map.add('/traits', '/properties/traits')
  expect(map.toEvent('/properties/time')).toBe('/properties/time_')
  expect(map.toEvent('/properties/time/0')).toBe('/properties/time_/0')
  expect(map.toEvent('/properties/timer')).toBe('/properties/timer')
  expect(map.toEvent('/trait')).toBe('/trait')
  expect(map.toMessage('/properties/traits/a')).toBe('/traits/a')
  expect(map.toMessage('/occurred_at')).toBe('/properties/time')
  map.add('/sent', '/occurred_at')
  expect(map.toMessage('/occurred_at')).toBe('/sent')
})

it('mapping every pointer of an event costs no more than the event is long', async () => {
  const few = await msOf(2_000)
  const many = await msOf(8_000)
  // Four times as many pointers: sixteen times as long, where each were compared with each entry.
  expect(many).toBeLessThan(8 * few + 500)
})

async function msOf(count: number): Promise<number> {
  // In workerd the clock advances only with I/O.
  const now = () => new Promise<number>((resolve) => setTimeout(() => resolve(Date.now()), 0))
  const names = Array.from({ length: count }, (_, i) => `/k${i}`)
  const begun = await now()
  const map = createPointerMap()
  for (const name of names) map.add(name, `/properties${name}`)
  for (const name of names) map.toMessage(map.toEvent(name))
  return (await now()) - begun
}
