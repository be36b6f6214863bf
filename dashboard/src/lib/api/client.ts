import {
  type AnyVariables,
  Client,
  type CombinedError,
  fetchExchange,
  type OperationResult,
  type TypedDocumentNode,
} from '@urql/core'
import { createSignal } from 'solid-js'

const QUERY_MS_MAX = 15_000

const client = new Client({
  url: '/graphql',
  exchanges: [fetchExchange],
  requestPolicy: 'network-only',
  preferGetMethod: false,
  fetchSubscriptions: true,
  // A browser sends this header across origins only after a preflight, so no other page can send requests in our name.
  fetchOptions: { credentials: 'same-origin', headers: { 'x-graphql-yoga-csrf': 'sluice' } },
})

const [signedOut, setSignedOut] = createSignal(false)

/** True once the server answered 401. */
export { signedOut }

const [denials, setDenials] = createSignal(0)

/** Counts responses that something is forbidden: what the viewer may do has probably changed. */
export { denials }

/** Why a request failed. */
export interface ApiError {
  kind: 'unreachable' | 'signed-out' | 'forbidden' | 'refused'
  /** A sentence for a person: "Sluice did not respond within 15 s." */
  message: string
  /** Why this request is refused however often it is sent, as docs/errors.md lists it, and the server's own words. */
  refusal?: { code: string; advice: string; fields?: readonly FieldError[] }
}
/** What is wrong with one part of the input. */
export interface FieldError {
  /** JSON pointer into the input: `/filter/0/in`. */
  pointer: string
  detail: string
}
export type Result<T> = { ok: true; data: T; extensions?: unknown } | { ok: false; error: ApiError }

/** Sends a query once. Never throws; the caller decides about retries. */
export async function execute<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Result<Data>> {
  const fetching = { fetch: fetchWithin(QUERY_MS_MAX) }
  return resultOf(await client.query(document, variables, fetching).toPromise())
}

/** Sends a mutation once. Never throws; it may have been executed although no response came. */
export async function mutate<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Result<Data>> {
  const fetching = { fetch: fetchWithin(QUERY_MS_MAX) }
  const result = await client.mutation(document, variables, fetching).toPromise()
  const sent = resultOf(result)
  if (sent.ok || sent.error.kind === 'signed-out' || sent.error.kind === 'unreachable') return sent
  return { ok: false, error: { ...sent.error, ...refusalOf(result.error) } }
}

/** A change is not sent again by itself, so every code that the server gave is for the person. */
function refusalOf(error: CombinedError | undefined): Pick<ApiError, 'refusal'> {
  const first = error?.graphQLErrors[0]
  const { code, errors, pointer, argument } = (first?.extensions ?? {}) as {
    code?: unknown
    errors?: unknown
    pointer?: unknown
    argument?: unknown
  }
  if (first === undefined || typeof code !== 'string') return {}
  const fields = Array.isArray(errors)
    ? errors.filter(isFieldError)
    : [pointer ?? (typeof argument === 'string' ? `/${argument}` : undefined)]
        .filter((each) => typeof each === 'string')
        .map((each) => ({ pointer: each, detail: first.message }))
  return { refusal: { code, advice: first.message, ...(fields.length > 0 && { fields }) } }
}

const isFieldError = (error: unknown): error is FieldError =>
  typeof (error as FieldError | null)?.pointer === 'string' &&
  typeof (error as FieldError | null)?.detail === 'string'

function resultOf<Data, Variables extends AnyVariables>({
  data,
  error,
  extensions,
}: OperationResult<Data, Variables>): Result<Data> {
  if (error === undefined && data !== undefined) {
    setSignedOut(false)
    return { ok: true, data, extensions }
  }
  return { ok: false, error: errorOf(error) }
}

/** Follows a subscription until it ends, for whatever reason; the returned function ends it. */
export function subscribe<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  on: { data(data: Data): void; end(error: ApiError): void },
): () => void {
  let hasEnded = false
  const end = (error: ApiError) => {
    hasEnded = true
    on.end(error)
  }
  const { unsubscribe } = client.subscription(document, variables).subscribe((result) => {
    if (hasEnded) return
    // At the end of the stream the last result comes once more, with nothing new in it.
    if (result.data && result.hasNext) on.data(result.data)
    if (result.error) end(errorOf(result.error))
    else if (!result.hasNext)
      end({ kind: 'unreachable', message: 'Sluice closed the live connection.' })
  })
  return () => {
    hasEnded = true
    unsubscribe()
  }
}

function errorOf(error: CombinedError | undefined): ApiError {
  const status = (error?.response as Response | undefined)?.status
  const first = error?.graphQLErrors[0]
  const code = first?.extensions?.code
  if (status === 401 || code === 'UNAUTHENTICATED') {
    setSignedOut(true)
    return { kind: 'signed-out', message: 'This browser is not signed in.' }
  }
  if (code === 'FORBIDDEN') setDenials((count) => count + 1)
  if (status === 403 || code === 'FORBIDDEN')
    return { kind: 'forbidden', message: first?.message ?? 'Your account does not have access.' }
  // These concern every query, not this one.
  if (code === 'DATABASE_UNAVAILABLE' || code === 'OVERLOADED')
    return { kind: 'unreachable', message: `Sluice returned an error: “${first?.message}”.` }
  if (first)
    return {
      kind: 'refused',
      message: `Sluice returned an error: “${first.message}”.`,
      ...(isRefusal(code) && { refusal: { code, advice: first.message } }),
    }
  if (status !== undefined && status >= 400)
    return { kind: 'unreachable', message: `Sluice returned status ${status}.` }
  if (error?.networkError?.name === 'TimeoutError')
    return {
      kind: 'unreachable',
      message: `Sluice did not respond within ${QUERY_MS_MAX / 1000} s.`,
    }
  return { kind: 'unreachable', message: 'Sluice cannot be reached.' }
}

const REFUSALS: readonly unknown[] = ['BAD_USER_INPUT', 'QUERY_TOO_SLOW', 'QUERY_TOO_LARGE']
const isRefusal = (code: unknown): code is string => REFUSALS.includes(code)

function fetchWithin(ms: number): typeof fetch {
  return (input, init) => {
    const deadline = AbortSignal.timeout(ms)
    const signal = init?.signal ? AbortSignal.any([init.signal, deadline]) : deadline
    return fetch(input, { ...init, signal })
  }
}
