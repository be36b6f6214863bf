import { withTimeout } from './lib/timeout.ts'

/** Stops what was started, in reverse order, even when a step fails. */
export interface Lifecycle {
  /** Registers how to stop what was just started. */
  onStop(name: string, stop: () => unknown): void
  /**
   * Stops everything, the last started first, one after the other. A second call returns the same promise.
   * @throws AggregateError of all failures, after all steps were tried
   */
  stop(): Promise<void>
}

export interface LifecycleOptions {
  /** A step that takes longer counts as failed, and the next one begins. */
  stepMsMax?: number
  /** For all steps together; after it, each remaining step gets 100 ms. */
  totalMsMax?: number
  onStep?: (name: string) => void
}

/** Enough for a step that waits for nothing. */
const STEP_MS_MIN = 100

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
        const ms = Math.min(stepMsMax, Math.max(STEP_MS_MIN, deadline - Date.now()))
        await withTimeout(ms, step.name, run(step.stop), tookTooLong)
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

/** As a promise even where it throws at once. */
async function run(stop: () => unknown): Promise<unknown> {
  return await stop()
}

function tookTooLong(_: string, ms: number): Error {
  return new Error(`it took more than ${ms} ms`)
}
