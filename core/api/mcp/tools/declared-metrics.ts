import type { ListedMetric } from '../../../queries/metric-definitions.ts'
import { MCP_LIMITS } from '../limits.ts'
import { truncate } from '../untrusted.ts'
import type { ToolContext } from './tool.ts'

const DECLARED = `query McpDeclared {
  metricDefinitions { name version events filter { dimension in } value dimensions completeSince state }
}`

type Declared = Pick<
  ListedMetric,
  'name' | 'version' | 'value' | 'dimensions' | 'completeSince' | 'state'
> & { events: string[] | null; filter: { dimension: string; in: string[] }[] }

/** The tenant's declared metrics, by name. */
export async function readDeclared({ run }: ToolContext): Promise<Declared[]> {
  return (await run<{ metricDefinitions: Declared[] }>(DECLARED, {})).data.metricDefinitions
}

/** One as a row: what it counts, by what it is grouped fast, and since when it is complete. */
export function toDeclaredRow(metric: Declared): object {
  const short = (text: string) => truncate(text, MCP_LIMITS.cellCharsMax)
  return {
    metric: truncate(metric.name, MCP_LIMITS.nameCharsMax),
    version: metric.version,
    events: metric.events?.map(short) ?? '*',
    ...(metric.filter.length > 0 && {
      filter: Object.fromEntries(
        metric.filter.map((each) => [short(each.dimension), each.in.map(short)]),
      ),
    }),
    ...(metric.value !== 'value' && { value: short(metric.value) }),
    dimensions: metric.dimensions.map(short),
    exact_from: metric.completeSince ?? 'the first event',
    ...(metric.state === 'BACKFILLING' && { history: 'is still being counted' }),
  }
}
