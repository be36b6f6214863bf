/** Bytes that may be held at once. Who needs more than is free waits in a row, and nobody overtakes. */
export interface ByteSemaphore {
  /** @returns how to leave · undefined when there was no room within `msMax` */
  acquire(bytes: number, msMax: number): Promise<(() => void) | undefined>
}

interface Waiting {
  bytes: number
  enter: (leave: () => void) => void
}

/** @param bytesMax at least as much as any single one needs */
export function createByteSemaphore(bytesMax: number): ByteSemaphore {
  const row: Waiting[] = []
  let free = bytesMax

  function letIn(): void {
    for (let [first] = row; first && first.bytes <= free; [first] = row) {
      const { bytes, enter } = first
      row.shift()
      free -= bytes
      enter(() => {
        free += bytes
        letIn()
      })
    }
  }

  return {
    acquire(bytes, msMax) {
      return new Promise((resolve) => {
        const waiting: Waiting = {
          bytes,
          enter(leave) {
            clearTimeout(timer)
            resolve(leave)
          },
        }
        const timer = setTimeout(() => {
          row.splice(row.indexOf(waiting), 1)
          resolve(undefined)
          // Behind it there may be one that needs less.
          letIn()
        }, msMax)
        row.push(waiting)
        letIn()
      })
    },
  }
}
