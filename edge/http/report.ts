/** An entry of the operator's log: never a key, a header or an event's content. */
export interface ReportEntry {
  level: 'warn' | 'error'
  what: string
  requestId?: string
  /** Class of the error and where it was thrown; its message may quote what a client sent. */
  error?: string
  /** A security event and, when it was repeated, how often. */
  security?: object
  /** Directives of the Content-Security-Policy that browsers reported as broken, with how often. */
  directives?: Record<string, number>
}

export type Report = (entry: ReportEntry) => void

/** Class and stack without the message. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  return [error.name, ...frames.slice(0, 5).map((line) => line.trim())].join(' ')
}
