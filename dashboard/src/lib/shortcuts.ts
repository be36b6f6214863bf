import { onCleanup } from 'solid-js'

export interface Key {
  key: string
  says: string
  run(): void
}

/** One key, one action, anywhere on the page but in a field. */
export function listenForKeys(keys: Key[]): void {
  const listen = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
    const target = event.target as HTMLElement
    if (target.closest('input, select, textarea, [contenteditable], dialog')) return
    const found = keys.find(({ key }) => key === event.key)
    if (found === undefined) return
    event.preventDefault()
    found.run()
  }
  document.addEventListener('keydown', listen)
  onCleanup(() => document.removeEventListener('keydown', listen))
}
