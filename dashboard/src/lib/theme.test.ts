import { afterEach, beforeEach, expect, test, vi } from 'vitest'

/** What a browser has: the theme of the system, the attribute on the page, and storage. */
function stubTheme({ systemIsDark = false, chosen = undefined as string | undefined } = {}) {
  const system = Object.assign(new EventTarget(), { matches: systemIsDark })
  const dataset: Record<string, string> = chosen === undefined ? {} : { theme: chosen }
  const stored: [string, string][] = []
  const storage = { setItem: (key: string, value: string) => void stored.push([key, value]) }
  vi.stubGlobal('window', { matchMedia: () => system })
  vi.stubGlobal('document', { documentElement: { dataset } })
  vi.stubGlobal('localStorage', storage)
  return { system, dataset, stored, storage }
}

// The module reads the page when it is loaded.
beforeEach(() => vi.resetModules())
afterEach(() => vi.unstubAllGlobals())

test('a chosen theme is on the page and in storage, and that of the system is there again when it is chosen', async () => {
  const { dataset, stored } = stubTheme({ systemIsDark: true })
  const { chooseTheme, isDark, theme } = await import('./theme.ts')
  const state = () => [theme(), isDark(), dataset.theme]
  const states = [state()]
  for (const chosen of ['light', 'dark', 'system'] as const) {
    chooseTheme(chosen)
    states.push(state())
  }
  expect(states).toEqual([
    ['system', true, undefined],
    ['light', false, 'light'],
    ['dark', true, 'dark'],
    ['system', true, undefined],
  ])
  expect(stored).toEqual(['light', 'dark', 'system'].map((name) => ['sluice:theme', name]))
})

test('the choice of the last visit stays, whatever the system does', async () => {
  const { system } = stubTheme({ systemIsDark: true, chosen: 'light' })
  const { isDark, theme } = await import('./theme.ts')
  expect([theme(), isDark()]).toEqual(['light', false])
  system.dispatchEvent(new Event('change'))
  expect(isDark()).toBe(false)
})

test('without a choice the page follows the system', async () => {
  const { system } = stubTheme()
  const { isDark } = await import('./theme.ts')
  expect(isDark()).toBe(false)
  system.matches = true
  system.dispatchEvent(new Event('change'))
  expect(isDark()).toBe(true)
})

test('where storage is disabled the choice lasts for the visit', async () => {
  const { storage } = stubTheme()
  storage.setItem = () => {
    throw new DOMException('denied', 'SecurityError')
  }
  const { chooseTheme, theme } = await import('./theme.ts')
  chooseTheme('light')
  expect(theme()).toBe('light')
})
