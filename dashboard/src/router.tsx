import type { RouteDefinition } from '@solidjs/router'
import { type Component, lazy } from 'solid-js'
import { ExploreIcon, OverviewIcon } from './components/icons.tsx'
import { NotFoundPage } from './pages/not-found/page.tsx'

export interface Page {
  path: string
  title: string
  icon: Component
  component: Component
}

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
  },
  {
    path: '/explore',
    title: 'Explore',
    icon: ExploreIcon,
    component: lazy(() => import('./pages/explore/page.tsx')),
  },
]

export const routes: RouteDefinition[] = [
  ...pages.map(({ path, title, component }) => ({ path, component, info: { title } })),
  { path: '*', component: NotFoundPage, info: { title: 'Page not found' } },
]
