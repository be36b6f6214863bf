import { type Accessor, createSignal, onCleanup } from 'solid-js'

/** One key, one action. */
export interface Shortcut {
  key: string
  description: string
  run(): void
}

export interface Shortcuts {
  list: Accessor<readonly Shortcut[]>
  /** Adds shortcuts for as long as the calling component is mounted. */
  add(shortcuts: readonly Shortcut[]): void
}

/** Keys pressed inside these belong to them. */
const HAS_OWN_KEYS = 'input, select, textarea, [contenteditable], [role="dialog"]'

/** Listens for shortcuts on the whole page, except in fields and dialogs. */
export function createShortcuts(): Shortcuts {
  const [list, setList] = createSignal<readonly Shortcut[]>([])
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
    if ((event.target as HTMLElement).closest(HAS_OWN_KEYS)) return
    const shortcut = list().find(({ key }) => key === event.key)
    if (shortcut === undefined) return
    event.preventDefault()
    shortcut.run()
  }
  document.addEventListener('keydown', onKeyDown)
  onCleanup(() => document.removeEventListener('keydown', onKeyDown))
  return {
    list,
    add(shortcuts) {
      setList((all) => [...all, ...shortcuts])
      onCleanup(() => setList((all) => all.filter((shortcut) => !shortcuts.includes(shortcut))))
    },
  }
}
