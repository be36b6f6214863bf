import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { openApiDocument } from '../openapi/document.ts'
import type { EdgeRequest, EdgeResponse } from './exchange.ts'

// biome-ignore lint/suspicious/noExplicitAny: the document is read at every depth
export const DOCUMENT = openApiDocument() as any

const ajv = new Ajv2020({ strict: false, allErrors: true })
addFormats.default(ajv)
ajv.addSchema(DOCUMENT, 'sluice')
const compiled = new Map<string, ValidateFunction>()

/** A validator for the schema at a path of the document. @param keys of the path, from the root */
export function schemaAt(...keys: string[]): ValidateFunction {
  const pointer = keys.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
  let found = compiled.get(pointer)
  if (!found) {
    found = ajv.compile({ $ref: `sluice#${pointer.split('/').map(encodeURIComponent).join('/')}` })
    compiled.set(pointer, found)
  }
  return found
}

/** The documented path that matches the path of a request. */
export function documentedPath(path: string): string | undefined {
  const [requested = ''] = path.split('?', 1)
  return Object.keys(DOCUMENT.paths).find((known) => {
    const pattern = known.replace(/[.]/g, '\\.').replace(/\{[^}]+\}/g, '[^/]+')
    return new RegExp(`^${pattern}${mayEndWithSlash(known) ? '/?' : ''}$`).test(requested)
  })
}

/** Only the operations of PostHog and Mixpanel also accept a trailing slash. */
function mayEndWithSlash(known: string): boolean {
  const [operation] = Object.values<{ tags: string[]; operationId: string }>(DOCUMENT.paths[known])
  return operation?.tags[0] === 'posthog' || operation?.operationId.startsWith('mixpanel') === true
}

/** Headers of the connection, of CORS, or of every response; no operation documents them. */
const UNDOCUMENTED_HEADERS =
  /^(connection|content-length|content-type|date|keep-alive|transfer-encoding|vary|access-control-expose-headers|cache-control|content-security-policy|x-content-type-options|strict-transport-security)$/

/** The ways in which a response violates the document. */
export function findViolations(
  { method = 'POST', path = '/v1/events' }: EdgeRequest,
  response: EdgeResponse,
): string[] {
  const known = documentedPath(path)
  const verb = method === 'HEAD' ? 'get' : method.toLowerCase()
  const operation = known && DOCUMENT.paths[known][verb]
  // A preflight of an unknown path gets 204; every other request to it gets 404.
  if (method === 'OPTIONS' && (known || response.status === 204))
    return response.status === 204 ? [] : ['OPTIONS is not 204']
  // GET that sends an event has no HEAD.
  if (method === 'HEAD' && operation && response.status === 405)
    return response.headers.allow?.includes('HEAD') === false ? [] : ['405 where HEAD is allowed']
  if (!operation) {
    const expected = known ? 405 : 404
    if (response.status !== expected) return [`${method} ${path} is not in the document`]
    if (known && !response.headers.allow) return ['405 without Allow']
    return method === 'HEAD'
      ? []
      : validationErrors(schemaAt('components', 'schemas', 'Problem'), response.json)
  }
  const [documented, keys] = resolve(['paths', known, verb, 'responses', String(response.status)])
  if (!documented) return [`${response.status} is not documented (${response.text.slice(0, 200)})`]
  return [
    ...findHeaderViolations(documented.headers ?? {}, response),
    ...findBodyViolations(documented, keys, method, response),
  ]
}

/** The value at a path of the document, following a reference. */
// biome-ignore lint/suspicious/noExplicitAny: the document is read at every depth
export function resolve(keys: readonly string[]): [any, readonly string[]] {
  const found = keys.reduce((parent, key) => parent?.[key], DOCUMENT)
  return found?.$ref ? resolve(found.$ref.slice(2).split('/')) : [found, keys]
}

function findHeaderViolations(
  documented: Record<string, { $ref: string }>,
  { headers }: EdgeResponse,
): string[] {
  const found: string[] = []
  const byName = new Map(
    Object.entries(documented).map(([name, header]) => [name.toLowerCase(), header]),
  )
  for (const name of Object.keys(headers))
    if (!UNDOCUMENTED_HEADERS.test(name) && !byName.has(name))
      found.push(`the header ${name} is not documented`)
  for (const [name, { $ref }] of byName) {
    const [, part = '', header = ''] = $ref.slice(2).split('/')
    const value = headers[name]
    if (value === undefined) {
      if (DOCUMENT.components[part][header].required) found.push(`the header ${name} is missing`)
    } else found.push(...validationErrors(schemaAt('components', part, header, 'schema'), value))
  }
  return found
}

function findBodyViolations(
  documented: { content?: Record<string, unknown> },
  keys: readonly string[],
  method: string,
  response: EdgeResponse,
): string[] {
  const type = response.headers['content-type']
  const types = Object.keys(documented.content ?? {})
  if (types.length === 0) return response.text === '' ? [] : ['a body is not documented']
  if (type === undefined || !types.includes(type)) return [`the type ${type} is not documented`]
  if (method === 'HEAD') return []
  const body = /[/+]json/.test(type) ? response.json : response.text
  return validationErrors(schemaAt(...keys, 'content', type, 'schema'), body)
}

function validationErrors(validate: ValidateFunction, value: unknown): string[] {
  if (validate(value)) return []
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) =>
      `${instancePath || 'the value'} ${message} ${JSON.stringify(params)}`,
  )
}
