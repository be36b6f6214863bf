import type { ResultOf, VariablesOf } from 'gql.tada'
import { execute, mutate, type Result } from '../../lib/api/client.ts'
import { graphql } from '../../lib/api/graphql.ts'

const KEY = graphql(`
  fragment ListedKey on ApiKey {
    id name displayPrefix kind scopes state origins eventsPerMinute mayImportHistory allowedEvents
    allowedProperties version createdAt expiresAt revokedAt lastUsedAt eventsLastHour eventsLastDay
    replacedBy
  }
`)
export type ApiKey = ResultOf<typeof KEY>

const USER = graphql(`
  fragment KeyUser on ApiKeyUser { client origin eventsPerMinute eventsLastDay lastSeenAt }
`)
export type KeyUser = ResultOf<typeof USER>

const KEYS = graphql(
  `
    query ApiKeys($tenant: ID) { apiKeys(tenant: $tenant) { ...ListedKey } }
  `,
  [KEY],
)

const USE = graphql(
  `
    query ApiKeyUse($tenant: ID, $id: ID!) { apiKeyUse(tenant: $tenant, id: $id) { ...KeyUser } }
  `,
  [USER],
)

const CREATE = graphql(
  `
    mutation CreateApiKey($tenant: ID, $input: ApiKeyInput!) {
      createApiKey(tenant: $tenant, input: $input) { secret key { ...ListedKey } }
    }
  `,
  [KEY],
)

const CHANGE = graphql(
  `
    mutation ChangeApiKey($tenant: ID, $id: ID!, $version: Int!, $changes: ApiKeyChanges!) {
      changeApiKey(tenant: $tenant, id: $id, version: $version, changes: $changes) { ...ListedKey }
    }
  `,
  [KEY],
)

const ROTATE = graphql(
  `
    mutation RotateApiKey($tenant: ID, $id: ID!, $version: Int!, $overlapHours: Float!) {
      rotateApiKey(tenant: $tenant, id: $id, version: $version, overlapHours: $overlapHours) {
        secret key { ...ListedKey } replaced { ...ListedKey }
      }
    }
  `,
  [KEY],
)

const REVOKE = graphql(
  `
    mutation RevokeApiKey($tenant: ID, $id: ID!, $version: Int!) {
      revokeApiKey(tenant: $tenant, id: $id, version: $version) { ...ListedKey }
    }
  `,
  [KEY],
)

export type KeyInput = VariablesOf<typeof CREATE>['input']
export type KeyChanges = VariablesOf<typeof CHANGE>['changes']

/** A key that was just created, and the only time that its secret is known. */
export interface CreatedKey {
  key: ApiKey
  secret: string
}

export async function fetchKeys(variables: { tenant: string }): Promise<Result<ApiKey[]>> {
  const result = await execute(KEYS, variables)
  return result.ok ? { ok: true, data: result.data.apiKeys } : result
}

export async function fetchUse(variables: {
  tenant: string
  id: string
}): Promise<Result<KeyUser[]>> {
  const result = await execute(USE, variables)
  return result.ok ? { ok: true, data: result.data.apiKeyUse } : result
}

export async function createKey(variables: {
  tenant: string
  input: KeyInput
}): Promise<Result<CreatedKey>> {
  const result = await mutate(CREATE, variables)
  return result.ok ? { ok: true, data: result.data.createApiKey } : result
}

export const changeKey = (variables: {
  tenant: string
  id: string
  version: number
  changes: KeyChanges
}) => mutate(CHANGE, variables)

export async function rotateKey(variables: {
  tenant: string
  id: string
  version: number
  overlapHours: number
}): Promise<Result<CreatedKey & { replaced: ApiKey }>> {
  const result = await mutate(ROTATE, variables)
  return result.ok ? { ok: true, data: result.data.rotateApiKey } : result
}

export const revokeKey = (variables: { tenant: string; id: string; version: number }) =>
  mutate(REVOKE, variables)
