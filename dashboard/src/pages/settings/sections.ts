import { type Component, lazy } from 'solid-js'

export interface SettingsSection {
  path: string
  title: string
  /** What it takes to see it; undefined: everybody may. */
  permission?: string
  component: Component
}

/** In the order of their navigation; each is loaded when it is opened. */
export const settingsSections: readonly SettingsSection[] = [
  {
    path: '/settings/metrics',
    title: 'Metrics',
    permission: 'metrics.read',
    component: lazy(() => import('./metrics/page.tsx')),
  },
  {
    path: '/settings/members',
    title: 'Members',
    permission: 'members.read',
    component: lazy(() => import('./members/page.tsx')),
  },
  {
    path: '/settings/sessions',
    title: 'Sessions',
    component: lazy(() => import('./sessions/page.tsx')),
  },
  {
    path: '/settings/sign-in',
    title: 'Sign-in',
    component: lazy(() => import('./sign-in/page.tsx')),
  },
  {
    path: '/settings/audit',
    title: 'Audit log',
    permission: 'audit.read',
    component: lazy(() => import('./audit/page.tsx')),
  },
]
