import type { IngestFormat } from '../ingest-format.ts'
import { createSegmentFormat } from '../segment/format.ts'
import type { Call } from '../segment/message.ts'

const CALLS: readonly Call[] = ['track', 'identify', 'page', 'screen', 'group', 'alias']

/**
 * Jitsu's messages are Segment's, on paths of their own and with the key in `X-Write-Key`. Its library drops on
 * every status but 2xx.
 */
function createJitsuFormat(call?: Call): IngestFormat {
  return {
    ...createSegmentFormat(call),
    route: 'jitsu',
    buildResponse: () => ({ status: 200, body: '{"ok":true}' }),
  }
}

/** Servers send to `s2s`, browsers without it. */
export const JITSU_ROUTES: readonly { paths: readonly string[]; format: IngestFormat }[] = [
  { paths: pathsOf('batch'), format: createJitsuFormat() },
  ...CALLS.map((call) => ({ paths: pathsOf(call), format: createJitsuFormat(call) })),
  { paths: pathsOf('event'), format: createJitsuFormat('track') },
]

function pathsOf(name: string): string[] {
  return [`/api/s/s2s/${name}`, `/api/s/${name}`]
}
