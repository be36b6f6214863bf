import {
  type Accessor,
  batch,
  createEffect,
  createMemo,
  createSignal,
  on,
  onCleanup,
} from 'solid-js'
import { backoffMs } from '../backoff.ts'
import type { ApiError, Result } from './client.ts'

const LOADING_DELAY_MS = 200
const SPACING_MS_MIN = 1_000
const SPACING_MS_MAX = 30_000
/** Of the time, at most this part goes to one query. */
const SPACING_FACTOR = 10

/** A query that fails: since when, and when it is retried. Milliseconds. */
export interface QueryError extends ApiError {
  since: number
  /** Failed attempts in a row. */
  tries: number
  nextTryAt: number
}

export interface Query<T> {
  /** The last result; stays while the query is repeated, or while that fails. */
  data: Accessor<T | undefined>
  /** There is nothing to show, and that takes long enough to show a skeleton. */
  loading: Accessor<boolean>
  error: Accessor<QueryError | undefined>
  /** When `data` arrived; 0 before that. */
  dataAt: Accessor<number>
  /** The scope that `data` belongs to. */
  dataScope: Accessor<string | undefined>
  /** The result has probably changed: fetch again, but not too often. */
  invalidate(): void
  /** Fetch now. */
  retry(): void
}

export interface QueryOptions<V, T> {
  /** What the query is about. Data of another scope is taken away, after 200 ms so that nothing flickers. */
  scope: Accessor<string>
  /** Undefined: nothing to fetch. While only these change, the last data stays. */
  variables: Accessor<V | undefined>
  fetch(variables: V): Promise<Result<T>>
  /** Whether a failed query may succeed later; one that is not is sent again only with other variables. Default: any may. */
  isRetried?(error: ApiError): boolean
}

/** The query failed and there is no earlier result to show. */
export const isMissing = ({ data, error }: Pick<Query<unknown>, 'data' | 'error'>): boolean =>
  data() === undefined && error() !== undefined

/**
 * A query that repeats itself: when its variables change, when invalidated, and after an error.
 * The longer a result took, the less often it is fetched: at most a tenth of the time goes to one query.
 */
export function createQuery<V, T>(options: QueryOptions<V, T>): Query<T> {
  const [data, setData] = createSignal<T>()
  const [loading, setLoading] = createSignal(false)
  const [error, setError] = createSignal<QueryError>()
  const [dataAt, setDataAt] = createSignal(0)
  const [dataScope, setDataScope] = createSignal<string>()
  const scope = createMemo(options.scope)
  const variablesText = createMemo(() => JSON.stringify(options.variables()))

  const state = { generation: 0, isRunning: false, isInvalid: false, startedAt: 0, costMs: 0 }
  /** The data shown belongs to another scope, for the time of the loading delay only. */
  let isStaleScope = true
  let timer: ReturnType<typeof setTimeout> | undefined
  let loadingDelay: ReturnType<typeof setTimeout> | undefined

  const run = async () => {
    const variables = options.variables()
    const runScope = scope()
    clearTimeout(timer)
    timer = undefined
    state.isInvalid = false
    // Before anything else: a response that is on its way belongs to variables of the past.
    const generation = ++state.generation
    state.isRunning = variables !== undefined
    if (variables === undefined) return
    state.startedAt = Date.now()
    const result = await options.fetch(variables)
    if (generation !== state.generation) return
    state.isRunning = false
    state.costMs = Date.now() - state.startedAt
    clearTimeout(loadingDelay)
    setLoading(false)
    if (!result.ok) return fail(result.error)
    setError(undefined)
    setDataAt(Date.now())
    isStaleScope = false
    batch(() => {
      setDataScope(runScope)
      setData(() => result.data)
    })
    if (state.isInvalid) invalidate()
  }

  const fail = (cause: ApiError) => {
    const tries = (error()?.tries ?? 0) + 1
    const isRetried = options.isRetried?.(cause) ?? true
    const wait = isRetried ? backoffMs(tries) : Number.POSITIVE_INFINITY
    if (isStaleScope) setData(undefined)
    setError({
      ...cause,
      tries,
      since: error()?.since ?? state.startedAt,
      nextTryAt: Date.now() + wait,
    })
    if (isRetried) timer = setTimeout(run, wait)
  }
  const isGivenUp = () => error()?.nextTryAt === Number.POSITIVE_INFINITY

  const invalidate = () => {
    if (isGivenUp()) return
    if (state.isRunning) state.isInvalid = true
    else if (timer === undefined && !document.hidden) {
      const spacing = Math.min(
        SPACING_MS_MAX,
        Math.max(SPACING_MS_MIN, state.costMs * SPACING_FACTOR),
      )
      timer = setTimeout(run, Math.max(0, state.startedAt + spacing - Date.now()))
    }
  }

  createEffect(
    on(scope, () => {
      clearTimeout(loadingDelay)
      state.costMs = 0
      isStaleScope = true
      setError(undefined)
      loadingDelay = setTimeout(() => {
        setData(undefined)
        setLoading(true)
      }, LOADING_DELAY_MS)
    }),
  )
  createEffect(on([scope, variablesText], run))

  const onVisibilityChange = () => {
    if (!document.hidden) error() && !isGivenUp() ? run() : invalidate()
  }
  document.addEventListener('visibilitychange', onVisibilityChange)
  onCleanup(() => {
    state.generation++
    clearTimeout(timer)
    clearTimeout(loadingDelay)
    document.removeEventListener('visibilitychange', onVisibilityChange)
  })
  return { data, loading, error, dataAt, dataScope, invalidate, retry: run }
}
