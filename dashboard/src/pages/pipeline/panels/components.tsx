import { createUniqueId, For, type JSX, Show } from 'solid-js'
import { WarnIcon } from '../../../components/icons.tsx'
import { compact, duration, exact, share } from '../../../lib/format.ts'
import { usePipeline } from '../context.ts'
import { PERIODS } from '../sums.ts'
import { type ComponentId, createStates, type State } from './states.ts'

/** The way of an event, component by component: what came in is what went out, and what waits. */
export function Components() {
  const { sums, balance } = usePipeline()
  const states = createStates()
  return (
    <div class="components" aria-busy={balance.loading()}>
      <Component id="EDGE" name="Edge" state={states().EDGE}>
        <Sum of={sums()?.received} text="accepted" />
        <Edge />
      </Component>
      <Component id="LOG" name="Log" state={states().LOG}>
        <Sum of={sums()?.received} text="in">
          <Part of={(sums()?.received ?? 0) - (sums()?.waiting ?? 0)} text="out" />
          <Part of={sums()?.waiting ?? 0} text="waiting" sign="+" />
        </Sum>
        <Log />
      </Component>
      <Component id="WORKER" name="Worker" state={states().WORKER}>
        <WorkerSum />
        <Worker />
      </Component>
      <Component id="POSTGRES" name="Postgres" state={states().POSTGRES}>
        <Sum of={sums()?.outcomes} text="in">
          <Part of={sums()?.stored ?? 0} text="stored" />
          <Part
            of={(sums()?.duplicates ?? 0) + (sums()?.conflicting ?? 0)}
            text="duplicates"
            sign="+"
          />
          <Part
            of={sums()?.dead ?? 0}
            text={sums()?.dead === 1 ? 'dead letter' : 'dead letters'}
            sign="+"
          />
        </Sum>
        <Postgres />
      </Component>
      <Component id="QUERIES" name="Queries" state={states().QUERIES}>
        <Sum of={sums()?.stored} text="stored events" />
        <Queries />
      </Component>
    </div>
  )
}

function Component(props: { id: ComponentId; name: string; state: State; children: JSX.Element }) {
  const id = createUniqueId()
  return (
    <section
      class="component"
      data-component={props.id}
      data-tone={props.state.tone}
      aria-labelledby={id}
    >
      <header>
        <h3 id={id}>{props.name}</h3>
        <span class="tag" data-tone={props.state.tone} title={props.state.detail}>
          {props.state.label}
        </span>
      </header>
      {props.children}
    </section>
  )
}

/** `12,345 in = 12,340 out + 5 waiting` */
function Sum(props: { of: number | undefined; text: string; children?: JSX.Element }) {
  return (
    <p class="component-sum">
      <Show when={props.of !== undefined} fallback={<span class="skeleton" />}>
        <strong title={exact(props.of ?? 0)}>{compact(props.of ?? 0)}</strong>{' '}
        <span class="component-unit">{props.text}</span>
        <Show when={props.children}>
          <span class="component-parts">{props.children}</span>
        </Show>
      </Show>
    </p>
  )
}

function Part(props: { of: number; text: string; sign?: '+' | '−'; tone?: 'bad' }) {
  return (
    <span class="component-part" data-tone={props.tone} title={`${exact(props.of)} ${props.text}`}>
      {props.sign ?? '='} {compact(props.of)} {props.text}{' '}
    </span>
  )
}

function Facts(props: { facts: readonly (readonly [string, JSX.Element])[] }) {
  return (
    <dl class="component-facts">
      <For each={props.facts}>
        {([label, value]) => (
          <div>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        )}
      </For>
    </dl>
  )
}

function Edge() {
  const { live } = usePipeline()
  const rate = () => {
    const perMinute = live.update()?.eventsPerMinute
    return perMinute === undefined ? '–' : `${compact(Math.round(perMinute / 6) / 10)} events/s`
  }
  return <Facts facts={[['Last minute', rate()]]} />
}

