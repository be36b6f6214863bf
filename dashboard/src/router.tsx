import type { RouteDefinition } from '@solidjs/router'
import { type Component, lazy } from 'solid-js'
import {
  ExploreIcon,
  KeysIcon,
  OverviewIcon,
  PipelineIcon,
  SearchIcon,
  SettingsIcon,
} from './components/icons.tsx'
import { NotFoundPage } from './pages/not-found/page.tsx'
import { settingsSections } from './pages/settings/sections.ts'

export interface Page {
  path: string
  title: string
  icon: Component
  component: Component
  /** Without it the page is not in the navigation, and says whom to ask. Undefined: it is for everybody. */
  permission?: string
  /** Whether what it shows depends on the time range. */
  hasRange: boolean
}

/** What the layout knows of the page that is shown. */
export type PageInfo = Pick<Page, 'title' | 'permission' | 'hasRange'>

/**
 * The pages of the navigation, in its order; each is loaded when it is opened. A new page is a folder in
 * pages/ with page.tsx, queries.ts, panels/ and page.test.ts, and an entry here.
 */
export const pages: readonly Page[] = [
  {
    path: '/',
    title: 'Overview',
    icon: OverviewIcon,
    component: lazy(() => import('./pages/overview/page.tsx')),
    hasRange: true,
  },
  {
    path: '/explore',
    title: 'Explore',
    icon: ExploreIcon,
    component: lazy(() => import('./pages/explore/page.tsx')),
    hasRange: true,
  },
  {
    path: '/pipeline',
    title: 'Pipeline',
    icon: PipelineIcon,
    component: lazy(() => import('./pages/pipeline/page.tsx')),
    permission: 'pipeline.read',
    hasRange: false,
  },
  {
    path: '/search',
    title: 'Search',
    icon: SearchIcon,
    component: lazy(() => import('./pages/search/page.tsx')),
    permission: 'events.read',
    hasRange: false,
  },
  {
    path: '/keys',
    title: 'Keys',
    icon: KeysIcon,
    component: lazy(() => import('./pages/keys/page.tsx')),
    permission: 'keys.read',
    hasRange: false,
  },
  {
    path: '/settings',
    title: 'Settings',
    icon: SettingsIcon,
    component: lazy(() => import('./pages/settings/page.tsx')),
    hasRange: false,
  },
]

export const routes: RouteDefinition[] = [
  ...pages.map((page) => ({
    // One page with all its sections, so that it stays while they change.
    path:
      page.path === '/settings'
        ? [page.path, ...settingsSections.map(({ path }) => path)]
        : page.path,
    component: page.component,
    info: infoOf(page) satisfies PageInfo as Record<string, unknown>,
  })),
  {
    path: '*',
    component: NotFoundPage,
    info: { title: 'Page not found', hasRange: false } satisfies PageInfo,
  },
]

function infoOf({ title, permission, hasRange }: Page): PageInfo {
  return { title, hasRange, ...(permission !== undefined && { permission }) }
}
