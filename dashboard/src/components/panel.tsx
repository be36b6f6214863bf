import { createUniqueId, type JSX } from 'solid-js'

/** A box with a title and controls. */
export function Panel(props: {
  title: JSX.Element
  class?: string
  /** To the right of the title. */
  aside?: JSX.Element
  children: JSX.Element
}) {
  const id = createUniqueId()
  return (
    <section class={`panel ${props.class ?? ''}`} aria-labelledby={id}>
      <header class="panel-head">
        <h2 id={id}>{props.title}</h2>
        <div class="panel-aside">{props.aside}</div>
      </header>
      {props.children}
    </section>
  )
}
