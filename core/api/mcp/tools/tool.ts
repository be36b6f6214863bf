import { z } from 'zod'
import { readTime } from '../../../../contract/event/time.ts'
import type { Permission } from '../../../identity/roles.ts'
import { badInput } from '../../../lib/api-error.ts'
import type { OperationResult } from '../../operations/run-operation.ts'
import { MCP_LIMITS } from '../limits.ts'
import type { ToolOutput } from '../tool-text.ts'

/** What a tool may use of the request that calls it. */
export interface ToolContext {
  /** Executes a document for the sender. @throws ApiError */
  run<Data>(query: string, variables: Record<string, unknown>): Promise<OperationResult<Data>>
  /** @throws FORBIDDEN unless the sender may do this */
  requirePermission(permission: Permission): void
  /** Names a request that GraphQL gives no id: the same tool and arguments of a tenant, the same id. */
  queryId(args: object): string
  /** The dashboard with these parameters. */
  link(parameters: Readonly<Record<string, string | undefined>>): string
  now(): number
}

/** A tool as clients see it, and what it does. Its arguments were checked by its schema. */
export interface Tool<Schema extends z.ZodType = z.ZodType> {
  name: string
  /** What its sender must be allowed to do. */
  permission: Permission
  /** For models. Never text from events: it is in every conversation. */
  description: string
  schema: Schema
  call(args: z.output<Schema>, context: ToolContext): Promise<ToolOutput>
}

export function defineTool<Schema extends z.ZodType>(tool: Tool<Schema>): Tool {
  return tool as unknown as Tool
}

const INTERVALS = ['minute', 'quarter_hour', 'hour', 'day', 'week', 'month', 'total'] as const
const AGGREGATES = ['count', 'sum', 'min', 'max', 'avg', 'uniques', 'p50', 'p95', 'p99'] as const

const time = z.string().transform((text, context) => {
  const read = readTime(text)
  if (read.ok) return read.time
  context.addIssue({ code: 'custom', message: read.detail })
  return z.NEVER
})

export const metric = z
  .string()
  .min(1)
  .max(MCP_LIMITS.nameCharsMax)
  .describe('Event name; "*": all events')

export const rangeShape = {
  last: z
    .string()
    .regex(/^[1-9]\d{0,4}[mhdw]$/, 'must be a number with m, h, d or w, such as 24h or 7d')
    .optional()
    .describe('Range up to now: 90m, 24h, 7d, 4w. Default 7d'),
  start: time.optional().describe('RFC 3339, instead of last'),
  end: time.optional().describe('RFC 3339, exclusive; default now'),
}

export const timeZone = z.string().max(64).optional().describe('IANA name; default UTC')
export const interval = z.enum(INTERVALS).optional().describe('Default suits the range')
export const aggregate = z
  .enum(AGGREGATES)
  .default('count')
  .describe('count counts events, uniques actors, others take value')
export const filter = z
  .record(
    z.string().max(MCP_LIMITS.nameCharsMax),
    z.array(z.string().max(MCP_LIMITS.valueCharsMax)).min(1).max(100),
  )
  .optional()
  .describe('{"plan":["pro","team"]}: alternatives per dimension')
export const dimension = z.string().min(1).max(MCP_LIMITS.nameCharsMax)
export const maxTokens = z
  .int()
  .min(MCP_LIMITS.tokensMin)
  .max(MCP_LIMITS.tokensMax)
  .default(MCP_LIMITS.tokensDefault)
  .describe('Of the result')

export interface Range {
  start: string
  end: string
}

const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 }
const BUCKET_MS = 15 * 60_000
const LAST_DEFAULT = '7d'

interface RangeArgs {
  last?: string | undefined
  start?: string | undefined
  end?: string | undefined
}

/** A range that is relative to now ends with the current 15 minutes, so that the next minute asks the same question. */
export function rangeOf({ last, start, end }: RangeArgs, now: number): Range {
  if (last !== undefined && (start !== undefined || end !== undefined))
    throw badInput('last', 'excludes start and end; pass either last, or start and end')
  if (start === undefined && end !== undefined) throw badInput('start', 'is missing beside end')
  const endMs = Math.ceil((now + 1) / BUCKET_MS) * BUCKET_MS
  if (start !== undefined) return { start, end: end ?? toInstant(endMs) }
  const [, count, unit] = /^(\d+)([mhdw])$/.exec(last ?? LAST_DEFAULT) as unknown as [
    string,
    string,
    keyof typeof UNIT_MS,
  ]
  return { start: toInstant(endMs - Number(count) * UNIT_MS[unit]), end: toInstant(endMs) }
}

export function toInstant(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}

export function filterArgument(values: Readonly<Record<string, string[]>> | undefined) {
  return Object.entries(values ?? {}).map(([dimension, of]) => ({ dimension, in: of }))
}
