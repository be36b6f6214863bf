/** As much of k6's own modules as ingest.ts uses; they exist inside k6 only. */
declare module 'k6' {
  export function check<T>(value: T, checks: Record<string, (value: T) => boolean>): boolean
}
declare module 'k6/execution' {
  export const scenario: { iterationInTest: number }
}
declare module 'k6/metrics' {
  export class Counter {
    constructor(name: string)
    add(value: number): void
  }
}
declare module 'k6/http' {
  namespace http {
    interface Response {
      /** 0 when there was no answer. */
      status: number
      /** Names as Go spells them: Idempotency-Replayed. */
      headers: Record<string, string>
      body: string | null
      error: string
    }
    interface Params {
      headers?: Record<string, string | undefined>
      timeout?: string
      tags?: Record<string, string>
    }
    function post(url: string, body: string, params?: Params): Response
    function expectedStatuses(...statuses: number[]): unknown
    function setResponseCallback(callback: unknown): void
  }
  export default http
}

declare const __ENV: Record<string, string | undefined>
declare function open(path: string): string
