import { SearchList } from '../../../components/search-list.tsx'
import { useExplore } from '../context.ts'
import { createNameOptions } from '../suggestions.ts'
import { Chip } from './chip.tsx'
import { OptionsError } from './options-error.tsx'

/** Which event is measured. */
export function NameChip() {
  const { query } = useExplore()
  return (
    <Chip
      label="Event"
      value={query().name ?? 'All events'}
      title={`Event: ${query().name ?? 'all'}`}
      shortcut={{ key: 'e', description: 'Choose an event' }}
    >
      {(close) => <NameList onDone={close} />}
    </Chip>
  )
}

function NameList(props: { onDone(): void }) {
  const { query, setQuery } = useExplore()
  const names = createNameOptions()
  return (
    <SearchList
      label="Search events"
      listLabel="Events"
      placeholder="Name of an event"
      options={[{ value: null, label: 'All events' }, ...names.options()]}
      isLoading={names.isLoading()}
      isChosen={({ value }) => value === (query().name ?? null)}
      onSearch={names.search}
      typedLabel="use this name"
      choose={({ value }) => {
        props.onDone()
        setQuery({ name: value ?? undefined })
      }}
    >
      <OptionsError options={names} what="names" />
    </SearchList>
  )
}
