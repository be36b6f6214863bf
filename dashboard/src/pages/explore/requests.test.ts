import { execFileSync } from 'node:child_process'
import { parse } from 'graphql'
import { expect, test } from 'vitest'
import type { SeriesVariables } from './queries.ts'
import { curlCommand, graphqlDocument, mcpCall, restPath } from './requests.ts'

const query: SeriesVariables = {
  tenant: 'shop',
  name: `it's $(date) "order"`,
  startTime: '2026-11-10T00:00:00.000Z',
  endTime: '2026-11-11T00:00:00.000Z',
  interval: 'HOUR',
  timeZone: 'Asia/Kathmandu',
  aggregate: 'AVG',
  groupBy: ['plan', 'source'],
  filter: [{ dimension: 'plan', in: ["o'neil", 'a&b=c', '"}) { viewer'] }],
  isSplit: false,
}

test('the curl command survives a shell, whatever a name and a value hold, and has no key in it', () => {
  const command = curlCommand(query, 'https://sluice.example') as string
  const words = execFileSync('sh', ['-c', command.replace('curl', 'printf "%s\\n"')], {
    env: { READ_KEY: 'a key' },
  })
  const [url = '', , authorization] = words.toString().split('\n')
  const { pathname, searchParams } = new URL(url)
  expect(decodeURIComponent(pathname)).toBe(`/v1/metrics/${query.name}`)
  expect(searchParams.getAll('filter')).toEqual(["plan:o'neil", 'plan:a&b=c', 'plan:"}) { viewer'])
  expect(searchParams.get('group_by')).toBe('plan,source')
  expect(authorization).toBe('Authorization: Bearer a key')
  expect(command).toContain('$READ_KEY')
})

test('the GraphQL document is one query of one field, whatever a name and a value hold', () => {
  const document = parse(graphqlDocument(query))
  const [operation] = document.definitions
  expect(document.definitions).toHaveLength(1)
  expect(operation?.kind === 'OperationDefinition' && operation.selectionSet.selections).toEqual([
    expect.objectContaining({ name: expect.objectContaining({ value: 'metrics' }) }),
  ])
})

test('the call of the MCP tool has the same query', () => {
  expect(JSON.parse(mcpCall(query) as string)).toMatchObject({
    name: 'query_metric',
    arguments: { metric: query.name, aggregate: 'avg', group_by: ['plan', 'source'] },
  })
})

test('what REST or MCP cannot ask is not written down as something else', () => {
  const missing = { ...query, filter: [{ dimension: 'plan', in: [null] }] }
  expect([restPath(missing), curlCommand(missing, ''), mcpCall(missing)]).toEqual([
    ...[undefined, undefined, undefined],
  ])
  expect(restPath({ ...query, groupBy: ['a,b'] })).toBeUndefined()
  expect(graphqlDocument(missing)).toContain('in: [null]')
})
