import { useOverview } from '../context.ts'

/** In place of what comes with the live updates, while there are none. */
export function WaitingForLive(props: { what: 'Events' | 'Minutes' }) {
  const { live } = useOverview()
  return (
    <p class="empty">
      {live.isOn()
        ? `${props.what} appear here as soon as Sluice can be reached.`
        : 'Live updates are off. Press l to turn them on.'}
    </p>
  )
}
