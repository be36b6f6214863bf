import { type Accessor, createMemo, createSignal, Match, Show, Switch } from 'solid-js'
import { CheckIcon, CloseIcon, WarnIcon } from '../../../components/icons.tsx'
import { TroubleNote } from '../../../components/panel.tsx'
import type { StoredEvent } from '../../../lib/api/documents.ts'
import type { Live } from '../../../lib/api/live.ts'
import type { Trouble } from '../../../lib/api/query.ts'
import { clock, duration } from '../../../lib/format.ts'

/** What concerns the whole page is said once, above it: no answer, no live connection, a broken hop. */
export function Notices(props: {
  live: Live
  /** A question that got no answer at all. */
  unreachable: Trouble | undefined
  answeredAt: number
  now: Accessor<number>
  zone: string
  retry(): void
}) {
  const lost = () => {
    const connection = props.live.connection()
    return connection.is === 'waiting' ? connection : undefined
  }
  const broken = () => props.live.update()?.broken
  const brokenSince = createMemo<number | undefined>((since) =>
    broken() ? (since ?? props.live.pushedAt()) : undefined,
  )
  return (
    <Switch>
      <Match when={props.unreachable}>
        {(trouble) => (
          <TroubleNote
            what="Sluice"
            trouble={trouble()}
            shownSince={props.answeredAt || undefined}
            now={props.now}
            zone={props.zone}
            retry={props.retry}
          />
        )}
      </Match>
      <Match when={lost()}>
        {(connection) => (
          <TroubleNote
            what="The live feed stands still: Sluice"
            trouble={{ ...connection(), says: connection().failure.says }}
            shownSince={props.live.pushedAt() || undefined}
            now={props.now}
            zone={props.zone}
            retry={props.retry}
          />
        )}
      </Match>
      <Match when={broken()}>
        {(hop) => (
          <div class="trouble bad">
            <WarnIcon />
            <p role="status">
              <strong>The {hop()} does not work</strong>, since{' '}
              {clock(brokenSince() ?? 0, props.zone)}. {CONSEQUENCES[hop()] ?? ''} The page goes on
              by itself when it is back.
            </p>
          </div>
        )}
      </Match>
    </Switch>
  )
}

const CONSEQUENCES: Record<string, string> = {
  log: 'New events are refused with 503, and their senders try again.',
  worker: 'Events are still taken in and wait in the log, but the numbers stand still.',
  database: 'Nothing can be read or counted; what was accepted waits in the log.',
}

/** The moment a newcomer waits for. */
export function FirstEventNotice(props: { event: StoredEvent | undefined }) {
  const [isClosed, setClosed] = createSignal(false)
  const took = (event: StoredEvent) =>
    duration(Date.parse(event.storedAt) - Date.parse(event.receivedAt))
  return (
    <Show when={!isClosed() && props.event}>
      {(event) => (
        <div class="trouble good">
          <CheckIcon />
          <p role="status">
            <strong>Your first event is here:</strong> <code>{event().name}</code>, stored{' '}
            {took(event())} after it was received. From now on this page moves by itself.
          </p>
          <button type="button" class="button" onClick={() => setClosed(true)}>
            <CloseIcon />
            Close
          </button>
        </div>
      )}
    </Show>
  )
}
