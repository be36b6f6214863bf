import * as options from '../../lib/api/event-options.ts'
import { type Explore, useExplore } from './context.ts'
import { NONE } from './series.ts'

/** What the chips offer while somebody types, in the range and with the filters of the query. */
export type { Options } from '../../lib/api/event-options.ts'

const rangeOf = ({ variables, tenant }: Explore) => {
  const { startTime, endTime } = variables()
  return { tenant: tenant(), startTime, endTime }
}

/** Event names of the range, the most frequent first. */
export function createNameOptions(): options.Options {
  return options.createNameOptions(rangeOf(useExplore()))
}

/** The fields that every event has, and the properties of events with the chosen name, the most frequent first. */
export function createDimensionOptions(): options.Options {
  const explore = useExplore()
  const name = explore.query().name ?? '*'
  return options.createDimensionOptions({ ...rangeOf(explore), name })
}

/** Values of a dimension in the range, the most frequent first, with the other filters applied. */
export function createValueOptions(dimension: string): options.Options {
  const explore = useExplore()
  const { name, filter } = explore.variables()
  const others = [filter ?? []].flat().filter((each) => each.dimension !== dimension)
  return options.createValueOptions({ ...rangeOf(explore), name, dimension, filter: others }, NONE)
}
