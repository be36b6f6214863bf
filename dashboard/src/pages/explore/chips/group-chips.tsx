import { OptionsError } from '../../../components/forms/options-error.tsx'
import { SearchList } from '../../../components/forms/search-list.tsx'
import { useExplore } from '../context.ts'
import { createDimensionOptions } from '../suggestions.ts'
import { AddChip, Chip } from './chip.tsx'

/** `by plan`; click to choose another dimension. */
export function GroupChip(props: { dimension: string; onRemoved(): void }) {
  const { query, setQuery } = useExplore()
  const replace = (by: string[]) =>
    setQuery({
      groupBy: query().groupBy.flatMap((each) => (each === props.dimension ? by : [each])),
    })
  return (
    <Chip
      class="is-set"
      label="by"
      value={props.dimension}
      title={`Grouped by ${props.dimension}`}
      removeLabel={`Stop grouping by ${props.dimension}`}
      onRemove={() => {
        replace([])
        props.onRemoved()
      }}
    >
      {(close) => (
        <DimensionList
          choose={(dimension) => {
            close()
            replace([dimension])
          }}
        />
      )}
    </Chip>
  )
}

export function AddGroup(props: { isDisabled: boolean }) {
  const { query, setQuery } = useExplore()
  return (
    <AddChip
      text="Group by"
      title="One line for each value"
      class="add-group"
      shortcut={{ key: 'b', description: 'Group by a property' }}
      isDisabled={props.isDisabled}
    >
      {(close) => (
        <DimensionList
          choose={(dimension) => {
            close()
            setQuery({ groupBy: [...query().groupBy, dimension] })
          }}
        />
      )}
    </AddChip>
  )
}

function DimensionList(props: { choose(dimension: string): void }) {
  const { query } = useExplore()
  const dimensions = createDimensionOptions()
  const isChosen = (value: string | null) => query().groupBy.includes(value ?? '')
  return (
    <SearchList
      label="Search fields and properties"
      listLabel="Fields and properties"
      placeholder="Field or property, such as plan"
      options={dimensions.options()}
      isLoading={dimensions.isLoading()}
      isChosen={({ value }) => isChosen(value)}
      typedLabel="use this property"
      choose={({ value }) => value !== null && !isChosen(value) && props.choose(value)}
    >
      <OptionsError options={dimensions} what="properties" />
    </SearchList>
  )
}

/** One dimension, for what is shown by it. */
export function DimensionChoice(props: { dimension: string; choose(dimension: string): void }) {
  return (
    <Chip label="by" value={props.dimension} title="Explain by another field or property">
      {(close) => (
        <DimensionList
          choose={(dimension) => {
            close()
            props.choose(dimension)
          }}
        />
      )}
    </Chip>
  )
}
