import { expect, test } from 'vitest'
import { readSearchText } from './search-text.ts'

test('a text is looked for as it is, without the spaces around it', () => {
  expect(readSearchText('  order-1 \n')).toEqual({ kind: 'text', text: 'order-1' })
  expect(readSearchText(' \n')).toEqual({ kind: 'empty' })
})

test('a body with one event is its id, under whatever name the id was sent', () => {
  const id = '0192A1B2-0000-7000-8000-000000000001'
  for (const body of [
    { event_id: id, name: 'order' },
    { eventId: id, event: 'order' },
    [{ eventId: id, name: 'order' }],
    { events: [{ event_id: id, name: 'order', properties: { event_id: 'other' } }] },
  ])
    expect(readSearchText(JSON.stringify(body)), JSON.stringify(body)).toEqual({
      kind: 'text',
      text: id.toLowerCase(),
    })
})

test('of a body with several events the ids are listed once, up to a limit, and those without an id are counted', () => {
  const events = Array.from({ length: 23 }, (_, i) => ({ event_id: `e-${i % 22}`, name: 'a' }))
  const read = readSearchText(JSON.stringify([...events, { name: 'a' }, { event_id: 7 }, 'x']))
  expect(read).toEqual({
    kind: 'body',
    ids: Array.from({ length: 20 }, (_, i) => `e-${i}`),
    withoutId: 3,
    unshown: 2,
  })
  expect(readSearchText('{"name":"a"}')).toMatchObject({ kind: 'body', ids: [], withoutId: 1 })
})

test('what is not JSON, or holds no events, is named', () => {
  expect(readSearchText('{"name":')).toMatchObject({ kind: 'unreadable' })
  expect(readSearchText('[]')).toMatchObject({ kind: 'unreadable', detail: 'It holds no events.' })
})
