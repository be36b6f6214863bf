import { createSignal, onCleanup, Show } from 'solid-js'
import { TextField } from '../../components/forms/text-field.tsx'
import { CheckIcon, ClockIcon, WarnIcon } from '../../components/icons.tsx'
import { useApp } from '../../lib/app-context.ts'
import { duration } from '../../lib/format.ts'
import { sendTest, TEST_EVENT, type TestOutcome } from './send-test.ts'

/** Sends one event with a key, from this browser, and shows what became of it. */
export function TestKey(props: {
  /** Undefined: it has to be pasted, since nobody can read it again. */
  secret?: string
}) {
  const { viewer, tenant } = useApp()
  const [pasted, setPasted] = createSignal('')
  const [outcome, setOutcome] = createSignal<TestOutcome>()
  let isOver = false
  onCleanup(() => {
    isOver = true
  })
  const secret = () => props.secret ?? pasted().trim()
  const isRunning = () => outcome()?.kind === 'sending' || outcome()?.kind === 'accepted'
  const run = (edgeUrl: string) =>
    sendTest(
      { edgeUrl, tenant: tenant(), secret: secret() },
      (next) => !isOver && setOutcome(next),
      () => isOver,
    )
  return (
    <div class="test-key">
      <Show
        when={viewer().edgeUrl}
        fallback={
          <p class="hint">
            To test keys here, set <code>SLUICE_EDGE_URL</code> of core to the address of the edge.
          </p>
        }
      >
        {(edgeUrl) => (
          <>
            <Show when={props.secret === undefined}>
              <TextField
                label="Key"
                hint="Paste it: Sluice stores only its hash. It goes to the edge and nowhere else."
                value={pasted()}
                onInput={setPasted}
                maxlength={200}
              />
            </Show>
            <button
              type="button"
              class="button"
              disabled={isRunning() || secret() === ''}
              onClick={() => run(edgeUrl())}
            >
              Send a test event
            </button>
            <p class="test-outcome" role="status" data-tone={toneOf(outcome())}>
              <Show when={outcome()}>{(shown) => <Outcome outcome={shown()} />}</Show>
            </p>
          </>
        )}
      </Show>
    </div>
  )
}

function Outcome(props: { outcome: TestOutcome }) {
  return (
    <>
      <Show when={toneOf(props.outcome)} fallback={<ClockIcon />}>
        {(tone) => (tone() === 'good' ? <CheckIcon /> : <WarnIcon />)}
      </Show>
      <span>{sentenceOf(props.outcome)}</span>
    </>
  )
}

function toneOf(outcome: TestOutcome | undefined): 'good' | 'bad' | undefined {
  if (outcome?.kind === 'stored') return 'good'
  return outcome?.kind === 'refused' || outcome?.kind === 'unreachable' ? 'bad' : undefined
}

function sentenceOf(outcome: TestOutcome): string {
  switch (outcome.kind) {
    case 'sending':
      return 'Sending…'
    case 'accepted':
      return `Accepted by the edge${requestOf(outcome)}; waiting until it is stored.`
    case 'stored':
      return `The event ${TEST_EVENT} was accepted and stored ${duration(outcome.afterMs)} after it was received${requestOf(outcome)}.`
    case 'waiting':
      return `The event was accepted${requestOf(outcome)}, and is not stored yet. It waits in the log.`
    case 'refused':
      return `Refused with status ${outcome.status}: ${outcome.detail}${requestOf(outcome)}`
    case 'unreachable':
      return 'The edge cannot be reached from this browser.'
  }
}

const requestOf = ({ requestId }: { requestId: string | undefined }): string =>
  requestId ? ` (request ${requestId})` : ''
