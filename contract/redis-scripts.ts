/**
 * The Lua scripts that core's /redis runs, by the SHA-1 of their texts as clients send them. A script may use every
 * right of its Redis user and blocks Redis while it runs, so the bridge takes no others.
 */

/** Of edge/admission/redis/scripts.ts. */
export const EDGE_SCRIPTS: ReadonlySet<string> = new Set([
  // ADMIT, REFUND, REPLACE_LOCK
  '1321c04ed582c849998ebd6d64ecca2866552a8e',
  '424c504a5d80ee7203a7307323abe6d75cba8f80',
  'f69bfe1ad56802d587e06a98ac2e105951d57aed',
])

/** Of @upstash/ratelimit 2.2. */
export const RATELIMIT_SCRIPTS: ReadonlySet<string> = new Set([
  // Fixed window, of one region and of several: limit, remaining tokens
  'b2efc02798c8e9b471a10f9b1d5745db89923ff3',
  '823cb2a5a902d69681244f5e28e5ebb8f2a89edd',
  'e04b753a75909b7f99aae4c04cf8869a8de02a9e',
  'e066c8ce3eaca142b0894ad1541e0a58c9924819',
  // Sliding window, of one region and of several
  '74740bb3d7792848093cdef586b6b6037c455fd6',
  '7ca36169e0fc9caedd81b4eef8e99854c157f9b5',
  'aeb4d8f381e8dafc8e69041baae1324d254ded44',
  '87828c1088f6a8d1f512a434ea330189982a1c0a',
  // Token bucket
  'd60be5bd3d83482ae229309f1f7425424f891204',
  '40daf4a441df736f5c99f8b77bbe176c909e5de4',
  // Fixed window with a cache
  '1861a700bafe96c833a483af6b1c28a8897cfdb0',
  'eb82f0e853d2fc9a236fa9bfbe704fda6ac2fc36',
  // Reset, deny list
  '54bd274ddc59fb3be0f42deee2f64322a10e2b50',
  'e8062088fe7e67994f617766e5d766490de1afb8',
])

/** @param sha1 in lower case */
export function isAllowedScript(sha1: string): boolean {
  return EDGE_SCRIPTS.has(sha1) || RATELIMIT_SCRIPTS.has(sha1)
}
