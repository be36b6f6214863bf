import type { KeyRecord } from '../../contract/api-key.ts'
import type { ErrorCode } from '../../contract/errors.ts'

/** JSON Schema 2020-12. */
export type Schema = { readonly [keyword: string]: unknown }

/** One operation of the edge, as its clients see it: what `/openapi.json` and `/docs` are made of. */
export interface Operation {
  id: string
  method: 'get' | 'post'
  /** As OpenAPI writes them; the first is the one to use, the others do the same. Those of PostHog may end with a slash. */
  paths: readonly string[]
  /** The family it belongs to; a section of the page. */
  group: GroupId
  summary: string
  description?: string
  /** Names of PARAMETERS. */
  parameters?: readonly string[]
  /** By media type. Bodies are required wherever there are any. */
  body?: Readonly<Record<string, Schema>>
  /** Of success, by status. */
  responses: Readonly<Record<number, ResponseDoc>>
  /** How it can say no; each with the status that contract/errors.ts gives it. */
  errors: readonly ErrorCode[]
  /** Instead of problem+json: whoever asks can show nothing else. */
  errorMediaType?: string
  /** Ways of sending the key; none for what everybody may ask. */
  security: readonly SecurityName[]
  examples: readonly Example[]
}

export type GroupId =
  | 'sluice'
  | 'ndjson'
  | 'cloudevents'
  | 'segment'
  | 'posthog'
  | 'classic'
  | 'browser'
  | 'service'

export type SecurityName = 'bearer' | 'header' | 'basic' | 'query' | 'body'

export interface ResponseDoc {
  description: string
  /** Without it there is no body. */
  type?: string
  schema?: Schema
  /** Other media types that may be asked for. */
  alternatives?: Readonly<Record<string, Schema>>
  /** Names of HEADERS. */
  headers?: readonly string[]
  /** Other pages may not read it. */
  sameOrigin?: true
}

/**
 * A request as it can be sent, and what it is answered with. `$KEY` in the path, a header or the body
 * stands for the API key. The conformance suite sends every one of them to every runtime.
 */
export interface Example {
  /** Names it, on the page and in the document. */
  title: string
  /** The section it stands in, where that is not its operation's own: families share a path. */
  group?: GroupId
  /** With its query; else the operation's first path. */
  path?: string
  headers?: Readonly<Record<string, string>>
  /** Sent as it is when it is a text, else as JSON. */
  body?: unknown
  status: number
  /** The body of the answer; UUIDs, partitions and offsets are other ones each time. */
  response?: unknown
  /** What the key must be for it. */
  needs?: Partial<KeyRecord>
  /** The body is not as the schema has it, to show what is said then. */
  isInvalid?: true
}
