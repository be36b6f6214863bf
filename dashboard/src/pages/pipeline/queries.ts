import type { ResultOf } from 'gql.tada'
import { execute, type Result } from '../../lib/api/client.ts'
import { graphql } from '../../lib/api/graphql.ts'

/** The GraphQL documents of this page. Each is a query of its own: what fails takes nothing else away. */

const BALANCE = graphql(`
  query PipelineBalance($tenant: ID, $startTime: DateTime!, $endTime: DateTime!) {
    balance(tenant: $tenant, startTime: $startTime, endTime: $endTime) {
      counting
      minutes { minute accepted stored duplicates conflicting dead inFlight unaccounted }
    }
  }
`)
export type Balance = ResultOf<typeof BALANCE>['balance']
export type BalanceMinute = Balance['minutes'][number]

const LAG = graphql(`
  query PipelineLag {
    pipeline {
      lag unaccounted
      partitions { partition position end lag worker }
      gaps { partition expected available seenAt }
      otherLog { recorded found }
    }
  }
`)
export type Lag = ResultOf<typeof LAG>['pipeline']

const FRESHNESS = graphql(`
  query PipelineFreshness {
    freshness {
      state failingComponent sentSecondsAgo
      hour { canaries p50 p95 p99 }
      objective { targetSeconds percent canaries errorBudgetLeft }
    }
  }
`)
export type Freshness = ResultOf<typeof FRESHNESS>['freshness']

const UNACCOUNTED = graphql(`
  query UnaccountedIds($tenant: ID, $minute: DateTime!) { ids: unaccountedIds(tenant: $tenant, minute: $minute) }
`)

export async function fetchBalance(variables: {
  tenant: string
  startTime: string
  endTime: string
}): Promise<Result<Balance>> {
  const result = await execute(BALANCE, variables)
  return result.ok ? { ok: true, data: result.data.balance } : result
}

export async function fetchLag(): Promise<Result<Lag>> {
  const result = await execute(LAG, {})
  return result.ok ? { ok: true, data: result.data.pipeline } : result
}

export async function fetchFreshness(): Promise<Result<Freshness>> {
  const result = await execute(FRESHNESS, {})
  return result.ok ? { ok: true, data: result.data.freshness } : result
}

export async function fetchUnaccountedIds(variables: {
  tenant: string
  minute: string
}): Promise<Result<readonly string[]>> {
  const result = await execute(UNACCOUNTED, variables)
  return result.ok ? { ok: true, data: result.data.ids } : result
}
