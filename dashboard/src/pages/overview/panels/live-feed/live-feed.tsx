import { For, Show } from 'solid-js'
import { PauseIcon, PlayIcon } from '../../../../components/icons.tsx'
import { Panel } from '../../../../components/panel.tsx'
import { Scroll } from '../../../../components/scroll.tsx'
import { exact } from '../../../../lib/format.ts'
import type { Feed } from './feed.ts'
import { FeedRow } from './feed-row.tsx'

/** What comes in, as it comes in. It stands still while one reads it. */
export function LiveFeed(props: {
  feed: Feed
  isLoading: boolean
  isOn: boolean
  zone: string
  name: string | undefined
  now: () => number
}) {
  const held = () => props.feed.heldCount()
  return (
    <Panel
      title="Live feed"
      class="feed"
      aside={
        <>
          <span class="feed-held" aria-live="off">
            <Show
              when={held() > 0}
              fallback={props.feed.isSample() ? 'more arrive than are shown' : ''}
            >
              {exact(held())}
              {held() >= 200 ? '+' : ''} new
            </Show>
          </span>
          <button
            type="button"
            class="button"
            aria-pressed={props.feed.isPaused()}
            title={`${props.feed.isPaused() ? 'Go on' : 'Pause'} (p)`}
            onClick={() => props.feed.togglePause()}
          >
            <Show when={props.feed.isPaused()} fallback={<PauseIcon />}>
              <PlayIcon />
            </Show>
            {props.feed.isPaused() ? 'Go on' : 'Pause'}
          </button>
        </>
      }
    >
      <Scroll
        class="feed-rows"
        label="Newest events"
        onPointerEnter={(event) => event.pointerType === 'mouse' && props.feed.hover(true)}
        onPointerLeave={() => props.feed.hover(false)}
      >
        <For
          each={props.feed.rows()}
          fallback={
            <Show
              when={props.isLoading}
              fallback={
                <p class="nothing">
                  {props.isOn
                    ? `Nothing yet. The next ${props.name ?? 'event'} appears here by itself.`
                    : 'Live is off. Press l to follow.'}
                </p>
              }
            >
              <div class="bone-rows">
                <For each={[70, 55, 78, 62, 70, 48, 66, 58]}>
                  {(width) => <span class="bone" style={{ width: `${width}%` }} />}
                </For>
              </div>
            </Show>
          }
        >
          {(event) => (
            <FeedRow
              event={event}
              zone={props.zone}
              isNew={props.feed.isNew(event)}
              now={props.now}
            />
          )}
        </For>
      </Scroll>
    </Panel>
  )
}
