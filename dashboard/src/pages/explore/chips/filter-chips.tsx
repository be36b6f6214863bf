import { createSignal, Show } from 'solid-js'
import { OptionsError } from '../../../components/forms/options-error.tsx'
import { SearchList, type SearchOption } from '../../../components/forms/search-list.tsx'
import { useExplore } from '../context.ts'
import { FILTER_VALUES_MAX, type Filter } from '../query-state.ts'
import { NONE } from '../series.ts'
import { createDimensionOptions, createValueOptions } from '../suggestions.ts'
import { AddChip, Chip } from './chip.tsx'

const NAMED_VALUES_MAX = 2

/** `plan = pro, free`; click to change the values. */
export function FilterChip(props: { dimension: string; onRemoved(): void }) {
  const { query, setQuery } = useExplore()
  const values = () => filterOn(query().filters, props.dimension)
  const text = () => {
    const named = values().slice(0, NAMED_VALUES_MAX)
    const more = values().length - named.length
    return named.map((value) => value ?? NONE).join(', ') + (more > 0 ? ` +${more}` : '')
  }
  return (
    <Chip
      class="is-set"
      label={`${props.dimension} =`}
      value={text()}
      title={`Filter: ${props.dimension} = ${values()
        .map((value) => value ?? NONE)
        .join(', ')}`}
      removeLabel={`Remove the filter on ${props.dimension}`}
      onRemove={() => {
        setQuery({ filters: query().filters.filter((each) => each.dimension !== props.dimension) })
        props.onRemoved()
      }}
    >
      {() => <ValueList dimension={props.dimension} />}
    </Chip>
  )
}

/** First a dimension, then its values. */
export function AddFilter(props: { isDisabled: boolean }) {
  return (
    <AddChip
      text="Filter"
      title="Count only events with a certain value"
      class="add-filter"
      shortcut={{ key: 'f', description: 'Add a filter' }}
      isDisabled={props.isDisabled}
    >
      {() => <FilterSteps />}
    </AddChip>
  )
}

function FilterSteps() {
  const [dimension, setDimension] = createSignal<string>()
  const dimensions = createDimensionOptions()
  const { query } = useExplore()
  const isChosen = ({ value }: SearchOption) =>
    query().filters.some((each) => each.dimension === value)
  return (
    <Show
      when={dimension()}
      fallback={
        <SearchList
          label="Search fields and properties"
          listLabel="Fields and properties"
          placeholder="Field or property, such as plan"
          options={dimensions.options()}
          isLoading={dimensions.isLoading()}
          isChosen={isChosen}
          typedLabel="use this property"
          choose={({ value }) => setDimension(value ?? undefined)}
        >
          <OptionsError options={dimensions} what="properties" />
        </SearchList>
      }
      keyed
    >
      {(chosen) => <ValueList dimension={chosen} />}
    </Show>
  )
}

function ValueList(props: { dimension: string }) {
  const { query, setQuery } = useExplore()
  const values = createValueOptions(props.dimension)
  const chosen = () => filterOn(query().filters, props.dimension)
  const isFull = () => chosen().length >= FILTER_VALUES_MAX
  // Values that are chosen and rare may not be among those that the server lists.
  const options = () => {
    const listed = values.options()
    const missing = chosen().filter((value) => !listed.some((option) => option.value === value))
    return [...missing.map((value) => ({ value, label: value ?? NONE })), ...listed]
  }
  const toggle = ({ value }: SearchOption) => {
    const isChosen = chosen().includes(value)
    if (!isChosen && isFull()) return
    const next = isChosen ? chosen().filter((each) => each !== value) : [...chosen(), value]
    setQuery({ filters: withFilter(query().filters, { dimension: props.dimension, in: next }) })
  }
  return (
    <SearchList
      label={`Search values of ${props.dimension}`}
      listLabel={`Values of ${props.dimension}`}
      placeholder={`Value of ${props.dimension}`}
      options={options()}
      isLoading={values.isLoading()}
      isChosen={({ value }) => chosen().includes(value)}
      isMultiple
      onSearch={values.search}
      typedLabel="use this value"
      choose={toggle}
    >
      <OptionsError options={values} what="values" />
      <p class="hint search-hint">
        {isFull()
          ? `At most ${FILTER_VALUES_MAX} values.`
          : 'Choose one or several, then press Esc.'}
      </p>
    </SearchList>
  )
}

const filterOn = (filters: readonly Filter[], dimension: string) =>
  filters.find((each) => each.dimension === dimension)?.in ?? []

/** In its place among the others; without values it goes. */
export function withFilter(filters: readonly Filter[], filter: Filter): Filter[] {
  const isKnown = filters.some((each) => each.dimension === filter.dimension)
  const all = isKnown
    ? filters.map((each) => (each.dimension === filter.dimension ? filter : each))
    : [...filters, filter]
  return all.filter((each) => each.in.length > 0)
}
