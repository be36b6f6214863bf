import { createSignal, Show } from 'solid-js'
import { ChevronIcon } from '../../../components/icons.tsx'
import { Popover } from '../../../components/overlays/popover.tsx'
import { type Download, downloadAs } from '../../../lib/download.ts'
import { useExplore } from '../context.ts'
import { restPath } from '../requests.ts'

const FORMATS = [
  { type: 'text/csv', ending: 'csv', label: 'CSV', note: 'for spreadsheets' },
  { type: 'application/x-ndjson', ending: 'ndjson', label: 'NDJSON', note: 'one JSON a line' },
  { type: 'application/json', ending: 'json', label: 'JSON', note: 'with its meta data' },
] as const

/** The numbers of the query as a file, from REST: the same numbers, in full. */
export function ExportMenu() {
  const { variables, tenant } = useExplore()
  const [isOpen, setOpen] = createSignal(false)
  const [state, setState] = createSignal<Download>()
  const path = () => restPath(variables(), tenant())
  const save = async ({ type, ending }: (typeof FORMATS)[number]) => {
    const { name, startTime } = variables()
    const file = `${name === '*' ? 'all-events' : name}-${startTime.slice(0, 10)}.${ending}`
    setState({ kind: 'running' })
    const done = await downloadAs(path() ?? '', type, file)
    setState(done)
    if (done.kind === 'done') setOpen(false)
  }
  return (
    <Popover
      label="Export"
      class="export"
      title="Save the numbers as a file"
      isOpen={isOpen()}
      onOpenChange={(open) => {
        setState(undefined)
        setOpen(open)
      }}
      button={
        <>
          <span class="control-text">Export</span>
          <ChevronIcon />
        </>
      }
    >
      <div class="option-list">
        <Show
          when={path()}
          fallback={
            <p class="hint search-none">
              REST cannot filter on a missing property, or on names with a comma or colon. Copy the
              query as GraphQL instead.
            </p>
          }
        >
          {FORMATS.map((format) => (
            <button
              type="button"
              class="option"
              disabled={state()?.kind === 'running'}
              onClick={() => save(format)}
            >
              <span>{format.label}</span>
              <span class="hint">{format.note}</span>
            </button>
          ))}
        </Show>
        <p class="hint search-none" role="status">
          {state()?.kind === 'running' ? 'Reading…' : failureOf(state())}
        </p>
      </div>
    </Popover>
  )
}

const failureOf = (state: Download | undefined) =>
  state?.kind === 'failed' ? `Not saved. ${state.message}` : ''
