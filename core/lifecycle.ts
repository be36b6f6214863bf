/** What starts is stopped, in reverse, even when stopping fails. */
export interface Lifecycle {
  /** Remembers how to stop what was just started. */
  onStop(name: string, stop: () => unknown): void
  /**
   * Stops everything, the last started first, one after the other. Asked again, it gives the same promise.
   * @throws AggregateError of all that failed, after everything else was stopped all the same
   */
  stop(): Promise<void>
}

export interface LifecycleOptions {
  /** Whoever takes longer is counted as failed, and the next one's turn comes. */
  stepMsMax?: number
  /** All together; when it is used up, each of the rest gets a moment. */
  totalMsMax?: number
  onStep?: (name: string) => void
}

/** Enough to close what need not wait for anybody. */
const MOMENT_MS = 100

export function createLifecycle({
  stepMsMax = 10_000,
  totalMsMax = 20_000,
  onStep = () => {},
}: LifecycleOptions = {}): Lifecycle {
  const steps: { name: string; stop: () => unknown }[] = []
  let stopping: Promise<void> | undefined

  async function stopAll(): Promise<void> {
    const failures: Error[] = []
    const deadline = Date.now() + totalMsMax
    for (let step = steps.pop(); step; step = steps.pop()) {
      onStep(step.name)
      try {
        await inTime(step.stop, Math.min(stepMsMax, Math.max(MOMENT_MS, deadline - Date.now())))
      } catch (error) {
        failures.push(
          new Error(`${step.name} did not stop: ${(error as Error).message}`, { cause: error }),
        )
      }
    }
    if (failures.length > 0)
      throw new AggregateError(failures, failures.map(({ message }) => message).join('; '))
  }

  return {
    onStop(name, stop) {
      steps.push({ name, stop })
    },
    stop() {
      stopping ??= stopAll()
      return stopping
    },
  }
}

async function inTime(work: () => unknown, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it took more than ${ms} ms`)), ms)
  })
  try {
    await Promise.race([work(), late])
  } finally {
    clearTimeout(timer)
  }
}
