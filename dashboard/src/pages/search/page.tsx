import './search.css'
import { A, useSearchParams } from '@solidjs/router'
import { createEffect, createSignal, For, Match, on, Show, Switch } from 'solid-js'
import { Missing, QueryNotice } from '../../components/error-notice.tsx'
import { EventRow } from '../../components/event-row.tsx'
import { Panel } from '../../components/panel.tsx'
import { SkeletonRows } from '../../components/skeleton-rows.tsx'
import { createPolling } from '../../lib/api/polling.ts'
import { createQuery, isMissing } from '../../lib/api/query.ts'
import { useApp, useShortcuts } from '../../lib/app-context.ts'
import { exact } from '../../lib/format.ts'
import { receiptUrl } from '../../lib/url-state.ts'
import { find, type RequestEvents } from './queries.ts'
import { ReceiptPanel } from './receipt-panel.tsx'
import { readSearchText, type SearchText } from './search-text.ts'

/** What became of an event, by its id, the Idempotency-Key or id of its request, or the body that was sent. */
export default function SearchPage() {
  const { tenant } = useApp()
  const [params, setParams] = useSearchParams<{ q: string }>()
  const searched = () => params.q ?? ''
  const [typed, setTyped] = createSignal(searched())
  const [body, setBody] = createSignal<SearchText>()
  createEffect(
    on(searched, (text) => {
      if (text === '') return
      setTyped(text)
      setBody(undefined)
    }),
  )
  const found = createQuery({
    scope: () => JSON.stringify([tenant(), searched()]),
    variables: () => (searched() === '' ? undefined : { tenant: tenant(), text: searched() }),
    isRetried: ({ kind }) => kind === 'unreachable',
    fetch: find,
  })
  // What waits in the log is stored within seconds.
  createPolling([found])
  let input!: HTMLTextAreaElement
  useShortcuts([{ key: '/', description: 'Search for an event', run: () => input.focus() }])

  const submit = (event?: SubmitEvent) => {
    event?.preventDefault()
    const text = readSearchText(typed())
    const isBody = text.kind === 'body' || text.kind === 'unreadable'
    setBody(isBody ? text : undefined)
    // A body stays out of the address: it may hold what nobody else should read.
    setParams({ q: text.kind === 'text' ? text.text : null })
  }
  return (
    <div class="search-page">
      <Panel title="Find an event">
        <form class="search-form" onSubmit={submit}>
          <label for="search-text">
            Event id, Idempotency-Key, request id, or the JSON body that was sent
          </label>
          <div class="search-line">
            <div class="field">
              <textarea
                id="search-text"
                ref={input}
                rows={typed().includes('\n') ? 6 : 1}
                dir="auto"
                autocomplete="off"
                spellcheck={false}
                value={typed()}
                onInput={(event) => setTyped(event.currentTarget.value)}
                onKeyDown={(event) => {
                  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
                  event.preventDefault()
                  submit()
                }}
              />
            </div>
            <button type="submit" class="button">
              Search
            </button>
          </div>
        </form>
      </Panel>
      <QueryNotice query={found} subject="What was found is" />
      <Switch>
        <Match when={body()}>{(text) => <BodyEvents text={text()} />}</Match>
        <Match when={searched() === ''}>
          <Introduction />
        </Match>
        <Match when={isMissing(found)}>
          <Missing subject="The receipt" />
        </Match>
        <Match when={found.loading()}>
          <Panel title="Receipt">
            <SkeletonRows widths={[60, 80, 70]} />
          </Panel>
        </Match>
        <Match when={found.data()}>
          {(data) => (
            <Show
              when={data().receipt.outcome === 'NOT_FOUND' && data().request}
              fallback={<ReceiptPanel receipt={data().receipt} />}
            >
              {(request) => <EventsOfRequest request={request()} />}
            </Show>
          )}
        </Match>
      </Switch>
    </div>
  )
}

function Introduction() {
  return (
    <p class="empty search-introduction">
      A receipt shows what became of an event: when it was accepted, where the log has it, and
      whether it is stored, a duplicate, or a dead letter. Without a browser:{' '}
      <code>sluice receipt EVENT_ID</code>
    </p>
  )
}

/** The link to the receipt of an event. */
function ReceiptLink(props: { id: string }) {
  const { urlState } = useApp()
  return (
    <A class="search-id" href={receiptUrl(urlState.sharedSearch(), props.id)}>
      {props.id}
    </A>
  )
}

/** The ids in a pasted body; one that holds a single event leads to its receipt at once. */
function BodyEvents(props: { text: SearchText }) {
  return (
    <Panel title="Events of the body">
      <Switch>
        <Match when={props.text.kind === 'unreadable' && props.text}>
          {(text) => (
            <p class="empty" role="alert">
              This is not the JSON of events. {text().detail}
            </p>
          )}
        </Match>
        <Match when={props.text.kind === 'body' && props.text}>
          {(text) => (
            <>
              <ul class="search-ids">
                <For each={text().ids}>
                  {(id) => (
                    <li>
                      <ReceiptLink id={id} />
                    </li>
                  )}
                </For>
              </ul>
              <Show when={text().unshown > 0}>
                <p class="empty">{exact(text().unshown)} more are not shown.</p>
              </Show>
              <Show when={text().withoutId > 0}>
                <p class="empty">
                  {text().withoutId === 1
                    ? 'One event has no id of its own.'
                    : `${exact(text().withoutId)} events have no id of their own.`}{' '}
                  Search for the Idempotency-Key or the request id of their request.
                </p>
              </Show>
            </>
          )}
        </Match>
      </Switch>
    </Panel>
  )
}

function EventsOfRequest(props: { request: RequestEvents }) {
  const { urlState, now, live } = useApp()
  const count = () => props.request.events.length
  return (
    <Panel
      class="feed"
      title={
        props.request.hasMore
          ? `The newest ${exact(count())} events with this ${props.request.by}`
          : `${exact(count())} ${count() === 1 ? 'event' : 'events'} with this ${props.request.by}`
      }
    >
      <For each={props.request.events}>
        {(event) => (
          <EventRow
            event={event}
            zone={urlState.zone()}
            isNew={false}
            now={() => now() + live.skewMs()}
            time="occurred"
          />
        )}
      </For>
    </Panel>
  )
}
