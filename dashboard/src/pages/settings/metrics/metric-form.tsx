import { onMount, Show } from 'solid-js'
import { createStore, type SetStoreFunction } from 'solid-js/store'
import { ActionError } from '../../../components/forms/action-error.tsx'
import { DimensionList, EventList, NumberList } from '../../../components/forms/event-lists.tsx'
import { TextField } from '../../../components/forms/text-field.tsx'
import { TokenField } from '../../../components/forms/token-field.tsx'
import { Panel } from '../../../components/panel.tsx'
import { createAction, fieldError } from '../../../lib/api/action.ts'
import { createRecentRange } from '../../../lib/api/recent-range.ts'
import { useApp } from '../../../lib/app-context.ts'
import { FilterField } from './filter-field.tsx'
import {
  DIMENSIONS_MAX,
  declareMetric,
  EVENTS_MAX,
  type Metric,
  type MetricDraft,
  NAME_CHARS_MAX,
} from './queries.ts'

/** Declares a metric, or a new version of one. */
export function MetricForm(props: {
  draft: MetricDraft
  metric: Metric | undefined
  onDone(): void
  onClose(): void
}) {
  const { tenant } = useApp()
  const [draft, setDraft] = createStore<MetricDraft>(structuredClone(props.draft))
  const declare = createAction((definition: MetricDraft) => declareMetric(tenant(), definition))
  const error = (pointer: string) => fieldError(declare.error(), pointer)
  const isPlaced = () => FIELDS.some((pointer) => error(pointer) !== undefined)
  let form!: HTMLFormElement
  onMount(() => form.querySelector<HTMLElement>('input:not(:disabled), button')?.focus())
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const sent = { ...draft, name: draft.name.trim() }
    if (!(await declare.run(sent))) {
      form.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
      return
    }
    props.onDone()
    props.onClose()
  }
  return (
    <Panel
      class="metric-form-panel"
      title={
        <Show when={props.metric} fallback="Declare a metric">
          {(metric) => (
            <>
              New version of <bdi>{metric().name}</bdi>
            </>
          )}
        </Show>
      }
    >
      <form
        class="form metric-form"
        ref={form}
        onSubmit={submit}
        onKeyDown={(event) => event.key === 'Escape' && !event.defaultPrevented && props.onClose()}
      >
        <Show
          when={props.metric}
          fallback={
            <TextField
              label="Name"
              hint="Queries name it. No event may have the same name."
              value={draft.name}
              onInput={(name) => setDraft('name', name)}
              error={error('/name')}
              required
              maxlength={NAME_CHARS_MAX}
            />
          }
        >
          <p class="muted">
            The new version counts from its activation on, and counts the history of the kept events
            again. Until then the metric shows what the new version has counted so far.
          </p>
        </Show>
        <MetricFields draft={draft} setDraft={setDraft} error={error} />
        <Show when={!isPlaced()}>
          <ActionError error={declare.error()} />
        </Show>
        <p class="form-actions">
          <button type="submit" class="button primary" disabled={declare.isRunning()}>
            {props.metric ? 'Activate the new version' : 'Declare the metric'}
          </button>
          <button type="button" class="button" onClick={() => props.onClose()}>
            Cancel
          </button>
        </p>
      </form>
    </Panel>
  )
}

const FIELDS = ['/name', '/events', '/filter', '/value', '/dimensions']

/** All but the name. */
function MetricFields(props: {
  draft: MetricDraft
  setDraft: SetStoreFunction<MetricDraft>
  error(pointer: string): string | undefined
}) {
  const range = createRecentRange()
  /** Whose properties are offered. */
  const eventName = () =>
    props.draft.events.length === 1 ? (props.draft.events[0] as string) : '*'
  return (
    <>
      <TokenField
        label="Events"
        hint="Which events it counts."
        tokens={props.draft.events}
        onChange={(events) => props.setDraft('events', events)}
        addLabel="Add an event"
        emptyLabel="All events"
        max={EVENTS_MAX}
        error={props.error('/events')}
      >
        {(close) => (
          <EventList
            range={range()}
            chosen={props.draft.events}
            choose={(name) => {
              close()
              props.setDraft('events', [...props.draft.events, name])
            }}
          />
        )}
      </TokenField>
      <FilterField
        filters={props.draft.filter}
        onChange={(filters) => props.setDraft('filter', filters)}
        range={() => ({ ...range(), name: eventName() })}
        error={props.error('/filter')}
      />
      <TokenField
        label="Value"
        hint="What sums and averages add up: the field value, or a property that is a number."
        tokens={props.draft.value === 'value' ? [] : [props.draft.value]}
        onChange={([value = 'value']) => props.setDraft('value', value)}
        addLabel="Choose a property"
        emptyLabel="value"
        max={1}
        error={props.error('/value')}
      >
        {(close) => (
          <NumberList
            range={{ ...range(), name: eventName() }}
            chosen={props.draft.value}
            choose={(value) => {
              close()
              props.setDraft('value', value)
            }}
          />
        )}
      </TokenField>
      <TokenField
        label="Dimensions"
        hint="What it can be grouped and filtered by, at most four. Up to 1,000 combinations of values are counted apart a day, all others as “(other)”."
        tokens={props.draft.dimensions}
        onChange={(dimensions) => props.setDraft('dimensions', dimensions)}
        addLabel="Add a dimension"
        emptyLabel="None"
        max={DIMENSIONS_MAX}
        error={props.error('/dimensions')}
      >
        {(close) => (
          <DimensionList
            range={{ ...range(), name: eventName() }}
            chosen={props.draft.dimensions}
            choose={(dimension) => {
              close()
              props.setDraft('dimensions', [...props.draft.dimensions, dimension])
            }}
          />
        )}
      </TokenField>
    </>
  )
}
