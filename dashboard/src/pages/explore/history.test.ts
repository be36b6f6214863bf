import { expect, test } from 'vitest'
import { createQueryHistory } from './history.ts'

function memory(stored: Record<string, string> = {}) {
  return {
    stored,
    getItem: (key: string) => stored[key] ?? null,
    setItem: (key: string, text: string) => {
      stored[key] = text
    },
    removeItem: (key: string) => {
      delete stored[key]
    },
  }
}
const query = (i: number) => ({ search: `?range=${i}`, title: `query ${i}`, at: i })

test('the newest thirty queries of a tenant are kept, each once, until they are cleared', () => {
  const storage = memory()
  const history = createQueryHistory('shop', () => storage)
  for (let i = 0; i < 40; i++) history.add(query(i))
  history.add(query(35))
  history.add({ ...query(99), title: 'x'.repeat(5_000) })
  expect(history.queries().map(({ at }) => at)).toEqual([
    35,
    ...Array.from({ length: 30 }, (_, i) => 39 - i).filter((at) => at !== 35),
  ])
  const again = createQueryHistory('shop', () => storage)
  expect(again.queries()).toEqual(history.queries())
  expect(createQueryHistory('other', () => storage).queries()).toEqual([])
  again.clear()
  expect(storage.stored).toEqual({})
})

test('a browser without storage, or with something else stored, shows the queries of this visit', () => {
  const refuse = () => {
    throw new DOMException('denied', 'SecurityError')
  }
  const history = createQueryHistory('shop', refuse)
  history.add(query(1))
  expect(history.queries()).toEqual([query(1)])
  for (const text of ['{', '{}', '[1,{"search":1}]', 'null'])
    expect(
      createQueryHistory('shop', () => memory({ 'sluice:explore:shop': text })).queries(),
    ).toEqual([])
})
