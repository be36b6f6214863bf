import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { openApiDocument } from '../openapi/document.ts'
import type { Answer, Sent } from './send.ts'

// biome-ignore lint/suspicious/noExplicitAny: a document is looked into at every depth
export const DOCUMENT = openApiDocument() as any

const ajv = new Ajv2020({ strict: false, allErrors: true })
addFormats.default(ajv)
ajv.addSchema(DOCUMENT, 'sluice')
const compiled = new Map<string, ValidateFunction>()

/** The schema at a place of the document, as a function. @param keys of the place, from the root */
export function schemaAt(...keys: string[]): ValidateFunction {
  const pointer = keys.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
  let found = compiled.get(pointer)
  if (!found) {
    found = ajv.compile({ $ref: `sluice#${pointer.split('/').map(encodeURIComponent).join('/')}` })
    compiled.set(pointer, found)
  }
  return found
}

/** The document's own spelling of a path that was asked for. */
export function documentedPath(path: string): string | undefined {
  const [asked = ''] = path.split('?', 1)
  return Object.keys(DOCUMENT.paths).find((known) => {
    const pattern = known.replace(/[.]/g, '\\.').replace(/\{[^}]+\}/g, '[^/]+')
    return new RegExp(`^${pattern}${mayEndWithSlash(known) ? '/?' : ''}$`).test(asked)
  })
}

/** PostHog's, as its group says. */
function mayEndWithSlash(known: string): boolean {
  const [operation] = Object.values<{ tags: string[] }>(DOCUMENT.paths[known])
  return operation?.tags[0] === 'posthog'
}

/** Of every connection, or of CORS where an Origin was sent; not the operation's own. */
const ORDINARY =
  /^(connection|content-length|content-type|date|keep-alive|transfer-encoding|vary|access-control-expose-headers)$/

/** In what an answer is not as the document has it. */
export function complaints(
  { method = 'POST', path = '/v1/events' }: Sent,
  answer: Answer,
): string[] {
  const known = documentedPath(path)
  const verb = method === 'HEAD' ? 'get' : method.toLowerCase()
  const operation = known && DOCUMENT.paths[known][verb]
  // Where nothing is, only a browser's own question is answered otherwise than with a 404.
  if (method === 'OPTIONS' && (known || answer.status === 204))
    return answer.status === 204 ? [] : ['OPTIONS is not 204']
  if (!operation) {
    const wanted = known ? 405 : 404
    if (answer.status !== wanted) return [`${method} ${path} is not in the document`]
    if (known && !answer.headers.allow) return ['405 without Allow']
    return method === 'HEAD'
      ? []
      : failures(schemaAt('components', 'schemas', 'Problem'), answer.json)
  }
  const [response, place] = resolve(['paths', known, verb, 'responses', String(answer.status)])
  if (!response) return [`${answer.status} is not documented (${answer.text.slice(0, 200)})`]
  return [
    ...wrongHeaders(response.headers ?? {}, answer),
    ...wrongBody(response, place, method, answer),
  ]
}

/** What stands at a place of the document, or at the place that it refers to. */
// biome-ignore lint/suspicious/noExplicitAny: a document is looked into at every depth
export function resolve(place: readonly string[]): [any, readonly string[]] {
  const found = place.reduce((within, key) => within?.[key], DOCUMENT)
  return found?.$ref ? resolve(found.$ref.slice(2).split('/')) : [found, place]
}

function wrongHeaders(documented: Record<string, { $ref: string }>, { headers }: Answer): string[] {
  const found: string[] = []
  const byName = new Map(Object.entries(documented).map(([name, one]) => [name.toLowerCase(), one]))
  for (const name of Object.keys(headers))
    if (!ORDINARY.test(name) && !byName.has(name))
      found.push(`the header ${name} is not documented`)
  for (const [name, { $ref }] of byName) {
    const [, part = '', header = ''] = $ref.slice(2).split('/')
    const value = headers[name]
    if (value === undefined) {
      if (DOCUMENT.components[part][header].required) found.push(`the header ${name} is missing`)
    } else found.push(...failures(schemaAt('components', part, header, 'schema'), value))
  }
  return found
}

function wrongBody(
  response: { content?: Record<string, unknown> },
  place: readonly string[],
  method: string,
  answer: Answer,
): string[] {
  const type = answer.headers['content-type']
  const types = Object.keys(response.content ?? {})
  if (types.length === 0) return answer.text === '' ? [] : ['a body is not documented']
  if (type === undefined || !types.includes(type)) return [`the type ${type} is not documented`]
  if (method === 'HEAD') return []
  const body = /[/+]json/.test(type) ? answer.json : answer.text
  return failures(schemaAt(...place, 'content', type, 'schema'), body)
}

function failures(validate: ValidateFunction, value: unknown): string[] {
  if (validate(value)) return []
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) =>
      `${instancePath || 'the value'} ${message} ${JSON.stringify(params)}`,
  )
}
