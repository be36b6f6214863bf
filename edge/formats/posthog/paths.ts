import type { Way } from '../ingest-format.ts'
import { posthog, posthogPage, posthogV1 } from './format.ts'

/** PostHog's libraries end most paths with a slash, its documentation does not. */
export function withSlash(path: string): string[] {
  return [path, `${path}/`]
}

/** Where PostHog's libraries, old and new, send events to. */
export const POSTHOG: readonly { paths: readonly string[]; way: Way }[] = [
  { paths: ['/batch', '/i/v0/ai/batch'].flatMap(withSlash), way: posthog(1) },
  { paths: ['/capture', '/e', '/engage', '/track'].flatMap(withSlash), way: posthogPage(1) },
  { paths: withSlash('/i/v0/e'), way: posthogPage('Ok') },
  { paths: withSlash('/i/v1/analytics/events'), way: posthogV1 },
]
