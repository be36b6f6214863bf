/** Funnel and retention, as the URL has them. */

export const MODES = { trend: 'Trend', funnel: 'Funnel', retention: 'Retention' } as const
export type Mode = keyof typeof MODES

export function parseMode(params: URLSearchParams): Mode {
  const mode = params.get('show') ?? ''
  return Object.hasOwn(MODES, mode) ? (mode as Mode) : 'trend'
}

export interface FunnelQuery {
  /** Event names; at least two make a funnel. */
  steps: readonly string[]
  /** From the first step to the last one. */
  windowSeconds: number
}

export const STEPS_MAX = 10
export const WINDOWS = [
  { seconds: 3_600, label: '1 hour' },
  { seconds: 86_400, label: '1 day' },
  { seconds: 7 * 86_400, label: '7 days' },
  { seconds: 30 * 86_400, label: '30 days' },
  { seconds: 90 * 86_400, label: '90 days' },
] as const
const WINDOW_DEFAULT = 7 * 86_400

export function parseFunnel(params: URLSearchParams): FunnelQuery {
  const seconds = Number(params.get('window'))
  return {
    steps: params
      .getAll('step')
      .filter((name) => name !== '')
      .slice(0, STEPS_MAX),
    windowSeconds: WINDOWS.some((each) => each.seconds === seconds) ? seconds : WINDOW_DEFAULT,
  }
}

export const funnelParams = ({
  steps,
  windowSeconds,
}: FunnelQuery): Record<string, string | string[] | null> => ({
  step: [...steps],
  window: windowSeconds === WINDOW_DEFAULT ? null : String(windowSeconds),
})

export interface RetentionQuery {
  /** Undefined: any event. */
  first: string | undefined
  returning: string | undefined
  interval: 'DAY' | 'WEEK'
}

export const parseRetention = (params: URLSearchParams): RetentionQuery => ({
  first: params.get('first') || undefined,
  returning: params.get('returning') || undefined,
  interval: params.get('cohort') === 'week' ? 'WEEK' : 'DAY',
})

export const retentionParams = ({
  first,
  returning,
  interval,
}: RetentionQuery): Record<string, string | null> => ({
  first: first ?? null,
  returning: returning ?? null,
  cohort: interval === 'WEEK' ? 'week' : null,
})
