import { type JSX, splitProps } from 'solid-js'

/** What may be longer or wider than its place: it scrolls, so the keyboard must be able to come in. */
export function Scroll(
  props: { label: string; children: JSX.Element } & Omit<
    JSX.HTMLAttributes<HTMLElement>,
    'children'
  >,
) {
  const [own, rest] = splitProps(props, ['label', 'children'])
  return (
    <section {...rest} tabindex="0" aria-label={own.label}>
      {own.children}
    </section>
  )
}
