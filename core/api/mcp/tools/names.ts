import { isBefore } from '../../../queries/instant.ts'
import { QUERY_LIMITS } from '../../../queries/limits.ts'
import type { ResultInfo } from '../../../queries/query-result.ts'
import type { NameCount } from '../../../queries/range-totals.ts'
import { infoOf } from '../../operations/run-operation.ts'
import { type Range, type ToolContext, toInstant } from './tool.ts'

const NAMES = `query McpNames($start: DateTime!, $end: DateTime!, $names: Int) {
  totals(startTime: $start, endTime: $end, names: $names) { count names { name count previousCount } }
  all: metrics(name: "*", startTime: $start, endTime: $end, interval: TOTAL) { value }
}`

const SEARCH = `query McpNameSearch($search: String, $start: DateTime!, $end: DateTime!, $limit: Int) {
  found: eventNames(search: $search, startTime: $start, endTime: $end, limit: $limit) {
    names { name count } hasMore complete
  }
}`

interface SearchData {
  found: { names: { name: string; count: number }[]; hasMore: boolean; complete: boolean }
}

/** Among all names of a range, not only the most frequent ones. */
export async function searchNames(
  { run }: ToolContext,
  search: string,
  range: Range,
): Promise<SearchData['found']> {
  const variables = { search, ...range, limit: QUERY_LIMITS.namesMax }
  return (await run<SearchData>(SEARCH, variables)).data.found
}

/** How far back a name is looked for that has no events in the range. */
const LOOK_BACK_MS = 30 * 86_400_000

export interface FoundNames {
  names: readonly NameCount[]
  /** Of all names together. */
  count: number
  /** Whether these are all names of the range. */
  isComplete: boolean
  info: ResultInfo
}

export async function readNames({ run }: ToolContext, range: Range): Promise<FoundNames> {
  const { data, extensions } = await run<{ totals: { count: number; names: NameCount[] } }>(NAMES, {
    ...range,
    names: QUERY_LIMITS.namesMax,
  })
  const { names, count } = data.totals
  return {
    names,
    count,
    isComplete: names.length < QUERY_LIMITS.namesMax,
    info: infoOf(extensions, 'all'),
  }
}

/** The names of the range, and of the last 30 days. */
export async function findNames(
  context: ToolContext,
  range: Range,
): Promise<{ names: readonly NameCount[]; isComplete: boolean; since: string }> {
  const recent = {
    start: toInstant(context.now() - LOOK_BACK_MS),
    end: toInstant(context.now() + 86_400_000),
  }
  const since = isBefore(range.start, recent.start) ? range.start : recent.start
  const [ofRange, ofRecent] = [await readNames(context, range), await readNames(context, recent)]
  const names = new Map([...ofRange.names, ...ofRecent.names].map((each) => [each.name, each]))
  return {
    names: [...names.values()],
    isComplete: ofRange.isComplete && ofRecent.isComplete,
    since,
  }
}

/** The most similar first: by the pairs of letters that two names share, in any case. */
export function nearestNames(name: string, names: readonly string[]): string[] {
  const wanted = pairsOf(name)
  return names
    .map((each) => ({ each, similarity: similarityOf(wanted, pairsOf(each)) }))
    .sort((a, b) => b.similarity - a.similarity)
    .map(({ each }) => each)
}

function pairsOf(name: string): Set<string> {
  const text = ` ${name.toLowerCase().slice(0, 256)} `
  return new Set(Array.from({ length: text.length - 1 }, (_, i) => text.slice(i, i + 2)))
}

function similarityOf(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let shared = 0
  for (const pair of a) if (b.has(pair)) shared++
  return shared / (a.size + b.size - shared)
}
