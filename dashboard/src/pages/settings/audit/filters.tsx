import { For, Show } from 'solid-js'
import { createQuery } from '../../../lib/api/query.ts'
import { type AuditFilter, fetchActors } from './queries.ts'

/** Groups of actions, as the API filters them: with a dot at the end. */
const ACTIONS: Record<string, string> = {
  'session.': 'Sessions',
  'sign-in.': 'Sign-in links and refused sign-ins',
  'access.': 'Refused access',
  'passkey.': 'Passkeys',
  'member.': 'Members and roles',
  'invitation.': 'Revoked invitations',
  'key.': 'API keys',
  'metric.': 'Metrics',
  'tenant.': 'Tenants',
  'settings.': 'Settings',
  'dead-letters.': 'Dead letters',
  'events.': 'Replays of events',
  'audit.': 'The audit log itself',
}

/** Which are no people. */
const ACTORS: Record<string, string> = {
  operator: 'The operator, by a sign-in link',
  cli: 'The command line',
  system: 'Sluice itself',
}

export function AuditFilters(props: {
  filter: AuditFilter
  change(changes: { action?: string | null; actor?: string | null }): void
}) {
  const people = createQuery({
    scope: () => props.filter.tenant,
    variables: () => ({ tenant: props.filter.tenant }),
    isRetried: ({ kind }) => kind === 'unreachable',
    fetch: fetchActors,
  })
  const isListed = () => {
    const { actor } = props.filter
    return actor === undefined || actor in ACTORS || people.data()?.some(({ id }) => id === actor)
  }
  return (
    <>
      <label class="select">
        <span>Action</span>
        <select onChange={(event) => props.change({ action: event.currentTarget.value || null })}>
          <option value="">All</option>
          <For each={Object.entries(ACTIONS)}>
            {([value, label]) => (
              <option value={value} selected={value === props.filter.action}>
                {label}
              </option>
            )}
          </For>
          <Show when={props.filter.action && !((props.filter.action ?? '') in ACTIONS)}>
            <option value={props.filter.action} selected>
              {props.filter.action}
            </option>
          </Show>
        </select>
      </label>
      <label class="select">
        <span>By</span>
        <select onChange={(event) => props.change({ actor: event.currentTarget.value || null })}>
          <option value="">Everybody</option>
          <For each={people.data() ?? []}>
            {({ id, name }) => (
              <option value={id} selected={id === props.filter.actor}>
                {name}
              </option>
            )}
          </For>
          <For each={Object.entries(ACTORS)}>
            {([value, label]) => (
              <option value={value} selected={value === props.filter.actor}>
                {label}
              </option>
            )}
          </For>
          <Show when={!isListed()}>
            <option value={props.filter.actor} selected>
              {props.filter.actor}
            </option>
          </Show>
        </select>
      </label>
      <Show when={props.filter.action !== undefined || props.filter.actor !== undefined}>
        <button
          type="button"
          class="button quiet"
          onClick={() => props.change({ action: null, actor: null })}
        >
          Remove the filters
        </button>
      </Show>
    </>
  )
}
