import { type JSX, Show } from 'solid-js'
import { compact, exact, share } from '../format.ts'
import { ChangeMark } from '../parts/change.tsx'
import { Sparkline } from '../parts/sparkline.tsx'
import type { Query } from '../query.ts'
import type { LiveUpdate, Totals } from '../questions.ts'

/** Four numbers that answer "is it running, how much, how many, how bad". */
export function Tiles(props: {
  update: LiveUpdate | undefined
  isConnecting: boolean
  totals: Query<Totals>
  rangeSays: string
}) {
  const totals = () => props.totals.data()
  return (
    <div class="tiles">
      <Tile
        title="Events a minute now"
        value={props.update?.eventsPerMinute}
        isLoading={props.isConnecting}
        note={<span>stored in the last 60 s</span>}
      >
        <Show when={props.update}>
          {(update) => <Sparkline values={update().minutes.map((minute) => minute.count)} />}
        </Show>
      </Tile>
      <Tile
        title="Events"
        hint={props.rangeSays}
        value={totals()?.count}
        isLoading={props.totals.loading()}
        note={
          <Show when={totals()}>
            {(known) => (
              <>
                <ChangeMark value={known().count} before={known().previousCount} />
                <span title={exact(known().previousCount)}>
                  {compact(known().previousCount)} in the period before
                </span>
              </>
            )}
          </Show>
        }
      />
      <Tile
        title="Unique actors"
        hint={props.rangeSays}
        value={totals()?.uniqueActors}
        isLoading={props.totals.loading()}
        note={
          <Show when={totals()}>
            {(known) => (
              <>
                <ChangeMark value={known().uniqueActors} before={known().previousUniqueActors} />
                <span title={exact(known().previousUniqueActors)}>
                  {compact(known().previousUniqueActors)} in the period before
                </span>
              </>
            )}
          </Show>
        }
      />
      <Tile
        title="Dead letters"
        hint={props.rangeSays}
        value={totals()?.deadLetters}
        isLoading={props.totals.loading()}
        note={
          <Show when={totals()}>
            {(known) => (
              <>
                <ChangeMark
                  value={known().deadLetters}
                  before={known().previousDeadLetters}
                  moreIs="bad"
                />
                <span>{deadNote(known())}</span>
              </>
            )}
          </Show>
        }
      />
    </div>
  )
}

function deadNote({ deadLetters, count, duplicates }: Totals): string {
  const part =
    deadLetters === 0 ? 'none refused' : `${share(deadLetters, count + deadLetters)} of all`
  return `${part} · ${compact(duplicates)} duplicates left out`
}

function Tile(props: {
  title: string
  hint?: string
  value: number | undefined
  isLoading: boolean
  note: JSX.Element
  children?: JSX.Element
}) {
  return (
    <section class="tile" aria-label={props.title} aria-busy={props.isLoading}>
      <h2 class="tile-title">
        {props.title}
        <Show when={props.hint}>
          <span class="tile-hint">{props.hint}</span>
        </Show>
      </h2>
      <Show
        when={props.value !== undefined}
        fallback={
          <div class="tile-value">{props.isLoading ? <span class="bone" /> : '\u00a0'}</div>
        }
      >
        <div class="tile-value" title={exact(props.value as number)}>
          {compact(props.value as number)}
        </div>
      </Show>
      <div class="tile-note">{props.note}</div>
      {props.children}
    </section>
  )
}
