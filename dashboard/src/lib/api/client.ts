import {
  type AnyVariables,
  Client,
  type CombinedError,
  fetchExchange,
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
  // A browser sends this header across origins only after asking, so no other page can ask in our name.
  fetchOptions: { credentials: 'same-origin', headers: { 'x-graphql-yoga-csrf': 'sluice' } },
})

const [signedOut, setSignedOut] = createSignal(false)

/** True once the server said that it does not know who is asking. */
export { signedOut }

/** Why there is no answer, in the terms in which a person can do something about it. */
export interface Failure {
  kind: 'unreachable' | 'signed-out' | 'forbidden' | 'refused'
  /** A sentence without its subject: "did not answer within 15 s". */
  says: string
}
export type Answer<T> = { is: 'data'; data: T } | { is: 'failed'; failure: Failure }

/** Asks once. Never throws; the caller decides about trying again. */
export async function ask<Data, Variables extends AnyVariables>(
  question: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Answer<Data>> {
  const { data, error } = await client
    .query(question, variables, { fetch: fetchWithin(QUERY_MS_MAX) })
    .toPromise()
  if (error === undefined && data !== undefined) {
    setSignedOut(false)
    return { is: 'data', data }
  }
  return { is: 'failed', failure: failureOf(error) }
}

/** Follows a subscription until it ends, for whatever reason; the returned function ends it. */
export function follow<Data, Variables extends AnyVariables>(
  question: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  on: { push(data: Data): void; end(failure: Failure): void },
): () => void {
  let over = false
  const end = (failure: Failure) => {
    if (over) return
    over = true
    on.end(failure)
  }
  const { unsubscribe } = client.subscription(question, variables).subscribe((result) => {
    if (over) return
    if (result.data) on.push(result.data)
    if (result.error) end(failureOf(result.error))
    else if (!result.hasNext) end({ kind: 'unreachable', says: 'closed the live connection' })
  })
  return () => {
    over = true
    unsubscribe()
  }
}

function failureOf(error: CombinedError | undefined): Failure {
  const status = (error?.response as Response | undefined)?.status
  const first = error?.graphQLErrors[0]
  const code = first?.extensions?.code
  if (status === 401 || code === 'UNAUTHENTICATED') {
    setSignedOut(true)
    return { kind: 'signed-out', says: 'does not know this browser' }
  }
  if (status === 403 || code === 'FORBIDDEN')
    return { kind: 'forbidden', says: first?.message ?? 'does not allow this' }
  // These concern every question, not this one.
  if (code === 'DATABASE_UNAVAILABLE' || code === 'OVERLOADED')
    return { kind: 'unreachable', says: `answers “${first?.message}”` }
  if (first) return { kind: 'refused', says: `answered “${first.message}”` }
  if (status !== undefined && status >= 400)
    return { kind: 'unreachable', says: `answered with status ${status}` }
  if (error?.networkError?.name === 'TimeoutError')
    return { kind: 'unreachable', says: `did not answer within ${QUERY_MS_MAX / 1000} s` }
  return { kind: 'unreachable', says: 'does not answer' }
}

function fetchWithin(ms: number): typeof fetch {
  return (input, init) => {
    const deadline = AbortSignal.timeout(ms)
    const signal = init?.signal ? AbortSignal.any([init.signal, deadline]) : deadline
    return fetch(input, { ...init, signal })
  }
}
