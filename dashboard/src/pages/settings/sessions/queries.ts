import type { ResultOf } from 'gql.tada'
import { execute, mutate, type Result } from '../../../lib/api/client.ts'
import { graphql } from '../../../lib/api/graphql.ts'

const SESSION = graphql(`
  fragment SettingsSession on Session {
    id device address method isCurrent signedInAt lastUsedAt expiresAt
  }
`)
export type Session = ResultOf<typeof SESSION>

const SESSIONS = graphql(
  `
    query SettingsSessions { sessions { ...SettingsSession } }
  `,
  [SESSION],
)

const END = graphql(`
  mutation EndSession($id: ID!) { endSession(id: $id) }
`)

const END_OTHERS = graphql(`
  mutation EndOtherSessions { endAllSessions }
`)

export async function fetchSessions(): Promise<Result<Session[]>> {
  const result = await execute(SESSIONS, {})
  return result.ok ? { ok: true, data: result.data.sessions } : result
}

export const endSession = (variables: { id: string }) => mutate(END, variables)
export const endOtherSessions = () => mutate(END_OTHERS, {})
