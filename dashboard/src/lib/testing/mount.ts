import { createRoot } from 'solid-js'
import { vi } from 'vitest'

/** What of a browser the reactive parts need: a document that may be hidden, and a window. */
export function stubBrowser(): {
  document: EventTarget & { hidden: boolean }
  window: EventTarget
} {
  const browser = {
    document: Object.assign(new EventTarget(), { hidden: false }),
    window: new EventTarget(),
  }
  vi.stubGlobal('document', browser.document)
  vi.stubGlobal('window', browser.window)
  return browser
}

/** Runs reactive code as a mounted component would. */
export const mount = <T>(create: () => T): T & { dispose(): void } =>
  createRoot((dispose) => Object.assign(create() as object, { dispose }) as T & { dispose(): void })
