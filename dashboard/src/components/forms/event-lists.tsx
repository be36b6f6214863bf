import {
  createDimensionOptions,
  createNameOptions,
  createNumberOptions,
  createValueOptions,
  type EventRange,
} from '../../lib/api/event-options.ts'
import { OptionsError } from './options-error.tsx'
import { SearchList } from './search-list.tsx'

interface ListProps<Range extends EventRange> {
  range: Range
  chosen: readonly string[] | string
  choose(value: string): void
}
type OfEvent = EventRange & { name: string }

export function EventList(props: ListProps<EventRange>) {
  const names = createNameOptions(props.range)
  return (
    <SearchList
      label="Search events"
      listLabel="Events"
      placeholder="Name of an event"
      options={names.options()}
      isLoading={names.isLoading()}
      isChosen={({ value }) => props.chosen.includes(value ?? '')}
      onSearch={names.search}
      typedLabel="use this name"
      choose={({ value }) => chooseNew(props, value)}
    >
      <OptionsError options={names} what="names" />
    </SearchList>
  )
}

export function DimensionList(props: ListProps<OfEvent>) {
  const dimensions = createDimensionOptions(props.range)
  return (
    <SearchList
      label="Search fields and properties"
      listLabel="Fields and properties"
      placeholder="Field or property, such as plan"
      options={dimensions.options()}
      isLoading={dimensions.isLoading()}
      isChosen={({ value }) => props.chosen.includes(value ?? '')}
      typedLabel="use this property"
      choose={({ value }) => chooseNew(props, value)}
    >
      <OptionsError options={dimensions} what="properties" />
    </SearchList>
  )
}

export function NumberList(props: ListProps<OfEvent>) {
  const numbers = createNumberOptions(props.range)
  return (
    <SearchList
      label="Search properties that are numbers"
      listLabel="Properties that are numbers"
      placeholder="Property, such as cart.total"
      options={numbers.options()}
      isLoading={numbers.isLoading()}
      isChosen={({ value }) => value === props.chosen}
      typedLabel="use this property"
      choose={({ value }) => value !== null && props.choose(value)}
    >
      <OptionsError options={numbers} what="properties" />
    </SearchList>
  )
}

export function ValueList(props: ListProps<OfEvent & { dimension: string }>) {
  const values = createValueOptions(props.range, '')
  return (
    <SearchList
      label={`Search values of ${props.range.dimension}`}
      listLabel={`Values of ${props.range.dimension}`}
      placeholder={`Value of ${props.range.dimension}`}
      // A metric cannot filter on a missing property.
      options={values.options().filter(({ value }) => value !== null)}
      isLoading={values.isLoading()}
      isChosen={({ value }) => props.chosen.includes(value ?? '')}
      onSearch={values.search}
      typedLabel="use this value"
      choose={({ value }) => chooseNew(props, value)}
    >
      <OptionsError options={values} what="values" />
    </SearchList>
  )
}

function chooseNew({ chosen, choose }: ListProps<EventRange>, value: string | null): void {
  if (value !== null && !chosen.includes(value)) choose(value)
}
