import { unstorableText } from '../../contract/event/storable.ts'
import { LIMITS } from '../../contract/limits.ts'
import { ApiError } from '../lib/api-error.ts'
import { readDimension } from './dimension.ts'
import { METRIC_LIMITS } from './metric-limits.ts'

/** What a declared metric counts. */
export interface MetricDefinition {
  name: string
  /** Undefined: events of all names. */
  events: readonly string[] | undefined
  /** An event has to have one of the values of each dimension. */
  filters: readonly MetricFilter[]
  /** `value`, or the path of a property that is a number. */
  value: string
  dimensions: readonly string[]
}

export interface MetricFilter {
  dimension: string
  in: readonly string[]
}

const MEMBERS = ['name', 'events', 'filter', 'value', 'dimensions']

/**
 * Reads a definition as a client writes it: `events` is a name, a list of them or "*"; `filter` an object of a value or a
 * list of values by dimension, or a list of `{dimension, in}`; all but the name may be left out.
 * @throws BAD_USER_INPUT with the JSON pointer of what has to be changed
 */
export function parseMetricDefinition(input: unknown): MetricDefinition {
  if (!isObject(input)) throw invalid('', 'must be an object')
  for (const member of Object.keys(input))
    if (!MEMBERS.includes(member))
      throw invalid(pointer(member), `is not a member; there are ${MEMBERS.join(', ')}`)
  const filters = readFilters(own(input, 'filter') ?? [])
  return {
    name: readMetricName(own(input, 'name')),
    events: readEvents(own(input, 'events') ?? '*'),
    filters,
    value: readValue(own(input, 'value') ?? 'value'),
    dimensions: readDimensions(own(input, 'dimensions') ?? []),
  }
}

export function readMetricName(name: unknown): string {
  if (name === undefined || name === null) throw invalid('/name', 'is missing')
  const read = readText('/name', name, LIMITS.eventNameCharsMax).normalize('NFC').trim()
  if (read === '') throw invalid('/name', 'is empty')
  if (read === '*' || read === '(other)') throw invalid('/name', `"${read}" has another meaning`)
  return read
}

function readEvents(events: unknown): string[] | undefined {
  if (events === '*') return undefined
  if (Array.isArray(events) && events.length === 1 && events[0] === '*') return undefined
  const list = Array.isArray(events) ? events : [events]
  if (list.length === 0) throw invalid('/events', 'is empty; "*" counts events of all names')
  checkLength('/events', list, METRIC_LIMITS.eventsMax, 'event names')
  const names = list.map((name, i) => {
    const at = Array.isArray(events) ? `/events/${i}` : '/events'
    const read = readText(at, name, LIMITS.eventNameCharsMax).normalize('NFC').trim()
    if (read === '') throw invalid(at, 'is empty')
    if (read === '*') throw invalid(at, 'cannot stand beside other names')
    return read
  })
  return [...new Set(names)]
}

function readFilters(filter: unknown): MetricFilter[] {
  const listed: (readonly [at: string, dimension: unknown, values: unknown])[] = []
  if (Array.isArray(filter))
    filter.slice(0, METRIC_LIMITS.filtersMax + 1).forEach((each: unknown, i) => {
      if (!isObject(each)) throw invalid(`/filter/${i}`, 'must be an object {dimension, in}')
      for (const member of Object.keys(each))
        if (member !== 'dimension' && member !== 'in')
          throw invalid(
            `/filter/${i}${pointer(member)}`,
            'is not a member; there are dimension, in',
          )
      listed.push([`/filter/${i}`, own(each, 'dimension'), own(each, 'in')])
    })
  else if (isObject(filter))
    for (const [dimension, values] of Object.entries(filter))
      listed.push([`/filter${pointer(dimension)}`, dimension, values])
  else throw invalid('/filter', 'must be an object of values by dimension')
  checkLength('/filter', listed, METRIC_LIMITS.filtersMax, 'dimensions')
  const filters = listed.map(([at, dimension, values]) => ({
    dimension: readDimensionName(at, dimension),
    in: readFilterValues(at, values),
  }))
  if (new Set(filters.map(({ dimension }) => dimension)).size < filters.length)
    throw invalid('/filter', 'has the same dimension twice')
  return filters
}

function readFilterValues(at: string, values: unknown): string[] {
  const list = Array.isArray(values) ? values : [values]
  if (list.length === 0) throw invalid(at, 'has no value')
  checkLength(at, list, METRIC_LIMITS.filterValuesMax, 'values')
  const texts = list.map((value) => {
    const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value
    return readText(at, text, METRIC_LIMITS.filterValueCharsMax, true)
  })
  return [...new Set(texts)]
}

function readValue(value: unknown): string {
  const path = readText('/value', value, METRIC_LIMITS.dimensionCharsMax)
  if (path === 'value') return path
  if (readDimension(path)?.kind !== 'property')
    throw invalid('/value', 'is neither "value" nor the path of a property')
  return path
}

function readDimensions(dimensions: unknown): string[] {
  if (!Array.isArray(dimensions)) throw invalid('/dimensions', 'must be a list')
  checkLength('/dimensions', dimensions, METRIC_LIMITS.dimensionsMax, 'dimensions')
  const names = dimensions.map((each, i) => readDimensionName(`/dimensions/${i}`, each))
  if (new Set(names).size < names.length)
    throw invalid('/dimensions', 'has the same dimension twice')
  return names
}

function readDimensionName(at: string, dimension: unknown): string {
  const name = readText(at, dimension, METRIC_LIMITS.dimensionCharsMax)
  if (readDimension(name) === undefined) throw invalid(at, 'is not a dimension')
  return name
}

/** @param isData values of events may hold what names may not */
function readText(at: string, text: unknown, charsMax: number, isData = false): string {
  if (typeof text !== 'string') throw invalid(at, 'must be a string')
  if (text.length > charsMax) throw invalid(at, `is longer than ${charsMax} characters`)
  const reason = unstorableText(text)
  if (reason) throw invalid(at, reason)
  if (!isData && /\p{Cc}/u.test(text)) throw invalid(at, 'has a control character')
  return text
}

function checkLength(at: string, list: readonly unknown[], max: number, of: string): void {
  if (list.length > max) throw invalid(at, `takes at most ${max} ${of}`)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A member called `__proto__` is one like any other, and what every object inherits is none. */
function own(of: Record<string, unknown>, member: string): unknown {
  return Object.hasOwn(of, member) ? of[member] : undefined
}

function pointer(member: string): string {
  return `/${member.slice(0, 64).replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** @param at JSON pointer; its first part is the argument */
function invalid(at: string, detail: string): ApiError {
  const argument = at.split('/')[1] || 'definition'
  return new ApiError('BAD_USER_INPUT', `${at || 'The definition'} ${detail}`, {
    argument,
    pointer: at,
    errors: [{ pointer: at, code: 'BAD_USER_INPUT', detail }],
  })
}
