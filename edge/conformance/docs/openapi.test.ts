import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { describe, expect, it } from 'vitest'
import { ERRORS } from '../../../contract/errors.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { createEdge } from '../../app.ts'
import { typeOf } from '../../openapi/document.ts'
import { OPERATIONS } from '../../openapi/operations.ts'
import { DOCUMENT, findViolations, resolve, schemaAt } from '../../testing/documented.ts'

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const result = await new Validator().validate(structuredClone(DOCUMENT))
    expect(result.errors ?? []).toEqual([])
    expect(DOCUMENT.openapi).toMatch(/^3\.1\./)
  })

  it('has schemas that a strict JSON Schema 2020-12 validator accepts', () => {
    const ajv = new Ajv2020({ strict: true, strictRequired: false, strictTypes: false })
    addFormats.default(ajv)
    ajv.addVocabulary(['openapi', 'info', 'servers', 'tags', 'paths', 'components'])
    ajv.addSchema(DOCUMENT, 'strict')
    for (const name of Object.keys(DOCUMENT.components.schemas))
      expect(() => ajv.compile({ $ref: `strict#/components/schemas/${name}` })).not.toThrow()
  })

  it('documents every path that the edge serves, and no other', () => {
    const edge = createEdge({ now: Date.now } as Parameters<typeof createEdge>[0])
    const served = edge.routes
      .filter(({ method, path }) => /^(GET|POST)$/.test(method) && path !== '/*')
      // An optional trailing slash is documented in prose.
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}').replace(/\/$/, '')}`)
    const documented = Object.entries(DOCUMENT.paths).flatMap(([path, operations]) =>
      Object.keys(operations as object).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(documented.sort()).toEqual([...new Set(served)].sort())
  })

  it('gives every operation a unique id and responses, every POST a body, and examples distinct titles', () => {
    const ids = Object.values<Record<string, { operationId: string }>>(DOCUMENT.paths).flatMap(
      (operations) => Object.values(operations).map(({ operationId }) => operationId),
    )
    expect(new Set(ids).size).toBe(ids.length)
    for (const { id, method, body, responses, examples } of OPERATIONS) {
      const names = examples.map(({ title }) => title)
      expect(new Set(names).size, id).toBe(names.length)
      expect(body === undefined, id).toBe(method === 'get')
      expect(Object.keys(responses).length, id).toBeGreaterThan(0)
    }
  })

  // NOT_FOUND and METHOD_NOT_ALLOWED are documented outside the operations.
  const elsewhere = ['NOT_FOUND', 'METHOD_NOT_ALLOWED']
  it.each(Object.entries(ERRORS).filter(([code]) => !elsewhere.includes(code)))(
    'documents the error %s with its status',
    (code, { status, message }) => {
      const described = Object.entries<object>(DOCUMENT.paths).flatMap(([path, operations]) =>
        Object.keys(operations).map((method) => {
          const [response] = resolve(['paths', path, method, 'responses', String(status)])
          return JSON.stringify(response ?? '')
        }),
      )
      expect(described.some((text) => text.includes(`"${code}"`))).toBe(true)
      expect(described.some((text) => text.includes(JSON.stringify(message).slice(1, -1)))).toBe(
        true,
      )
    },
  )

  it('describes the responses for unknown paths and methods in prose', () => {
    expect(DOCUMENT.components.schemas.Problem.properties.code.enum).toEqual(Object.keys(ERRORS))
    for (const code of elsewhere) expect(DOCUMENT.info.description).toContain(code)
  })

  it('defines no component that it does not use', () => {
    const text = JSON.stringify(DOCUMENT)
    for (const part of ['schemas', 'responses', 'headers', 'parameters'])
      for (const name of Object.keys(DOCUMENT.components[part]))
        expect(text, name).toContain(`"#/components/${part}/${name}"`)
    for (const name of Object.keys(DOCUMENT.components.securitySchemes))
      expect(text, name).toContain(`{"${name}":[]}`)
  })

  it('takes its bounds from the limits', () => {
    const { Event, Events } = DOCUMENT.components.schemas
    expect(Events.maxItems).toBe(LIMITS.batchEventsMax)
    expect(Event.description).toContain(`${LIMITS.eventBytesMax / 1024} KiB`)
  })

  const withBody = OPERATIONS.flatMap((operation) =>
    operation.examples
      .filter(({ body, isInvalid }) => body !== undefined && !isInvalid)
      .map((example) => ({ title: example.title, operation, example })),
  )
  it.each(withBody)('has a schema that accepts the body of "$title"', ({ operation, example }) => {
    const type = typeOf(example)
    const validate = schemaAt(
      'paths',
      operation.paths[0] as string,
      operation.method,
      'requestBody',
      'content',
      type,
      'schema',
    )
    expect(validate(example.body) ? [] : validate.errors).toEqual([])
  })
})

describe('findViolations', () => {
  const headers = {
    'content-type': 'application/json',
    'x-request-id': 'r',
    'access-control-allow-origin': '*',
  }
  const text = '{"request_id":"r","accepted":0,"rejected":0,"events":[],"errors":[]}'
  const good = { status: 202, headers, text, json: JSON.parse(text) }
  it.each([
    ['no violation in a documented response', {}, []],
    ['an undocumented status', { status: 418 }, [expect.stringMatching(/^418 is not documented/)]],
    [
      'an undocumented type',
      { headers: { ...headers, 'content-type': 'text/html' } },
      ['the type text/html is not documented'],
    ],
    [
      'an undocumented header',
      { headers: { ...headers, 'x-secret': '1' } },
      ['the header x-secret is not documented'],
    ],
    [
      'a missing required header',
      { headers: { 'content-type': 'application/json', 'x-request-id': 'r' } },
      ['the header access-control-allow-origin is missing'],
    ],
    [
      'a body that violates the schema',
      { json: { ...good.json, accepted: '0' } },
      [expect.stringContaining('/accepted must be integer')],
    ],
  ])('reports %s', (_, changes, violations) => {
    expect(findViolations({}, { ...good, ...changes })).toEqual(violations)
  })

  it('reports a successful response of an undocumented path', () => {
    expect(findViolations({ path: '/v1/secret' }, good)).toEqual([
      'POST /v1/secret is not in the document',
    ])
  })
})
