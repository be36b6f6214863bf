import { createSignal, createUniqueId, For, Show } from 'solid-js'
import { DimensionList, ValueList } from '../../../components/forms/event-lists.tsx'
import { FieldNote } from '../../../components/forms/text-field.tsx'
import { TokenField } from '../../../components/forms/token-field.tsx'
import { PlusIcon } from '../../../components/icons.tsx'
import { Popover } from '../../../components/overlays/popover.tsx'
import type { EventRange } from '../../../lib/api/event-options.ts'
import { FILTER_VALUES_MAX, FILTERS_MAX, type MetricDraft } from './queries.ts'

type Filters = MetricDraft['filter']

/** One row of values for each dimension that is filtered on, and a button for another one. */
export function FilterField(props: {
  filters: Filters
  onChange(filters: Filters): void
  range(): EventRange & { name: string }
  error: string | undefined
}) {
  const id = createUniqueId()
  const [isOpen, setOpen] = createSignal(false)
  let addButton!: HTMLDivElement
  const dimensions = () => props.filters.map(({ dimension }) => dimension)
  const setValues = (dimension: string, values: string[]) =>
    props.onChange(
      props.filters.map((each) =>
        each.dimension === dimension ? { dimension, in: values } : each,
      ),
    )
  const remove = (dimension: string) => {
    props.onChange(props.filters.filter((each) => each.dimension !== dimension))
    addButton.querySelector<HTMLElement>('button')?.focus()
  }
  return (
    <fieldset class="field filter-field" aria-describedby={`${id}-note`}>
      <legend>Filter</legend>
      <For each={dimensions()}>
        {(dimension) => (
          <div class="filter-row">
            <TokenField
              label={`${dimension} is one of`}
              tokens={props.filters.find((each) => each.dimension === dimension)?.in ?? []}
              onChange={(values) => setValues(dimension, values)}
              addLabel="Add a value"
              max={FILTER_VALUES_MAX}
            >
              {(close) => (
                <ValueList
                  range={{ ...props.range(), dimension }}
                  chosen={props.filters.find((each) => each.dimension === dimension)?.in ?? []}
                  choose={(value) => {
                    close()
                    const values = props.filters.find((each) => each.dimension === dimension)?.in
                    setValues(dimension, [...(values ?? []), value])
                  }}
                />
              )}
            </TokenField>
            <button type="button" class="button quiet" onClick={() => remove(dimension)}>
              Remove<span class="sr-only"> the filter on {dimension}</span>
            </button>
          </div>
        )}
      </For>
      <Show when={props.filters.length < FILTERS_MAX}>
        <div ref={addButton}>
          <Popover
            label="Filter"
            class="token-add"
            triggerClass="button"
            title="Add a filter"
            isOpen={isOpen()}
            onOpenChange={setOpen}
            button={
              <>
                <PlusIcon />
                Add a filter
              </>
            }
          >
            <DimensionList
              range={props.range()}
              chosen={dimensions()}
              choose={(dimension) => {
                setOpen(false)
                props.onChange([...props.filters, { dimension, in: [] }])
              }}
            />
          </Popover>
        </div>
      </Show>
      <FieldNote
        id={`${id}-note`}
        hint="An event has to have one of the values of each."
        error={props.error}
      />
    </fieldset>
  )
}
