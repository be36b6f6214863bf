import { createSignal, For, onMount, Show } from 'solid-js'
import { createStore } from 'solid-js/store'
import { ActionError } from '../../components/forms/action-error.tsx'
import { DimensionList, EventList } from '../../components/forms/event-lists.tsx'
import { TextField } from '../../components/forms/text-field.tsx'
import { TokenField } from '../../components/forms/token-field.tsx'
import { Panel } from '../../components/panel.tsx'
import { createAction, fieldError } from '../../lib/api/action.ts'
import { createRecentRange } from '../../lib/api/recent-range.ts'
import { useApp } from '../../lib/app-context.ts'
import { changesOf, draftOf, emptyDraft, inputOf, type KeyDraft } from './draft.ts'
import { type ApiKey, type CreatedKey, changeKey, createKey } from './queries.ts'
import { KINDS, SCOPES } from './words.ts'

const FIELDS = [
  '/name',
  '/origins',
  '/eventsPerMinute',
  '/expiresAt',
  '/allowedEvents',
  '/allowedProperties',
]
const NAME_CHARS_MAX = 200

/** Creates a key, or changes one: what it may do stays as it was created. */
export function KeyForm(props: {
  /** The one that is changed, as it is now. */
  key?: ApiKey | undefined
  onCreated(created: CreatedKey): void
  onChanged(): void
  onClose(): void
}) {
  const { tenant, urlState } = useApp()
  const zone = urlState.zone()
  const [draft, setDraft] = createStore<KeyDraft>(
    props.key ? draftOf(props.key, zone) : emptyDraft(),
  )
  const create = createAction(createKey)
  const change = createAction(changeKey)
  const action = () => (props.key ? change : create)
  const error = (name: string) =>
    fieldError(action().error(), `/${name}`) ??
    fieldError(action().error(), `/${props.key ? 'changes' : 'input'}/${name}`)
  const isPlaced = () => FIELDS.some((pointer) => error(pointer.slice(1)) !== undefined)
  let form!: HTMLFormElement
  onMount(() => form.querySelector<HTMLElement>('input')?.focus())
  const send = async (): Promise<boolean> => {
    if (!props.key) {
      const created = await create.run({ tenant: tenant(), input: inputOf(draft, zone) })
      if (created) props.onCreated(created)
      return created !== undefined
    }
    const { id, version } = props.key
    const changes = changesOf(draft, zone)
    const changed = await change.run({ tenant: tenant(), id, version, changes })
    props.onChanged()
    if (changed) props.onClose()
    return changed !== undefined
  }
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    if (!(await send())) form.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
  }
  return (
    <Panel
      title={
        <Show when={props.key} fallback="Create a key">
          {(key) => (
            <>
              Change <bdi>{key().name}</bdi>
            </>
          )}
        </Show>
      }
    >
      <form
        class="form key-form"
        ref={form}
        onSubmit={submit}
        onKeyDown={(event) => event.key === 'Escape' && !event.defaultPrevented && props.onClose()}
      >
        <TextField
          label="Name"
          hint="What uses it, such as “website”."
          value={draft.name}
          onInput={(name) => setDraft('name', name)}
          error={error('name')}
          required
          maxlength={NAME_CHARS_MAX}
        />
        <Show when={!props.key}>
          <KindFields draft={draft} setDraft={setDraft} />
        </Show>
        <Show when={draft.scopes.includes('INGEST')}>
          <IngestFields draft={draft} setDraft={setDraft} error={error} />
        </Show>
        <TextField
          label="Expires"
          hint={`Local time in ${zone.replaceAll('_', ' ')}. Empty: never.`}
          type="datetime-local"
          value={draft.expires}
          onInput={(expires) => setDraft('expires', expires)}
          error={error('expiresAt')}
        />
        <Show when={!isPlaced()}>
          <ActionError error={action().error()} />
        </Show>
        <p class="form-actions">
          <button type="submit" class="button primary" disabled={action().isRunning()}>
            {props.key ? 'Save the changes' : 'Create the key'}
          </button>
          <button type="button" class="button" onClick={() => props.onClose()}>
            Cancel
          </button>
        </p>
      </form>
    </Panel>
  )
}

type DraftProps = { draft: KeyDraft; setDraft(changes: Partial<KeyDraft>): void }

