import { UsageError } from './lib/usage-error.ts'

export interface VerificationConfig {
  /** SLUICE_VERIFY_HOUR: of the day, UTC; undefined: never */
  hour: number | undefined
  /** SLUICE_VERIFY_SAMPLING */
  isSampling: boolean
}

const HOUR_DEFAULT = '3'

/** @throws UsageError */
export function readVerificationConfig(env: NodeJS.ProcessEnv): VerificationConfig {
  const hour = env.SLUICE_VERIFY_HOUR || HOUR_DEFAULT
  if (hour !== 'off' && !/^(1?\d|2[0-3])$/.test(hour))
    throw new UsageError(
      'SLUICE_VERIFY_HOUR is not an hour.',
      'Set it to a whole number from 0 to 23, or to "off".',
    )
  const sampling = env.SLUICE_VERIFY_SAMPLING || 'on'
  if (sampling !== 'on' && sampling !== 'off')
    throw new UsageError('SLUICE_VERIFY_SAMPLING is neither "on" nor "off".', 'Set it to one.')
  return { hour: hour === 'off' ? undefined : Number(hour), isSampling: sampling === 'on' }
}
