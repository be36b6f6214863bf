import { type OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { ZodType } from 'zod'
import { DEFAULT_TENANT } from '../../../identity/viewer.ts'
import type { HealthCheck } from '../../http/health.ts'
import type { ResultBudget } from '../../operations/result-budget.ts'
import type { RestEnv } from '../admit.ts'
import { problems } from '../formats.ts'
import type { RunOperation } from '../operation.ts'
import type { AcquirePages } from '../page-limit.ts'
import { tenantParameter } from '../schemas.ts'

export type App = OpenAPIHono<RestEnv>

export interface CompatibilityDeps {
  runOperation: RunOperation
  checkHealth: HealthCheck
  budget: Pick<ResultBudget, 'waitMs'>
  acquirePages: AcquirePages
  /** Where windows such as "the last hour" end. */
  now: () => number
}

/** Clients of older systems may send parameters that nobody reads. */
export const onlyTenant = z.object({ tenant: tenantParameter })

const { 304: _, ...problemResponses } = problems

export const json = (description: string, schema: ZodType) => ({
  description,
  content: { 'application/json': { schema } },
})

/** For the description of a route. */
export const responsesOf = (description: string, schema: ZodType) => ({
  200: json(description, schema),
  ...problemResponses,
})

/** The tenant that a request is about. */
export function tenantOf(c: Context<RestEnv>, named: string | undefined): string {
  const { viewer } = c.var.sender
  return viewer.kind === 'KEY' ? viewer.own.tenant : (named ?? DEFAULT_TENANT)
}

/** The last so many seconds, to a whole second: the same request a moment later is the same query. */
export function lastSeconds(now: () => number, seconds: number) {
  const end = Math.floor(now() / 1000) * 1000
  return { startTime: isoTime(end - seconds * 1000), endTime: isoTime(end) }
}

export function isoTime(time: number | string): string {
  return new Date(time).toISOString()
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
