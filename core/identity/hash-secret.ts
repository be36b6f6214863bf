import { createHash } from 'node:crypto'

/** SHA-256 of an API key, session token or login link: all of them are random, so a fast hash is enough. */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}
