import { createRoot } from 'solid-js'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createShortcuts } from './shortcuts.ts'
import { mount, stubBrowser } from './testing/mount.ts'

let browser: ReturnType<typeof stubBrowser>
beforeEach(() => {
  browser = stubBrowser()
})
afterEach(() => vi.unstubAllGlobals())

/** Presses a key in an element that is, or is not, inside of one with keys of its own. */
function press(key: string, options: { inField?: boolean } & Record<string, unknown> = {}) {
  const { inField = false, ...modifiers } = options
  const selectors: string[] = []
  const target = {
    closest(selector: string) {
      selectors.push(selector)
      return inField ? {} : null
    },
  }
  const event = Object.assign(new Event('keydown', { cancelable: true }), { key, ...modifiers })
  Object.defineProperty(event, 'target', { value: target })
  browser.document.dispatchEvent(event)
  return { wasUsed: event.defaultPrevented, selectors }
}

function setUp() {
  const shortcuts = mount(createShortcuts)
  const runs: string[] = []
  const shortcut = (key: string) => ({ key, description: key, run: () => runs.push(key) })
  return { shortcuts, runs, shortcut }
}

test('a key runs its own action and no other, and no other key does anything', () => {
  const { shortcuts, runs, shortcut } = setUp()
  shortcuts.add([shortcut('a'), shortcut('b')])
  expect(press('b').wasUsed).toBe(true)
  expect(press('c').wasUsed).toBe(false)
  expect(runs).toEqual(['b'])
})

test('a key pressed in a field or dialog, with a modifier, or used already, is left alone', () => {
  const { shortcuts, runs, shortcut } = setUp()
  shortcuts.add([shortcut('a')])
  const { wasUsed, selectors } = press('a', { inField: true })
  expect(wasUsed).toBe(false)
  expect(selectors[0]?.split(', ')).toEqual([
    ...['input', 'select', 'textarea', '[contenteditable]', '[role="dialog"]'],
  ])
  for (const modifier of ['ctrlKey', 'metaKey', 'altKey']) press('a', { [modifier]: true })
  const used = new Event('keydown', { cancelable: true })
  used.preventDefault()
  Object.assign(used, { key: 'a' })
  browser.document.dispatchEvent(used)
  expect(runs).toEqual([])
})

test('shortcuts last as long as the component that added them, and all end with the page', () => {
  const { shortcuts, runs, shortcut } = setUp()
  shortcuts.add([shortcut('a')])
  const dispose = createRoot((end) => {
    shortcuts.add([shortcut('b')])
    return end
  })
  expect(shortcuts.list().map(({ key }) => key)).toEqual(['a', 'b'])
  dispose()
  expect(shortcuts.list().map(({ key }) => key)).toEqual(['a'])
  press('b')
  shortcuts.dispose()
  press('a')
  expect(runs).toEqual([])
})
