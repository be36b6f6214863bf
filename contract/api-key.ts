import * as z from 'zod/mini'

/**
 * `slc_{pub|sec|adm}_` + 30 base62 characters (178 random bits) + 6 base62 characters of the CRC-32
 * of everything before them. The checksum rejects a typo or a scanner's guess without a look-up.
 */
export type KeyKind = 'pub' | 'sec' | 'adm'
export type Scope = 'ingest' | 'read' | 'admin'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const FORM = /^slc_(pub|sec|adm)_[0-9A-Za-z]{36}$/

/** @returns a new key; show it once and store only its hash */
export function mintApiKey(kind: KeyKind): string {
  let secret = ''
  while (secret.length < 30) {
    for (const byte of crypto.getRandomValues(new Uint8Array(32))) {
      // 248 = 4 × 62: larger bytes would favour the first characters of the alphabet.
      if (byte < 248 && secret.length < 30) secret += ALPHABET[byte % 62]
    }
  }
  const body = `slc_${kind}_${secret}`
  return body + checksum(body)
}

/** Checks form and checksum only; whether the key exists is known to the key directory. */
export function looksLikeApiKey(text: string): boolean {
  return FORM.test(text) && checksum(text.slice(0, -6)) === text.slice(-6)
}

/** The part of a key that may be shown and stored: its kind and first four characters. */
export function displayPrefix(key: string): string {
  return key.slice(0, 12)
}

const IN_TEXT = /slc_(?:pub|sec|adm)_[0-9A-Za-z]{36}/g

/** Replaces API keys in text that will be stored by their display prefixes. */
export function withoutKeys(text: string): string {
  return text.replace(IN_TEXT, (found) =>
    looksLikeApiKey(found) ? `${displayPrefix(found)}...` : found,
  )
}

export async function sha256Hex(of: string | Uint8Array<ArrayBuffer>): Promise<string> {
  const bytes = typeof of === 'string' ? new TextEncoder().encode(of) : of
  const digest = await crypto.subtle.digest('SHA-256', bytes)
  let hex = ''
  for (const byte of new Uint8Array(digest)) hex += byte.toString(16).padStart(2, '0')
  return hex
}

/** What the edge knows about a key, as the key directory returns it in JSON. */
export interface KeyRecord {
  key_id: string
  tenant: string
  kind: KeyKind
  scopes: Scope[]
  /** Origins that a browser may send from; empty allows all. */
  origins: string[]
  key_events_per_minute: number
  tenant_events_per_minute: number
  may_import_history: boolean
  event_age_max_s: number
  /** Values of schema_version that an event may have; null or absent allows all. */
  schema_versions?: string[] | null
  /** Names that an event may have; null or absent allows all. */
  allowed_events?: string[] | null
  /** Properties, at their top level, that an event may have; null or absent allows all. */
  allowed_properties?: string[] | null
  /** What the tenant has derived from its events (contract/enrichment.ts); an edge ignores names that it does not know. */
  enrich?: string[] | null
  /** Pinned schemas whose mode is reject (contract/schema); each as JSON text. */
  event_schemas?: { name: string; version: number; schema: string }[] | null
  /** RFC 3339 */
  expires_at: string | null
  revoked_at: string | null
}

export const keyRecord = z.object({
  key_id: z.string(),
  tenant: z.string(),
  kind: z.enum(['pub', 'sec', 'adm']),
  scopes: z.array(z.enum(['ingest', 'read', 'admin'])),
  origins: z.array(z.string()),
  key_events_per_minute: z.number().check(z.positive()),
  tenant_events_per_minute: z.number().check(z.positive()),
  may_import_history: z.boolean(),
  event_age_max_s: z.number().check(z.positive()),
  schema_versions: z.optional(z.nullable(z.array(z.string()))),
  allowed_events: z.optional(z.nullable(z.array(z.string()))),
  allowed_properties: z.optional(z.nullable(z.array(z.string()))),
  enrich: z.optional(z.nullable(z.array(z.string()))),
  event_schemas: z.optional(
    z.nullable(z.array(z.object({ name: z.string(), version: z.number(), schema: z.string() }))),
  ),
  expires_at: z.nullable(z.string()),
  revoked_at: z.nullable(z.string()),
}) satisfies z.ZodMiniType<KeyRecord>

function checksum(text: string): string {
  let rest = crc32(text)
  let out = ''
  for (let i = 0; i < 6; i++) {
    out = ALPHABET[rest % 62] + out
    rest = Math.floor(rest / 62)
  }
  return out
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
  return c >>> 0
})

/** CRC-32 (ISO 3309, as in zip) of ASCII text. */
export function crc32(text: string): number {
  let crc = 0xffffffff
  for (let i = 0; i < text.length; i++)
    crc = (CRC_TABLE[(crc ^ text.charCodeAt(i)) & 0xff] as number) ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}
