import { offsetName } from './format.ts'

export interface Zone {
  id: string
  /** `Asia / Kathmandu` */
  says: string
  /** `UTC+05:45` now. */
  offset: string
}

/** Those that come to mind first on top, then all that the browser knows. */
export function allZones(first: string[], now: number): Zone[] {
  const ids = new Set([...first, 'UTC', ...Intl.supportedValuesOf('timeZone')])
  return [...ids].map((id) => ({ id, says: zoneName(id), offset: offsetName(now, id) }))
}

export const zoneName = (id: string): string => id.replaceAll('_', ' ').replaceAll('/', ' / ')

/** Every word typed must occur in the name or the offset. */
export function searchZones(zones: Zone[], typed: string, limit: number): Zone[] {
  const words = typed
    .toLowerCase()
    .split(/[\s/_]+/)
    .filter(Boolean)
  const fits = ({ says, offset }: Zone) => {
    const text = `${says} ${offset}`.toLowerCase()
    return words.every((word) => text.includes(word))
  }
  return zones.filter(fits).slice(0, limit)
}
