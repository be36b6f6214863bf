import { createSignal, createUniqueId, Show } from 'solid-js'
import { CopyButton } from '../../../components/copy-button.tsx'
import { ChevronIcon } from '../../../components/icons.tsx'
import { Json } from '../../../components/json.tsx'
import { Stamp } from '../../../components/time.tsx'
import { exact } from '../../../lib/format.ts'
import type { AuditRow } from './queries.ts'

const ACTOR_KINDS = {
  PERSON: 'Person',
  KEY: 'API key',
  OPERATOR: 'Operator',
  CLI: 'Command line',
  SYSTEM: 'Sluice',
} as const

/** One entry; expanded, what was changed from what to what, and where from. */
export function AuditEntryRow(props: { entry: AuditRow }) {
  const id = createUniqueId()
  const [isOpen, setOpen] = createSignal(false)
  const actor = () => {
    const { actorName, actorKind, actor } = props.entry
    if (actorKind === 'KEY') return `API key ${actorName ?? actor}`
    return actorName ?? ACTOR_KINDS[actorKind]
  }
  return (
    <li class="audit-entry" data-open={isOpen()}>
      <button
        type="button"
        class="audit-summary"
        aria-expanded={isOpen()}
        aria-controls={isOpen() ? id : undefined}
        onClick={() => setOpen((open) => !open)}
      >
        <ChevronIcon />
        <Stamp at={props.entry.at} />
        <bdi class="audit-actor">{actor()}</bdi>
        <span class="audit-action">{props.entry.action}</span>
        <bdi class="audit-object">{props.entry.object}</bdi>
      </button>
      <Show when={isOpen()}>
        <div class="audit-detail" id={id}>
          <div class="audit-change">
            <Change title="Before" value={props.entry.before} />
            <Change title="After" value={props.entry.after} />
          </div>
          <dl class="audit-facts">
            <dt>Actor</dt>
            <dd>
              {ACTOR_KINDS[props.entry.actorKind]} <code>{props.entry.actor}</code>
            </dd>
            <dt>Address</dt>
            <dd>
              <bdi>{props.entry.address ?? 'None'}</bdi>
            </dd>
            <dt>Request</dt>
            <dd>{props.entry.requestId ?? 'None'}</dd>
            <dt>Entry</dt>
            <dd class="figures">
              {exact(props.entry.sequence)}, hash <code>{props.entry.hash}</code>
            </dd>
          </dl>
          <CopyButton what="entry" text={() => JSON.stringify(props.entry, null, 2)} />
        </div>
      </Show>
    </li>
  )
}

function Change(props: { title: string; value: unknown }) {
  return (
    <section aria-label={props.title}>
      <h3>{props.title}</h3>
      <Show when={props.value !== null} fallback={<p class="hint">Nothing</p>}>
        <Json value={props.value} label={`${props.title} the change, as JSON`} />
      </Show>
    </section>
  )
}
