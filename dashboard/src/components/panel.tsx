import { type Accessor, createUniqueId, type JSX, Show } from 'solid-js'
import type { Trouble } from '../lib/api/query.ts'
import { clock, duration } from '../lib/format.ts'
import { WarnIcon } from './icons.tsx'

/** A frame with a title, what belongs beside it, and a word about its own troubles. */
export function Panel(props: {
  title: JSX.Element
  class?: string
  aside?: JSX.Element
  /** Trouble of this panel alone; what concerns the whole page is said once, above. */
  trouble?: JSX.Element
  children: JSX.Element
}) {
  const id = createUniqueId()
  return (
    <section class={`panel ${props.class ?? ''}`} aria-labelledby={id}>
      <header class="panel-head">
        <h2 id={id}>{props.title}</h2>
        <div class="panel-aside">{props.aside}</div>
      </header>
      {props.trouble}
      {props.children}
    </section>
  )
}

/** What failed, since when, what is being tried, and a way to try at once. */
export function TroubleNote(props: {
  what: string
  trouble: Pick<Trouble, 'says' | 'since' | 'nextTryAt' | 'tries'>
  now: Accessor<number>
  zone: string
  /** What is still shown, and how old it is. */
  shownSince?: number | undefined
  retry(): void
}) {
  return (
    <div class="trouble">
      <WarnIcon />
      <p>
        <span role="status">
          <strong>{props.what}</strong> {props.trouble.says}, since{' '}
          {clock(props.trouble.since, props.zone)}.
        </span>{' '}
        {/* Counts every second, so it is not read out again and again. */}
        <Show when={props.shownSince}>
          {(since) => <>What you see is {duration(props.now() - since())} old. </>}
        </Show>
        <span class="nowrap">{nextTry(props.trouble, props.now())}</span>
      </p>
      <button type="button" class="button" onClick={() => props.retry()}>
        Try now
      </button>
    </div>
  )
}

function nextTry({ nextTryAt, tries }: Pick<Trouble, 'nextTryAt' | 'tries'>, now: number): string {
  const seconds = Math.ceil((nextTryAt - now) / 1000)
  return seconds > 0 ? `Try ${tries + 1} in ${seconds} s.` : `Try ${tries + 1} is under way.`
}
