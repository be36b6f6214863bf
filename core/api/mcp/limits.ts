/** Limits of MCP, beside those of queries. */
export const MCP_LIMITS = {
  bodyBytesMax: 64 * 1024,
  bodyMsMax: 10_000,
  /** Requests in progress: of one tenant's keys, and of all. Each keeps some 60 kB. */
  concurrentPerTenantMax: 20,
  concurrentMax: 200,
  /** What a request takes from the budget of results, before its result: as long as it holds the event loop. */
  charsPerRequest: 50_000,
  /** Of the text of one result. */
  tokensDefault: 1_500,
  tokensMin: 500,
  tokensMax: 8_000,
  /** Kept for the note on rows that are left out. */
  tokensOfHint: 60,
  errorCharsMax: 1_000,
  nameCharsMax: 256,
  valueCharsMax: 256,
  /** Characters of one text in a table. */
  cellCharsMax: 120,
  eventsDefault: 5,
  eventsMax: 50,
  /** Names that are proposed for an unknown one. */
  nearestMax: 5,
} as const
