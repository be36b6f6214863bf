import type { EnginesState } from './state.ts'

/** What the supervisor sends to the process that started it. */
export interface SupervisorMessage {
  step?: string
  ready?: EnginesState
  failed?: string
  hint?: string
}
