/** `1,234` */
export function formatCount(value: number): string {
  return value.toLocaleString('en')
}

/** `2026-11-21T09:20Z`. @param time RFC 3339 in UTC */
export function formatMinute(time: string): string {
  return `${time.slice(0, 16)}Z`
}

/** `2026-11-21T09:20:03Z`. @param time RFC 3339 in UTC */
export function formatSecond(time: string): string {
  return `${time.slice(0, 19)}Z`
}

/** `1.5 s`. @param since milliseconds since the epoch */
export function formatSecondsSince(since: number): string {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`
}

/** `1.5 MB` */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3))
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}
