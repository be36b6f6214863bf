import { z } from 'zod'
import { MCP_LIMITS } from '../limits.ts'
import { truncate } from '../untrusted.ts'
import { factsOf } from './facts.ts'
import { nearestNames, readNames } from './names.ts'
import { defineTool, maxTokens, rangeOf, rangeShape } from './tool.ts'

export const listMetrics = defineTool({
  name: 'list_metrics',
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
    const wanted = search.toLowerCase()
    const found = names.filter(({ name }) => name.toLowerCase().includes(wanted))
    const notes: string[] = []
    if (!info.final) notes.push('not final: counts after final_through may still change.')
    if (!isComplete)
      notes.push(`only the ${names.length} most frequent names were searched; rarer ones exist.`)
    const nearest =
      found.length > 0
        ? []
        : nearestNames(
            search,
            names.map(({ name }) => name),
          )
    if (found.length === 0 && names.length > 0)
      notes.push('no name contains the search; the nearest names are listed instead.')
    if (names.length === 0) notes.push('no events at all in this range; choose a longer one.')
    const shown =
      found.length > 0
        ? found
        : names.filter(({ name }) => nearest.slice(0, MCP_LIMITS.nearestMax).includes(name))
    return {
      facts: {
        range: `${range.start} to ${range.end}`,
        events_in_range: count,
        names_found: found.length,
        ...factsOf(info),
      },
      notes,
      subject: { search, link: context.link({ from: range.start, to: range.end }) },
      columns: ['name', 'count', 'count_of_period_before'],
      rows: shown.map((each) => [
        truncate(each.name, MCP_LIMITS.nameCharsMax),
        each.count,
        each.previousCount,
      ]),
      hint: 'search for part of a name, or pass max_tokens.',
    }
  },
})
