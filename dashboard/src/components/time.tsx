import { useApp } from '../lib/app-context.ts'
import { duration, shortStamp, stamp } from '../lib/format.ts'

/** How long ago that is, or in how long, by the server's clock; the time itself on hover. */
export function Age(props: {
  /** RFC 3339. */
  at: string
}) {
  const { now, live, urlState } = useApp()
  const time = () => Date.parse(props.at)
  const text = () => {
    const ms = now() + live.skewMs() - time()
    if (Math.abs(ms) < 60_000) return ms < -5_000 ? 'in less than a minute' : 'just now'
    return ms > 0 ? `${duration(ms)} ago` : `in ${duration(-ms)}`
  }
  return (
    <time dateTime={props.at} title={stamp(time(), urlState.zone())}>
      {text()}
    </time>
  )
}

/** A date with its time, in the chosen zone. */
export function Stamp(props: {
  /** RFC 3339. */
  at: string
}) {
  const { urlState } = useApp()
  const time = () => Date.parse(props.at)
  return (
    <time dateTime={props.at} title={stamp(time(), urlState.zone())}>
      {shortStamp(time(), urlState.zone())}
    </time>
  )
}
