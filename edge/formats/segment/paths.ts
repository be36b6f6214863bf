import type { Way } from '../ingest-format.ts'
import { segment } from './format.ts'
import type { Call } from './message.ts'

const CALLS: readonly Call[] = ['track', 'identify', 'page', 'screen', 'group', 'alias']

/** The paths of Segment's HTTP API; its browser library uses the first letters. */
export const SEGMENT: readonly { paths: readonly string[]; way: Way }[] = [
  { paths: ['/v1/batch', '/v1/b', '/v1/import'], way: segment() },
  ...CALLS.map((call) => ({ paths: [`/v1/${call}`, `/v1/${call[0]}`], way: segment(call) })),
]
