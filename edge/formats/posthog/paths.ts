import { readAmplitudeOr } from '../amplitude/format.ts'
import type { IngestFormat } from '../ingest-format.ts'
import { createPostHogBrowserFormat, createPostHogFormat, postHogV1Format } from './format.ts'

/** PostHog's libraries end most paths with a slash, its documentation does not. */
export function withSlash(path: string): string[] {
  return [path, `${path}/`]
}

/** Where PostHog's libraries, old and new, send events to. */
export const POSTHOG_ROUTES: readonly { paths: readonly string[]; format: IngestFormat }[] = [
  {
    paths: withSlash('/batch'),
    format: {
      ...createPostHogFormat(1),
      read: (body) => readAmplitudeOr(body, createPostHogFormat(1)),
    },
  },
  { paths: withSlash('/i/v0/ai/batch'), format: createPostHogFormat(1) },
  {
    paths: ['/capture', '/e', '/engage'].flatMap(withSlash),
    format: createPostHogBrowserFormat(1),
  },
  { paths: withSlash('/i/v0/e'), format: createPostHogBrowserFormat('Ok') },
  { paths: withSlash('/i/v1/analytics/events'), format: postHogV1Format },
]
