import { A } from '@solidjs/router'
import { createUniqueId, For, Match, Show, Switch } from 'solid-js'
import { CopyButton } from '../../../components/copy-button.tsx'
import { QueryNotice } from '../../../components/error-notice.tsx'
import { CheckIcon, ChevronIcon } from '../../../components/icons.tsx'
import { Panel } from '../../../components/panel.tsx'
import { Scroll } from '../../../components/scroll.tsx'
import { Stamp } from '../../../components/time.tsx'
import { createQuery } from '../../../lib/api/query.ts'
import { exact } from '../../../lib/format.ts'
import { receiptUrl } from '../../../lib/url-state.ts'
import { usePipeline } from '../context.ts'
import { type BalanceMinute, fetchUnaccountedIds } from '../queries.ts'
import { PERIODS } from '../sums.ts'

/** More are not listed: something is wrong as a whole then. */
const MINUTES_MAX = 50
const IDS_MAX = 100

/** Minutes that do not add up, newest first; each opens the ids of its events. */
export function Unaccounted() {
  const { balance, period, sums } = usePipeline()
  const minutes = () =>
    (balance.data()?.minutes ?? []).filter(({ unaccounted }) => unaccounted !== 0).reverse()
  const isBalanced = () => balance.data()?.counting && minutes().length === 0
  return (
    <Switch>
      <Match when={minutes().length > 0}>
        <div id="unaccounted">
          <Panel
            title={
              <>
                Unaccounted{' '}
                <span class="panel-unit">
                  {exact((sums()?.missing ?? 0) + (sums()?.surplus ?? 0))} in{' '}
                  {exact(minutes().length)} {minutes().length === 1 ? 'minute' : 'minutes'}
                </span>
              </>
            }
          >
            <p class="panel-note">
              These minutes do not add up: the log has events without an outcome, or there are
              outcomes without an event. <code>sluice verify</code> finds the cause.
            </p>
            <ul class="entities">
              <For
                each={minutes()
                  .slice(0, MINUTES_MAX)
                  .map((each) => each.minute)}
              >
                {(at) => (
                  <Show when={minutes().find((each) => each.minute === at)}>
                    {(minute) => <MinuteRow minute={minute()} />}
                  </Show>
                )}
              </For>
            </ul>
            <Show when={minutes().length > MINUTES_MAX}>
              <p class="panel-note">{exact(minutes().length - MINUTES_MAX)} more are not listed.</p>
            </Show>
          </Panel>
        </div>
      </Match>
      <Match when={isBalanced() && (sums()?.received ?? 0) > 0}>
        <p class="notice good" role="status">
          <CheckIcon />
          <span>
            <strong>0 unaccounted.</strong> Every event that was accepted in the{' '}
            {PERIODS[period()].name} has its outcome
            {(sums()?.waiting ?? 0) > 0 ? ', or waits in the log' : ''}.
          </span>
        </p>
      </Match>
    </Switch>
  )
}

function MinuteRow(props: { minute: BalanceMinute }) {
  const { openMinute, setOpenMinute } = usePipeline()
  const id = createUniqueId()
  const isOpen = () => openMinute() === props.minute.minute
  const count = () => Math.abs(props.minute.unaccounted)
  const isMissing = () => props.minute.unaccounted > 0
  const text = () =>
    isMissing()
      ? `${exact(count())} ${count() === 1 ? 'event' : 'events'} without an outcome`
      : `${exact(count())} ${count() === 1 ? 'outcome' : 'outcomes'} without an event`
  return (
    <li class="unaccounted">
      <button
        type="button"
        class="unaccounted-summary"
        aria-expanded={isOpen()}
        aria-controls={isOpen() ? id : undefined}
        onClick={() => setOpenMinute(isOpen() ? undefined : props.minute.minute)}
      >
        <ChevronIcon />
        <Stamp at={props.minute.minute} />
        <strong class="wrong">{text()}</strong>
        <span class="muted figures">of {exact(props.minute.accepted)} accepted</span>
      </button>
      <Show when={isOpen()}>
        <div class="unaccounted-detail" id={id}>
          <Show
            when={isMissing()}
            fallback={
              <p class="hint">
                There is no record to name: these were counted without one in the log.
              </p>
            }
          >
            <Ids minute={props.minute.minute} />
          </Show>
        </div>
      </Show>
    </li>
  )
}

function Ids(props: { minute: string }) {
  const { tenant, urlState } = usePipeline()
  const list = createQuery({
    scope: () => props.minute,
    variables: () => ({ tenant: tenant(), minute: props.minute }),
    isRetried: ({ kind }) => kind === 'unreachable',
    fetch: fetchUnaccountedIds,
  })
  return (
    <>
      <QueryNotice query={list} subject="The ids are" />
      <Switch>
        <Match when={list.loading()}>
          <p class="hint" role="status">
            Reading this minute of the log again…
          </p>
        </Match>
        <Match when={list.data()?.length === 0}>
          <p class="hint">The log does not hold these records any more, so they cannot be named.</p>
        </Match>
        <Match when={list.data()}>
          {(ids) => (
            <>
              <Scroll class="unaccounted-ids" label="Events without an outcome">
                <ul>
                  <For each={ids()}>
                    {(id) => (
                      <li>
                        <A href={receiptUrl(urlState.sharedSearch(), id)}>
                          <code>{id}</code>
                        </A>
                      </li>
                    )}
                  </For>
                </ul>
              </Scroll>
              <p class="unaccounted-foot">
                <CopyButton what="ids" text={() => ids().join('\n')} />
                <Show when={ids().length >= IDS_MAX}>
                  <span class="hint">The first {exact(IDS_MAX)} are listed.</span>
                </Show>
              </p>
            </>
          )}
        </Match>
      </Switch>
    </>
  )
}
