import { createSignal } from 'solid-js'

export type Theme = 'system' | 'light' | 'dark'

const STORAGE_KEY = 'sluice:theme'
const system = window.matchMedia('(prefers-color-scheme: dark)')

const [theme, setTheme] = createSignal<Theme>(
  (document.documentElement.dataset.theme as Theme | undefined) ?? 'system',
)
const [isDark, setDark] = createSignal(computeDark())
system.addEventListener('change', () => setDark(computeDark()))

/** The chosen theme, and whether it is dark now. public/theme.js applies it before the first paint. */
export { isDark, theme }

export function chooseTheme(chosen: Theme): void {
  setTheme(chosen)
  if (theme() === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme()
  try {
    localStorage.setItem(STORAGE_KEY, theme())
  } catch {
    // Storage is disabled: the choice lasts for this visit.
  }
  setDark(computeDark())
}

function computeDark(): boolean {
  const chosen = document.documentElement.dataset.theme
  return chosen === undefined ? system.matches : chosen === 'dark'
}
