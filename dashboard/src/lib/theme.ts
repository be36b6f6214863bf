import { createSignal } from 'solid-js'

export type Theme = 'system' | 'light' | 'dark'

const PLACE = 'sluice:theme'
const system = window.matchMedia('(prefers-color-scheme: dark)')

const [theme, setTheme] = createSignal<Theme>(
  (document.documentElement.dataset.theme as Theme | undefined) ?? 'system',
)
const [isDark, setDark] = createSignal(looksDark())
system.addEventListener('change', () => setDark(looksDark()))

/** What was chosen, and what it comes to. public/theme.js sets it before the first paint. */
export { isDark, theme }

/** System, light, dark, and round again. */
export function nextTheme(): void {
  const next = { system: 'light', light: 'dark', dark: 'system' } as const
  setTheme(next[theme()])
  if (theme() === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme()
  try {
    localStorage.setItem(PLACE, theme())
  } catch {
    // Storage is switched off: chosen for this visit only.
  }
  setDark(looksDark())
}

function looksDark(): boolean {
  const chosen = document.documentElement.dataset.theme
  return chosen === undefined ? system.matches : chosen === 'dark'
}
