import { A } from '@solidjs/router'
import { createSignal, createUniqueId, Show } from 'solid-js'
import type { StoredEvent } from '../lib/api/documents.ts'
import { useApp } from '../lib/app-context.ts'
import { clock, duration, exact, shortStamp, stamp } from '../lib/format.ts'
import { receiptUrl } from '../lib/url-state.ts'
import { CopyButton } from './copy-button.tsx'
import { ChevronIcon } from './icons.tsx'
import { Json } from './json.tsx'

const SUMMARY_PROPERTIES_MAX = 4

/** A summary of one event; expanded, all of it and how it was stored. */
export function EventRow(props: {
  event: StoredEvent
  zone: string
  isNew: boolean
  now: () => number
  /** Which time it begins with: when it was received, by the clock, or with its date when it occurred. */
  time?: 'received' | 'occurred'
}) {
  const { urlState } = useApp()
  const [isOpen, setOpen] = createSignal(false)
  const id = createUniqueId()
  const received = () => Date.parse(props.event.receivedAt)
  const occurred = () => Date.parse(props.event.occurredAt)
  const isOccurred = () => props.time === 'occurred'
  const title = () =>
    isOccurred()
      ? `Occurred ${stamp(occurred(), props.zone)}; received ${stamp(received(), props.zone)}`
      : `Received ${duration(props.now() - received())} ago, ${stamp(received(), props.zone)}`

  return (
    <article class="feed-row" data-new={props.isNew} data-open={isOpen()}>
      <button
        type="button"
        class="feed-summary"
        aria-expanded={isOpen()}
        aria-controls={isOpen() ? id : undefined}
        onClick={() => setOpen((open) => !open)}
      >
        <ChevronIcon />
        <time
          dateTime={isOccurred() ? props.event.occurredAt : props.event.receivedAt}
          title={title()}
        >
          {isOccurred() ? shortStamp(occurred(), props.zone) : clock(received(), props.zone)}
        </time>
        <span class="feed-name">{props.event.name}</span>
        <span class="feed-properties">{summaryOf(props.event)}</span>
      </button>
      <Show when={isOpen()}>
        <div class="feed-detail" id={id}>
          <Json value={contentOf(props.event)} label={`${props.event.name} as JSON`} />
          <div class="feed-outcome">
            <p>
              <strong>Stored</strong> {duration(Date.parse(props.event.storedAt) - received())}{' '}
              after it was received, counted once. Log partition:offset {props.event.partition}:
              {exact(Number(props.event.offset))}
              <Show when={props.event.requestId}>{(request) => <>, request {request()}</>}</Show>.
              <Show when={lateness(props.event) > LATE_MS}>
                {' '}
                It occurred {duration(lateness(props.event))} before it was received.
              </Show>
            </p>
            <CopyButton what="JSON" text={() => JSON.stringify(contentOf(props.event), null, 2)} />
            <CopyButton quiet what="id" text={() => props.event.id} />
            <A class="button quiet" href={receiptUrl(urlState.sharedSearch(), props.event.id)}>
              Receipt
            </A>
          </div>
        </div>
      </Show>
    </article>
  )
}

const LATE_MS = 60_000
const lateness = (event: StoredEvent) => Date.parse(event.receivedAt) - Date.parse(event.occurredAt)

/** `u_12 · value=4.2 · page=/pricing  country=NP` */
function summaryOf({ actor, value, properties }: StoredEvent): string {
  const parts = Object.entries(properties)
    .filter(([, part]) => part !== null && typeof part !== 'object')
    .slice(0, SUMMARY_PROPERTIES_MAX)
    .map(([name, part]) => `${name}=${String(part).slice(0, 80)}`)
  return [actor, value === null ? null : `value=${value}`, parts.join('  ')]
    .filter((part) => part !== null && part !== '')
    .join(' · ')
}

/** The event as clients send it: snake_case, without empty fields. */
function contentOf(event: StoredEvent): Record<string, unknown> {
  const all = {
    event_id: event.id,
    name: event.name,
    occurred_at: event.occurredAt,
    received_at: event.receivedAt,
    actor: event.actor,
    session: event.session,
    source: event.source,
    value: event.value,
    properties: event.properties,
    context: event.context,
    enrichment: event.enrichment,
    schema_version: event.schemaVersion,
  }
  return Object.fromEntries(Object.entries(all).filter(([, part]) => part !== null))
}
