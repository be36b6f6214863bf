import type { IngestFormat } from '../ingest-format.ts'
import { createPostHogBrowserFormat } from '../posthog/format.ts'
import { withSlash } from '../posthog/paths.ts'
import { mixpanelImport, mixpanelTrack, readOr } from './format.ts'

const postHog = createPostHogBrowserFormat(1)

/** PostHog's oldest libraries send to Mixpanel's path; what is not Mixpanel's is read as theirs. */
const track: IngestFormat = { ...mixpanelTrack, read: (body) => readOr(body, postHog) }

/** With GET the events are in the address, with POST in the body. */
export const MIXPANEL_ROUTES: readonly { paths: readonly string[]; format: IngestFormat }[] = [
  { paths: withSlash('/track'), format: track },
  { paths: withSlash('/import'), format: mixpanelImport },
]
