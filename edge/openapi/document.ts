import { ERRORS, type ErrorCode } from '../../contract/errors.ts'
import {
  COMMON_HEADERS,
  GROUPS,
  HEADERS,
  PARAMETERS,
  RATE_LIMIT_HEADERS,
  SECURITY,
} from './components.ts'
import type { Example, Operation, ResponseDoc, Schema } from './operation.ts'
import { OPERATIONS } from './operations.ts'
import { ref } from './schema-helpers.ts'
import { SCHEMAS } from './schemas.ts'

/** The body of `GET /openapi.json`: OpenAPI 3.1. */
export function openApiDocument(): Schema {
  const responses = createShared()
  const paths = pathsOf(responses.use)
  return {
    openapi: '3.1.1',
    info: {
      title: 'Sluice: sending events',
      version: '1',
      description:
        'Every ingest format, for every kind of client. Every response carries `X-Request-Id`; every error is `application/problem+json` with a `code` to branch on. Unknown paths get 404 NOT_FOUND, other methods 405 METHOD_NOT_ALLOWED with `Allow`.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: Object.entries(GROUPS).map(([name, { title, description }]) => ({
      name,
      'x-displayName': title,
      description,
    })),
    paths,
    components: {
      schemas: SCHEMAS,
      responses: responses.all,
      headers: HEADERS,
      parameters: PARAMETERS,
      securitySchemes: SECURITY,
    },
  }
}

type Use = (status: string, response: Schema) => Schema

/** Responses that many operations share appear in the document once. */
function createShared(): { all: Record<string, Schema>; use: Use } {
  const all: Record<string, Schema> = {}
  const names = new Map<string, string>()
  return {
    all,
    use(status, response) {
      const text = JSON.stringify(response)
      let name = names.get(text)
      if (name === undefined) {
        const others = Object.keys(all).filter((other) => other.startsWith(`Error${status}`))
        name = `Error${status}${others.length > 0 ? `-${others.length + 1}` : ''}`
        names.set(text, name)
        all[name] = response
      }
      return { $ref: `#/components/responses/${name}` }
    },
  }
}

function pathsOf(use: Use): Schema {
  const paths: Record<string, Record<string, Schema>> = {}
  for (const operation of OPERATIONS)
    for (const [index, path] of operation.paths.entries()) {
      paths[path] ??= {}
      paths[path][operation.method] = describeOperation(operation, index, use)
    }
  return paths
}

function describeOperation(operation: Operation, index: number, use: Use): Schema {
  const { id, group, summary, description, parameters = [], body, security, examples } = operation
  const first = index === 0
  return {
    operationId: first ? id : `${id}${index + 1}`,
    tags: [group],
    summary,
    description: first ? description : `The same as \`${operation.paths[0]}\`.`,
    parameters: [...parameters, 'requestId'].map((name) => ({
      $ref: `#/components/parameters/${name}`,
    })),
    // `{}` stands for a request that carries none of them.
    security: security.map((name) => (name === 'body' ? {} : { [name]: [] })),
    ...(body && {
      requestBody: {
        required: true,
        description: 'Plain, or compressed with `Content-Encoding: gzip` or `deflate`.',
        content: Object.fromEntries(
          Object.entries(body).map(([type, schema]) => [
            type,
            { schema, ...(first && exampleBodies(type, examples)) },
          ]),
        ),
      },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(operation.responses).map(([status, response]) => [
          status,
          successResponse(
            response,
            first ? examples.filter((example) => example.status === Number(status)) : [],
          ),
        ]),
      ),
      ...errorResponses(operation, first ? examples : [], use),
    },
  }
}

/** Which of a media type's bodies an example has: that of its Content-Type, JSON without one. */
export function typeOf(example: Example): string {
  const header = Object.entries(example.headers ?? {}).find(([name]) =>
    /^content-type$/i.test(name),
  )
  return header?.[1].split(';', 1)[0] ?? 'application/json'
}

