/** Something did not finish within its time limit. */
export class TimeoutError extends Error {
  constructor(what: string, ms: number) {
    super(`${what} did not answer within ${ms} ms`)
    this.name = 'TimeoutError'
  }
}

/**
 * The result of `work`, or a rejection after `ms`. The work itself goes on, so it needs a deadline of its own
 * or must be stopped by the caller; its late rejection is handled here and reaches nobody.
 * @param createError what to reject with instead of a TimeoutError, where callers tell their errors apart
 */
export async function withTimeout<T>(
  ms: number,
  what: string,
  work: Promise<T>,
  createError: (what: string, ms: number) => Error = (what, ms) => new TimeoutError(what, ms),
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(createError(what, ms)), Math.max(0, ms))
  })
  try {
    return await Promise.race([work, timeout])
  } finally {
    clearTimeout(timer)
  }
}