/** Which kind of key, and of a secret one what it may do. */
function KindFields(props: DraftProps) {
  const choose = (kind: KeyDraft['kind']) => {
    const scopes = { PUBLIC: ['INGEST'], SECRET: ['INGEST'], ADMINISTRATION: ['ADMIN'] } as const
    props.setDraft({ kind, scopes: [...scopes[kind]] })
  }
  const toggle = (scope: 'INGEST' | 'READ') => {
    const { scopes } = props.draft
    const next = scopes.includes(scope)
      ? scopes.filter((each) => each !== scope)
      : [...scopes, scope]
    if (next.length > 0) props.setDraft({ scopes: next })
  }
  return (
    <>
      <fieldset class="field radios">
        <legend>Kind</legend>
        <For each={Object.entries(KINDS) as [KeyDraft['kind'], (typeof KINDS)['PUBLIC']][]}>
          {([kind, { name, hint }]) => (
            <label class="radio">
              <input
                type="radio"
                name="kind"
                checked={props.draft.kind === kind}
                onChange={() => choose(kind)}
              />
              <span>
                <strong>{name}</strong> <span class="hint">{hint}</span>
              </span>
            </label>
          )}
        </For>
      </fieldset>
      <Show when={props.draft.kind === 'SECRET'}>
        <fieldset class="field radios">
          <legend>May</legend>
          <For each={['INGEST', 'READ'] as const}>
            {(scope) => (
              <label class="radio">
                <input
                  type="checkbox"
                  checked={props.draft.scopes.includes(scope)}
                  onChange={(event) => {
                    toggle(scope)
                    // It has to have one of them.
                    event.currentTarget.checked = props.draft.scopes.includes(scope)
                  }}
                />
                {SCOPES[scope].charAt(0).toUpperCase() + SCOPES[scope].slice(1)}
              </label>
            )}
          </For>
        </fieldset>
      </Show>
    </>
  )
}

const LIST_MAX = 100

/** What a key that sends events may send, from where, and how many of them. */
function IngestFields(props: DraftProps & { error(name: string): string | undefined }) {
  const range = createRecentRange()
  const [typed, setTyped] = createSignal(props.draft.origins.join('\n'))
  return (
    <>
      <label class="field">
        <span class="field-name">Origins</span>
        <textarea
          rows={2}
          spellcheck={false}
          placeholder="https://shop.example"
          value={typed()}
          aria-invalid={props.error('origins') !== undefined}
          onInput={(event) => {
            setTyped(event.currentTarget.value)
            props.setDraft({ origins: linesOf(event.currentTarget.value) })
          }}
        />
        <span classList={{ hint: true, wrong: props.error('origins') !== undefined }}>
          {props.error('origins') ??
            'Websites whose pages may send with it, one a line: https://shop.example or https://*.shop.example. Empty: any.'}
        </span>
      </label>
      <TextField
        label="Events a minute"
        hint="Beyond that, events are refused until the next minute. Empty: the default."
        type="number"
        min="1"
        value={props.draft.eventsPerMinute}
        onInput={(eventsPerMinute) => props.setDraft({ eventsPerMinute })}
        error={props.error('eventsPerMinute')}
      />
      <Show when={props.draft.kind === 'PUBLIC'}>
        <TokenField
          label="Allowed events"
          hint="Others are refused."
          tokens={props.draft.allowedEvents}
          onChange={(allowedEvents) => props.setDraft({ allowedEvents })}
          addLabel="Add an event"
          emptyLabel="All events"
          max={LIST_MAX}
          error={props.error('allowedEvents')}
        >
          {(close) => (
            <EventList
              range={range()}
              chosen={props.draft.allowedEvents}
              choose={(name) => {
                close()
                props.setDraft({ allowedEvents: [...props.draft.allowedEvents, name] })
              }}
            />
          )}
        </TokenField>
        <TokenField
          label="Allowed properties"
          hint="Events with others are refused."
          tokens={props.draft.allowedProperties}
          onChange={(allowedProperties) => props.setDraft({ allowedProperties })}
          addLabel="Add a property"
          emptyLabel="All properties"
          max={LIST_MAX}
          error={props.error('allowedProperties')}
        >
          {(close) => (
            <DimensionList
              range={{ ...range(), name: '*' }}
              chosen={props.draft.allowedProperties}
              choose={(name) => {
                close()
                props.setDraft({ allowedProperties: [...props.draft.allowedProperties, name] })
              }}
            />
          )}
        </TokenField>
      </Show>
      <Show when={props.draft.kind !== 'PUBLIC'}>
        <label class="radio">
          <input
            type="checkbox"
            checked={props.draft.mayImportHistory}
            onChange={(event) => props.setDraft({ mayImportHistory: event.currentTarget.checked })}
          />
          <span>
            May import history <span class="hint">events of any age, which are not late</span>
          </span>
        </label>
      </Show>
    </>
  )
}

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
