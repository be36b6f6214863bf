import { CopyButton } from './copy-button.tsx'

/** What is shown once: a key or a link, with a button that copies it. */
export function SecretText(props: {
  /** "link", "key" */
  what: string
  text: string
}) {
  let button!: HTMLDivElement
  queueMicrotask(() => button.querySelector<HTMLElement>('button')?.focus())
  return (
    <div class="secret" ref={button}>
      <code class="secret-text">{props.text}</code>
      <CopyButton what={props.what} text={() => props.text} />
    </div>
  )
}
