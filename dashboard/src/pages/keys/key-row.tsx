import { createSignal, createUniqueId, For, type JSX, Show } from 'solid-js'
import { ChevronIcon } from '../../components/icons.tsx'
import { Age, Stamp } from '../../components/time.tsx'
import { compact, exact } from '../../lib/format.ts'
import { KeyUsers } from './key-users.tsx'
import type { ApiKey } from './queries.ts'
import { TestKey } from './test-key.tsx'
import { KINDS, SCOPES, STATES } from './words.ts'

/** One key: what it may do, when it was used, and by whom. */
export function KeyRow(props: {
  key: ApiKey
  /** The key that took its place by rotation. */
  replacement: ApiKey | undefined
  mayManage: boolean
  onAsk(kind: 'change' | 'rotate' | 'revoke'): void
}) {
  const id = createUniqueId()
  const [isOpen, setOpen] = createSignal(false)
  const isActive = () => props.key.state === 'ACTIVE'
  const named = () => <span class="sr-only"> {props.key.name}</span>
  return (
    <li class="key" data-state={props.key.state}>
      <div class="key-head">
        <button
          type="button"
          class="key-summary"
          aria-expanded={isOpen()}
          aria-controls={isOpen() ? id : undefined}
          onClick={() => setOpen((open) => !open)}
        >
          <ChevronIcon />
          <bdi class="entity-name">{props.key.name}</bdi>
          <code>{props.key.displayPrefix}…</code>
        </button>
        <span class="tag" data-tone={STATES[props.key.state].tone}>
          {STATES[props.key.state].name}
        </span>
        <Show when={props.key.replacedBy}>
          <span class="tag">
            Replaced
            <Show when={props.replacement}>
              {(other) => (
                <>
                  {' '}
                  by <bdi>{other().name}</bdi>
                </>
              )}
            </Show>
          </span>
        </Show>
        <Show when={props.mayManage && isActive()}>
          <span class="key-actions">
            <button type="button" class="button" onClick={() => props.onAsk('change')}>
              Change…{named()}
            </button>
            <Show when={!props.key.replacedBy}>
              <button type="button" class="button" onClick={() => props.onAsk('rotate')}>
                Rotate…{named()}
              </button>
            </Show>
            <button type="button" class="button" onClick={() => props.onAsk('revoke')}>
              Revoke…{named()}
            </button>
          </span>
        </Show>
      </div>
      <Facts key={props.key} />
      <Show when={isOpen()}>
        <div class="key-detail" id={id}>
          <h3>Who uses it</h3>
          <KeyUsers id={props.key.id} />
          <Show when={isActive() && props.key.scopes.includes('INGEST')}>
            <h3>Test it</h3>
            <TestKey />
          </Show>
        </div>
      </Show>
    </li>
  )
}

function Facts(props: { key: ApiKey }) {
  return (
    <dl class="key-facts">
      <Fact label="May">
        {sentenceOf(props.key)}
        <span class="hint key-line">{KINDS[props.key.kind].name} key</span>
      </Fact>
      <Fact label="From">
        <Names names={props.key.origins} none="Any origin" />
      </Fact>
      <Fact label="Limit">
        <Show when={props.key.eventsPerMinute} fallback="Default">
          {(limit) => <span title={exact(limit())}>{compact(limit())} events/min</span>}
        </Show>
        <Show when={props.key.allowedEvents}>
          {(names) => (
            <span class="key-limit">
              Only events <Names names={names()} none="" />
            </span>
          )}
        </Show>
        <Show when={props.key.allowedProperties}>
          {(names) => (
            <span class="key-limit">
              Only properties <Names names={names()} none="" />
            </span>
          )}
        </Show>
      </Fact>
      <Fact label="Last used">
        <Show when={props.key.lastUsedAt} fallback="Never">
          {(at) => <Age at={at()} />}
        </Show>
        <span
          class="hint key-line figures"
          title={`${exact(props.key.eventsLastDay)} events in the last day`}
        >
          {compact(props.key.eventsLastDay)} events in the last day
        </span>
      </Fact>
      <Fact label={props.key.revokedAt ? 'Revoked' : 'Expires'}>
        <Show when={props.key.revokedAt ?? props.key.expiresAt} fallback="Never">
          {(at) => <Age at={at()} />}
        </Show>
      </Fact>
      <Fact label="Created">
        <Stamp at={props.key.createdAt} />
      </Fact>
    </dl>
  )
}

function Fact(props: { label: string; children: JSX.Element }) {
  return (
    <div>
      <dt>{props.label}</dt>
      <dd>{props.children}</dd>
    </div>
  )
}

function sentenceOf({ scopes, mayImportHistory }: ApiKey): string {
  const parts = scopes.map((scope) => SCOPES[scope])
  const text = [...parts, ...(mayImportHistory ? ['import history'] : [])].join(', ')
  return text.charAt(0).toUpperCase() + text.slice(1)
}

const NAMES_SHOWN = 5

function Names(props: { names: readonly string[]; none: string }) {
  return (
    <Show when={props.names.length > 0} fallback={props.none}>
      <span title={props.names.join(', ')}>
        <For each={props.names.slice(0, NAMES_SHOWN)}>
          {(name, i) => (
            <>
              {i() > 0 ? ', ' : ''}
              <bdi>{name}</bdi>
            </>
          )}
        </For>
        <Show when={props.names.length > NAMES_SHOWN}>
          {' '}
          and {exact(props.names.length - NAMES_SHOWN)} more
        </Show>
      </span>
    </Show>
  )
}
