import { type Accessor, Show } from 'solid-js'
import type { Query, QueryError } from '../lib/api/query.ts'
import { useApp } from '../lib/app-context.ts'
import { clock, duration } from '../lib/format.ts'
import { WarnIcon } from './icons.tsx'

type RetriedError = Pick<QueryError, 'message' | 'since' | 'nextTryAt' | 'tries'>

/** What failed, since when, when it is retried, and a button to retry now. */
export function ErrorNotice(props: {
  /** A sentence: "The totals are missing." */
  title: string
  error: RetriedError
  now: Accessor<number>
  zone: string
  /** When the data arrived that is still shown; milliseconds. */
  dataAt?: number | undefined
  retry(): void
}) {
  return (
    <div class="notice">
      <WarnIcon />
      <p>
        <span role="status">
          <strong>{props.title}</strong> {props.error.message} Failing since{' '}
          {clock(props.error.since, props.zone)}.
        </span>{' '}
        {/* Outside of the status: it changes every second, and would be read out each time. */}
        <Show when={props.dataAt}>
          {(dataAt) => <>The data shown is {duration(props.now() - dataAt())} old. </>}
        </Show>
        <span class="nowrap">{retryText(props.error, props.now())}</span>
      </p>
      <button type="button" class="button" onClick={() => props.retry()}>
        Retry now
      </button>
    </div>
  )
}

function retryText({ nextTryAt, tries }: RetriedError, now: number): string {
  // Sent again it would be refused again.
  if (nextTryAt === Number.POSITIVE_INFINITY) return ''
  const seconds = Math.ceil((nextTryAt - now) / 1000)
  return seconds > 0
    ? `Retrying in ${seconds} s (attempt ${tries + 1}).`
    : `Retrying (attempt ${tries + 1}).`
}

/** The error of one query in its panel. An unreachable server is shown once, for the whole page. */
export function QueryNotice(props: {
  query: Query<unknown>
  /** The beginning of a sentence: "The totals are". */
  subject: string
}) {
  const { now, urlState } = useApp()
  const hasData = () => props.query.data() !== undefined
  const error = () => {
    const current = props.query.error()
    return current?.kind === 'unreachable' ? undefined : current
  }
  return (
    <Show when={error()}>
      {(current) => (
        <ErrorNotice
          title={`${props.subject} ${hasData() ? 'out of date' : 'missing'}.`}
          error={current()}
          dataAt={hasData() ? props.query.dataAt() : undefined}
          now={now}
          zone={urlState.zone()}
          retry={props.query.retry}
        />
      )}
    </Show>
  )
}

/** In place of what a panel would show; the notice gives the reason. */
export function Missing(props: {
  /** The beginning of a sentence: "The top events". */
  subject: string
}) {
  return <p class="empty">{props.subject} could not be loaded.</p>
}