function exampleBodies(type: string, examples: readonly Example[]): Schema {
  return namedExamples(
    examples.filter(
      (example) => example.body !== undefined && !example.isInvalid && typeOf(example) === type,
    ),
    ({ body }) => body,
  )
}

function successResponse(response: ResponseDoc, examples: readonly Example[]): Schema {
  const {
    description,
    type,
    schema = {},
    alternatives: orAs = {},
    headers = [],
    sameOrigin,
  } = response
  return {
    description,
    headers: headersOf(headers, sameOrigin),
    ...(type && {
      content: Object.fromEntries(
        Object.entries({ [type]: schema, ...orAs }).map(([type, schema]) => [
          type,
          {
            schema,
            ...responseExamples(examples.filter((example) => acceptsMediaType(example, type))),
          },
        ]),
      ),
    }),
  }
}

function responseExamples(examples: readonly Example[]): Schema {
  return namedExamples(
    examples.filter((example) => example.response !== undefined),
    ({ response }) => response,
  )
}

/** Lines are sent only to clients that accept them. */
function acceptsMediaType({ headers }: Example, type: string): boolean {
  return (headers?.Accept ?? type) === type && (type !== LINES || headers?.Accept === type)
}

const LINES = 'application/x-ndjson'

function namedExamples(examples: readonly Example[], value: (example: Example) => unknown): Schema {
  if (examples.length === 0) return {}
  return {
    examples: Object.fromEntries(
      examples.map((example) => [
        example.title.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, ''),
        { summary: example.title, value: value(example) },
      ]),
    ),
  }
}

/** One response per status, with all the codes that it may have here. */
function errorResponses(operation: Operation, examples: readonly Example[], use: Use): Schema {
  const byStatus: Record<string, ErrorCode[]> = {}
  for (const code of operation.errors) {
    const { status } = ERRORS[code]
    byStatus[status] ??= []
    byStatus[status].push(code)
  }
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, codes]) => {
      const shown = examples.filter((example) => String(example.status) === status)
      const response = errorResponse(operation, status, codes, shown)
      return [status, shown.length > 0 ? response : use(status, response)]
    }),
  )
}

function errorResponse(
  { errors, errorMediaType, errorSchema }: Operation,
  status: string,
  codes: readonly ErrorCode[],
  examples: readonly Example[],
): Schema {
  return {
    description: codes.map((code) => `\`${code}\`: ${ERRORS[code].message}`).join('\n\n'),
    headers: headersOf([
      ...(HEADERS_OF_STATUS[status] ?? []),
      // Some errors come after the rate limit, others before.
      ...(errors.includes('RATE_LIMITED') ? RATE_LIMIT_HEADERS : []),
      ...(errorMediaType ? ['Cache-Control', 'Cross-Origin-Resource-Policy'] : []),
    ]),
    content: errorMediaType
      ? { [errorMediaType]: { schema: { type: 'string' } } }
      : {
          ...(errorSchema && { 'application/json': { schema: errorSchema } }),
          'application/problem+json': {
            schema: {
              allOf: [ref('Problem')],
              properties: { status: { const: Number(status) }, code: { enum: codes } },
            },
            ...responseExamples(examples),
          },
        },
  }
}

const HEADERS_OF_STATUS: Readonly<Record<string, readonly string[]>> = {
  401: ['WWW-Authenticate'],
  409: ['Retry-After'],
  415: ['Accept-Post', 'Accept-Encoding'],
  429: ['Retry-After'],
  503: ['Retry-After'],
}

function headersOf(names: readonly string[], sameOrigin?: boolean): Schema {
  return Object.fromEntries(
    [...(sameOrigin ? ['X-Request-Id'] : COMMON_HEADERS), ...names].map((name) => [
      name,
      { $ref: `#/components/headers/${name}` },
    ]),
  )
}
