import { type Accessor, createSignal } from 'solid-js'
import type { ApiError, Result } from './client.ts'

/** Something that a person does once: sent when they press the button, and never again by itself. */
export interface Action<V, T> {
  /** @returns what the server returned; undefined where it failed, or while another one is under way */
  run(variables: V): Promise<T | undefined>
  isRunning: Accessor<boolean>
  /** Of the last run, until the next one or `clear`. */
  error: Accessor<ApiError | undefined>
  clear(): void
}

export function createAction<V, T>(send: (variables: V) => Promise<Result<T>>): Action<V, T> {
  const [isRunning, setRunning] = createSignal(false)
  const [error, setError] = createSignal<ApiError>()
  return {
    isRunning,
    error,
    clear: () => setError(undefined),
    async run(variables) {
      // A second press of the button is not a second change.
      if (isRunning()) return undefined
      setRunning(true)
      setError(undefined)
      const result = await send(variables)
      setRunning(false)
      if (result.ok) return result.data
      setError(result.error)
      return undefined
    },
  }
}

/** What is wrong with a field, by the pointer that the server gave. @param pointer of the field: `/filter` has all below it */
export function fieldError(error: ApiError | undefined, pointer: string): string | undefined {
  const found = error?.refusal?.fields?.find(
    (field) => field.pointer === pointer || field.pointer.startsWith(`${pointer}/`),
  )
  return found?.detail
}
