import { amplitude } from './amplitude/format.ts'
import { ga4 } from './ga4/format.ts'
import type { IngestFormat } from './ingest-format.ts'
import { JITSU_ROUTES } from './jitsu/format.ts'
import { plausible } from './plausible/format.ts'
import { snowplow } from './snowplow/format.ts'
import { umami } from './umami/format.ts'

/** Where the libraries of vendors send to with POST, besides those that have a table of paths themselves. */
export const VENDOR_ROUTES: readonly { paths: readonly string[]; format: IngestFormat }[] = [
  { paths: ['/2/httpapi'], format: amplitude },
  { paths: ['/mp/collect'], format: ga4 },
  { paths: ['/api/event'], format: plausible },
  { paths: ['/api/send'], format: umami },
  { paths: ['/com.snowplowanalytics.snowplow/tp2'], format: snowplow },
  ...JITSU_ROUTES,
]
