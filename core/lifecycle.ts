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
  onStep?: (name: string) => void
}

export function createLifecycle({
  stepMsMax = 10_000,
  onStep = () => {},
}: LifecycleOptions = {}): Lifecycle {
  const steps: { name: string; stop: () => unknown }[] = []
  let stopping: Promise<void> | undefined

  async function stopAll(): Promise<void> {
    const failures: Error[] = []
    for (let step = steps.pop(); step; step = steps.pop()) {
      onStep(step.name)
      try {
        await inTime(step.stop, stepMsMax)
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
