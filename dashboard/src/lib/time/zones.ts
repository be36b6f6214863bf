import { offsetName } from '../format.ts'

export interface Zone {
  id: string
  /** `Asia / Kathmandu` */
  label: string
  /** `UTC+05:45` now. */
  offset: string
}

/** The given zones first, then all that the browser knows. */
export function allZones(first: string[], now: number): Zone[] {
  const known = Intl.supportedValuesOf('timeZone').map((id) => RENAMED[id] ?? id)
  const ids = new Set([...first.map((id) => RENAMED[id] ?? id), 'UTC', ...known.sort()])
  return [...ids].map((id) => ({ id, label: zoneLabel(id), offset: offsetName(now, id) }))
}

/** Browsers still list some zones under a former name; both names are valid. */
export const RENAMED: Record<string, string> = {
  'Africa/Asmera': 'Africa/Asmara',
  'America/Godthab': 'America/Nuuk',
  'Asia/Calcutta': 'Asia/Kolkata',
  'Asia/Katmandu': 'Asia/Kathmandu',
  'Asia/Rangoon': 'Asia/Yangon',
  'Asia/Saigon': 'Asia/Ho_Chi_Minh',
  'Atlantic/Faeroe': 'Atlantic/Faroe',
  'Europe/Kiev': 'Europe/Kyiv',
  'Pacific/Enderbury': 'Pacific/Kanton',
  'Pacific/Ponape': 'Pacific/Pohnpei',
  'Pacific/Truk': 'Pacific/Chuuk',
}

export const zoneLabel = (id: string): string => id.replaceAll('_', ' ').replaceAll('/', ' / ')

/** Every word typed must occur in the name or the offset. */
export function searchZones(zones: Zone[], typed: string, limit: number): Zone[] {
  const words = typed
    .toLowerCase()
    .split(/[\s/_]+/)
    .filter(Boolean)
  const matches = ({ label, offset }: Zone) => {
    const text = `${label} ${offset}`.toLowerCase()
    return words.every((word) => text.includes(word))
  }
  return zones.filter(matches).slice(0, limit)
}
