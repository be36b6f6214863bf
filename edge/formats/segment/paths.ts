import type { IngestFormat } from '../ingest-format.ts'
import { createSegmentFormat } from './format.ts'
import type { Call } from './message.ts'

const CALLS: readonly Call[] = ['track', 'identify', 'page', 'screen', 'group', 'alias']

/** The paths of Segment's HTTP API; its browser library uses the first letters, and older ones write the key into the body. */
export const SEGMENT_ROUTES: readonly { paths: readonly string[]; format: IngestFormat }[] = [
  { paths: ['/v1/batch', '/v1/b', '/v1/import'], format: createSegmentFormat() },
  ...CALLS.map((call) => ({
    paths: [`/v1/${call}`, `/v1/${call[0]}`],
    format: createSegmentFormat(call),
  })),
]
