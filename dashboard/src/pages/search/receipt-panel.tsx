import { For, type JSX, Match, Show, Switch } from 'solid-js'
import { CopyButton } from '../../components/copy-button.tsx'
import { Panel } from '../../components/panel.tsx'
import { Stamp } from '../../components/time.tsx'
import { duration, exact } from '../../lib/format.ts'
import type { Receipt } from './queries.ts'

const OUTCOMES = {
  STORED: ['good', 'Stored, and counted once'],
  DEAD: ['bad', 'A dead letter'],
  REMOVED: ['muted', 'Removed by retention'],
  NOT_FOUND: ['warn', 'Not found'],
} as const

/** What became of one event, as a timeline from the edge to the numbers that count it. */
export function ReceiptPanel(props: { receipt: Receipt }) {
  const tone = () => OUTCOMES[props.receipt.outcome][0]
  return (
    <Panel
      class="receipt"
      title={
        <>
          Receipt of <bdi class="receipt-id">{props.receipt.eventId}</bdi>
        </>
      }
      aside={<CopyButton quiet what="id" text={() => props.receipt.eventId ?? ''} />}
    >
      <p class="receipt-outcome" data-tone={tone()} role="status">
        {OUTCOMES[props.receipt.outcome][1]}
      </p>
      <ol class="receipt-steps">
        <Steps receipt={props.receipt} />
      </ol>
    </Panel>
  )
}

function Step(props: {
  title: string
  at?: string | null | undefined
  tone?: 'good' | 'warn' | 'bad'
  children?: JSX.Element
}) {
  return (
    <li class="receipt-step" data-tone={props.tone}>
      <div class="receipt-step-head">
        <strong>{props.title}</strong>
        <Show when={props.at}>
          {(at) => (
            <span class="hint">
              <Stamp at={at()} />
            </span>
          )}
        </Show>
      </div>
      <div class="receipt-step-body">{props.children}</div>
    </li>
  )
}

function Steps(props: { receipt: Receipt }) {
  const delay = () => {
    const { accepted, processedAt } = props.receipt
    return accepted && processedAt ? Date.parse(processedAt) - Date.parse(accepted.at) : undefined
  }
  return (
    <>
      <Show when={props.receipt.accepted}>
        {(accepted) => (
          <>
            <Step title="Accepted by the edge" at={accepted().at}>
              <Facts
                facts={[
                  ['API key', accepted().keyName ?? accepted().keyId],
                  ['Request', accepted().requestId],
                  ['Trust class', props.receipt.trustClass?.toLowerCase()],
                ]}
              />
            </Step>
            <Step title="In the log">
              <Facts
                facts={[
                  ['Partition', exact(accepted().partition)],
                  ['Offset', exact(Number(accepted().offset))],
                ]}
              />
            </Step>
          </>
        )}
      </Show>
      <Show when={props.receipt.stored}>
        {(stored) => (
          <Step title="Stored" at={props.receipt.processedAt} tone="good">
            <Show when={delay()}>{(ms) => <p>{duration(ms())} after it was accepted.</p>}</Show>
            <p>Counted by, in the bucket of 15 minutes from:</p>
            <ul>
              <For each={stored().countedBy}>{(counted) => <CountedBy {...counted} />}</For>
            </ul>
          </Step>
        )}
      </Show>
      <For each={props.receipt.deadLetters}>
        {(dead) => (
          <Step title="Dead letter" at={dead.deadAt} tone={dead.state === 'open' ? 'bad' : 'warn'}>
            <Facts
              facts={[
                ['Reason', dead.reason],
                ['State', dead.state],
                ['Format', dead.format],
                ['Dead letter', dead.id],
              ]}
            />
          </Step>
        )}
      </For>
      <For each={props.receipt.duplicates}>
        {(again) => (
          <Step
            title={again.conflicting ? 'Came again with other content' : 'Came again'}
            at={again.receivedAt}
            tone={again.conflicting ? 'warn' : undefined}
          >
            <p>It was not counted again.</p>
            <Facts
              facts={[
                ['Request', again.requestId],
                ['Log', `${again.partition}:${again.offset}`],
              ]}
            />
          </Step>
        )}
      </For>
      <Show when={props.receipt.hasMoreDuplicates}>
        <Step title="Came again more often">
          <p>The first 20 times are shown.</p>
        </Step>
      </Show>
      <Show when={props.receipt.outcome === 'REMOVED'}>
        <Step title="Removed by retention" at={props.receipt.removed?.droppedAt}>
          <p>
            <Show when={props.receipt.removed} fallback="Its day is not recorded.">
              {(removed) => <>With all events received on {removed().day} (UTC).</>}
            </Show>{' '}
            Its numbers stay.
          </p>
        </Step>
      </Show>
      <Show when={props.receipt.notFound}>{(found) => <NotFound found={found()} />}</Show>
    </>
  )
}

function CountedBy(props: NonNullable<Receipt['stored']>['countedBy'][number]) {
  return (
    <li>
      <bdi>{props.metric}</bdi>
      <Show when={props.kind === 'metric'}> (metric, version {props.version})</Show>,{' '}
      <Stamp at={props.bucket} />
    </li>
  )
}

function NotFound(props: { found: NonNullable<Receipt['notFound']> }) {
  return (
    <Step title="No outcome is known" tone="warn">
      <Switch>
        <Match when={props.found.reason === 'NEVER_SEEN'}>
          <p>
            No event of this tenant had this id since <Stamp at={props.found.since} />, as far back
            as everything is known.
          </p>
        </Match>
        <Match when={props.found.reason === 'OTHER_TRUST_CLASS'}>
          <p>An event of the other trust class has this id.</p>
        </Match>
        <Match when={props.found.reason === 'OLDER_THAN_KEPT'}>
          <p>The time in its id is on a day whose events were dropped.</p>
        </Match>
      </Switch>
      <Show when={props.found.recordsInFlight > 0}>
        <p>
          {exact(props.found.recordsInFlight)} accepted records wait to be processed; it may be one
          of them. This page looks again by itself.
        </p>
      </Show>
      <p class="hint">
        An event that was refused has no receipt: its sender got the reason instead of a 202.
      </p>
    </Step>
  )
}

function Facts(props: { facts: [label: string, value: string | null | undefined][] }) {
  return (
    <dl class="receipt-facts">
      <For each={props.facts.filter(([, value]) => value)}>
        {([label, value]) => (
          <div>
            <dt>{label}</dt>
            <dd>
              <bdi>{value}</bdi>
            </dd>
          </div>
        )}
      </For>
    </dl>
  )
}
