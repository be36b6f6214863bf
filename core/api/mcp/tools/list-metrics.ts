import { z } from 'zod'
import { MCP_LIMITS } from '../limits.ts'
import { truncate } from '../untrusted.ts'
import { factsOf } from './facts.ts'
import { nearestNames, readNames, searchNames } from './names.ts'
import { defineTool, maxTokens, rangeOf, rangeShape } from './tool.ts'

export const listMetrics = defineTool({
  name: 'list_metrics',
  permission: 'metrics.read',
  description:
    'Names of events with their counts in a range and in the period before it, most frequent first. Every name is a metric. Start here.',
  schema: z.strictObject({
    search: z.string().max(MCP_LIMITS.nameCharsMax).optional().describe('Part of the name'),
    ...rangeShape,
    max_tokens: maxTokens,
  }),
  async call({ search = '', ...args }, context) {
    const range = rangeOf(args, context.now())
    const { names, count, isComplete, info } = await readNames(context, range)
    const before = new Map(names.map((each) => [each.name, each.previousCount]))
    const found = search === '' ? undefined : await searchNames(context, search, range)
    const matching = found?.names ?? names
    const notes: string[] = []
    if (!info.final) notes.push('not final: counts after final_through may still change.')
    if (found ? found.hasMore : !isComplete)
      notes.push(`only the ${matching.length} most frequent names are listed; search for others.`)
    if (found && !found.complete)
      notes.push('this tenant has more names than are counted apart; the rarest cannot be listed.')
    if (names.length === 0) notes.push('no events at all in this range; choose a longer one.')
    else if (matching.length === 0)
      notes.push('no name contains the search; the nearest names are listed instead.')
    const nearest = nearestNames(
      search,
      names.map(({ name }) => name),
    ).slice(0, MCP_LIMITS.nearestMax)
    const shown =
      matching.length > 0 ? matching : names.filter(({ name }) => nearest.includes(name))
    return {
      facts: {
        range: `${range.start} to ${range.end}`,
        events_in_range: count,
        names_found: matching.length,
        ...factsOf(info),
      },
      notes,
      subject: { search, link: context.link({ from: range.start, to: range.end }) },
      columns: ['name', 'count', 'count_of_period_before'],
      rows: shown.map((each) => [
        truncate(each.name, MCP_LIMITS.nameCharsMax),
        each.count,
        // Of names that are not among the most frequent ones it was not read.
        before.get(each.name) ?? null,
      ]),
      hint: 'search for part of a name, or pass max_tokens.',
    }
  },
})
