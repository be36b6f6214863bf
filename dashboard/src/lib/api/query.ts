import {
  type Accessor,
  batch,
  createEffect,
  createMemo,
  createSignal,
  on,
  onCleanup,
} from 'solid-js'
import { backoffMs } from '../backoff.ts'
import type { Answer, Failure } from './client.ts'

const QUIET_MS = 200
const GAP_MS_MIN = 1_000
const GAP_MS_MAX = 30_000

/** Something is wrong: since when, and what is being done about it. Milliseconds. */
export interface Trouble extends Failure {
  since: number
  tries: number
  nextTryAt: number
}

export interface Query<T> {
  /** The last answer; stays while it is asked again, or while that fails. */
  data: Accessor<T | undefined>
  /** There is nothing to show, and it takes long enough to say so. */
  loading: Accessor<boolean>
  trouble: Accessor<Trouble | undefined>
  answeredAt: Accessor<number>
  /** The subject that `data` is about. */
  answeredTo: Accessor<string | undefined>
  /** The answer has probably changed: ask again, not too often. */
  nudge(): void
  /** Ask now. */
  retry(): void
}

/**
 * A question that is asked again by itself: when its key changes, when nudged, and after a failure.
 * `subject` says what it is about: the last answer is kept while only the key moves on, and is
 * taken away (after 200 ms, so that nothing flickers) when the subject is another.
 * A dear answer is asked for less often: never more than a tenth of the time goes to one question.
 */
export function createQuery<K, T>(
  subject: Accessor<string>,
  key: Accessor<K | undefined>,
  fetcher: (key: K) => Promise<Answer<T>>,
): Query<T> {
  const [data, setData] = createSignal<T>()
  const [loading, setLoading] = createSignal(false)
  const [trouble, setTrouble] = createSignal<Trouble>()
  const [answeredAt, setAnsweredAt] = createSignal(0)
  const [answeredTo, setAnsweredTo] = createSignal<string>()
  const subjectText = createMemo(subject)
  const keyText = createMemo(() => JSON.stringify(key()))

  let generation = 0
  let running = false
  let again = false
  let startedAt = 0
  let costMs = 0
  /** What is shown is the answer to another question, for a blink only. */
  let isOther = true
  let timer: ReturnType<typeof setTimeout> | undefined
  let quiet: ReturnType<typeof setTimeout> | undefined

  const run = async () => {
    const question = key()
    const about = subjectText()
    clearTimeout(timer)
    timer = undefined
    again = false
    // First of all: whatever is on its way answers a question that nobody asks any more.
    const mine = ++generation
    running = question !== undefined
    if (question === undefined) return
    startedAt = Date.now()
    const answer = await fetcher(question)
    if (mine !== generation) return
    running = false
    costMs = Date.now() - startedAt
    if (answer.is === 'data') {
      clearTimeout(quiet)
      setLoading(false)
      setTrouble(undefined)
      setAnsweredAt(Date.now())
      isOther = false
      batch(() => {
        setAnsweredTo(about)
        setData(() => answer.data)
      })
      if (again) nudge()
      return
    }
    const tries = (trouble()?.tries ?? 0) + 1
    const wait = backoffMs(tries)
    clearTimeout(quiet)
    setLoading(false)
    if (isOther) setData(undefined)
    setTrouble({
      ...answer.failure,
      tries,
      since: trouble()?.since ?? startedAt,
      nextTryAt: Date.now() + wait,
    })
    timer = setTimeout(run, wait)
  }

  const nudge = () => {
    if (running) again = true
    else if (timer === undefined && !document.hidden) {
      const gap = Math.min(GAP_MS_MAX, Math.max(GAP_MS_MIN, costMs * 10))
      timer = setTimeout(run, Math.max(0, startedAt + gap - Date.now()))
    }
  }

  createEffect(
    on(subjectText, () => {
      clearTimeout(quiet)
      costMs = 0
      isOther = true
      setTrouble(undefined)
      quiet = setTimeout(() => {
        setData(undefined)
        setLoading(true)
      }, QUIET_MS)
    }),
  )
  createEffect(on([subjectText, keyText], run))

  const whenSeen = () => {
    if (!document.hidden) trouble() ? run() : nudge()
  }
  document.addEventListener('visibilitychange', whenSeen)
  onCleanup(() => {
    generation++
    clearTimeout(timer)
    clearTimeout(quiet)
    document.removeEventListener('visibilitychange', whenSeen)
  })
  return { data, loading, trouble, answeredAt, answeredTo, nudge, retry: run }
}
