import { OptionsError } from '../../../components/forms/options-error.tsx'
import { SearchList } from '../../../components/forms/search-list.tsx'
import { useExplore } from '../context.ts'
import { createNameOptions } from '../suggestions.ts'
import { Chip } from './chip.tsx'

/** Which event is measured. */
export function NameChip() {
  const { query, setQuery } = useExplore()
  return (
    <Chip
      label="Event"
      value={query().name ?? 'All events'}
      title={`Event: ${query().name ?? 'all'}`}
      shortcut={{ key: 'e', description: 'Choose an event' }}
    >
      {(close) => (
        <EventNameList
          chosen={query().name}
          allLabel="All events"
          choose={(name) => {
            close()
            setQuery({ name })
          }}
        />
      )}
    </Chip>
  )
}

/** Names of events, with type-ahead. */
export function EventNameList(props: {
  chosen: string | undefined
  /** The option that stands for no name; without it a name has to be chosen. */
  allLabel?: string
  choose(name: string | undefined): void
}) {
  const names = createNameOptions()
  const all = () => (props.allLabel ? [{ value: null, label: props.allLabel }] : [])
  return (
    <SearchList
      label="Search events"
      listLabel="Events"
      placeholder="Name of an event"
      options={[...all(), ...names.options()]}
      isLoading={names.isLoading()}
      isChosen={({ value }) => value === (props.chosen ?? null)}
      onSearch={names.search}
      typedLabel="use this name"
      choose={({ value }) => props.choose(value ?? undefined)}
    >
      <OptionsError options={names} what="names" />
    </SearchList>
  )
}
