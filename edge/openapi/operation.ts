import type { KeyRecord } from '../../contract/api-key.ts'
import type { ErrorCode } from '../../contract/errors.ts'

/** JSON Schema 2020-12. */
export type Schema = { readonly [keyword: string]: unknown }

/** One operation of the edge; `/openapi.json` and `/docs` are generated from these. */
export interface Operation {
  id: string
  method: 'get' | 'post'
  /** As OpenAPI writes them; the first is canonical, the others do the same. Those of PostHog may end with a slash. */
  paths: readonly string[]
  /** A section of the page. */
  group: GroupId
  summary: string
  description?: string
  /** Names of PARAMETERS. */
  parameters?: readonly string[]
  /** By media type. Bodies are required wherever there are any. */
  body?: Readonly<Record<string, Schema>>
  /** Of success, by status. */
  responses: Readonly<Record<number, ResponseDoc>>
  /** Its error codes; contract/errors.ts has the status of each. */
  errors: readonly ErrorCode[]
  /** Instead of problem+json, where a client can show nothing else. */
  errorMediaType?: string
  /** JSON in the layout that this family of clients reads, where the edge can give an error in it. */
  errorSchema?: Schema
  /** Where the key may be sent; empty for what needs no key. */
  security: readonly SecurityName[]
  examples: readonly Example[]
}

export type GroupId =
  | 'sluice'
  | 'ndjson'
  | 'cloudevents'
  | 'segment'
  | 'posthog'
  | 'otlp'
  | 'vendors'
  | 'legacy'
  | 'browser'
  | 'service'

export type SecurityName = 'bearer' | 'header' | 'basic' | 'query' | 'body'

export interface ResponseDoc {
  description: string
  /** Without it there is no body. */
  type?: string
  schema?: Schema
  /** Other media types that a client may accept. */
  alternatives?: Readonly<Record<string, Schema>>
  /** Names of HEADERS. */
  headers?: readonly string[]
  /** Other origins may not read it. */
  sameOrigin?: true
}

/**
 * A request as it can be sent, and its response. `$KEY` in the path, a header or the body
 * stands for the API key. The conformance suite sends every one of them to every runtime.
 */
export interface Example {
  /** On the page and in the document. */
  title: string
  /** The section that shows it, where that is not its operation's own: groups share a path. */
  group?: GroupId
  /** With its query; else the operation's first path. */
  path?: string
  headers?: Readonly<Record<string, string>>
  /** Sent as it is when it is a text, else as JSON. */
  body?: unknown
  status: number
  /** The body of the response; UUIDs, partitions and offsets differ each time. */
  response?: unknown
  /** What the key needs for it. */
  needs?: Partial<KeyRecord>
  /** The body violates the schema, to show the error. */
  isInvalid?: true
}
