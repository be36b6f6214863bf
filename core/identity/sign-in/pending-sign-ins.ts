import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { addressGroup } from '../../../contract/address-group.ts'
import type { Database } from '../../db/database.ts'
import { hashSecret } from '../hash-secret.ts'
import { pendingUntil, trimPending } from './bounded-table.ts'

/** A sign-in that waits for its provider. */
export interface PendingSignIn {
  state: string
  nonce: string
  /** Of PKCE */
  verifier: string
}

export interface NewSignIn {
  provider: string
  /** The whole cookie of the browser that begins. */
  browserCookie: string
  redirectUri: string
  returnTo: string
  again: boolean
  address: string
}

/** Keeps a new sign-in for ten minutes, with secrets of 256 bits each. */
export async function beginPendingSignIn(db: Database, begun: NewSignIn): Promise<PendingSignIn> {
  const pending = { state: newSecret(), nonce: newSecret(), verifier: newSecret() }
  const group = addressGroup(begun.address)
  await db
    .insertInto('pending_sign_in')
    .values({
      state_sha256: hashSecret(pending.state),
      browser_sha256: hashSecret(begun.browserCookie),
      provider: begun.provider,
      nonce: pending.nonce,
      verifier: pending.verifier,
      redirect_uri: begun.redirectUri,
      return_to: begun.returnTo,
      again: begun.again,
      address_group: group,
      expires_at: pendingUntil(),
    })
    .execute()
  await trimPending(db, 'pending_sign_in', group)
  return pending
}

export interface TakenSignIn {
  nonce: string
  verifier: string
  redirectUri: string
  returnTo: string
  again: boolean
  /** Of Postgres, in seconds. */
  begunS: number
  nowS: number
}

/**
 * The sign-in that has this state, once: whoever takes it, in vain or not, ends it.
 * @returns undefined for one that is unknown, over, of another provider, or that another browser began
 */
export async function takePendingSignIn(
  db: Database,
  sent: { state: string; provider: string; browserCookie: string },
): Promise<TakenSignIn | undefined> {
  const { rows } = await sql<TakenSignIn & { isValid: boolean }>`
    DELETE FROM pending_sign_in WHERE state_sha256 = ${hashSecret(sent.state)}
    RETURNING nonce, verifier, redirect_uri AS "redirectUri", return_to AS "returnTo", again,
              extract(epoch FROM created_at)::float8 AS "begunS",
              extract(epoch FROM clock_timestamp())::float8 AS "nowS",
              provider = ${sent.provider} AND expires_at > clock_timestamp()
                AND browser_sha256 = ${hashSecret(sent.browserCookie)} AS "isValid"`.execute(db)
  const [row] = rows
  if (!row?.isValid) return undefined
  const { isValid, ...taken } = row
  return taken
}

/** 256 random bits. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** Postgres' clock in seconds. */
export async function readDatabaseTime(db: Database): Promise<number> {
  const { rows } = await sql<{ nowS: number }>`
    SELECT extract(epoch FROM clock_timestamp())::float8 AS "nowS"`.execute(db)
  return (rows[0] as { nowS: number }).nowS
}
