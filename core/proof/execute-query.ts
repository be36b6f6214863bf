/** Executes one statement. */
export type ExecuteQuery = (
  sql: string,
  values: unknown[],
) => Promise<{ rows: Record<string, unknown>[] }>
