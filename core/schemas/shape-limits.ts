/** What is learned about the events of tenants, and how much of it is kept. */
export const SHAPE_LIMITS = {
  /** Of a batch, evenly spread. */
  sampledPerBatchMax: 64,
  flushMs: 10_000,
  /** Names of all tenants that a worker holds between two flushes. */
  heldNamesMax: 1_000,
  /** And paths of all these names: what a flush sends is bounded. */
  heldPathsMax: 20_000,
  namesPerTenantMax: 500,
  /** Each with one type; a path of two types counts twice. */
  pathsPerNameMax: 200,
  pathCharsMax: 256,
  depthMax: 8,
  /** Of an array, and of an event in all. */
  itemsMax: 10,
  valuesPerEventMax: 300,
  /** More than so many different values are many. */
  fewMax: 16,
  /** What was not seen for so long is forgotten. */
  keptDays: 30,
} as const
