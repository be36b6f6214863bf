import { type JSX, splitProps } from 'solid-js'

/** A scrolling area. It takes the focus, so that it can be scrolled with the keyboard. */
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
