import './declare.css'
import * as Dialog from '@kobalte/core/dialog'
import { createEffect, createSignal, onCleanup, Show } from 'solid-js'
import { CheckIcon, CloseIcon } from '../../../components/icons.tsx'
import { createQuery } from '../../../lib/api/query.ts'
import { exact } from '../../../lib/format.ts'
import { useExplore } from '../context.ts'
import { NONE } from '../series.ts'
import { type DeclaredMetric, declareMetric, fetchDeclared, isDeclarable } from './queries.ts'

const POLL_MS = 1_000

/** Makes the query a metric that is counted as events arrive, so that it is quick however long the range is. */
export function DeclareDialog() {
  const { query } = useExplore()
  const [isOpen, setOpen] = createSignal(false)
  return (
    <Show when={isDeclarable(query())}>
      <Dialog.Root open={isOpen()} onOpenChange={setOpen}>
        <Dialog.Trigger class="button" title="Count this as events arrive, for quick long ranges">
          Declare as metric
        </Dialog.Trigger>
        <Dialog.Portal>
          <Dialog.Overlay class="dialog-overlay" />
          <div class="dialog-position">
            <Dialog.Content class="dialog">
              <header>
                <Dialog.Title>Declare as metric</Dialog.Title>
                <Dialog.CloseButton class="control" aria-label="Close">
                  <CloseIcon />
                </Dialog.CloseButton>
              </header>
              <Declaration onDone={() => setOpen(false)} />
            </Dialog.Content>
          </div>
        </Dialog.Portal>
      </Dialog.Root>
    </Show>
  )
}

function Declaration(props: { onDone(): void }) {
  const { query, setQuery, tenant } = useExplore()
  // As it was when the dialog was opened.
  const asked = query()
  const [name, setName] = createSignal(suggestedName(asked.name ?? '', asked.groupBy))
  const [declared, setDeclared] = createSignal<DeclaredMetric>()
  const [error, setError] = createSignal<string>()
  const [isSending, setSending] = createSignal(false)
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    setSending(true)
    setError(undefined)
    const result = await declareMetric(tenant(), name().trim(), asked)
    setSending(false)
    if (result.ok) setDeclared(result.data)
    else setError(result.error.refusal?.advice ?? result.error.message)
  }
  return (
    <Show
      when={declared()}
      fallback={
        <form class="declare" onSubmit={submit}>
          <p class="muted">
            Sluice counts it with every event from now on, and its history from the events that are
            kept. Ranges of months are then as quick as those of hours.
          </p>
          <dl class="declare-parts">
            <dt>Event</dt>
            <dd>
              <bdi>{asked.name}</bdi>
            </dd>
            <dt>Filter</dt>
            <dd>
              <bdi>
                {asked.filters
                  .map((each) => `${each.dimension} = ${each.in.map((v) => v ?? NONE).join(', ')}`)
                  .join('; ') || 'none'}
              </bdi>
            </dd>
            <dt>Dimensions</dt>
            <dd>
              <bdi>{asked.groupBy.join(', ') || 'none: group by some first, to have them'}</bdi>
            </dd>
          </dl>
          <label class="field">
            Name of the metric
            <input
              type="text"
              required
              maxlength={200}
              value={name()}
              aria-invalid={error() !== undefined}
              onInput={(event) => {
                setName(event.currentTarget.value)
                setError(undefined)
              }}
            />
          </label>
          <Show when={error()}>
            {(message) => (
              <p class="hint wrong" role="alert">
                {message()}
              </p>
            )}
          </Show>
          <button type="submit" class="button primary" disabled={isSending()}>
            Declare the metric
          </button>
        </form>
      }
    >
      {(metric) => (
        <Progress
          declared={metric()}
          use={() => {
            props.onDone()
            setQuery({ name: metric().name, filters: [] })
          }}
        />
      )}
    </Show>
  )
}

/** How much of the history is counted, until it is complete. */
function Progress(props: { declared: DeclaredMetric; use(): void }) {
  const { tenant } = useExplore()
  const definition = createQuery({
    scope: () => props.declared.name,
    variables: () => ({ tenant: tenant(), name: props.declared.name }),
    fetch: fetchDeclared,
  })
  const metric = () => definition.data() ?? props.declared
  const isActive = () => metric().state === 'ACTIVE'
  createEffect(() => {
    if (isActive()) return
    const timer = setInterval(definition.invalidate, POLL_MS)
    onCleanup(() => clearInterval(timer))
  })
  const done = () => metric().backfill
  return (
    <div class="declare">
      <p role="status">
        <Show
          when={isActive()}
          fallback={
            <>
              Counting the history of <bdi>{metric().name}</bdi>: {exact(done().daysDone)} of{' '}
              {exact(done().daysTotal)} days.
            </>
          }
        >
          <CheckIcon /> <bdi>{metric().name}</bdi> is complete: {exact(done().events)} events of the
          past are counted, and new ones as they arrive.
        </Show>
      </p>
      <progress
        aria-label="Days of the history that are counted"
        max={Math.max(1, done().daysTotal)}
        value={isActive() ? Math.max(1, done().daysTotal) : done().daysDone}
      />
      <p class="hint">It goes on in the background when you close this.</p>
      <button type="button" class="button primary" onClick={() => props.use()}>
        Show the metric
      </button>
    </div>
  )
}

const suggestedName = (name: string, groupBy: readonly string[]): string =>
  [name, ...(groupBy.length > 0 ? ['by', ...groupBy] : [])].join('_').slice(0, 120)
