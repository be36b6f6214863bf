import './audit.css'
import { useSearchParams } from '@solidjs/router'
import { createEffect, createMemo, createSignal, For, Match, on, Show, Switch } from 'solid-js'
import { Missing, QueryNotice } from '../../../components/error-notice.tsx'
import { Choice } from '../../../components/forms/choice.tsx'
import { Panel } from '../../../components/panel.tsx'
import { SkeletonRows } from '../../../components/skeleton-rows.tsx'
import { createPolling } from '../../../lib/api/polling.ts'
import { createQuery, isMissing } from '../../../lib/api/query.ts'
import { useApp } from '../../../lib/app-context.ts'
import { type Download, downloadAs } from '../../../lib/download.ts'
import { AuditEntryRow } from './entry-row.tsx'
import { AuditFilters } from './filters.tsx'
import { type AuditFilter, exportPath, fetchAudit } from './queries.ts'

/** Who changed what, newest first. */
export default function AuditSection() {
  const { tenant, viewer } = useApp()
  const [params, setParams] = useSearchParams<{ action: string; actor: string; log: string }>()
  const filter = createMemo<AuditFilter>(() => ({
    tenant: tenant(),
    isSystem: viewer().isOperator && params.log === 'system',
    action: params.action || undefined,
    actor: params.actor || undefined,
  }))
  /** Cursors of the pages before this one, and of this one; undefined: the newest. */
  const [cursors, setCursors] = createSignal<(string | undefined)[]>([undefined])
  createEffect(on(filter, () => setCursors([undefined]), { defer: true }))
  const log = createQuery({
    scope: () => JSON.stringify(filter()),
    variables: () => ({ ...filter(), after: cursors().at(-1) }),
    isRetried: ({ kind }) => kind === 'unreachable',
    fetch: fetchAudit,
  })
  createPolling([log])
  const isFiltered = () => filter().action !== undefined || filter().actor !== undefined
  return (
    <Panel title="Audit log" aside={<ExportButton filter={filter()} />}>
      <p class="panel-note">
        Every change, sign-in and denial. Each entry holds the hash of the one before it, so that{' '}
        <code>npm run sluice -- audit verify</code> finds any change or removal.
      </p>
      <div class="audit-filters">
        <Show when={viewer().isOperator}>
          <Choice
            label="Which log"
            chosen={filter().isSystem ? 'system' : 'tenant'}
            options={{ tenant: 'This tenant', system: 'System' }}
            choose={(chosen) => setParams({ log: chosen === 'system' ? chosen : null })}
          />
        </Show>
        <AuditFilters filter={filter()} change={setParams} />
      </div>
      <QueryNotice query={log} subject="The entries are" />
      <Switch>
        <Match when={isMissing(log)}>
          <Missing subject="The entries" />
        </Match>
        <Match when={log.loading()}>
          <SkeletonRows widths={[90, 80, 85, 70]} />
        </Match>
        <Match when={log.data()?.rows.length === 0 && cursors().length === 1}>
          <p class="empty">
            {isFiltered()
              ? 'No entry matches these filters.'
              : 'Nothing has been changed yet. Changes of members, keys and metrics will be listed here.'}
          </p>
        </Match>
        <Match when={log.data()}>
          {(page) => (
            <>
              <ul class="entities audit-entries">
                <For each={page().rows.map(({ sequence }) => sequence)}>
                  {(sequence) => (
                    <Show when={page().rows.find((each) => each.sequence === sequence)}>
                      {(row) => <AuditEntryRow entry={row()} />}
                    </Show>
                  )}
                </For>
              </ul>
              <Pages
                isFirst={cursors().length === 1}
                isLast={page().next === undefined}
                newer={() => setCursors((all) => all.slice(0, -1))}
                older={() => setCursors((all) => [...all, page().next])}
              />
            </>
          )}
        </Match>
      </Switch>
    </Panel>
  )
}

function Pages(props: { isFirst: boolean; isLast: boolean; newer(): void; older(): void }) {
  return (
    <Show when={!props.isFirst || !props.isLast}>
      <nav class="audit-pages" aria-label="Pages of the audit log">
        <button type="button" class="button" disabled={props.isFirst} onClick={() => props.newer()}>
          Newer
        </button>
        <button type="button" class="button" disabled={props.isLast} onClick={() => props.older()}>
          Older
        </button>
      </nav>
    </Show>
  )
}

function ExportButton(props: { filter: AuditFilter }) {
  const [state, setState] = createSignal<Download>()
  const save = async () => {
    setState({ kind: 'running' })
    const name = props.filter.isSystem ? 'system' : props.filter.tenant
    setState(
      await downloadAs(exportPath(props.filter), 'application/x-ndjson', `audit-${name}.ndjson`),
    )
  }
  const message = () => {
    const current = state()
    return current?.kind === 'failed' ? current.message : undefined
  }
  return (
    <>
      <Show when={message()}>
        {(text) => (
          <span class="hint wrong" role="alert">
            {text()}
          </span>
        )}
      </Show>
      <button
        type="button"
        class="button"
        disabled={state()?.kind === 'running'}
        onClick={save}
        title="All entries of these filters, one JSON object a line"
      >
        Download NDJSON
      </button>
    </>
  )
}
