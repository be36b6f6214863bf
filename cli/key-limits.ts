import { LIMITS } from '../contract/limits.ts'
import { formatCount } from './format.ts'

/** Null: the default. */
export interface KeyLimits {
  tenant: string
  displayPrefix: string
  eventsPerMinute: number | null
  tenantEventsPerMinute: number | null
}

/** The limits that hold for a key, and the commands that change them. */
export function describeKeyLimits(limits: KeyLimits): string[] {
  const { tenant, displayPrefix, eventsPerMinute, tenantEventsPerMinute } = limits
  return [
    `Limits: ${withDefault(eventsPerMinute, LIMITS.keyEventsPerMinuteDefault)} events per minute with this key, ` +
      `${withDefault(tenantEventsPerMinute, LIMITS.tenantEventsPerMinuteDefault)} with all keys of the tenant ${tenant}.`,
    `Change them: npm run sluice -- key set ${displayPrefix} --limit 10000`,
    `             npm run sluice -- tenant set ${tenant} --limit 10000`,
  ]
}

/** `5,000`, `100 (default)` */
export function withDefault(value: number | null, defaultValue: number): string {
  return value === null ? `${formatCount(defaultValue)} (default)` : formatCount(value)
}
