import type { TrustClass } from './trust-class.ts'

const BYTES = 8

/** Names an Idempotency-Key within its tenant and trust class, so that it can be searched for and need not be stored. */
export async function idempotencyHash(
  tenant: string,
  trust: TrustClass,
  key: string,
): Promise<string> {
  // No part may contain a newline.
  const text = new TextEncoder().encode(`idempotency\n${tenant}\n${trust}\n${key}`)
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', text), 0, BYTES)
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** The 64 bits of a hash as Postgres keeps them; undefined for what is not one. */
export function readIdempotencyHash(hash: unknown): bigint | undefined {
  if (typeof hash !== 'string' || !/^[0-9a-f]{16}$/.test(hash)) return undefined
  return BigInt.asIntN(64, BigInt(`0x${hash}`))
}
