import { type Accessor, createContext, useContext } from 'solid-js'
import type { Viewer } from './api/documents.ts'
import type { Live } from './api/live.ts'
import type { Shortcut, Shortcuts } from './shortcuts.ts'
import type { UrlState } from './url-state.ts'

/** What every page and the layout share. */
export interface AppState {
  viewer: Accessor<Viewer>
  /** Fetches the viewer again. */
  refreshViewer(): void
  /** The tenant that is shown. It stays the same for as long as a page is mounted. */
  tenant: Accessor<string>
  /** Whether the viewer may do this in the tenant, by the permissions of docs/identity.md. */
  may(permission: string): boolean
  urlState: UrlState
  /** This browser's clock, milliseconds. */
  now: Accessor<number>
  live: Live
  shortcuts: Shortcuts
}

export const AppContext = createContext<AppState>()

export function useApp(): AppState {
  const app = useContext(AppContext)
  if (app === undefined) throw new Error('useApp is called outside of AppContext.Provider')
  return app
}

/** Adds keyboard shortcuts for as long as the calling component is mounted. */
export const useShortcuts = (shortcuts: readonly Shortcut[]): void =>
  useApp().shortcuts.add(shortcuts)
