import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestHome, type TestHome, type TestSluice } from '../lib/sluice.ts'

let home: TestHome
let sluice: TestSluice
beforeAll(async () => {
  home = createTestHome()
  sluice = await home.start('--no-demo')
})
afterAll(() => home.remove())

/** Keys that mean something to objects of JavaScript, as text: a literal would set the prototype. */
const PROPERTIES = `{
  "then": "later", "constructor": {"prototype": {"polluted": 1}}, "prototype": [], "__defineGetter__": 7,
  "toJSON": "text", "toString": null, "valueOf": 1, "hasOwnProperty": false, "length": 3, "": "no name", "0": "zero",
  "nested": {"then": {"then": 2}, "toJSON": {"toJSON": 3}, "list": [{"constructor": 4, "then": 5}]}
}`

/** With every key as a value, in one order: comparing objects would ask for some of these members. */
function entriesOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(entriesOf)
  if (typeof value !== 'object' || value === null) return value
  return {
    entries: Object.keys(value)
      .sort()
      .map((key) => [key, entriesOf(Object.getOwnPropertyDescriptor(value, key)?.value)]),
  }
}

test.each([
  ['one event', (event: string) => event],
  ['a batch', (event: string) => `[${event}]`],
])(
  '%s whose properties have the names of members of objects is stored and returned as sent',
  async (kind, wrap) => {
    const { run } = sluice
    const id = `keys-of-${kind.replace(' ', '-')}`
    const sent = await fetch(`${run.edge_url}/v1/events`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${run.write_key}`, 'Content-Type': 'application/json' },
      body: wrap(`{"event":"named","event_id":"${id}","properties":${PROPERTIES}}`),
    })
    expect([sent.status, await sent.json()]).toMatchObject([202, { accepted: 1 }])
    const stored = async () => {
      const response = await fetch(run.graphql_url, {
        method: 'POST',
        headers: { Authorization: `Bearer ${run.read_key}`, 'Content-Type': 'application/json' },
        body: JSON.stringify({
          query: `{ event(id: "${id}") { properties } metrics(name: "named", startTime: "2026-01-01T00:00:00Z",
          endTime: "2036-01-01T00:00:00Z", interval: TOTAL, groupBy: ["constructor.prototype.polluted", "then"]) { dimensions } }`,
        }),
      })
      const { data } = JSON.parse(await response.text())
      return { properties: entriesOf(data.event?.properties), groups: entriesOf(data.metrics) }
    }
    await expect.poll(stored).toEqual({
      properties: entriesOf(JSON.parse(PROPERTIES)),
      groups: entriesOf(
        JSON.parse('[{"dimensions":{"constructor.prototype.polluted":"1","then":"later"}}]'),
      ),
    })
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  },
)

test('the one key that no object of JavaScript can hold is refused by its place, wherever it is', async () => {
  const { run } = sluice
  const sent = await fetch(`${run.edge_url}/v1/events`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${run.write_key}`, 'Content-Type': 'application/json' },
    body: '{"event":"named","properties":{"list":[{"__proto__":{"polluted":true}}]}}',
  })
  expect([sent.status, await sent.json()]).toMatchObject([
    422,
    { errors: [{ code: 'KEY_RESERVED', pointer: '/properties/list/0/__proto__' }] },
  ])
})
