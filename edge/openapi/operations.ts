import { browser } from './browser.ts'
import { legacy } from './legacy.ts'
import type { Operation } from './operation.ts'
import { otlp } from './otlp.ts'
import { posthog } from './posthog.ts'
import { segment } from './segment.ts'
import { service } from './service.ts'
import { sluice } from './sluice.ts'
import { vendors } from './vendors.ts'

/** All operations of the edge: the document, the page and their tests are generated from this table. */
export const OPERATIONS: readonly Operation[] = [
  ...sluice,
  ...segment,
  ...posthog,
  ...otlp,
  ...vendors,
  ...legacy,
  ...browser,
  ...service,
]