function Log() {
  const { lag, balance, now, live, viewer } = usePipeline()
  const oldest = () => balance.data()?.minutes.find(({ inFlight }) => inFlight > 0)?.minute
  return (
    <Facts
      facts={[
        [
          'Oldest waiting',
          <Show when={oldest()} fallback="None">
            {(minute) => duration(Math.max(0, now() + live.skewMs() - Date.parse(minute())))}
          </Show>,
        ],
        ['Partitions', exact(lag.data()?.partitions.length ?? 0)],
        ...(viewer().isOperator
          ? [['Lag, all tenants', <Count of={lag.data()?.lag} />] as const]
          : []),
      ]}
    />
  )
}

function Count(props: { of: number | null | undefined }) {
  return (
    <Show when={props.of !== undefined && props.of !== null} fallback="–">
      <span title={exact(props.of ?? 0)}>{compact(props.of ?? 0)}</span>
    </Show>
  )
}

function WorkerSum() {
  const { sums, balance, setOpenMinute } = usePipeline()
  const difference = () => (sums()?.missing ?? 0) + (sums()?.surplus ?? 0)
  const open = () => {
    const first = balance.data()?.minutes.findLast(({ unaccounted }) => unaccounted !== 0)
    setOpenMinute(first?.minute)
    const panel = document.getElementById('unaccounted')
    panel?.scrollIntoView({ block: 'nearest' })
    panel?.querySelector('button')?.focus()
  }
  return (
    <>
      <Sum of={(sums()?.received ?? 0) - (sums()?.waiting ?? 0)} text="in">
        <Part of={sums()?.outcomes ?? 0} text="out" />
        <Part of={0} text="waiting" sign="+" />
        <Show when={(sums()?.missing ?? 0) > 0}>
          <Part of={sums()?.missing ?? 0} text="unaccounted" sign="+" tone="bad" />
        </Show>
        <Show when={(sums()?.surplus ?? 0) > 0}>
          <Part of={sums()?.surplus ?? 0} text="unaccounted" sign="−" tone="bad" />
        </Show>
      </Sum>
      <Show when={difference() > 0}>
        <button type="button" class="button component-difference" onClick={open}>
          <WarnIcon />
          Show {exact(difference())} unaccounted
        </button>
      </Show>
    </>
  )
}

function Worker() {
  const { live, lag, viewer } = usePipeline()
  const workers = () => {
    const partitions = lag.data()?.partitions ?? []
    return new Set(partitions.flatMap(({ worker }) => worker ?? [])).size
  }
  const behind = () => {
    const seconds = live.update()?.lagSeconds
    return seconds === undefined ? '–' : duration(Math.max(100, seconds * 1_000))
  }
  return (
    <Facts
      facts={[
        ['Behind the log', behind()],
        ...(viewer().isOperator ? [['Workers', exact(workers())] as const] : []),
      ]}
    />
  )
}

function Postgres() {
  const { sums, period } = usePipeline()
  return (
    <Facts
      facts={[
        ['Stored, of outcomes', share(sums()?.stored ?? 0, sums()?.outcomes ?? 0)],
        [
          'Conflicting',
          <span title="Duplicates whose content differs from that of the first">
            {compact(sums()?.conflicting ?? 0)} in the {PERIODS[period()].name}
          </span>,
        ],
      ]}
    />
  )
}

function Queries() {
  const { freshness } = usePipeline()
  const seconds = (value: number | null | undefined) =>
    value === undefined || value === null ? '–' : duration(value * 1_000)
  return (
    <Show
      when={freshness.data()?.state !== 'OFF'}
      fallback={<p class="component-note">Freshness is not measured: no canaries are sent.</p>}
    >
      <Facts
        facts={[
          [
            'Accept to query, p50 / p95',
            <span title="Of canary events in the last hour: sent, stored and found by a query">
              {seconds(freshness.data()?.hour.p50)} / {seconds(freshness.data()?.hour.p95)}
            </span>,
          ],
          ['Error budget left', <Budget />],
        ]}
      />
    </Show>
  )
}

function Budget() {
  const { freshness } = usePipeline()
  const objective = () => freshness.data()?.objective
  const left = () => objective()?.errorBudgetLeft
  return (
    <Show when={objective() && left() !== null && left() !== undefined} fallback="–">
      <span
        title={`Objective of 30 days: ${objective()?.percent} % of canaries within ${objective()?.targetSeconds} s`}
      >
        {(left() ?? 0) <= 0 ? 'None' : share(left() ?? 0, 1)}
      </span>
    </Show>
  )
}
