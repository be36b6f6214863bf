import { type Accessor, createEffect, createSignal, on, onCleanup } from 'solid-js'
import type { Live } from './live.ts'
import type { Query, QueryError } from './query.ts'

const POLL_MS = 5_000
const POLL_LIVE_MS = 15_000

/** The queries of one page: refreshed together, and unreachable together. */
export interface QueryGroup {
  /** @param isPast its result does not change as events arrive, so it is not refreshed */
  add<T>(query: Query<T>, options?: { isPast?: boolean }): Query<T>
  /** The error of a query that got no response at all: it concerns the page, not one panel. */
  unreachable(): QueryError | undefined
  /** Retries the queries that fail. */
  retry(): void
}

export function createQueryGroup({
  live,
  now,
}: {
  live: Pick<Live, 'update' | 'connection' | 'isOn'>
  now: Accessor<number>
}): QueryGroup {
  const [members, setMembers] = createSignal<{ query: Query<unknown>; isPast: boolean }[]>([])
  const invalidate = () => {
    for (const { query, isPast } of members()) if (!isPast) query.invalidate()
  }
  createEffect(
    on(
      live.update,
      (update) => {
        if (update && update.recent.length > 0) invalidate()
      },
      { defer: true },
    ),
  )
  // Polled while the live connection is down. With it too, less often: the clock moves on, and an
  // event may have a time that is still in the future.
  createEffect(
    on([live.connection, live.isOn, now], ([connection, isOn, time]) => {
      const every = connection.kind === 'waiting' ? POLL_MS : POLL_LIVE_MS
      if (isOn && time % every < 1_000) invalidate()
    }),
  )
  return {
    add(query, { isPast = false } = {}) {
      const member = { query, isPast }
      setMembers((all) => [...all, member])
      onCleanup(() => setMembers((all) => all.filter((other) => other !== member)))
      return query
    },
    unreachable: () =>
      members()
        .map(({ query }) => query.error())
        .find((error) => error?.kind === 'unreachable'),
    retry() {
      for (const { query } of members()) if (query.error()) query.retry()
    },
  }
}
