/** Keeps bytes under a name for a while, within limits; an entry that is lost costs time only. */
export interface CacheStore {
  /** Never rejects: undefined as well when the store does not respond in time. */
  get(name: string): Promise<Buffer | undefined>
  /** Never rejects. */
  set(name: string, bytes: Buffer, ms: number): Promise<void>
}
