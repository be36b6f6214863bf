import { For, Match, Show, Switch } from 'solid-js'
import { EventRow } from '../../../../components/event-row.tsx'
import { PauseIcon, PlayIcon } from '../../../../components/icons.tsx'
import { Panel } from '../../../../components/panel.tsx'
import { Scroll } from '../../../../components/scroll.tsx'
import { SkeletonRows } from '../../../../components/skeleton-rows.tsx'
import { execute } from '../../../../lib/api/client.ts'
import { useShortcuts } from '../../../../lib/app-context.ts'
import { exact } from '../../../../lib/format.ts'
import { useOverview } from '../../context.ts'
import { RECENT } from '../../queries.ts'
import { WaitingForLive } from '../waiting-for-live.tsx'
import { createFeed, FEED_ROWS_MAX, type Feed } from './feed.ts'

const RECENT_ROWS = 20

/** Events as they arrive. The list does not move while it is read. */
export function LiveFeed() {
  const { tenant, live, name, now, urlState } = useOverview()
  const feed = createFeed(live.update, name, async (chosen) => {
    const variables = { tenant: tenant(), name: chosen, first: RECENT_ROWS }
    const result = await execute(RECENT, variables)
    if (!result.ok) return result
    return { ok: true, data: result.data.events.edges.map((edge) => edge.node) }
  })
  useShortcuts([{ key: 'p', description: 'Pause or resume the live feed', run: feed.togglePause }])
  return (
    <Panel
      title={
        <>
          Live feed <span class="panel-unit">by time received</span>
        </>
      }
      class="feed"
      aside={<FeedControls feed={feed} />}
    >
      <Scroll
        class="feed-rows"
        label="Newest events"
        onPointerEnter={(event) => event.pointerType === 'mouse' && feed.setHovered(true)}
        onPointerLeave={() => feed.setHovered(false)}
      >
        <For each={feed.rows()} fallback={<EmptyFeed isPastMissing={feed.isPastMissing()} />}>
          {(event) => (
            <EventRow
              event={event}
              zone={urlState.zone()}
              isNew={feed.isNew(event)}
              now={() => now() + live.skewMs()}
            />
          )}
        </For>
      </Scroll>
    </Panel>
  )
}

function FeedControls(props: { feed: Feed }) {
  const held = () => props.feed.heldCount()
  const action = () => (props.feed.isPaused() ? 'Resume' : 'Pause')
  return (
    <>
      <span class="feed-held" aria-live="off">
        <Show
          when={held() > 0}
          fallback={props.feed.isSample() ? 'showing a sample: too many to list' : ''}
        >
          {exact(held())}
          {held() >= FEED_ROWS_MAX ? '+' : ''} new
        </Show>
      </span>
      <button
        type="button"
        class="button"
        aria-pressed={props.feed.isPaused()}
        title={`${action()} (p)`}
        onClick={() => props.feed.togglePause()}
      >
        <Show when={props.feed.isPaused()} fallback={<PauseIcon />}>
          <PlayIcon />
        </Show>
        {action()}
      </button>
    </>
  )
}

function EmptyFeed(props: { isPastMissing: boolean }) {
  const { live, name, isConnecting } = useOverview()
  return (
    <Switch fallback={<WaitingForLive what="Events" />}>
      <Match when={isConnecting()}>
        <SkeletonRows widths={[70, 55, 78, 62, 70, 48, 66, 58]} />
      </Match>
      <Match when={live.isOn() && live.update()}>
        <p class="empty">
          {props.isPastMissing ? 'Earlier events could not be loaded.' : 'No events yet.'} The next{' '}
          {name() ?? 'event'} will appear here.
        </p>
      </Match>
    </Switch>
  )
}
